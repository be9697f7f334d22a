//! Rows into the server: counted, and hashed in the container before anything is committed.

use super::{
    copy_statement::CopyIn,
    session::PlainSession,
    stream::{damaged_in, new_mark},
};
use crate::{
    entry::{Blob, ChunkId},
    error::{Error, Kind, Result},
    mover::{CopiedIn, ServerError},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use pgbackup_wire::{ChunksHash, text};
use sha2::{Digest, Sha256};

/// Bytes that are turned into base64 at once; three become four.
const PIECE: usize = 48 << 10;

/// Takes stored chunks apart and counts them, as the mover does it beside the data.
#[derive(Default)]
pub(super) struct Opened {
    bytes: u64,
    chunks: u64,
    names: ChunksHash,
    whole: Sha256,
}

impl Opened {
    /// The content of a chunk, compared with its name.
    pub fn open(&mut self, blob: &Blob) -> Result<Vec<u8>> {
        let content = zstd::bulk::decompress(&blob.compressed, blob.raw_length as usize);
        let content = content.map_err(|error| damaged(blob).caused_by(error))?;
        if ChunkId::of(&content) != blob.id || content.len() != blob.raw_length as usize {
            return Err(damaged(blob));
        }
        self.bytes += content.len() as u64;
        self.chunks += 1;
        self.names.add(&blob.id);
        self.whole.update(&content);
        Ok(content)
    }

    pub fn finish(self, rows: u64) -> CopiedIn {
        CopiedIn { rows, bytes: self.bytes, chunks: self.chunks, hash: self.names.finish() }
    }
}

fn damaged(blob: &Blob) -> Error {
    Error::new(Kind::Damage, format!("chunk `{}` is not what its name says", blob.id))
}

impl PlainSession<'_> {
    /// Runs one `COPY ... FROM stdin` with the content of the blobs, `bytes` in all.
    pub fn copy_in(
        &mut self,
        sql: &str,
        bytes: u64,
        blobs: &mut dyn FnMut() -> Result<Option<Blob>>,
    ) -> Result<CopiedIn, ServerError> {
        if bytes == 0 {
            return match blobs()? {
                None => Ok(Opened::default().finish(0)),
                Some(_) => Err(Error::failed("there is more to load than was said").into()),
            };
        }
        let copy = CopyIn::of(sql)?;
        if copy.fits_one_line() {
            return self.copy_line(&copy, bytes, blobs);
        }
        // psql's `\copy` stands on one line, so a name that does not is named in SQL only: the rows
        // take their way through a temporary table.
        let (make, through, on, drop) = copy.by_way_of_another();
        self.query(&make)?;
        let copied = self.copy_line(&CopyIn::of(&through)?, bytes, blobs)?;
        let (_, rows) = self.query_counted(&on)?;
        if rows != copied.rows {
            let error = Error::failed("rows were lost on their way through a temporary table")
                .caused_by(format!("of {} rows {rows} came out of it", copied.rows));
            return Err(error.into());
        }
        self.query(&drop)?;
        Ok(copied)
    }

    /// Runs psql's own `\copy` with a program that takes so many letters of base64 from the
    /// session's own input, says what hash their content has, and ends only when this side has
    /// agreed to it. Whatever fails, the program reads on: no row ever comes to where psql reads
    /// statements, and in base64 it would be none.
    ///
    /// psql says which statement it runs before the program is told to begin.
    fn copy_line(
        &mut self,
        copy: &CopyIn<'_>,
        bytes: u64,
        blobs: &mut dyn FnMut() -> Result<Option<Blob>>,
    ) -> Result<CopiedIn, ServerError> {
        let mut opened = Opened::default();
        let (begin, arrived, agreed) = (new_mark(), new_mark(), new_mark());
        let program = program(bytes.div_ceil(3) * 4, &begin, &arrived, &agreed);
        self.next_request();
        self.stream.forget_complaints();
        let text = format!(
            "\\r\n\\set LAST_ERROR_SQLSTATE 00000\n\\set LAST_ERROR_MESSAGE ''\n\\set ECHO queries\n\
             \\copy {} from program '{program}'{}\n",
            copy.target, copy.options
        );
        self.stream.write(&text::to_bytes(&text))?;
        self.stream.flush()?;
        let statement = format!("COPY {} FROM STDIN {}", copy.target, copy.options);
        if !self.stream.brings(&text::to_bytes(&statement))? {
            let error = damaged_in(&self.stream.container)
                .caused_by("psql there has got another statement than was sent");
            return Err(self.give_up(error));
        }
        self.stream.write(format!("{begin}\n").as_bytes())?;
        if let Err(error) = self.give(bytes, blobs, &mut opened) {
            return Err(self.give_up(error));
        }
        let there = self.stream.all_until(&arrived)?;
        self.stream.line()?;
        let there = String::from_utf8_lossy(&there);
        let here = format!("{:x}", std::mem::take(&mut opened.whole).finalize());
        if there.split_whitespace().next() != Some(here.as_str()) {
            let error = damaged_in(&self.stream.container)
                .caused_by("the SHA-256 of the rows that arrived is not the one of those that were sent");
            return Err(self.give_up(error));
        }
        self.stream.write(format!("{agreed}\n").as_bytes())?;
        self.ask_how_it_ended("\\set ECHO none\n", "")?;
        self.stream.all_until(&self.mark)?;
        let rows = self.ended()?;
        Ok(opened.finish(rows))
    }

    /// Sends the content in base64; exactly `bytes` of it.
    fn give(
        &mut self,
        bytes: u64,
        blobs: &mut dyn FnMut() -> Result<Option<Blob>>,
        opened: &mut Opened,
    ) -> Result<()> {
        let mut waiting: Vec<u8> = Vec::new();
        let mut letters = String::new();
        while let Some(blob) = blobs()? {
            waiting.extend(opened.open(&blob)?);
            if opened.bytes > bytes {
                return Err(Error::failed("there is more to load than was said"));
            }
            let whole = waiting.len() - waiting.len() % PIECE;
            for piece in waiting.get(..whole).unwrap_or_default().chunks(PIECE) {
                letters.clear();
                STANDARD.encode_string(piece, &mut letters);
                self.stream.write(letters.as_bytes())?;
            }
            waiting.drain(..whole);
        }
        if opened.bytes != bytes {
            return Err(Error::failed("there is less to load than was said"));
        }
        letters.clear();
        STANDARD.encode_string(&waiting, &mut letters);
        self.stream.write(letters.as_bytes())?;
        self.stream.flush()
    }
}

/// What psql starts for a `\copy`.
fn program(letters: u64, begin: &str, arrived: &str, agreed: &str) -> String {
    format!(
        "trap \"\" PIPE; exec 9>&1; read -r word; [ \"$word\" = {begin} ] || exec cat >/dev/null; \
         head -c {letters} | base64 -d | tee /dev/fd/8 8>&1 >&9 | sha256sum >&5; \
         echo {arrived} >&5; read -r word; [ \"$word\" = {agreed} ] || exec cat >/dev/null"
    )
}
