//! Frees what no backup needs any more: `rustic_core`'s prune, alone under the lock.
//!
//! `rustic_core` has no locks and would keep unneeded packs for 23 hours instead; under ours they
//! are removed at once.

use super::{files::Leftover, opening::Repository, pack::ENTRY, seal::OVERHEAD};
use crate::error::{Context, Result};
use jiff::Span;
use rustic_core::{FileType, LimitOption, PruneOptions};
use serde::Serialize;

/// What a pack holds beside its blobs and their entries: the header's seal and its length.
const PACK_OVERHEAD: u64 = OVERHEAD as u64 + 4;

/// Hours that no clock is ahead of another.
const FOR_ALL_CLOCKS: i64 = 100 * 365 * 24;

/// What a prune would do. Sizes are in bytes, and are those of packs: the index, which is written
/// anew and may shrink or grow a little, is not counted.
pub struct PrunePlan {
    inner: rustic_core::PrunePlan,
    unfinished: Vec<Leftover>,
    /// What it frees.
    pub freed_bytes: u64,
    /// Packs of which nothing is needed.
    pub packs_to_remove: u64,
    /// Packs of which a part is needed: that part is written anew.
    pub packs_to_rewrite: u64,
    /// Packs that no index names, left by runs that were killed.
    pub packs_without_index: u64,
    /// Files that killed runs were in the middle of.
    pub unfinished_files: u64,
    /// What the repository's packs hold at present.
    pub stored_bytes: u64,
}

/// What a prune did, counted as in its plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// What it freed, in bytes.
    pub freed_bytes: u64,
    /// Packs that are gone.
    pub packs_removed: u64,
}

impl PrunePlan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.packs_to_remove + self.packs_to_rewrite + self.packs_without_index + self.unfinished_files == 0
    }
}

impl Repository {
    /// Finds out what no backup needs. Reads the index and all folders of all backups.
    ///
    /// # Errors
    ///
    /// If a backup's folders cannot be read: nothing is pruned from a damaged repository. Also
    /// if this process does not hold the repository alone: a backup that is being made would look
    /// like waste.
    pub fn prune_plan(&self) -> Result<PrunePlan> {
        self.inner.guard.require_alone("plan a prune")?;
        let plan = self.inner.rustic.prune_plan(&options()).context("find out what can be freed")?;
        let stats = &plan.stats;
        let (size, blobs) = (stats.size_sum(), stats.blobs_sum());
        let headers = (blobs.remove + blobs.repackrm) * ENTRY as u64 + stats.packs.unused * PACK_OVERHEAD;
        let unfinished = self.inner.backend.leftovers()?;
        let left: u64 = unfinished.iter().map(|file| file.length).sum();
        Ok(PrunePlan {
            freed_bytes: size.remove
                + size.repackrm
                + headers
                + stats.size_unref
                + stats.size_to_delete.total()
                + left,
            unfinished_files: unfinished.len() as u64,
            unfinished,
            packs_to_remove: stats.packs.unused + stats.packs_to_delete.total(),
            packs_to_rewrite: stats.packs.repack,
            packs_without_index: stats.packs_unref,
            stored_bytes: self.packs()?.bytes,
            inner: plan,
        })
    }

    /// Does what the plan says. The plan must have been made under the same lock.
    pub fn prune(&self, plan: PrunePlan) -> Result<Pruned> {
        self.inner.guard.require_alone("prune")?;
        if plan.is_empty() {
            return Ok(Pruned { freed_bytes: 0, packs_removed: 0 });
        }
        let before = self.packs()?;
        self.inner.rustic.prune(&options(), plan.inner).context("prune the repository")?;
        let after = self.packs()?;
        let mut left = 0;
        for file in plan.unfinished {
            self.inner.backend.remove_leftover(&file)?;
            left += file.length;
        }
        Ok(Pruned {
            freed_bytes: before.bytes.saturating_sub(after.bytes) + left,
            packs_removed: before.count.saturating_sub(after.count),
        })
    }

    fn packs(&self) -> Result<Packs> {
        let packs = self.inner.backend.list_with_size(FileType::Pack).context("list the packs")?;
        let bytes = packs.iter().map(|(_, length)| u64::from(*length)).sum();
        Ok(Packs { count: packs.len() as u64, bytes })
    }
}

/// All packs that are there.
struct Packs {
    count: u64,
    bytes: u64,
}

/// Everything that is not needed goes, and goes now; packs are not rewritten for their size alone.
/// `rustic_core` notes the time in the index and spares what is younger than `keep_pack`; a host
/// whose clock is ahead would so keep packs from the others, and a time in the future does not.
fn options() -> PruneOptions {
    PruneOptions::default()
        .instant_delete(true)
        .keep_pack(Span::new().hours(-FOR_ALL_CLOCKS))
        .no_resize(true)
        .max_unused(LimitOption::Percentage(0))
        .max_repack(LimitOption::Unlimited)
}
