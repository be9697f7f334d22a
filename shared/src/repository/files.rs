//! What the rest of the repository asks of the place where restic's files are.

use crate::error::{Error, Result};
use rustic_core::{Id, WriteBackend};

/// A file that a killed run was in the middle of.
pub(super) struct Leftover {
    /// Its name, as the storage knows it.
    pub(super) name: String,
    pub(super) length: u64,
}

/// restic's files at one place.
pub(super) trait Files: WriteBackend {
    /// What killed runs left and nothing names.
    fn leftovers(&self) -> Result<Vec<Leftover>>;
    /// Removes one of them.
    fn remove_leftover(&self, leftover: &Leftover) -> Result<()>;
    /// Removes a pack that this process has written and no index names. Nobody else knows of it,
    /// so no lock is asked for. Where room does not run out it is left for a prune.
    fn take_back(&self, _pack: &Id) -> Result<()> {
        Ok(())
    }
    /// The error of a storage that could not be asked, and so says nothing of what it holds.
    fn trouble(&self) -> Option<Error>;
    /// How many small files it is worth to read side by side.
    fn readers(&self) -> usize;
}
