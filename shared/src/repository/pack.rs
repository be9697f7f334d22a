//! One pack while it is filled: sealed blobs one after another, then a sealed header.
//!
//! Source: restic's design document, "Pack Format". A header entry of a compressed blob is its
//! type (2 data, 3 tree), its sealed length and its content's length (u32, little-endian) and its
//! id; after the sealed header stands the header's length.

use super::seal::{OVERHEAD, Sealer};
use crate::error::Result;
use pgbackup_wire::ChunkId;
use rustic_core::Id;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// A pack is closed when it has grown beyond this.
pub(super) const FULL_AT: usize = 16 << 20;
/// A pack holds no more blobs than this: `rustic_core`'s prune counts them in 16 bits.
const MOST_BLOBS: usize = 50_000;
/// Bytes of a header entry of a compressed blob: 1 + 4 + 4 + 32.
pub(super) const ENTRY: usize = 41;

/// What a pack holds; trees and data are kept apart, as restic's format demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Contents {
    Data,
    Tree,
}

/// A blob in a pack.
struct Entry {
    id: ChunkId,
    offset: u32,
    length: u32,
    raw_length: u32,
}

/// A pack that is being filled.
pub(super) struct Filling {
    contents: Contents,
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

impl Filling {
    pub(super) fn new(contents: Contents) -> Self {
        Self { contents, bytes: Vec::new(), entries: Vec::new() }
    }

    /// Appends a sealed blob.
    pub(super) fn push(&mut self, id: ChunkId, raw_length: u32, sealed: &[u8]) {
        if self.bytes.capacity() == 0 && self.contents == Contents::Data {
            // Once, and large enough for all but the largest last blob and header.
            self.bytes.reserve(FULL_AT + (2 << 20));
        }
        let entry = Entry { id, offset: self.bytes.len() as u32, length: sealed.len() as u32, raw_length };
        self.bytes.extend_from_slice(sealed);
        self.entries.push(entry);
    }

    /// Takes everything out; what is left is empty and of the same kind.
    pub(super) fn take(&mut self) -> Self {
        let empty = Self::new(self.contents);
        std::mem::replace(self, empty)
    }

    /// Gives an empty pack the room of one that was written.
    pub(super) fn reuse(&mut self, room: Vec<u8>) {
        if self.is_empty() {
            self.bytes = room;
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= FULL_AT || self.entries.len() >= MOST_BLOBS
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Appends the header; gives the pack's id (the SHA-256 of all its bytes), its bytes and what
    /// the index says about it.
    pub(super) fn close(mut self, sealer: &Sealer) -> Result<Closed> {
        let mut header = Vec::with_capacity(self.entries.len() * ENTRY);
        for entry in &self.entries {
            header.push(match self.contents {
                Contents::Data => 2,
                Contents::Tree => 3,
            });
            header.extend_from_slice(&entry.length.to_le_bytes());
            header.extend_from_slice(&entry.raw_length.to_le_bytes());
            header.extend_from_slice(&entry.id.0);
        }
        sealer.seal_into(&header, &mut self.bytes)?;
        let length = (header.len() + OVERHEAD) as u32;
        self.bytes.extend_from_slice(&length.to_le_bytes());
        let id = Id::new(Sha256::digest(&self.bytes).into());
        let size = self.bytes.len() as u32;
        Ok(Closed {
            bytes: self.bytes,
            indexed: Indexed { id, size, contents: self.contents, entries: self.entries },
        })
    }
}

/// A pack that is ready to be written.
pub(super) struct Closed {
    pub(super) bytes: Vec<u8>,
    pub(super) indexed: Indexed,
}

/// A pack that was written, until the index names it.
pub(super) struct Indexed {
    pub(super) id: Id,
    size: u32,
    contents: Contents,
    entries: Vec<Entry>,
}

impl Indexed {
    pub(super) fn blobs(&self) -> usize {
        self.entries.len()
    }
}

/// The text of an index file that names these packs.
///
/// Source: restic's design document, "Indexing"; `size` is an addition that `rustic_core` knows.
pub(super) fn index_text(packs: &[Indexed]) -> serde_json::Result<Vec<u8>> {
    #[derive(Serialize)]
    struct File {
        packs: Vec<Pack>,
    }
    #[derive(Serialize)]
    struct Pack {
        id: Id,
        blobs: Vec<Blob>,
        size: u32,
    }
    #[derive(Serialize)]
    struct Blob {
        id: Id,
        #[serde(rename = "type")]
        contents: Contents,
        offset: u32,
        length: u32,
        uncompressed_length: u32,
    }
    let packs = packs
        .iter()
        .map(|pack| Pack {
            id: pack.id,
            size: pack.size,
            blobs: pack
                .entries
                .iter()
                .map(|entry| Blob {
                    id: super::rustic::to_rustic(&entry.id),
                    contents: pack.contents,
                    offset: entry.offset,
                    length: entry.length,
                    uncompressed_length: entry.raw_length,
                })
                .collect(),
        })
        .collect();
    serde_json::to_vec(&File { packs })
}
