//! A backup as the repository knows it: its snapshot file, and the files it names.

use super::{
    opening::Repository,
    rustic::{from_rustic, parse_hex},
    seal::read_text,
};
use crate::error::{Context, Error, Kind, Result};
use jiff::Timestamp;
use pgbackup_wire::ChunkId;
use rustic_core::{FileType, Id, repofile::SnapshotFile};
use std::fmt;

/// The tag of every snapshot of ours.
pub(super) const TAG: &str = "pgbackup";

/// A snapshot's id: 64 hexadecimal letters, the SHA-256 of its file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SnapshotId(String);

impl SnapshotId {
    /// Reads a whole id.
    pub fn parse(text: &str) -> Option<Self> {
        parse_hex(text).map(|_| Self(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve letters, as Docker shows ids to people.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }

    pub(super) fn of(id: &Id) -> Self {
        Self(id.to_hex().as_str().to_owned())
    }

    pub(super) fn to_rustic(&self) -> Result<rustic_core::repofile::SnapshotId> {
        self.0.parse().map_err(|_| Error::failed(format!("`{}` is not a snapshot's id", self.0)))
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A snapshot that is there.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its id.
    pub id: SnapshotId,
    /// When the backup was made.
    pub time: Timestamp,
    /// The backup's name.
    pub label: String,
    /// The host that made it.
    pub host: String,
    /// Its tags, in the order of their letters.
    pub tags: Vec<String>,
    /// What the catalog wrote about it.
    pub description: String,
    /// The id of its root tree.
    pub(super) tree: ChunkId,
}

/// The snapshots of a repository.
#[derive(Clone, Debug, Default)]
pub struct Snapshots {
    /// Those of ours that can be read, oldest first.
    pub there: Vec<Snapshot>,
    /// Those that are not what was written.
    pub damaged: Vec<DamagedSnapshot>,
}

/// A snapshot whose file is not what was written: a backup that is lost, and no reason not to
/// know the others.
#[derive(Clone, Debug)]
pub struct DamagedSnapshot {
    /// Its id, which is the file's name.
    pub id: SnapshotId,
    /// What is wrong with it.
    pub why: Error,
}

/// A snapshot to be made.
#[derive(Clone, Debug)]
pub struct NewSnapshot {
    /// When the backup was made.
    pub time: Timestamp,
    /// The backup's name.
    pub label: String,
    /// The host that makes it.
    pub host: String,
    /// Its tags beside the one that every backup of ours has.
    pub tags: Vec<String>,
    /// What the catalog writes about it.
    pub description: String,
}

/// A file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// Its folders and its name, each fit to be a file's name.
    pub path: Vec<String>,
    /// Its chunks in order, each with the length of its content.
    pub chunks: Vec<(ChunkId, u32)>,
}

impl StoredFile {
    /// The length of its content.
    pub fn size(&self) -> u64 {
        self.chunks.iter().map(|(_, length)| u64::from(*length)).sum()
    }
}

impl Repository {
    /// The backups that are there. Reads the snapshot files and nothing else.
    ///
    /// # Errors
    ///
    /// If one cannot be read for another reason than damage: it may be there at the next try.
    pub fn snapshots(&self) -> Result<Snapshots> {
        let what = "read the list of backups";
        let ids = self.inner.backend.list(FileType::Snapshot).context(what)?;
        let mut snapshots = Snapshots::default();
        for (id, file) in self.snapshot_files(&ids) {
            match file {
                Ok(file) if file.tags.contains(TAG) => snapshots.there.push(snapshot(&id, &file)),
                Ok(_) => {}
                Err(why) => {
                    // One that another process deleted since it was listed is no error.
                    if !self.inner.backend.list(FileType::Snapshot).context(what)?.contains(&id) {
                        continue;
                    }
                    if why.kind != Kind::Damage {
                        return Err(why.context(what));
                    }
                    snapshots.damaged.push(DamagedSnapshot { id: SnapshotId::of(&id), why });
                }
            }
        }
        snapshots.there.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
        Ok(snapshots)
    }

    /// Reads snapshot files, as many side by side as the storage is worth.
    fn snapshot_files(&self, ids: &[Id]) -> Vec<(Id, Result<SnapshotFile>)> {
        let readers = self.inner.backend.readers().max(1);
        let share = ids.len().div_ceil(readers).max(1);
        let read = |ids: &[Id]| -> Vec<_> { ids.iter().map(|id| (*id, self.snapshot_file(id))).collect() };
        if share == ids.len() {
            return read(ids);
        }
        std::thread::scope(|scope| {
            let threads: Vec<_> = ids.chunks(share).map(|ids| scope.spawn(move || read(ids))).collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        })
    }

    fn snapshot_file(&self, id: &Id) -> Result<SnapshotFile> {
        let what = || format!("read the snapshot `{id}`");
        let sealed = self.inner.backend.read_full(FileType::Snapshot, id).context(what())?;
        let text = read_text(&self.inner.sealer, sealed.into())?;
        serde_json::from_slice(&text)
            .map_err(|error| Error::new(Kind::Damage, "it is not a snapshot's text").caused_by(error))
    }

    /// Removes backups from the list. What only they held stays in the packs until the next prune.
    ///
    /// # Errors
    ///
    /// If this process holds no lock of the repository.
    pub fn delete(&self, ids: &[SnapshotId]) -> Result<()> {
        self.inner.guard.require_any("delete a backup")?;
        let ids = ids.iter().map(SnapshotId::to_rustic).collect::<Result<Vec<_>>>()?;
        self.inner.rustic.delete_snapshots(&ids).context("delete a backup")
    }
}

fn snapshot(id: &Id, file: &SnapshotFile) -> Snapshot {
    Snapshot {
        id: SnapshotId::of(id),
        time: file.time.timestamp(),
        label: file.label.clone(),
        host: file.hostname.clone(),
        tags: file.tags.iter().cloned().collect(),
        description: file.description.clone().unwrap_or_default(),
        tree: from_rustic(&file.tree),
    }
}
