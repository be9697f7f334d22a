//! What the verbs that work on a server need of the backups that exist.

use crate::{
    catalog::{self, Backup},
    entry::{Blob, ChunkId},
    error::{Error, Kind, Result},
    method::logical::{Previous, Stored},
    repository::{Reader, Repository, StoredFile},
    target::Target,
};
use std::collections::HashMap;

/// The backups that there are, to compare a new one with.
pub(super) struct Earlier {
    reader: Reader,
    backups: Vec<Backup>,
    target: String,
}

impl Earlier {
    pub fn open(repository: &Repository, target: &Target) -> Result<Self> {
        Ok(Self {
            reader: repository.reader()?,
            backups: catalog::list(repository)?.there,
            target: target.name.clone(),
        })
    }

    /// What the newest backup knows of a database: the newest of the same target, or else the
    /// newest that has a database of this name.
    pub fn of(&self, database: &str, has: &dyn Fn(&ChunkId) -> bool) -> Result<Previous> {
        let newest = |target: Option<&str>| {
            self.backups.iter().rev().find(|backup| {
                target.is_none_or(|target| backup.record.target == target)
                    && backup.record.databases.iter().any(|one| one.name == database)
            })
        };
        let Some(backup) = newest(Some(&self.target)).or_else(|| newest(None)) else {
            return Ok(Previous::default());
        };
        let manifest = catalog::read_manifest(&self.reader, backup)?;
        let Some(record) = manifest.databases.into_iter().find(|record| record.name == database) else {
            return Ok(Previous::default());
        };
        let prefixes = self
            .reader
            .files(&backup.id)?
            .iter()
            .filter(|file| is_in(file, &record.folder))
            .flat_map(|file| &file.chunks)
            .filter(|(id, _)| has(id))
            .map(|(id, _)| id.prefix())
            .collect();
        let chunk_sizes =
            record.tables.into_iter().map(|table| ((table.schema, table.name), table.chunk_size)).collect();
        Ok(Previous { prefixes, chunk_sizes })
    }
}

fn is_in(file: &StoredFile, folder: &str) -> bool {
    file.path.split_last().is_some_and(|(_, above)| above.join("/") == folder)
}

/// One database's folder in a backup, as the method sees it.
pub(super) struct Folder<'a> {
    reader: &'a Reader,
    files: HashMap<String, Vec<(ChunkId, u32)>>,
}

impl<'a> Folder<'a> {
    /// Takes the files of one database out of a backup's.
    pub fn of(reader: &'a Reader, files: &[StoredFile], folder: &str) -> Self {
        let files = files
            .iter()
            .filter(|file| is_in(file, folder))
            .filter_map(|file| file.path.last().map(|name| (name.clone(), file.chunks.clone())))
            .collect();
        Self { reader, files }
    }
}

impl Stored for Folder<'_> {
    fn chunks(&self, file: &str) -> Result<Vec<(ChunkId, u32)>> {
        self.files.get(file).cloned().ok_or_else(|| {
            Error::new(Kind::Damage, format!("file `{file}` of the manifest is not in the backup"))
        })
    }

    fn blob(&self, id: &ChunkId) -> Result<Blob> {
        self.reader.blob(id)
    }

    fn file(&self, file: &str) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        for (id, _) in self.chunks(file)? {
            content.extend_from_slice(&self.reader.content(&id)?);
        }
        Ok(content)
    }
}
