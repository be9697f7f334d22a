//! Rows out of the server: unpacked, cut and hashed here.

use super::{session::PlainSession, stream::damaged_out};
use crate::{
    entry::{Blob, ChunkId},
    error::{Error, Result},
    mover::{CopiedOut, Piece, ServerError},
};
use pgbackup_wire::{ChunksHash, CutSizes, Cutter};
use std::{collections::HashSet, sync::Arc};

/// The mover's own level, so that both ways store the same.
const LEVEL: i32 = 1;

/// Cuts, hashes and compresses one stream, as the mover does it beside the data.
pub(super) struct Chunks<'a> {
    cutter: Cutter,
    compressor: zstd::bulk::Compressor<'static>,
    known: Option<Arc<HashSet<u64>>>,
    each: &'a mut dyn FnMut(Piece) -> Result<()>,
    counted: CopiedOut,
    hash: ChunksHash,
}

impl<'a> Chunks<'a> {
    pub fn new(
        sizes: CutSizes,
        known: Option<Arc<HashSet<u64>>>,
        each: &'a mut dyn FnMut(Piece) -> Result<()>,
    ) -> Result<Self> {
        let cutter =
            Cutter::new(sizes).ok_or_else(|| Error::failed("a stream cannot be cut into such sizes"))?;
        let compressor = zstd::bulk::Compressor::new(LEVEL)
            .map_err(|error| Error::failed("prepare to compress").caused_by(error))?;
        let counted = CopiedOut { rows: 0, bytes: 0, chunks: 0, hash: [0; 32] };
        Ok(Self { cutter, compressor, known, each, counted, hash: ChunksHash::new() })
    }

    /// Takes the next bytes; lines are counted as rows.
    pub fn push(&mut self, text: &[u8]) -> Result<()> {
        self.counted.rows += memchr::memchr_iter(b'\n', text).count() as u64;
        self.cut(|cutter, mut take| cutter.push(text, &mut take))
    }

    /// Ends the stream; gives what was counted.
    pub fn finish(mut self) -> Result<CopiedOut> {
        self.cut(|cutter, mut take| cutter.finish(&mut take))?;
        Ok(CopiedOut { hash: self.hash.finish(), ..self.counted })
    }

    fn cut(
        &mut self,
        work: impl FnOnce(&mut Cutter, &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>,
    ) -> Result<()> {
        let Self { cutter, compressor, known, each, counted, hash } = self;
        work(cutter, &mut |content| {
            let id = ChunkId::of(content);
            counted.bytes += content.len() as u64;
            counted.chunks += 1;
            hash.add(&id);
            let raw_length = content.len() as u32;
            if known.as_ref().is_some_and(|known| known.contains(&id.prefix())) {
                return (**each)(Piece::Known { id, raw_length });
            }
            let compressed = compressor
                .compress(content)
                .map_err(|error| Error::failed("compress a chunk").caused_by(error))?;
            (**each)(Piece::New(Blob { id, raw_length, compressed }))
        })
    }
}

impl PlainSession<'_> {
    /// Runs one `COPY ... TO STDOUT`, as [`crate::mover::ServerSession::copy_out`] tells it.
    pub fn copy_out(
        &mut self,
        sql: &str,
        sizes: CutSizes,
        use_known: bool,
        each: &mut dyn FnMut(Piece) -> Result<()>,
    ) -> Result<CopiedOut, ServerError> {
        let mut chunks = Chunks::new(sizes, use_known.then(|| self.hands.known()), each)?;
        self.run(sql)?;
        let taken = self.unpack(&mut |text| chunks.push(text));
        let rows = match (taken, self.ended()) {
            // The server's own word comes first: what it refused is no stream to unpack.
            (_, Err(refused)) => return Err(refused),
            (Err(error), Ok(_)) => return Err(self.give_up(error)),
            (Ok(()), Ok(rows)) => rows,
        };
        let counted = chunks.finish()?;
        if counted.rows != rows {
            let error = damaged_out(&self.stream.container)
                .caused_by(format!("the server sent {rows} rows, and {} arrived", counted.rows));
            return Err(self.give_up(error));
        }
        Ok(counted)
    }

    /// Unpacks what comes before the mark, and reads up to the mark whatever happens.
    pub(super) fn unpack(&mut self, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let (packing, container) = (self.hands.packing(), self.stream.container.clone());
        let mut payload = self.stream.until(&self.mark);
        let taken = packing.unpack(&container, &mut payload, take);
        let rest = payload.skip();
        match (taken, rest) {
            (_, Err(error)) => Err(self.stream.lost(&error.to_string())),
            (taken, Ok(_)) => taken,
        }
    }
}
