//! The one stream to the engine, shared by all threads: whole frames, counted.

use pgbackup_wire::{
    FrameKind, Reply, Summary,
    frame::{self, CHECKSUM_BYTES, HEADER_BYTES, Sequence},
    payload,
};
use std::{
    fs::File,
    io::{self, Write},
    os::fd::AsFd,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// Standard output. It is written to past `std`'s own buffer, which looks for ends of lines.
pub struct Output {
    counted: Mutex<Counted>,
    silenced: AtomicBool,
}

struct Counted {
    file: File,
    sequence: Sequence,
    frames: u64,
    bytes: u64,
    ended: bool,
}

impl Output {
    pub fn new() -> io::Result<Self> {
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Self {
            counted: Mutex::new(Counted {
                file,
                sequence: Sequence::default(),
                frames: 0,
                bytes: 0,
                ended: false,
            }),
            silenced: AtomicBool::new(false),
        })
    }

    /// Lets nothing more be written. What ends then ends because the engine's words were damaged
    /// or cut off, and that is what the engine is to hear, not of statements that were cancelled
    /// for it. Waits for no write that is under way: nobody may be there to take it.
    pub fn silence(&self) {
        self.silenced.store(true, Ordering::SeqCst);
    }

    /// Numbers so many whole frames and writes them at once.
    pub fn write(&self, bytes: &mut [u8], frames: u64) -> io::Result<()> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.ended || self.silenced.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        counted.frames += frames;
        counted.bytes += (bytes.len() as u64).saturating_sub(frames * (HEADER_BYTES + CHECKSUM_BYTES) as u64);
        counted.sequence.number(bytes);
        counted.file.write_all(bytes)
    }

    pub fn send(&self, kind: FrameKind, channel: u32, payload: &[u8]) -> io::Result<()> {
        self.write(&mut frame::encode(kind, channel, payload).map_err(io::Error::other)?, 1)
    }

    pub fn message(&self, kind: FrameKind, channel: u32, message: &impl serde::Serialize) -> io::Result<()> {
        let mut out = Vec::with_capacity(256);
        let start = frame::begin(&mut out, kind, channel);
        payload::write_message(&mut out, message).map_err(io::Error::other)?;
        frame::seal(&mut out, start).map_err(io::Error::other)?;
        self.write(&mut out, 1)
    }

    pub fn reply(&self, channel: u32, reply: &Reply) -> io::Result<()> {
        self.message(FrameKind::Reply, channel, reply)
    }

    /// Writes the last two frames at once; the summary counts what went before. Nothing can be
    /// written after them.
    pub fn goodbye(&self, mut summary: Summary) -> io::Result<()> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        (summary.frames, summary.bytes) = (counted.frames, counted.bytes);
        let mut out = Vec::with_capacity(128);
        let start = frame::begin(&mut out, FrameKind::Summary, 0);
        payload::write_message(&mut out, &summary).map_err(io::Error::other)?;
        frame::seal(&mut out, start).map_err(io::Error::other)?;
        let start = frame::begin(&mut out, FrameKind::Goodbye, 0);
        frame::seal(&mut out, start).map_err(io::Error::other)?;
        counted.ended = true;
        counted.sequence.number(&mut out);
        counted.file.write_all(&out)
    }
}
