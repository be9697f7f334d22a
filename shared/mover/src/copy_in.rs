//! Chunks into the server: decompressed, hashed again, compared with their names, passed on.

use crate::{
    channel::Item,
    session::{Answer, Session, Task, rows_of},
    trouble::Trouble,
};
use bytes::BytesMut;
use pgbackup_wire::{ChunkId, ChunksHash, Command, FrameKind, MAX_CHUNK, Reply, payload};
use postgres_protocol::message::{
    backend::Message,
    frontend::{self, CopyData},
};

/// Content of one `CopyData` message.
const MESSAGE: usize = 64 << 10;

/// Takes the chunks of one copy from the engine.
pub struct Incoming<'a> {
    task: Task<'a>,
    decompressor: zstd::bulk::Decompressor<'static>,
    content: Vec<u8>,
    bytes: u64,
    chunks: u64,
    hash: ChunksHash,
    ended: bool,
}

impl<'a> Incoming<'a> {
    pub fn new(task: Task<'a>) -> Result<Self, Trouble> {
        Ok(Self {
            task,
            decompressor: zstd::bulk::Decompressor::new().map_err(Trouble::plain)?,
            content: Vec::new(),
            bytes: 0,
            chunks: 0,
            hash: ChunksHash::new(),
            ended: false,
        })
    }

    /// Waits for the next chunk and gives its content; `None` at the end.
    pub fn next(&mut self) -> Result<Option<&[u8]>, Trouble> {
        let Some(item) = self.item()? else { return Ok(None) };
        let Item::Blob(frame) = item else {
            return Err(Trouble::plain("the engine sent something else than a chunk"));
        };
        self.task.check()?;
        let (id, raw_length, compressed) = payload::read_blob(&frame).map_err(Trouble::plain)?;
        let raw_length = (raw_length as usize).min(MAX_CHUNK);
        self.content.resize(raw_length, 0);
        let wrong = |why: &str| Trouble::plain(format!("chunk `{id}` {why}"));
        match self.decompressor.decompress_to_buffer(compressed, &mut self.content[..]) {
            Ok(length) if length == raw_length => {}
            Ok(length) => return Err(wrong(&format!("has {length} bytes instead of {raw_length}"))),
            Err(error) => return Err(wrong(&format!("cannot be decompressed: {error}"))),
        }
        if ChunkId::of(&self.content) != id {
            return Err(wrong("does not hold what its name says"));
        }
        self.bytes += raw_length as u64;
        self.chunks += 1;
        self.hash.add(&id);
        Ok(Some(&self.content))
    }

    /// The next item of this copy, its credit given back; `None` at the end.
    fn item(&mut self) -> Result<Option<Item>, Trouble> {
        if self.ended {
            return Ok(None);
        }
        let (item, grant) = self.task.channel.next()?;
        if let Some(bytes) = grant {
            self.task
                .output
                .send(FrameKind::Credit, self.task.channel.number(), &bytes.to_le_bytes())
                .map_err(|_| Trouble::Gone)?;
        }
        match item {
            Item::Command(_, command) if *command == Command::End => {
                self.ended = true;
                // An end after a stop is not the end of the content.
                self.task.check()?;
                Ok(None)
            }
            Item::Command(..) => {
                self.ended = true;
                Err(Trouble::plain("the engine sent another command before the end of a copy"))
            }
            item => Ok(Some(item)),
        }
    }

    /// Lets go of what still comes after a failure, until the end.
    pub fn drain(&mut self) -> Result<(), Trouble> {
        loop {
            match self.item() {
                Ok(Some(_)) => {}
                Ok(None) | Err(Trouble::Failed(_)) => return Ok(()),
                Err(Trouble::Gone) => return Err(Trouble::Gone),
            }
        }
    }

    /// The answer to a copy that the server has taken whole.
    pub fn answer(&self, rows: u64) -> Reply {
        Reply::CopiedIn { rows, bytes: self.bytes, chunks: self.chunks, hash: self.hash.clone().finish() }
    }
}

/// Runs a `COPY ... FROM STDIN` with the chunks that come; gives the rows.
pub fn copy_in(session: &mut Session, sql: &str, incoming: &mut Incoming<'_>) -> Result<u64, Trouble> {
    session.begin(sql)?;
    let mut answer = Answer::default();
    loop {
        match session.connection.message()? {
            Message::CopyInResponse(_) => break,
            Message::CopyOutResponse(_) => {
                return Err(Trouble::fatal("the statement gives data instead of asking for it"));
            }
            message => answer.take(&message),
        }
        if answer.is_over() {
            let tag = answer.result()?;
            return Err(Trouble::plain(format!("the statement is no COPY: it ended with `{tag}`")));
        }
    }
    let mut out = BytesMut::new();
    let wrong = loop {
        let content = match incoming.next() {
            Ok(Some(content)) => content,
            Ok(None) => break None,
            Err(Trouble::Gone) => return Err(Trouble::Gone),
            Err(trouble) => break Some(trouble),
        };
        out.clear();
        for part in content.chunks(MESSAGE) {
            CopyData::new(part).map_err(Trouble::fatal)?.write(&mut out);
        }
        let sent = session.connection.send_listening(&out, &mut |message| answer.take(&message));
        sent.map_err(|trouble| answer.or(trouble))?;
        if answer.is_refused() {
            break None;
        }
    };
    // A server that has refused has left the copy by itself.
    if !answer.is_refused() {
        out.clear();
        match &wrong {
            Some(Trouble::Failed(failure)) => {
                frontend::copy_fail(&failure.message.replace('\0', ""), &mut out).map_err(Trouble::fatal)?;
            }
            _ => frontend::copy_done(&mut out),
        }
        session.connection.send(&out)?;
    }
    let ended = session.end(answer);
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    let tag = ended?;
    rows_of(&tag).ok_or_else(|| Trouble::plain(format!("the statement is no COPY: it ended with `{tag}`")))
}
