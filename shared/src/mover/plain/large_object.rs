//! Large objects, piece by piece in statements; the server itself hashes each piece.

use super::{copy_in::Opened, copy_out::Chunks, session::PlainSession};
use crate::{
    entry::Blob,
    error::{Error, Result},
    mover::{CopiedIn, CopiedOut, Piece, ServerError},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use pgbackup_wire::CutSizes;
use sha2::{Digest, Sha256};

/// Bytes of an object in one statement.
const PIECE: usize = 512 << 10;

impl PlainSession<'_> {
    /// Reads one large object whole.
    pub fn large_object_out(
        &mut self,
        oid: u32,
        sizes: CutSizes,
        use_known: bool,
        each: &mut dyn FnMut(Piece) -> Result<()>,
    ) -> Result<CopiedOut, ServerError> {
        let mut chunks = Chunks::new(sizes, use_known.then(|| self.hands.known()), each)?;
        let mut offset = 0;
        loop {
            let answer = self.query(&format!(
                "SELECT encode(piece, 'base64'), encode(sha256(piece), 'hex') \
                 FROM (SELECT lo_get({oid}, {offset}, {PIECE}) OFFSET 0) AS object(piece)"
            ))?;
            let mut values = answer.rows.into_iter().next().unwrap_or_default().into_iter().flatten();
            let (letters, sum) = (values.next().unwrap_or_default(), values.next().unwrap_or_default());
            let letters: Vec<u8> =
                letters.into_iter().filter(|letter| !letter.is_ascii_whitespace()).collect();
            let piece = STANDARD.decode(letters).unwrap_or_default();
            check(&piece, &sum)?;
            chunks.push(&piece)?;
            if piece.len() < PIECE {
                return Ok(CopiedOut { rows: 1, ..chunks.finish()? });
            }
            offset += piece.len();
        }
    }

    /// Writes a large object that exists and is empty.
    pub fn large_object_in(
        &mut self,
        oid: u32,
        blobs: &mut dyn FnMut() -> Result<Option<Blob>>,
    ) -> Result<CopiedIn, ServerError> {
        let mut opened = Opened::default();
        let mut offset = 0;
        while let Some(blob) = blobs()? {
            for piece in opened.open(&blob)?.chunks(PIECE) {
                let letters = STANDARD.encode(piece);
                let answer = self.query(&format!(
                    "SELECT lo_put({oid}, {offset}, piece), encode(sha256(piece), 'hex') \
                     FROM (SELECT decode('{letters}', 'base64') OFFSET 0) AS object(piece)"
                ))?;
                let row = answer.rows.into_iter().next().unwrap_or_default();
                check(piece, &row.into_iter().nth(1).flatten().unwrap_or_default())?;
                offset += piece.len();
            }
        }
        Ok(opened.finish(1))
    }
}

/// What the server hashed must be what is here.
fn check(piece: &[u8], there: &[u8]) -> Result<()> {
    let here = format!("{:x}", Sha256::digest(piece));
    if here.as_bytes() == there {
        return Ok(());
    }
    Err(Error::failed("a piece of a large object did not arrive whole")
        .caused_by("its SHA-256 at the server is not the one on this side"))
}
