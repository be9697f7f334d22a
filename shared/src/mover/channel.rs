//! One channel of a conversation, as a caller sees it: commands out, answers and chunks in.

use super::conversation::Conversation;
use crate::{
    entry::{Blob, ChunkId},
    error::{Context as _, Error, Result},
};
use pgbackup_wire::{
    Command, FrameKind, Receipts, Reply, WINDOW_IN, WINDOW_OUT, Window, WireError, frame, payload,
};
use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

/// One thing that came on a channel.
#[derive(Debug)]
pub(super) enum Arrived {
    Reply(Box<Reply>),
    Data(Vec<u8>),
    Blob(Blob),
    Known { id: ChunkId, raw_length: u32 },
}

impl Arrived {
    /// Bytes of payload it took from the channel's credit.
    fn charge(&self) -> usize {
        match self {
            Self::Reply(_) => 0,
            Self::Data(bytes) => bytes.len(),
            Self::Blob(blob) => payload::BLOB_HEADER_BYTES + blob.compressed.len(),
            Self::Known { .. } => payload::BLOB_HEADER_BYTES,
        }
    }
}

/// What the reader of the stream and the caller share.
pub(super) struct Inbox {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    arrived: VecDeque<Arrived>,
    receipts: Receipts,
    window: Window,
}

impl Inbox {
    fn new() -> Self {
        let state = State {
            arrived: VecDeque::new(),
            receipts: Receipts::new(WINDOW_OUT),
            window: Window::new(WINDOW_IN),
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what the reader of the stream found for this channel.
    pub(super) fn put(&self, arrived: Arrived) -> Result<(), WireError> {
        let mut state = self.lock();
        state.receipts.arrived(arrived.charge())?;
        state.arrived.push_back(arrived);
        self.changed.notify_all();
        Ok(())
    }

    /// Takes credit that the mover gives.
    pub(super) fn grant(&self, bytes: u32) -> Result<(), WireError> {
        self.lock().window.granted(bytes)?;
        self.changed.notify_all();
        Ok(())
    }

    /// Wakes those who wait, after the conversation has failed.
    pub(super) fn wake(&self) {
        drop(self.lock());
        self.changed.notify_all();
    }
}

/// One channel, in the hands of its one user. Dropping it ends it in the container without
/// waiting.
pub(super) struct Channel {
    number: u32,
    inbox: Arc<Inbox>,
    conversation: Arc<Conversation>,
}

impl Channel {
    /// Channel 0 or, by a number never used before, a new one.
    pub(super) fn open(conversation: &Arc<Conversation>, number: u32) -> Self {
        let inbox = Arc::new(Inbox::new());
        conversation.register(number, &inbox);
        Self { number, inbox, conversation: Arc::clone(conversation) }
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    pub(super) fn conversation(&self) -> &Arc<Conversation> {
        &self.conversation
    }

    pub(super) fn command(&self, command: &Command) -> Result<()> {
        self.conversation.command(self.number, command)
    }

    /// Waits for whatever comes next.
    pub(super) fn next(&self) -> Result<Arrived> {
        let mut state = self.inbox.lock();
        loop {
            if let Some(arrived) = state.arrived.pop_front() {
                let grant = state.receipts.consumed(arrived.charge());
                drop(state);
                if let Some(bytes) = grant {
                    self.conversation.send(FrameKind::Credit, self.number, &bytes.to_le_bytes())?;
                }
                return Ok(arrived);
            }
            self.conversation.check()?;
            state = self.inbox.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for an answer where nothing else may come.
    pub(super) fn reply(&self) -> Result<Reply> {
        match self.next()? {
            Arrived::Reply(reply) => Ok(*reply),
            other => Err(self.out_of_order(&other)),
        }
    }

    /// Waits for an answer, letting go of bulk frames that come before it.
    pub(super) fn reply_after_bulk(&self) -> Result<Reply> {
        loop {
            if let Arrived::Reply(reply) = self.next()? {
                return Ok(*reply);
            }
        }
    }

    /// Sends a frame of bulk when credit allows; gives `false`, having sent nothing, when an
    /// answer has come that has to be looked at first.
    pub(super) fn send_bulk(&self, frame: &mut [u8], payload_bytes: usize) -> Result<bool> {
        let mut state = self.inbox.lock();
        loop {
            self.conversation.check()?;
            if !state.arrived.is_empty() {
                return Ok(false);
            }
            if state.window.may_send() {
                state.window.sent(payload_bytes);
                break;
            }
            state = self.inbox.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        self.conversation.write(frame)?;
        Ok(true)
    }

    /// Sends one stored chunk as it is.
    pub(super) fn send_blob(&self, blob: &Blob) -> Result<bool> {
        let mut out = Vec::with_capacity(blob.compressed.len() + 64);
        let start = frame::begin(&mut out, FrameKind::Blob, self.number);
        payload::write_chunk(&mut out, &blob.id, blob.raw_length);
        out.extend_from_slice(&blob.compressed);
        let length = frame::seal(&mut out, start).context(format!("send the chunk `{}`", blob.id))?;
        self.send_bulk(&mut out, length)
    }

    /// Fails the whole conversation, because the mover is not where it should be.
    pub(super) fn out_of_order(&self, what: &impl std::fmt::Debug) -> Error {
        let mut told = format!("{what:?}");
        told.truncate(told.char_indices().nth(60).map_or(told.len(), |(at, _)| at));
        self.conversation.fail(
            Error::failed("mover answered out of order")
                .caused_by(format!("`{told}` came on channel {} where it has no place", self.number)),
        );
        self.conversation.check().err().unwrap_or_else(|| Error::failed("mover answered out of order"))
    }

    /// Ends the channel and waits until the mover has let go of what was behind it.
    pub(super) fn close(self) -> Result<()> {
        self.command(&Command::Close)?;
        loop {
            if let Reply::Closed = self.reply_after_bulk()? {
                self.conversation.forget(self.number);
                return Ok(());
            }
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.conversation.leave(self.number);
    }
}
