//! What a repository is, in figures.

use super::opening::Repository;
use crate::error::{Context, Result};
use rustic_core::FileType;
use serde::Serialize;

/// What a repository is. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Info {
    /// Its id.
    pub id: String,
    /// Its folder, or its place in S3.
    pub path: String,
    /// The file with its key, if it was opened with one.
    pub key_file: Option<String>,
    /// How many backups of ours are in it.
    pub backups: u64,
    /// What all its files hold.
    pub stored_bytes: u64,
    /// How many packs there are.
    pub packs: u64,
    /// How many keys open it by password.
    pub passwords: u64,
}

impl Repository {
    /// Counts backups, packs and bytes. Reads names and lengths of files, and the snapshots.
    pub fn info(&self) -> Result<Info> {
        let mut stored_bytes = 0;
        let mut counts = [0; 4];
        let kinds = [FileType::Pack, FileType::Key, FileType::Index, FileType::Snapshot];
        for (kind, count) in kinds.into_iter().zip(&mut counts) {
            let files = self.inner.backend.list_with_size(kind).context("look at the repository's files")?;
            stored_bytes += files.iter().map(|(_, length)| u64::from(*length)).sum::<u64>();
            *count = files.len() as u64;
        }
        let [packs, passwords, ..] = counts;
        Ok(Info {
            id: self.id().to_owned(),
            path: self.place().to_owned(),
            key_file: self.key_file().map(|file| file.to_string_lossy().into_owned()),
            backups: self.snapshots()?.there.len() as u64,
            stored_bytes,
            packs,
            passwords,
        })
    }
}
