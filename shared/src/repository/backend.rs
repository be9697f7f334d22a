//! restic's files on the local file system, through `rustic_backend`, with four things added.
//!
//! `rustic_backend` writes a file under a temporary name, flushes it and renames it. It does not
//! flush the folder, so a power cut could take a pack that an index already names; a listing that
//! fails is only logged, so a folder that cannot be read looks empty, and a prune would then
//! remove everything; it opens a pack anew for each chunk. And it knows no locks.

use super::{
    door::sync_folder,
    files::{Files, Leftover},
    lock_file,
    lock_guard::Guard,
    opening::OURS,
};
use crate::error::{Context, Error, Result};
use bytes::Bytes;
use rustic_backend::LocalBackend;
use rustic_core::{
    ALL_FILE_TYPES, BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend,
};
use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    os::unix::{ffi::OsStrExt, fs::FileExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// How many packs are kept open: enough for every session of a restore and then some.
const OPEN_PACKS: usize = 64;

/// How `rustic_backend` ends the name of a file while it writes it.
const UNFINISHED: &str = "-tmp-";

/// A repository's folder.
pub(super) struct LocalFiles {
    folder: PathBuf,
    inner: LocalBackend,
    guard: Guard,
    open: Mutex<HashMap<Id, Arc<File>>>,
}

impl LocalFiles {
    pub(super) fn new(folder: &Path, guard: Guard) -> RusticResult<Self> {
        let inner = LocalBackend::new(folder.to_string_lossy(), [])?;
        Ok(Self { folder: folder.to_owned(), inner, guard, open: Mutex::default() })
    }

    fn folder_of(&self, kind: FileType, id: &Id) -> PathBuf {
        match kind {
            FileType::Config => self.folder.clone(),
            FileType::Pack => {
                let name = id.to_hex();
                let shelf = name.as_str().get(..2).unwrap_or_default().to_owned();
                self.folder.join(kind.dirname()).join(shelf)
            }
            _ => self.folder.join(kind.dirname()),
        }
    }

    /// Files that a killed writer was in the middle of: their names are not ids. Of the small
    /// ones beside lock files only the old: somebody may be writing one to ask for the lock.
    fn unfinished(&self) -> io::Result<Vec<(PathBuf, u64)>> {
        let mut found = Vec::new();
        for kind in ALL_FILE_TYPES {
            Self::collect_leftovers(&self.folder.join(kind.dirname()), &mut found)?;
        }
        let locks = match fs::read_dir(self.folder.join(OURS).join(lock_file::FOLDER)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            entries => entries?,
        };
        for entry in locks {
            let entry = entry?;
            let Ok(metadata) = entry.metadata() else { continue };
            let old = metadata.modified()?.elapsed().is_ok_and(|age| age > lock_file::STALE_AFTER);
            let name = entry.file_name();
            if old
                && (name.as_bytes().starts_with(b".")
                    || name.as_bytes().ends_with(lock_file::TIME.as_bytes()))
            {
                found.push((entry.path(), metadata.len()));
            }
        }
        Ok(found)
    }

    fn collect_leftovers(folder: &Path, found: &mut Vec<(PathBuf, u64)>) -> io::Result<()> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                Self::collect_leftovers(&entry.path(), found)?;
            } else if entry.file_name().to_string_lossy().ends_with(UNFINISHED) {
                found.push((entry.path(), entry.metadata()?.len()));
            }
        }
        Ok(())
    }

    /// Whether there surely is no such pack.
    fn is_gone(&self, pack: &Id) -> bool {
        let path = self.folder_of(FileType::Pack, pack).join(pack.to_hex().as_str());
        fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    fn pack(&self, id: &Id) -> io::Result<Arc<File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(id) {
            return Ok(Arc::clone(file));
        }
        let path = self.folder_of(FileType::Pack, id).join(id.to_hex().as_str());
        let file = Arc::new(File::open(path)?);
        if open.len() >= OPEN_PACKS {
            open.clear();
        }
        open.insert(*id, Arc::clone(&file));
        Ok(file)
    }

    /// Collects the files of one folder whose names are ids, and those of its folders.
    fn collect(folder: &Path, found: &mut Vec<(Id, u32)>) -> io::Result<()> {
        let entries = match fs::read_dir(folder) {
            // A repository of restic's makes the folders of its packs one by one.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                Self::collect(&entry.path(), found)?;
            } else if let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
                let length = match entry.metadata() {
                    // Another process may remove a snapshot between the listing and this.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    metadata => metadata?.len(),
                };
                found.push((id, u32::try_from(length).unwrap_or(u32::MAX)));
            }
        }
        Ok(())
    }
}

impl Files for LocalFiles {
    fn leftovers(&self) -> Result<Vec<Leftover>> {
        let found = self.unfinished().context("look for unfinished files")?.into_iter();
        Ok(found
            .map(|(path, length)| Leftover { name: path.to_string_lossy().into_owned(), length })
            .collect())
    }

    fn take_back(&self, pack: &Id) -> Result<()> {
        self.inner.remove(FileType::Pack, pack, false).context("take a pack back")
    }

    fn remove_leftover(&self, leftover: &Leftover) -> Result<()> {
        fs::remove_file(&leftover.name).context(format!("remove the unfinished file `{}`", leftover.name))
    }

    fn trouble(&self) -> Option<Error> {
        None
    }

    fn readers(&self) -> usize {
        1
    }
}

fn failed(guidance: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Box<RusticError> {
    RusticError::with_source(ErrorKind::Backend, guidance, error)
}

impl ReadBackend for LocalFiles {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        let mut found = Vec::new();
        if kind == FileType::Config {
            match fs::metadata(self.folder.join("config")) {
                Ok(metadata) => found.push((Id::default(), metadata.len() as u32)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed("the file `config` cannot be looked at", error)),
            }
            return Ok(found);
        }
        let folder = self.folder.join(kind.dirname());
        Self::collect(&folder, &mut found).map_err(|error| {
            failed("the folder `{path}` cannot be listed", error)
                .attach_context("path", folder.to_string_lossy())
        })?;
        Ok(found)
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        self.inner.read_full(kind, id)
    }

    fn read_partial(
        &self,
        kind: FileType,
        id: &Id,
        cacheable: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<Bytes> {
        if kind != FileType::Pack {
            return self.inner.read_partial(kind, id, cacheable, offset, length);
        }
        let read = || {
            let mut content = vec![0; length as usize];
            self.pack(id)?.read_exact_at(&mut content, u64::from(offset))?;
            Ok(content)
        };
        read().map(Bytes::from).map_err(|error: io::Error| failed("the pack cannot be read", error))
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        self.inner.warmup_path(kind, id)
    }
}

impl WriteBackend for LocalFiles {
    fn create(&self) -> RusticResult<()> {
        self.inner.create()
    }

    fn write_bytes(&self, kind: FileType, id: &Id, cacheable: bool, content: BytesList) -> RusticResult<()> {
        if kind == FileType::Snapshot {
            self.guard.require_any("record the backup").map_err(|error| failed("not written", error))?;
        }
        self.inner.write_bytes(kind, id, cacheable, content)?;
        sync_folder(&self.folder_of(kind, id))
            .map_err(|error| failed("the folder cannot be flushed to the disk", error))
    }

    fn remove(&self, kind: FileType, id: &Id, cacheable: bool) -> RusticResult<()> {
        if matches!(kind, FileType::Pack | FileType::Index) {
            self.guard.require_alone("remove a pack").map_err(|error| failed("not removed", error))?;
        }
        if kind == FileType::Pack && self.is_gone(id) {
            // Somebody moved a damaged pack away; what wants it removed has what it wants.
            return Ok(());
        }
        self.inner.remove(kind, id, cacheable)?;
        if kind == FileType::Snapshot {
            // A deleted backup stays deleted through a power cut; packs may come back, they are
            // only space.
            sync_folder(&self.folder_of(kind, id))
                .map_err(|error| failed("the folder cannot be flushed to the disk", error))?;
        }
        Ok(())
    }
}
