//! A piece of stored content: one chunk as it was cut, hashed and compressed next to the data.

pub use pgbackup_wire::ChunkId;

/// A chunk on its way: named by the SHA-256 of its content, compressed with zstd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// SHA-256 of the uncompressed content.
    pub id: ChunkId,
    /// Length of the uncompressed content.
    pub raw_length: u32,
    /// One zstd frame.
    pub compressed: Vec<u8>,
}
