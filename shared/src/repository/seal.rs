//! Seals and opens: AES-256 in counter mode with Poly1305, as restic's format has it.
//!
//! A sealed piece is a random nonce of 16 bytes, the ciphertext, and a tag of 16 bytes.
//! Source: restic's design document, "Keys, Encryption and MAC".

use super::keys::KeyBytes;
use crate::error::{Context, Error, Kind, Result};
use aes256ctr_poly1305aes::{Aes256CtrPoly1305Aes, Key, Nonce, aead::AeadInPlace};
use rand::RngCore;
use rustic_core::{FileType, Id, WriteBackend};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Length of the nonce that stands before what is sealed.
const NONCE: usize = 16;
/// How many bytes sealing adds: nonce and tag.
pub(super) const OVERHEAD: usize = 32;
/// The first byte of an index or snapshot file whose text is compressed (restic's design
/// document, "Unpacked Data Format").
const COMPRESSED: u8 = 2;

/// Seals and opens with the repository's key.
#[derive(Clone)]
pub(super) struct Sealer {
    cipher: Arc<Aes256CtrPoly1305Aes>,
}

impl Sealer {
    pub(super) fn new(key: &KeyBytes) -> Self {
        Self { cipher: Arc::new(Aes256CtrPoly1305Aes::new(Key::from_slice(key))) }
    }

    /// Appends the sealed form of `plain`, which is [`OVERHEAD`] bytes longer.
    pub(super) fn seal_into(&self, plain: &[u8], sealed: &mut Vec<u8>) -> Result<()> {
        let start = sealed.len();
        sealed.reserve(plain.len() + OVERHEAD);
        let mut nonce = [0; NONCE];
        rand::rng().fill_bytes(&mut nonce);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let body = sealed.get_mut(start + NONCE..).unwrap_or_default();
        let tag = self
            .cipher
            .encrypt_in_place_detached(Nonce::from_slice(&nonce), &[], body)
            .map_err(|_| Error::failed("encrypt a piece of the backup"))?;
        sealed.extend_from_slice(&tag);
        Ok(())
    }

    /// Opens a sealed piece in place and gives back what was sealed.
    ///
    /// # Errors
    ///
    /// [`Kind::Damage`] if the tag does not fit: the piece or the key is not the one it was.
    pub(super) fn open(&self, mut sealed: Vec<u8>) -> Result<Vec<u8>> {
        let damaged = || Error::new(Kind::Damage, "its authentication tag does not fit its bytes");
        let length = sealed.len().checked_sub(OVERHEAD).ok_or_else(damaged)?;
        let tag = sealed.split_off(NONCE + length);
        let (nonce, body) = sealed.split_at_mut(NONCE);
        self.cipher
            .decrypt_in_place_detached(Nonce::from_slice(nonce), &[], body, tag.as_slice().into())
            .map_err(|_| damaged())?;
        sealed.drain(..NONCE);
        Ok(sealed)
    }
}

/// The text of an index or snapshot file, opened and decompressed.
///
/// # Errors
///
/// [`Kind::Damage`] if it is not what was written.
pub(super) fn read_text(sealer: &Sealer, sealed: Vec<u8>) -> Result<Vec<u8>> {
    let plain = sealer.open(sealed)?;
    match plain.split_first() {
        Some((&COMPRESSED, compressed)) => {
            let text = zstd::stream::decode_all(compressed);
            text.map_err(|error| Error::new(Kind::Damage, "it cannot be decompressed").caused_by(error))
        }
        // The first letter of JSON: a file that is not compressed, by another writer.
        Some((b'{' | b'[', _)) => Ok(plain),
        _ => Err(Error::new(Kind::Damage, "it is neither text nor compressed text")),
    }
}

/// Compresses, seals and writes an index or snapshot file; returns its id, the SHA-256 of what
/// was written.
pub(super) fn write_text(
    backend: &dyn WriteBackend,
    sealer: &Sealer,
    kind: FileType,
    text: &[u8],
) -> Result<Id> {
    let mut plain = vec![COMPRESSED];
    plain.extend(zstd::bulk::compress(text, 3).context(format!("compress the {kind:?} file"))?);
    let mut sealed = Vec::new();
    sealer.seal_into(&plain, &mut sealed)?;
    let id = Id::new(Sha256::digest(&sealed).into());
    backend
        .write_bytes(kind, &id, false, sealed.into())
        .context(format!("write the {kind:?} file `{id}`"))?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_and_one_changed_bit_does_not() {
        let sealer = Sealer::new(&[7; 64]);
        let mut sealed = Vec::new();
        sealer.seal_into(b"rows", &mut sealed).unwrap();
        assert_eq!(sealed.len(), 4 + OVERHEAD);
        assert_eq!(sealer.open(sealed.clone()).unwrap(), b"rows");
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert_eq!(sealer.open(changed).unwrap_err().kind, Kind::Damage);
        }
        assert_eq!(sealer.open(vec![0; 31]).unwrap_err().kind, Kind::Damage);
    }

    #[test]
    fn two_seals_of_the_same_text_differ() {
        let sealer = Sealer::new(&[7; 64]);
        let (mut first, mut second) = (Vec::new(), Vec::new());
        sealer.seal_into(b"rows", &mut first).unwrap();
        sealer.seal_into(b"rows", &mut second).unwrap();
        assert_ne!(first, second);
    }
}
