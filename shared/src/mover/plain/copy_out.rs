//! Rows out of the server: packed in the container, unpacked, cut and hashed here.

use super::session::PlainSession;
use crate::{
    entry::{Blob, ChunkId},
    error::{Error, Result},
    mover::{CopiedOut, Piece, ServerError},
};
use pgbackup_wire::{ChunksHash, CutSizes, Cutter};
use std::{collections::HashSet, io::Read, sync::Arc};

/// The mover's own level, so that both ways store the same.
const LEVEL: i32 = 1;
/// Bytes unpacked at once.
const PIECE: usize = 256 << 10;
/// Longer than a line with a count of bytes.
const COUNT_LINE: usize = 32;

/// How rows are packed in the container. Whatever it is proves that they arrived whole: zstd and
/// gzip by their checksums, nothing by the count of bytes taken inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Zstd,
    Gzip,
    Nothing,
}

impl Packing {
    pub fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::Nothing => "nothing",
        }
    }

    /// The program that psql gives the rows to. As an orphan it may end with 0 or 1 only (F41).
    fn program(self) -> &'static str {
        match self {
            Self::Zstd => "trap '' PIPE; zstd -q -1 -c || exit 1",
            Self::Gzip => "trap '' PIPE; gzip -1 -c || exit 1",
            Self::Nothing => "trap '' PIPE; tee /dev/fd/8 8>&1 >&5 | wc -c >&5",
        }
    }
}

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
        let packing = self.hands.packing();
        let mut chunks = Chunks::new(sizes, use_known.then(|| self.hands.known()), each)?;
        self.begin(&format!("{sql}\n\\g |{}", packing.program()))?;
        self.ask_how_it_ended()?;
        let taken = self.unpack(packing, &mut chunks);
        let rows = match (taken, self.ended()) {
            // The server's own word comes first: what it refused is no stream to unpack.
            (_, Err(refused)) => return Err(refused),
            (Err(error), Ok(_)) => return Err(self.give_up(error)),
            (Ok(()), Ok(rows)) => rows,
        };
        let counted = chunks.finish()?;
        if counted.rows != rows {
            let error = Error::failed("count of what was copied out of the server does not match")
                .caused_by(format!("the server sent {rows} rows, and {} arrived", counted.rows));
            return Err(self.give_up(error));
        }
        Ok(counted)
    }

    /// Unpacks what comes before the mark, and reads up to the mark whatever happens.
    fn unpack(&mut self, packing: Packing, chunks: &mut Chunks<'_>) -> Result<()> {
        let mut payload = self.stream.until(&self.mark);
        let taken = match packing {
            Packing::Zstd => zstd::stream::read::Decoder::new(&mut payload)
                .map_err(|error| Error::failed("unpack the rows").caused_by(error))
                .and_then(|decoder| take_all(decoder, chunks)),
            Packing::Gzip => take_all(flate2::read::MultiGzDecoder::new(&mut payload), chunks),
            Packing::Nothing => take_counted(&mut payload, chunks),
        };
        let rest = payload.skip();
        match (taken, rest) {
            (_, Err(error)) => Err(self.stream.lost(&error.to_string())),
            (taken, Ok(_)) => taken,
        }
    }
}

fn take_all(mut text: impl Read, chunks: &mut Chunks<'_>) -> Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        let length = text
            .read(&mut buffer)
            .map_err(|error| Error::failed("rows did not arrive as they were packed").caused_by(error))?;
        if length == 0 {
            return Ok(());
        }
        chunks.push(buffer.get(..length).unwrap_or_default())?;
    }
}

/// Takes rows that are followed by a line with the count of their bytes.
fn take_counted(text: &mut impl Read, chunks: &mut Chunks<'_>) -> Result<()> {
    let mut buffer = vec![0; PIECE + COUNT_LINE];
    let (mut held, mut given) = (0, 0_u64);
    loop {
        let length = text
            .read(buffer.get_mut(held..).unwrap_or_default())
            .map_err(|error| Error::failed("read the rows").caused_by(error))?;
        let there = held + length;
        let sure =
            if length == 0 { count_begins(buffer.get(..there)) } else { there.saturating_sub(COUNT_LINE) };
        chunks.push(buffer.get(..sure).unwrap_or_default())?;
        given += sure as u64;
        if length == 0 {
            let line = String::from_utf8_lossy(buffer.get(sure..there).unwrap_or_default()).into_owned();
            if line.trim().parse() == Ok(given) {
                return Ok(());
            }
            return Err(Error::failed("rows did not arrive whole")
                .caused_by(format!("{} bytes were written in the container, {given} arrived", line.trim())));
        }
        buffer.copy_within(sure..there, 0);
        held = there - sure;
    }
}

/// Where the last line begins, which is no row.
fn count_begins(text: Option<&[u8]>) -> usize {
    let text = text.unwrap_or_default();
    let line = text.strip_suffix(b"\n").unwrap_or(text);
    memchr::memrchr(b'\n', line).map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(text: &str) -> Result<(u64, Vec<u8>)> {
        let mut got = Vec::new();
        let mut each = |piece: Piece| {
            if let Piece::New(blob) = piece {
                got.extend(zstd::bulk::decompress(&blob.compressed, 1 << 20).unwrap());
            }
            Ok(())
        };
        let mut chunks = Chunks::new(CutSizes::for_table(0), None, &mut each)?;
        take_counted(&mut text.as_bytes(), &mut chunks)?;
        let copied = chunks.finish()?;
        Ok((copied.rows, got))
    }

    #[test]
    fn rows_that_are_not_packed_end_with_the_count_of_their_bytes() {
        assert_eq!(counted("a\n12\n5\n").unwrap(), (2, b"a\n12\n".to_vec()));
        assert_eq!(counted("0\n").unwrap(), (0, Vec::new()));
        let many = "row\n".repeat(200_000);
        assert_eq!(counted(&format!("{many}800000\n")).unwrap(), (200_000, many.into_bytes()));
    }

    #[test]
    fn rows_that_were_lost_on_the_way_are_missed() {
        assert!(counted("a\n12\n7\n").is_err());
        assert!(counted("a\n").is_err());
    }
}
