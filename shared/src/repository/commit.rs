//! Makes a backup exist.

use super::{
    packer::Writer,
    rustic::to_rustic,
    seal::write_text,
    snapshot::{NewSnapshot, SnapshotId, StoredFile, TAG},
    tree,
};
use crate::error::{Context, Error, Result};
use jiff::tz::TimeZone;
use rustic_core::{FileType, StringList, TreeId, repofile::SnapshotFile};

impl Writer {
    /// Records the backup: packs, index, trees, and then, when all that is durable, its snapshot.
    /// Before the snapshot's file is there, there is no backup.
    ///
    /// # Errors
    ///
    /// If a chunk of a file is not stored, or is stored with another length; if the lock was
    /// lost; if anything could not be written. Then nothing was recorded.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a backup is handed over; its parts are of no use to anybody afterwards"
    )]
    pub fn commit(self, files: Vec<StoredFile>, snapshot: NewSnapshot) -> Result<SnapshotId> {
        self.record(&files, &snapshot)
            .map_err(|error| error.context(format!("the backup `{}` was not recorded", snapshot.label)))
    }

    fn record(&self, files: &[StoredFile], new: &NewSnapshot) -> Result<SnapshotId> {
        for file in files {
            for (id, length) in &file.chunks {
                match self.raw_length(id) {
                    Some(stored) if stored == *length => {}
                    Some(stored) => {
                        return Err(Error::failed(format!(
                            "a chunk of `{}` has a wrong length",
                            file.path.join("/")
                        ))
                        .caused_by(format!("`{id}` is stored with {stored} bytes, expected were {length}")));
                    }
                    None => {
                        return Err(Error::failed(format!(
                            "a chunk of `{}` is not stored",
                            file.path.join("/")
                        ))
                        .caused_by(format!(
                            "`{id}` is neither in the index nor among the chunks of this run"
                        )));
                    }
                }
            }
        }
        let tree = tree::build(files, new.time, &mut |id, text| self.add_tree(id, text))?;
        self.finish_packs()?;

        let mut tags = StringList::default();
        tags.add(TAG.to_owned());
        new.tags.iter().for_each(|tag| tags.add(tag.clone()));
        let mut paths = StringList::default();
        paths.add("/".to_owned());
        let snapshot = SnapshotFile {
            time: new.time.to_zoned(TimeZone::UTC),
            program_version: concat!("pgbackup ", env!("CARGO_PKG_VERSION")).to_owned(),
            tree: TreeId::from(to_rustic(&tree)),
            label: new.label.clone(),
            paths,
            hostname: new.host.clone(),
            tags,
            description: Some(new.description.clone()),
            ..SnapshotFile::default()
        };
        let text = serde_json::to_vec(&snapshot).context("describe the backup")?;
        let inner = &self.inner;
        inner.guard.require_any("record the backup")?;
        let id = write_text(inner.backend.as_ref(), &inner.sealer, FileType::Snapshot, &text)?;
        // The process may have slept between the question and the write.
        if let Err(error) = inner.guard.require_any("record the backup") {
            inner.backend.remove(FileType::Snapshot, &id, true).context("take the backup back")?;
            return Err(error);
        }
        Ok(SnapshotId::of(&id))
    }
}
