//! `delete`: takes backups off the list.
//!
//! What only they held stays in the repository until the next prune.

use super::AtRepository;
use crate::{
    catalog::{self, Backup, Unreadable},
    error::Result,
    repository::SnapshotId,
};

/// Which backups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteRequest {
    /// Their names, or the beginnings of their names or ids.
    pub backups: Vec<String>,
    /// Whether names must be whole, because nobody looks at the plan.
    pub whole_names: bool,
}

/// What will be deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct DeletePlan {
    /// The backups, in the order they were asked for, each once.
    pub backups: Vec<Backup>,
    /// Those that cannot be read: nothing can be told of them but their ids.
    pub unreadable: Vec<SnapshotId>,
    /// How many others stay.
    pub remaining: usize,
}

/// What was deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct DeleteOutcome {
    /// The backups that are gone.
    pub deleted: Vec<Backup>,
    /// Those that could not be read, and are gone too.
    pub unreadable: Vec<SnapshotId>,
}

/// Finds what will be deleted.
///
/// # Errors
///
/// If any one of them is not there; then none will be.
pub fn prepare(at: &AtRepository<'_>, request: &DeleteRequest) -> Result<DeletePlan> {
    let there = catalog::list(at.repository)?;
    let mut backups: Vec<Backup> = Vec::new();
    let mut unreadable = Vec::new();
    for wanted in &request.backups {
        let found = if request.whole_names { there.find_whole(wanted) } else { there.find(wanted) };
        let found = match (found, by_id(&there.unreadable, wanted)) {
            (Err(_), Some(id)) => {
                unreadable.push(id.clone());
                continue;
            }
            (found, _) => found?,
        };
        if !backups.iter().any(|backup| backup.id == found.id) {
            backups.push(found.clone());
        }
    }
    unreadable.sort();
    unreadable.dedup();
    let remaining = there.there.len() - backups.len();
    Ok(DeletePlan { backups, unreadable, remaining })
}

/// The one that cannot be read and is meant: by the twelve letters of its id that errors show, or more.
fn by_id<'a>(unreadable: &'a [Unreadable], wanted: &str) -> Option<&'a SnapshotId> {
    let mut ids = unreadable.iter().map(|one| &one.id).filter(|id| id.as_str().starts_with(wanted));
    let first = ids.next().filter(|id| wanted.len() >= id.short().len());
    first.filter(|_| ids.next().is_none())
}

/// Deletes what the plan names.
pub fn apply(at: &AtRepository<'_>, plan: DeletePlan) -> Result<DeleteOutcome> {
    let _lock = at.repository.lock_shared("delete", at.clock)?;
    let readable = plan.backups.iter().map(|backup| &backup.id);
    let ids: Vec<_> = readable.chain(&plan.unreadable).cloned().collect();
    at.repository.delete(&ids)?;
    Ok(DeleteOutcome { deleted: plan.backups, unreadable: plan.unreadable })
}
