//! Rows into the server: counted, and hashed in the container before anything is committed.

use super::{session::PlainSession, stream::new_mark};
use crate::{
    entry::{Blob, ChunkId},
    error::{Error, Kind, Result},
    mover::{CopiedIn, ServerError},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use pgbackup_wire::ChunksHash;
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
    ///
    /// psql starts a program that takes so many letters of base64 from the session's own input,
    /// says what hash their content has, and ends only when this side has agreed to it. Whatever
    /// fails, the program reads on: no row ever comes to where psql reads statements, and in
    /// base64 it would be none.
    pub fn copy_in(
        &mut self,
        sql: &str,
        bytes: u64,
        blobs: &mut dyn FnMut() -> Result<Option<Blob>>,
    ) -> Result<CopiedIn, ServerError> {
        let mut opened = Opened::default();
        if bytes == 0 {
            return match blobs()? {
                None => Ok(opened.finish(0)),
                Some(_) => Err(Error::failed("there is more to load than was said").into()),
            };
        }
        let (ready, agreed) = (new_mark(), new_mark());
        let letters = bytes.div_ceil(3) * 4;
        self.begin(&copy_command(sql, letters, &ready, &agreed)?)?;
        self.stream.flush()?;
        self.stream.all_until(&ready)?;
        self.stream.line()?;
        if let Err(error) = self.give(bytes, blobs, &mut opened) {
            return Err(self.give_up(error));
        }
        let there = self.stream.all_until(&ready)?;
        self.stream.line()?;
        let there = String::from_utf8_lossy(&there);
        let here = format!("{:x}", std::mem::take(&mut opened.whole).finalize());
        if there.split_whitespace().next() != Some(here.as_str()) {
            let error = Error::failed("rows did not arrive whole in the container")
                .caused_by("the SHA-256 of what arrived is not the one of what was sent");
            return Err(self.give_up(error));
        }
        self.stream.write(format!("{agreed}\n").as_bytes())?;
        self.ask_how_it_ended()?;
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

/// Makes psql's own `\copy` of the statement, which must stand on one line.
fn copy_command(sql: &str, letters: u64, ready: &str, agreed: &str) -> Result<String> {
    let parts = sql.strip_prefix("COPY ").and_then(|rest| rest.rsplit_once(" FROM stdin"));
    let Some((table, options)) = parts.filter(|_| !sql.contains('\n')) else {
        return Err(Error::failed("a table with a line break in its name or in a column's cannot be loaded")
            .caused_by(format!("psql takes `{}` for two commands", sql.replace('\n', "\\n")))
            .hint("let the mover load it: `--mover=auto`"));
    };
    Ok(format!(
        "\\copy {table} from program 'trap \"\" PIPE; exec 9>&1; echo {ready} >&5; head -c {letters} | base64 -d | \
         tee /dev/fd/8 8>&1 >&9 | sha256sum >&5; \
         echo {ready} >&5; read -r word; [ \"$word\" = {agreed} ] || exec cat >/dev/null' {options}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_becomes_psqls_own_copy_on_one_line() {
        let command =
            copy_command("COPY \"s\".t (a) FROM stdin WITH (ENCODING 'LATIN1')", 8, "r", "a").unwrap();
        assert!(command.starts_with("\\copy \"s\".t (a) from program '"), "{command}");
        assert!(command.ends_with("'  WITH (ENCODING 'LATIN1')"), "{command}");
        assert!(!command.contains('\n'));
    }

    #[test]
    fn a_name_with_a_line_break_is_refused() {
        assert!(copy_command("COPY s.\"a\nb\" FROM stdin", 8, "r", "a").is_err());
    }
}
