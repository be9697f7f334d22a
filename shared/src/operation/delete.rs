//! `delete`: takes backups off the list.
//!
//! What only they held stays in the repository until the next prune.

use super::AtRepository;
use crate::{
    catalog::{self, Backup},
    error::Result,
};

/// Which backups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteRequest {
    /// Their names, or the beginnings of their ids.
    pub backups: Vec<String>,
}

/// What will be deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct DeletePlan {
    /// The backups, in the order they were asked for, each once.
    pub backups: Vec<Backup>,
    /// How many others stay.
    pub remaining: usize,
}

/// What was deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct DeleteOutcome {
    /// The backups that are gone.
    pub deleted: Vec<Backup>,
}

/// Finds what will be deleted.
///
/// # Errors
///
/// If any one of them is not there; then none will be.
pub fn prepare(at: &AtRepository<'_>, request: &DeleteRequest) -> Result<DeletePlan> {
    let there = catalog::list(at.repository)?;
    let mut backups: Vec<Backup> = Vec::new();
    for wanted in &request.backups {
        let found = catalog::find(&there, wanted)?;
        if !backups.iter().any(|backup| backup.id == found.id) {
            backups.push(found.clone());
        }
    }
    let remaining = there.len() - backups.len();
    Ok(DeletePlan { backups, remaining })
}

/// Deletes what the plan names.
pub fn apply(at: &AtRepository<'_>, plan: DeletePlan) -> Result<DeleteOutcome> {
    let _lock = at.repository.lock_shared("delete", at.clock)?;
    let ids: Vec<_> = plan.backups.iter().map(|backup| backup.id.clone()).collect();
    at.repository.delete(&ids)?;
    Ok(DeleteOutcome { deleted: plan.backups })
}
