//! `repo prune`: frees what no backup needs any more.

use super::{
    AtRepository,
    repo_check::{HOW_TO_REPAIR, damage_by_index, damaged_index},
};
use crate::{
    error::{Error, Kind, Result},
    repository::{PrunePlan, Pruned},
};
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
/// [`Kind::Locked`] while backups are made or read, [`Kind::Damage`] if something that a backup
/// needs is not there.
pub fn prepare(at: &AtRepository<'_>) -> Result<RepoPrunePlan> {
    let _lock = at.repository.lock_alone("repo prune", at.clock)?;
    let plan = plan(at)?;
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
    let plan = plan(at)?;
    at.cancel.check()?;
    at.repository.prune(plan)
}

/// Plans, or says which backups stand in the way: what a damaged backup needs cannot be told from
/// what nobody needs.
fn plan(at: &AtRepository<'_>) -> Result<PrunePlan> {
    let error = match at.repository.prune_plan() {
        Err(error) if error.kind != Kind::Locked => error,
        planned => return planned,
    };
    let index = at.repository.index_state()?;
    if let Some(damaged) = damaged_index(&index) {
        return Err(damaged.note("nothing was removed"));
    }
    let damaged = damage_by_index(at)?;
    at.repository.require_answers()?;
    if damaged.is_empty() && index.is_sound() {
        return Err(error.note("nothing was removed"));
    }
    let refused = Error::new(Kind::Damage, "the repository is damaged, and nothing is pruned from it");
    let causes = damaged.iter().map(|(name, why)| format!("the backup `{name}` is damaged: {why}"));
    let refused = causes.fold(refused, Error::caused_by);
    // Nobody shall give up a backup that only the index hides.
    let refused = if damaged.is_empty() || index.unnamed_packs > 0 {
        let what_then = "what is damaged after that is given up with `pgbackup delete NAME`";
        refused.caused_by(error).hint(HOW_TO_REPAIR).hint(what_then)
    } else {
        let hint = |name: &str| format!("give it up with `pgbackup delete {name}`, then prune again");
        damaged.iter().fold(refused, |refused, (name, _)| refused.hint(hint(name)))
    };
    Err(refused.note("nothing was removed"))
}
