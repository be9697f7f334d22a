//! `repo repair`: makes the index anew where it is lost, damaged, or names what is not there.

use super::AtRepository;
use crate::{error::Result, repository::IndexState};
use serde::Serialize;

/// What a repair would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RepoRepairPlan {
    /// Index files that are damaged and will be removed; packs say themselves what they hold.
    pub damaged_index_files: u64,
    /// Packs that no index names, whose headers will be read. Those that only damaged index files
    /// name are among them.
    pub packs_to_name: u64,
    /// Packs that are missing or cut short, and will be taken off the index.
    pub packs_to_take_off: u64,
}

impl RepoRepairPlan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.damaged_index_files + self.packs_to_name + self.packs_to_take_off == 0
    }
}

/// What a repair did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RepoRepairOutcome {
    /// Packs that the index names now and did not before.
    pub packs_named: u64,
    /// Packs that were taken off the index.
    pub packs_taken_off: u64,
    /// Packs whose headers cannot be read: they are as they were, and in no index.
    pub packs_unreadable: u64,
}

/// Finds out what a repair would do. Needs the repository for itself while it looks.
///
/// # Errors
///
/// [`Kind::Locked`](crate::error::Kind::Locked) while backups are made or read.
pub fn prepare(at: &AtRepository<'_>) -> Result<RepoRepairPlan> {
    let _lock = at.repository.lock_alone("repo repair", at.clock)?;
    Ok(plan(&at.repository.index_state()?))
}

/// Repairs the index. Packs and backups are left as they are.
pub fn apply(at: &AtRepository<'_>) -> Result<RepoRepairOutcome> {
    let _lock = at.repository.lock_alone("repo repair", at.clock)?;
    let before = plan(&at.repository.index_state()?);
    at.cancel.check()?;
    let after = plan(&at.repository.repair_index()?);
    Ok(RepoRepairOutcome {
        packs_named: before.packs_to_name.saturating_sub(after.packs_to_name),
        packs_taken_off: before.packs_to_take_off.saturating_sub(after.packs_to_take_off),
        packs_unreadable: after.packs_to_name,
    })
}

fn plan(state: &IndexState) -> RepoRepairPlan {
    RepoRepairPlan {
        damaged_index_files: state.damaged.len() as u64,
        packs_to_name: state.unnamed_packs,
        packs_to_take_off: state.absent_packs,
    }
}
