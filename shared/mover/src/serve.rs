//! The conversation with the engine: greeting, frames to their channels, and the end.

use crate::{
    channel::{Channel, Item},
    ending::Channels,
    environment, identity,
    known::Known,
    out_of_memory,
    output::Output,
    password::Passwords,
    program,
    tool::Files,
    worker::{self, Shared},
};
use pgbackup_wire::{
    Command, FrameKind, HEARTBEAT_EVERY, Hello, SILENCE_LIMIT, Summary, WireError,
    frame::{self, HEADER_BYTES, Header, Sequence},
    payload,
};
use std::{
    error::Error,
    io::{self, Read},
    process,
    sync::{
        Arc, Mutex, PoisonError, TryLockError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// No run needs more sessions, programs and files at one time.
const MAX_CHANNELS: usize = 256;

/// Stack of a channel's thread; what is large lies on the heap.
const STACK: usize = 512 << 10;

/// Everything that the threads of this program share.
struct Server {
    shared: Shared,
    channels: Channels,
    heard: Mutex<Instant>,
    /// Held by the one that ends everything.
    ending: Mutex<()>,
}

/// Serves one engine until its goodbye.
///
/// # Errors
///
/// When the engine says something that it must not, or is gone without a goodbye.
pub fn serve() -> Result<(), Box<dyn Error>> {
    program::unlink();
    let build = program::hash()?;
    let started_as = rustix::process::getuid().as_raw();
    // Before: a program that has changed its user may not write to its own files in /proc.
    out_of_memory::go_before_the_server();
    identity::become_server();
    // Both are a courtesy to the server; where they are not allowed, the work is the same.
    let _ = rustix::process::nice(10);
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));

    let server = Arc::new(Server {
        shared: Shared {
            output: Output::new()?,
            known: Known::default(),
            passwords: Passwords::default(),
            files: Files::default(),
            sessions: AtomicU32::default(),
            programs: AtomicU32::default(),
            started_as,
        },
        channels: Channels::default(),
        heard: Mutex::new(Instant::now()),
        ending: Mutex::default(),
    });
    let (speaking, watched) = (Arc::clone(&server), Arc::clone(&server));
    thread::Builder::new().stack_size(STACK).spawn(move || speaking.keep_alive())?;
    thread::Builder::new().stack_size(STACK).spawn(move || watched.watch())?;
    let ended = server.converse(io::stdin().lock(), build);
    if ended.is_err() {
        server.shared.output.silence();
    }
    let guard = server.ending.lock().unwrap_or_else(PoisonError::into_inner);
    server.channels.end_all();
    if ended.is_ok() {
        server.goodbye()?;
        // What a program wrote just before its end may be lost on the way (F1), so the end waits
        // for the engine to have it: it then closes this input. One that does not is not waited
        // for longer than for any other word of its.
        io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    }
    drop(guard);
    ended
}

impl Server {
    /// Takes frames until the engine's goodbye.
    fn converse(self: &Arc<Self>, mut stdin: impl Read, build: [u8; 32]) -> Result<(), Box<dyn Error>> {
        let mut sequence = Sequence::default();
        let (header, body) = self.frame(&mut stdin, &mut sequence)?;
        if header.kind != FrameKind::Hello {
            return Err("the engine did not greet".into());
        }
        let hello: Hello = payload::read_message(&body)?;
        if hello.build != build {
            return Err("the engine brought another mover than this".into());
        }
        let answer = Hello { build, run: hello.run, pid: process::id() };
        self.shared.output.message(FrameKind::Hello, 0, &answer)?;
        loop {
            let (header, body) = self.frame(&mut stdin, &mut sequence)?;
            let channel = header.channel;
            match header.kind {
                FrameKind::Heartbeat => {}
                FrameKind::Goodbye => return Ok(()),
                FrameKind::Command => self.command(channel, payload::read_message(&body)?)?,
                FrameKind::Data => self.bulk(channel, body, Item::Data)?,
                FrameKind::Blob => self.bulk(channel, body, Item::Blob)?,
                FrameKind::Credit => {
                    let bytes = payload::read_credit(&body)?;
                    if let Some(channel) = self.channels.get(channel) {
                        channel.grant(bytes)?;
                    }
                }
                FrameKind::Hello | FrameKind::Reply | FrameKind::Known | FrameKind::Summary => {
                    return Err(WireError::Kind(header.kind as u8).into());
                }
            }
        }
    }

    fn frame(
        &self,
        stdin: &mut impl Read,
        sequence: &mut Sequence,
    ) -> Result<(Header, Vec<u8>), Box<dyn Error>> {
        let mut front = [0; HEADER_BYTES];
        stdin.read_exact(&mut front)?;
        let header = Header::decode(&front)?;
        let mut body = vec![0; header.length + frame::CHECKSUM_BYTES];
        stdin.read_exact(&mut body)?;
        sequence.verify(&front, &mut body)?;
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        Ok((header, body))
    }

    /// Hands a command to its channel. What is to be known is taken here, because it must be
    /// known before any later command on another channel begins.
    fn command(self: &Arc<Self>, number: u32, command: Command) -> io::Result<()> {
        match command {
            Command::Known { prefixes } => {
                self.shared.known.add(&prefixes);
                return Ok(());
            }
            Command::ForgetKnown => {
                self.shared.known.forget();
                return Ok(());
            }
            _ => {}
        }
        if let Some(channel) = self.channels.get(number) {
            channel.command(command);
            return Ok(());
        }
        // What came too late for a channel that is closed.
        if matches!(command, Command::Stop | Command::End | Command::Close) {
            return Ok(());
        }
        if self.channels.len() >= MAX_CHANNELS {
            return Err(io::Error::other("the engine opened too many channels"));
        }
        let channel = Arc::new(Channel::new(number));
        self.channels.insert(&channel);
        channel.command(command);
        let server = Arc::clone(self);
        thread::Builder::new().stack_size(STACK).spawn(move || {
            worker::work(&server.shared, &channel);
            server.channels.remove(channel.number());
        })?;
        Ok(())
    }

    fn bulk(&self, number: u32, body: Vec<u8>, item: impl FnOnce(Vec<u8>) -> Item) -> Result<(), WireError> {
        let length = body.len();
        self.channels.get(number).map_or(Ok(()), |channel| channel.bulk(item(body), length))
    }

    /// Says that this side is alive. Blocks where nobody takes what is said.
    fn keep_alive(&self) {
        loop {
            thread::sleep(HEARTBEAT_EVERY);
            // An engine that cannot be written to is an engine whose input has ended: that is
            // seen where frames are read.
            let _ = self.shared.output.send(FrameKind::Heartbeat, 0, &[]);
        }
    }

    /// Ends everything when the engine has been silent for too long. Writes nothing to it, so
    /// that a stream on which nothing moves any more cannot hold this up.
    fn watch(&self) {
        while self.silence() <= SILENCE_LIMIT {
            thread::sleep(HEARTBEAT_EVERY);
        }
        let ending = self.ending.try_lock();
        if matches!(ending, Err(TryLockError::WouldBlock)) {
            // The main thread is at it; it may be held up by the last words it has to say.
            thread::sleep(SILENCE_LIMIT);
        } else {
            self.channels.end_all();
        }
        // The main thread is blocked in a read or a write that will not return.
        process::exit(1);
    }

    fn silence(&self) -> Duration {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// Tells what was done, to be compared with what arrived.
    fn goodbye(&self) -> io::Result<()> {
        self.shared.output.goodbye(Summary {
            sessions: self.shared.sessions.load(Ordering::Relaxed),
            programs: self.shared.programs.load(Ordering::Relaxed),
            peak_memory: environment::peak_memory(),
            ..Summary::default()
        })
    }
}
