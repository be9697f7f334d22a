//! The exec stream to one mover: frames in, frames out, and the one failure that ends all.

use super::channel::{Arrived, Inbox};
use crate::{
    cancel::Cancel,
    entry::Blob,
    error::{Context as _, Error, Result},
    target::SessionControl,
};
use pgbackup_wire::{
    Command, FrameKind, HEARTBEAT_EVERY, Hello, Reply, SILENCE_LIMIT, Summary, WireError,
    frame::{self, HEADER_BYTES, Header, Sequence},
    payload,
};
use std::{
    collections::HashMap,
    io::{self, BufReader, Read, Write},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// So much of the mover's own complaints is kept.
const STDERR_TAIL: usize = 8 << 10;

/// A channel as the reader of the stream knows it.
enum Listener {
    /// Somebody listens.
    Open(Arc<Inbox>),
    /// Nobody listens any more; the mover was told to close it.
    Left,
}

/// What happens once in a conversation.
#[derive(Default)]
struct Milestones {
    hello: Option<Hello>,
    summary: Option<Summary>,
    goodbye: bool,
    stderr_ended: bool,
    failure: Option<Error>,
}

/// The way to the mover.
struct Outgoing {
    stdin: Box<dyn Write + Send>,
    sequence: Sequence,
}

/// One exec stream with a mover on the other end.
pub(super) struct Conversation {
    place: String,
    stdin: Mutex<Outgoing>,
    control: Arc<dyn SessionControl>,
    listeners: Mutex<HashMap<u32, Listener>>,
    next_channel: AtomicU32,
    milestones: Mutex<Milestones>,
    reached: Condvar,
    failed: AtomicBool,
    heard: Mutex<Instant>,
    stderr: Mutex<Vec<u8>>,
    frames_in: AtomicU64,
    payload_in: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Conversation {
    /// A conversation over the stream of a session; `place` names the target in messages.
    pub(super) fn new(place: &str, stdin: Box<dyn Write + Send>, control: Arc<dyn SessionControl>) -> Self {
        Self {
            place: place.to_owned(),
            stdin: Mutex::new(Outgoing { stdin, sequence: Sequence::default() }),
            control,
            listeners: Mutex::default(),
            next_channel: AtomicU32::new(1),
            milestones: Mutex::default(),
            reached: Condvar::new(),
            failed: AtomicBool::new(false),
            heard: Mutex::new(Instant::now()),
            stderr: Mutex::default(),
            frames_in: AtomicU64::new(0),
            payload_in: AtomicU64::new(0),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
        }
    }

    pub(super) fn new_number(&self) -> u32 {
        self.next_channel.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn register(&self, number: u32, inbox: &Arc<Inbox>) {
        lock(&self.listeners).insert(number, Listener::Open(Arc::clone(inbox)));
    }

    /// Forgets a channel that the mover has closed.
    pub(super) fn forget(&self, number: u32) {
        lock(&self.listeners).remove(&number);
    }

    /// Turns away from a channel: the mover closes it, and what still comes is let go.
    pub(super) fn leave(&self, number: u32) {
        let known = match lock(&self.listeners).get_mut(&number) {
            Some(listener) => {
                *listener = Listener::Left;
                true
            }
            None => false,
        };
        // A conversation that has failed has told everybody already.
        if known && number != 0 && self.check().is_ok() {
            let _ = self.command(number, &Command::Close);
        }
    }

    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Fails if the conversation has.
    pub(super) fn check(&self) -> Result<()> {
        if !self.failed.load(Ordering::SeqCst) {
            return Ok(());
        }
        lock(&self.milestones).failure.clone().map_or(Ok(()), Err)
    }

    /// Ends the conversation for everybody; the first failure is the one that is told.
    pub(super) fn fail(&self, error: Error) {
        {
            let mut milestones = lock(&self.milestones);
            if milestones.failure.is_some() {
                return;
            }
            milestones.failure = Some(error);
            self.failed.store(true, Ordering::SeqCst);
        }
        self.reached.notify_all();
        self.control.abort();
        for listener in lock(&self.listeners).values() {
            if let Listener::Open(inbox) = listener {
                inbox.wake();
            }
        }
    }

    pub(super) fn command(&self, channel: u32, command: &Command) -> Result<()> {
        let mut out = Vec::with_capacity(256);
        let start = frame::begin(&mut out, FrameKind::Command, channel);
        payload::write_message(&mut out, command)
            .and_then(|()| frame::seal(&mut out, start))
            .context("put a command for the mover into words")?;
        self.write(&mut out)
    }

    pub(super) fn send(&self, kind: FrameKind, channel: u32, payload: &[u8]) -> Result<()> {
        self.write(&mut frame::encode(kind, channel, payload).context("send a frame to the mover")?)
    }

    /// Numbers whole frames and writes them.
    pub(super) fn write(&self, frames: &mut [u8]) -> Result<()> {
        self.check()?;
        let written = {
            let mut outgoing = lock(&self.stdin);
            outgoing.sequence.number(frames);
            outgoing.stdin.write_all(frames).and_then(|()| outgoing.stdin.flush())
        };
        if let Err(error) = written {
            self.fail(self.ended_early("it takes no more input").caused_by(error));
            return self.check();
        }
        self.sent.fetch_add(frames.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn ended_early(&self, why: &str) -> Error {
        Error::failed(format!("stream from the mover in `{}` ended early", self.place))
            .caused_by(why)
            .note("the exit status of an exec proves nothing; only the mover's own summary does")
    }

    /// Takes frames until the mover's goodbye or the first irregularity. Runs on a thread of
    /// its own.
    pub(super) fn read(&self, stdout: Box<dyn Read + Send>) {
        let mut stdout = BufReader::with_capacity(256 << 10, stdout);
        let mut sequence = Sequence::default();
        loop {
            match self.read_frame(&mut stdout, &mut sequence) {
                Ok(false) => {}
                Ok(true) => return,
                Err(error) => return self.fail(error),
            }
        }
    }

    /// Takes one frame; `true` after the last.
    fn read_frame(&self, stdout: &mut impl Read, sequence: &mut Sequence) -> Result<bool> {
        let mut front = [0; HEADER_BYTES];
        self.fill(stdout, &mut front)?;
        let irregular = |error: WireError| {
            Error::failed(format!("stream from the mover in `{}` is damaged", self.place)).caused_by(error)
        };
        let header = Header::decode(&front).map_err(irregular).map_err(|error| self.with_stderr(error))?;
        let mut body = vec![0; header.length + frame::CHECKSUM_BYTES];
        self.fill(stdout, &mut body)?;
        sequence.verify(&front, &mut body).map_err(irregular)?;
        *lock(&self.heard) = Instant::now();
        self.received
            .fetch_add((HEADER_BYTES + body.len() + frame::CHECKSUM_BYTES) as u64, Ordering::Relaxed);
        self.dispatch(header, body).map_err(irregular)
    }

    fn fill(&self, stdout: &mut impl Read, buffer: &mut [u8]) -> Result<()> {
        stdout.read_exact(buffer).map_err(|error| {
            let why = match error.kind() {
                io::ErrorKind::UnexpectedEof => "the stream ended before the mover said goodbye".to_owned(),
                _ => error.to_string(),
            };
            self.with_stderr(self.ended_early(&why))
        })
    }

    /// Adds what the mover wrote to standard error, once that has ended too.
    fn with_stderr(&self, error: Error) -> Error {
        let milestones = lock(&self.milestones);
        let limit = Duration::from_secs(2);
        drop(self.reached.wait_timeout_while(milestones, limit, |m| !m.stderr_ended && m.failure.is_none()));
        let said = String::from_utf8_lossy(&lock(&self.stderr)).trim().to_owned();
        if said.is_empty() { error } else { error.caused_by(said) }
    }

    fn dispatch(&self, header: Header, body: Vec<u8>) -> Result<bool, WireError> {
        if header.kind != FrameKind::Summary && header.kind != FrameKind::Goodbye {
            self.frames_in.fetch_add(1, Ordering::Relaxed);
            self.payload_in.fetch_add(body.len() as u64, Ordering::Relaxed);
        }
        let greeted = lock(&self.milestones).hello.is_some();
        if greeted == (header.kind == FrameKind::Hello) {
            return Err(WireError::Payload);
        }
        match header.kind {
            FrameKind::Hello => self.reach(|m, hello| m.hello = Some(hello), payload::read_message(&body)?),
            FrameKind::Summary => self.reach(|m, it| m.summary = Some(it), payload::read_message(&body)?),
            FrameKind::Goodbye => {
                self.reach(|m, ()| m.goodbye = true, ());
                return Ok(true);
            }
            FrameKind::Heartbeat => {}
            FrameKind::Command => return Err(WireError::Kind(header.kind as u8)),
            FrameKind::Credit => {
                let bytes = payload::read_credit(&body)?;
                if let Some(inbox) = self.listener(header.channel)? {
                    inbox.grant(bytes)?;
                }
            }
            FrameKind::Data | FrameKind::Blob | FrameKind::Known | FrameKind::Reply => {
                self.deliver(header, body)?;
            }
        }
        Ok(false)
    }

    fn reach<T>(&self, set: impl FnOnce(&mut Milestones, T), value: T) {
        set(&mut lock(&self.milestones), value);
        self.reached.notify_all();
    }

    /// Who listens on a channel: nobody, if it was left; an error if it never was.
    fn listener(&self, channel: u32) -> Result<Option<Arc<Inbox>>, WireError> {
        match lock(&self.listeners).get(&channel) {
            Some(Listener::Open(inbox)) => Ok(Some(Arc::clone(inbox))),
            Some(Listener::Left) => Ok(None),
            None => Err(WireError::Payload),
        }
    }

    fn deliver(&self, header: Header, body: Vec<u8>) -> Result<(), WireError> {
        let listener = self.listener(header.channel)?;
        let arrived = match header.kind {
            FrameKind::Data => Arrived::Data(body),
            FrameKind::Known => {
                let (id, raw_length) = payload::read_known(&body)?;
                Arrived::Known { id, raw_length }
            }
            FrameKind::Blob => {
                let (id, raw_length, compressed) = payload::read_blob(&body)?;
                Arrived::Blob(Blob { id, raw_length, compressed: compressed.to_vec() })
            }
            _ => Arrived::Reply(Box::new(payload::read_message(&body)?)),
        };
        if let Some(inbox) = listener {
            return inbox.put(arrived);
        }
        if matches!(&arrived, Arrived::Reply(reply) if **reply == Reply::Closed) {
            self.forget(header.channel);
        }
        Ok(())
    }

    /// Keeps the tail of what the mover writes to standard error. Runs on a thread of its own.
    pub(super) fn read_stderr(&self, mut stderr: Box<dyn Read + Send>) {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = stderr.read(&mut buffer) {
            let mut tail = lock(&self.stderr);
            tail.extend_from_slice(buffer.get(..length).unwrap_or_default());
            let surplus = tail.len().saturating_sub(STDERR_TAIL);
            tail.drain(..surplus);
        }
        self.reach(|m, ()| m.stderr_ended = true, ());
    }

    /// Says that this side is alive, until the conversation is over. Runs on a thread of its own,
    /// which blocks where nobody takes what is said.
    pub(super) fn keep_alive(&self) {
        while self.goes_on() {
            // A failed write has failed the conversation; the next round sees it.
            let _ = self.send(FrameKind::Heartbeat, 0, &[]);
        }
    }

    /// Fails the conversation when the mover has been silent for too long. Runs on a thread of
    /// its own and writes nothing, so that a stream on which nothing moves cannot hold it up.
    pub(super) fn watch(&self) {
        while self.goes_on() {
            if lock(&self.heard).elapsed() > SILENCE_LIMIT {
                let seconds = SILENCE_LIMIT.as_secs();
                return self.fail(self.ended_early(&format!("the mover was silent for {seconds} seconds")));
            }
        }
    }

    /// Waits for the time between two heartbeats; tells whether the conversation is not over.
    fn goes_on(&self) -> bool {
        let goes_on = |m: &Milestones| !m.goodbye && m.failure.is_none();
        let milestones = lock(&self.milestones);
        let waited = self.reached.wait_timeout_while(milestones, HEARTBEAT_EVERY, |m| goes_on(m));
        goes_on(&waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Fails the conversation when the user cancels.
    pub(super) fn ends_with(self: &Arc<Self>, cancel: &Cancel) -> crate::cancel::Waiting {
        let conversation = Arc::clone(self);
        cancel.on_cancel(move || conversation.fail(Error::cancelled()))
    }

    /// Waits for the mover's greeting.
    pub(super) fn hello(&self) -> Result<Hello> {
        self.wait_for(|m| m.hello.clone())
    }

    /// Says goodbye, and compares what the mover says it has sent with what has arrived.
    pub(super) fn goodbye(&self) -> Result<Summary> {
        self.send(FrameKind::Goodbye, 0, &[])?;
        let summary = self.wait_for(|m| m.summary.filter(|_| m.goodbye))?;
        let arrived = (self.frames_in.load(Ordering::SeqCst), self.payload_in.load(Ordering::SeqCst));
        if (summary.frames, summary.bytes) != arrived {
            let error = Error::failed(format!("stream from the mover in `{}` is not whole", self.place))
                .caused_by(format!(
                    "the mover sent {} frames with {} bytes, and {} with {} arrived",
                    summary.frames, summary.bytes, arrived.0, arrived.1
                ));
            self.fail(error.clone());
            return Err(error);
        }
        Ok(summary)
    }

    /// Lets go of the mover, whose goodbye has arrived, and waits until its process has ended; its
    /// status must not contradict its goodbye.
    pub(super) fn wait_for_exit(&self) -> Result<()> {
        lock(&self.stdin).stdin = Box::new(io::sink());
        let finished = self.control.wait(Duration::from_secs(20))?;
        match finished.status {
            None | Some(0) => Ok(()),
            Some(status) => Err(self.with_stderr(Error::failed(format!(
                "mover in `{}` said goodbye and then ended with exit status {status}",
                self.place
            )))),
        }
    }

    fn wait_for<T>(&self, find: impl Fn(&Milestones) -> Option<T>) -> Result<T> {
        let mut milestones = lock(&self.milestones);
        loop {
            if let Some(found) = find(&milestones) {
                return Ok(found);
            }
            if let Some(error) = &milestones.failure {
                return Err(error.clone());
            }
            milestones = self.reached.wait(milestones).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
