//! A chunk's name.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// SHA-256 of a chunk's content: its name everywhere.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChunkId(pub [u8; 32]);

impl ChunkId {
    /// The name of this content.
    pub fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }

    /// Its first eight bytes, big-endian: enough to ask "do you know it?".
    pub fn prefix(&self) -> u64 {
        self.0.first_chunk().map_or(0, |front| u64::from_be_bytes(*front))
    }
}

impl fmt::Display for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A running SHA-256 over the names of a stream's chunks in their order: names the whole.
#[derive(Clone, Default)]
pub struct ChunksHash(Sha256);

impl ChunksHash {
    /// The hash of no chunks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a chunk.
    pub fn add(&mut self, id: &ChunkId) {
        self.0.update(id.0);
    }

    /// The hash of all that were added.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_named_by_the_sha_256_of_its_content() {
        let id = ChunkId::of(b"abc");
        assert_eq!(id.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(id.prefix(), 0xba78_16bf_8f01_cfea);
    }

    #[test]
    fn the_order_of_chunks_changes_their_hash() {
        let (a, b) = (ChunkId::of(b"a"), ChunkId::of(b"b"));
        let of = |ids: &[ChunkId]| {
            let mut hash = ChunksHash::new();
            for id in ids {
                hash.add(id);
            }
            hash.finish()
        };
        assert_ne!(of(&[a, b]), of(&[b, a]));
        assert_eq!(of(&[]), ChunkId::of(b"").0);
    }
}
