//! What every verb that works on the repository alone needs.

use crate::{cancel::Cancel, clock::Clock, event::Observer, repository::Repository};

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
