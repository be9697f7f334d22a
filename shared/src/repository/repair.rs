//! Makes the index anew from the packs, where it is lost or names what is not there.
//!
//! Every pack ends with a header that says what is in it, so an index that is lost loses no
//! backup. `rustic_core` reads the headers; it gives up at an index file that is damaged, so
//! those are removed first. Killed in between, the repository has less of an index than it could,
//! and the next repair goes on.

use super::{opening::Repository, seal::read_text};
use crate::error::{Context, Error, Result};
use rustic_core::{FileType, Id, RepairIndexOptions, repofile::IndexFile};
use std::collections::HashMap;

/// How index and packs fit together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexState {
    /// Ids of index files that are not what was written.
    pub damaged: Vec<String>,
    /// Packs that are there and that no index names.
    pub unnamed_packs: u64,
    /// Packs that the index names and that are not there, or have another length.
    pub absent_packs: u64,
}

impl IndexState {
    /// Whether a repair would find nothing to do.
    pub fn is_sound(&self) -> bool {
        *self == Self::default()
    }
}

impl Repository {
    /// Compares index and packs by their names and lengths.
    ///
    /// # Errors
    ///
    /// If a file cannot be read at all. One that can be read and is damaged is told.
    pub fn index_state(&self) -> Result<IndexState> {
        let backend = &self.inner.backend;
        let packs = backend.list_with_size(FileType::Pack).context("list the repository's packs")?;
        let stored: HashMap<Id, u32> = packs.into_iter().collect();
        let mut state = IndexState::default();
        let mut unnamed = stored.clone();
        for id in backend.list(FileType::Index).context("list the index files")? {
            let sealed = backend
                .read_full(FileType::Index, &id)
                .context(format!("read the index file `{}`", id.to_hex().as_str()))?;
            let file = read_text(&self.inner.sealer, sealed.into())
                .and_then(|text| serde_json::from_slice::<IndexFile>(&text).context("read an index file"));
            let Ok(file) = file else {
                state.damaged.push(id.to_hex().as_str().to_owned());
                continue;
            };
            for pack in file.packs.iter().chain(&file.packs_to_delete) {
                unnamed.remove(&*pack.id);
                state.absent_packs += u64::from(stored.get(&*pack.id) != Some(&pack.pack_size()));
            }
        }
        state.unnamed_packs = unnamed.len() as u64;
        Ok(state)
    }

    /// Makes the index name what the packs hold, and nothing that is not there; gives the state
    /// after it. Packs whose headers cannot be read stay where they are, unnamed.
    ///
    /// # Errors
    ///
    /// If this process does not hold the repository alone, or a file cannot be written.
    pub fn repair_index(&self) -> Result<IndexState> {
        self.inner.guard.require_alone("repair the index")?;
        for id in self.index_state()?.damaged {
            let id: Id = id.parse().map_err(|_| Error::failed(format!("`{id}` is no name of a file")))?;
            self.inner
                .backend
                .remove(FileType::Index, &id, true)
                .context(format!("remove the damaged index file `{}`", id.to_hex().as_str()))?;
        }
        let options = RepairIndexOptions::default();
        self.inner.rustic.repair_index(&options, false).context("make the index anew from the packs")?;
        self.require_answers()?;
        self.index_state()
    }
}
