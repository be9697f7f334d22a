//! Rows out of the server: cut, hashed, compressed if not known, sent under credit.

use crate::{
    connection::Part,
    known::Prefixes,
    session::{Answer, Session, Task, rows_of},
    trouble::Trouble,
};
use pgbackup_wire::{
    ChunkId, ChunksHash, CutSizes, Cutter, FrameKind, Reply,
    frame::{self, CHECKSUM_BYTES, HEADER_BYTES},
    payload::{self, BLOB_HEADER_BYTES},
};
use postgres_protocol::message::backend::Message;

/// Fast, and what the wire and the repository gain by more is less than it costs (measured).
const LEVEL: i32 = 1;

/// Names of known chunks are gathered up to so many bytes, to save writes.
const NAMES_AT_ONCE: usize = 4 << 10;

/// Content is gathered up to so many bytes, as much as a pipe holds: each write wakes all that
/// stand between this program and the engine.
const CONTENT_AT_ONCE: usize = 64 << 10;

/// What is kept from one copy to the next, so that memory is claimed once a session.
#[derive(Default)]
pub struct Tools {
    cutter: Option<(CutSizes, Cutter)>,
    compressor: Option<zstd::bulk::Compressor<'static>>,
    frames: Vec<u8>,
}

/// Runs a `COPY ... TO STDOUT` and sends its text.
pub fn copy_out(
    session: &mut Session,
    task: &Task<'_>,
    sql: &str,
    chunks: &mut Chunks<'_>,
) -> Result<u64, Trouble> {
    session.begin(sql)?;
    let mut answer = Answer::default();
    // After a failure on this side the server's answer is read to its end, to keep the session.
    let mut trouble: Option<Trouble> = None;
    while !answer.is_over() {
        if !session.connection.is_buffered() && trouble.is_none() {
            trouble = task.check().err();
        }
        match session.connection.part()? {
            Part::Content(text) => {
                if trouble.is_none() {
                    trouble = chunks.push(text).err();
                }
            }
            Part::Message(Message::CopyInResponse(_)) => {
                return Err(Trouble::fatal("the statement asks for data instead of giving it"));
            }
            Part::Message(message) => answer.take(&message),
        }
        if matches!(trouble, Some(Trouble::Gone)) {
            return Err(Trouble::Gone);
        }
    }
    let tag = answer.result()?;
    if let Some(trouble) = trouble {
        return Err(trouble);
    }
    rows_of(&tag).ok_or_else(|| Trouble::plain(format!("the statement is no COPY: it ended with `{tag}`")))
}

/// Turns the text of one copy into frames.
pub struct Chunks<'a> {
    task: Task<'a>,
    known: Prefixes,
    cutter: Cutter,
    sizes: CutSizes,
    sender: Sender<'a>,
    tools: &'a mut Tools,
}

impl<'a> Chunks<'a> {
    /// `known` holds the chunks that need no sending.
    pub fn new(
        task: Task<'a>,
        sizes: CutSizes,
        known: Prefixes,
        tools: &'a mut Tools,
    ) -> Result<Self, Trouble> {
        let cutter = match tools.cutter.take() {
            Some((of, cutter)) if of == sizes => cutter,
            _ => {
                Cutter::new(sizes).ok_or_else(|| Trouble::plain("a stream cannot be cut into such sizes"))?
            }
        };
        let compressor = match tools.compressor.take() {
            Some(compressor) => compressor,
            None => zstd::bulk::Compressor::new(LEVEL).map_err(Trouble::plain)?,
        };
        let mut frames = std::mem::take(&mut tools.frames);
        frames.clear();
        let sender =
            Sender { task, compressor, frames, count: 0, bytes: 0, chunks: 0, hash: ChunksHash::new() };
        Ok(Self { task, known, cutter, sizes, sender, tools })
    }

    /// Takes the next bytes of the text.
    pub fn push(&mut self, text: &[u8]) -> Result<(), Trouble> {
        let (sender, known) = (&mut self.sender, &self.known);
        self.cutter.push(text, &mut |chunk| sender.chunk(chunk, known))
    }

    /// Sends what is left, and then the answer.
    pub fn finish(mut self, rows: u64) -> Result<(), Trouble> {
        let (sender, known) = (&mut self.sender, &self.known);
        self.cutter.finish(&mut |chunk| sender.chunk(chunk, known))?;
        self.sender.flush()?;
        let Sender { compressor, mut frames, bytes, chunks, hash, .. } = self.sender;
        frames.clear();
        *self.tools = Tools { cutter: Some((self.sizes, self.cutter)), compressor: Some(compressor), frames };
        self.task.reply(&Reply::CopiedOut { rows, bytes, chunks, hash: hash.finish() })
    }
}

struct Sender<'a> {
    task: Task<'a>,
    compressor: zstd::bulk::Compressor<'static>,
    /// Whole frames that were not written yet.
    frames: Vec<u8>,
    count: u64,
    bytes: u64,
    chunks: u64,
    hash: ChunksHash,
}

impl Sender<'_> {
    fn chunk(&mut self, content: &[u8], known: &Prefixes) -> Result<(), Trouble> {
        let id = ChunkId::of(content);
        self.bytes += content.len() as u64;
        self.chunks += 1;
        self.hash.add(&id);
        let is_known = known.hold(&id);
        let kind = if is_known { FrameKind::Known } else { FrameKind::Blob };
        let start = frame::begin(&mut self.frames, kind, self.task.channel.number());
        payload::write_chunk(&mut self.frames, &id, content.len() as u32);
        if !is_known {
            self.compress(content)?;
        }
        let length = self.frames.len() - start - HEADER_BYTES;
        let start = if self.task.channel.has_credit() {
            start
        } else {
            // What the engine waits for must not wait for the engine.
            let unsent = self.frames.split_off(start);
            self.flush()?;
            self.frames = unsent;
            0
        };
        self.task.channel.spend(self.task.command, length)?;
        frame::seal(&mut self.frames, start).map_err(Trouble::plain)?;
        self.count += 1;
        let at_once = if is_known { NAMES_AT_ONCE } else { CONTENT_AT_ONCE };
        if self.frames.len() >= at_once {
            self.flush()?;
        }
        Ok(())
    }

    /// Appends the content as one zstd frame.
    fn compress(&mut self, content: &[u8]) -> Result<(), Trouble> {
        let start = self.frames.len();
        let bound = zstd::zstd_safe::compress_bound(content.len());
        self.frames.reserve_exact(bound + CHECKSUM_BYTES + BLOB_HEADER_BYTES);
        self.frames.resize(start + bound, 0);
        let room = self.frames.get_mut(start..).unwrap_or_default();
        let length = self.compressor.compress_to_buffer(content, room).map_err(Trouble::plain)?;
        self.frames.truncate(start + length);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Trouble> {
        if self.count > 0 {
            self.task.output.write(&mut self.frames, self.count).map_err(|_| Trouble::Gone)?;
            self.frames.clear();
            self.count = 0;
        }
        Ok(())
    }
}
