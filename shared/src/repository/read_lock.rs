//! Reads where nothing can be written: a full disk, or one that is mounted read-only.
//!
//! A lock keeps packs from being pruned under a reader. Where it cannot be written, and nobody
//! prunes at present, it is better to read without one than not at all: what a later prune takes
//! away is noticed, for every chunk is hashed.

use super::{
    lock::{Lock, locked},
    lock_file::LockKind,
    opening::Repository,
};
use crate::{
    clock::Clock,
    error::{Error, Kind, Result},
};

/// What keeps a reader's packs from being pruned.
pub enum ReadLock {
    /// A lock beside other readers and writers.
    Held(Lock),
    /// Nothing; the error says why no lock could be written.
    Without(Error),
}

impl Repository {
    /// Takes a lock beside others, or does without where none can be written.
    ///
    /// # Errors
    ///
    /// [`Kind::Locked`] while somebody holds the repository alone.
    pub fn lock_to_read(&self, what: &str, clock: &dyn Clock) -> Result<ReadLock> {
        match self.lock_shared(what, clock) {
            Ok(lock) => Ok(ReadLock::Held(lock)),
            Err(error) if error.kind == Kind::Failed => {
                let alone = self.locks_seen()?.live.into_iter().find(|holder| holder.kind == LockKind::Alone);
                alone.map_or(Ok(ReadLock::Without(error)), |holder| Err(locked(&holder, &LockKind::Shared)))
            }
            Err(error) => Err(error),
        }
    }
}
