//! `repo unlock`: removes locks whose holders are gone.

use super::AtRepository;
use crate::{
    error::Result,
    repository::{LockStates, Unlocked},
};

/// Finds out which locks there are.
pub fn prepare(at: &AtRepository<'_>) -> Result<LockStates> {
    at.repository.lock_states()
}

/// Removes the stale ones. Live ones are left: their holders are at work.
pub fn apply(at: &AtRepository<'_>) -> Result<Unlocked> {
    at.repository.unlock()
}
