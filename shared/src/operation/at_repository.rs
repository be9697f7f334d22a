//! What every verb that works on the repository alone needs.

use super::reading::lock_to_read;
use crate::{
    cancel::Cancel,
    clock::Clock,
    error::Result,
    event::Observer,
    repository::{Lock, Repository},
};

/// The repository, the time, who is told, and whether to go on.
#[derive(Clone, Copy)]
pub struct AtRepository<'a> {
    /// The open repository.
    pub repository: &'a Repository,
    /// Where time comes from.
    pub clock: &'a dyn Clock,
    /// Who is told what happens.
    pub observer: &'a dyn Observer,
    /// Raised when the user wants to stop.
    pub cancel: &'a Cancel,
}

impl AtRepository<'_> {
    /// Takes a lock to read under, or warns that there is none because none can be written.
    pub(super) fn lock_to_read(&self, what: &str) -> Result<Option<Lock>> {
        lock_to_read(self.repository, what, self.clock, self.observer)
    }
}
