//! Tables and large objects through a session, chunk by chunk, both ends counting.

use super::{
    channel::{Arrived, Channel},
    server_error::ServerError,
};
use crate::{
    entry::{Blob, ChunkId},
    error::{Error, Result},
};
use pgbackup_wire::{ChunksHash, Command, Reply};

/// One chunk that came out of the server.
#[derive(Debug)]
pub enum Piece {
    /// With its content.
    New(Blob),
    /// By name only: its prefix was among those the engine had said it knows. Whether the
    /// repository really holds it is the caller's to check, by the full name.
    Known {
        /// Its name.
        id: ChunkId,
        /// Length of its content.
        raw_length: u32,
    },
}

/// What came out, counted here and inside the container alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopiedOut {
    /// Rows by the server's own command tag; 1 for a large object.
    pub rows: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Chunks.
    pub chunks: u64,
    /// [`ChunksHash`] over the chunks' names in order.
    pub hash: [u8; 32],
}

/// What went in, counted here and inside the container alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopiedIn {
    /// Rows by the server's own command tag; 1 for a large object.
    pub rows: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Chunks.
    pub chunks: u64,
    /// [`ChunksHash`] over the chunks' names in order.
    pub hash: [u8; 32],
}

/// This side's own count.
#[derive(Default)]
struct Count {
    bytes: u64,
    chunks: u64,
    hash: ChunksHash,
}

impl Count {
    fn add(&mut self, id: &ChunkId, raw_length: u32) {
        self.bytes += u64::from(raw_length);
        self.chunks += 1;
        self.hash.add(id);
    }

    fn compare(self, what: &str, there: (u64, u64, [u8; 32])) -> Result<()> {
        let here = (self.bytes, self.chunks, self.hash.finish());
        if here == there {
            return Ok(());
        }
        Err(Error::failed(format!("count of what was copied {what} the server does not match")).caused_by(
            format!(
                "{} bytes in {} chunks inside the container, {} in {} here",
                there.0, there.1, here.0, here.1
            ),
        ))
    }
}

/// Sends a command whose answer is chunks, and takes them until their end.
pub(super) fn out(
    channel: &Channel,
    command: &Command,
    each: &mut dyn FnMut(Piece) -> Result<()>,
) -> Result<CopiedOut, ServerError> {
    channel.command(command)?;
    let mut count = Count::default();
    loop {
        let piece = match channel.next()? {
            Arrived::Blob(blob) => {
                count.add(&blob.id, blob.raw_length);
                Piece::New(blob)
            }
            Arrived::Known { id, raw_length } => {
                count.add(&id, raw_length);
                Piece::Known { id, raw_length }
            }
            Arrived::Reply(reply) => match *reply {
                Reply::CopiedOut { rows, bytes, chunks, hash } => {
                    count.compare("out of", (bytes, chunks, hash))?;
                    return Ok(CopiedOut { rows, bytes, chunks, hash });
                }
                Reply::Failed(failure) => return Err(failure.into()),
                other => return Err(channel.out_of_order(&other).into()),
            },
            other @ Arrived::Data(_) => return Err(channel.out_of_order(&other).into()),
        };
        if let Err(error) = each(piece) {
            // The caller wants no more: the session stays usable, its statement is stopped.
            channel.command(&Command::Stop)?;
            channel.reply_after_bulk()?;
            return Err(error.into());
        }
    }
}

/// Sends a command that takes chunks, then the chunks until `blobs` has no more.
pub(super) fn into(
    channel: &Channel,
    command: &Command,
    blobs: &mut dyn FnMut() -> Result<Option<Blob>>,
) -> Result<CopiedIn, ServerError> {
    channel.command(command)?;
    let mut count = Count::default();
    loop {
        match blobs() {
            Ok(Some(blob)) => {
                if !channel.send_blob(&blob)? {
                    break;
                }
                count.add(&blob.id, blob.raw_length);
            }
            Ok(None) => break,
            Err(error) => {
                // Stop before the end, so that what was sent so far is not taken for the whole.
                channel.command(&Command::Stop)?;
                channel.command(&Command::End)?;
                channel.reply()?;
                return Err(error.into());
            }
        }
    }
    channel.command(&Command::End)?;
    match channel.reply()? {
        Reply::CopiedIn { rows, bytes, chunks, hash } => {
            count.compare("into", (bytes, chunks, hash))?;
            Ok(CopiedIn { rows, bytes, chunks, hash })
        }
        Reply::Failed(failure) => Err(failure.into()),
        other => Err(channel.out_of_order(&other).into()),
    }
}
