//! What the method needs of the place where content is kept.

use crate::{
    entry::{Blob, ChunkId},
    error::Result,
};

/// Takes content, from several threads.
pub trait Store: Sync {
    /// Whether content of this full name is there already.
    fn has(&self, id: &ChunkId) -> bool;

    /// Takes one chunk; tells whether it was new.
    fn add(&self, blob: Blob) -> Result<bool>;

    /// Takes one small piece of plain content.
    fn add_plain(&self, content: &[u8]) -> Result<ChunkId>;
}

/// Gives the content of one stored database back, to several threads.
pub trait Stored: Sync {
    /// The chunks of one of its files, in order, with the lengths of their content.
    fn chunks(&self, file: &str) -> Result<Vec<(ChunkId, u32)>>;

    /// One chunk as it was stored. Its hash is compared where it is unpacked, by the mover.
    fn blob(&self, id: &ChunkId) -> Result<Blob>;

    /// A small file whole, its content compared with its chunks' names.
    fn file(&self, file: &str) -> Result<Vec<u8>>;
}
