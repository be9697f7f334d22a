//! `repo prune`: frees what no backup needs any more.

use super::AtRepository;
use crate::{error::Result, repository::Pruned};
use serde::Serialize;

/// What a prune would do. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RepoPrunePlan {
    /// What it frees.
    pub freed_bytes: u64,
    /// What the repository's packs hold at present.
    pub stored_bytes: u64,
    /// Packs of which nothing is needed.
    pub packs_to_remove: u64,
    /// Packs of which a part is needed: that part is written anew.
    pub packs_to_rewrite: u64,
    /// Packs that no index names or that are unfinished, left by runs that were killed.
    pub packs_without_index: u64,
}

impl RepoPrunePlan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.packs_to_remove + self.packs_to_rewrite + self.packs_without_index == 0
    }
}

/// Finds out what a prune would do. Needs the repository for itself while it looks.
///
/// # Errors
///
/// [`Kind::Locked`](crate::error::Kind::Locked) while backups are made or read.
pub fn prepare(at: &AtRepository<'_>) -> Result<RepoPrunePlan> {
    let _lock = at.repository.lock_alone("repo prune", at.clock)?;
    let plan = at.repository.prune_plan()?;
    Ok(RepoPrunePlan {
        freed_bytes: plan.freed_bytes,
        stored_bytes: plan.stored_bytes,
        packs_to_remove: plan.packs_to_remove,
        packs_to_rewrite: plan.packs_to_rewrite,
        packs_without_index: plan.packs_without_index + plan.unfinished_files,
    })
}

/// Prunes. The plan is made anew under the same lock: between [`prepare`] and this, while the
/// user was asked, nobody was kept from making backups.
pub fn apply(at: &AtRepository<'_>) -> Result<Pruned> {
    let _lock = at.repository.lock_alone("repo prune", at.clock)?;
    let plan = at.repository.prune_plan()?;
    at.cancel.check()?;
    at.repository.prune(plan)
}
