//! The small storage door: our own small files beside restic's (marker, locks).
//!
//! Everything that coordinates writers needs no more than these five verbs, so that object
//! storage can be added without touching the locks.

use crate::error::{Context, Result};
use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// A file as a listing shows it.
pub(super) struct Listed {
    /// Its name without its folder.
    pub(super) name: String,
    /// When it was last written or touched, by the storage's own clock.
    pub(super) modified: SystemTime,
}

/// Our own small files in one repository. Names are `folder/file`, both plain.
pub(super) trait Door: Send + Sync {
    /// The files of one folder; none if it does not exist.
    fn list(&self, folder: &str) -> Result<Vec<Listed>>;
    /// A file's bytes, or none if it is not there.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>>;
    /// Writes a whole file: durable, and never seen half-written.
    fn write(&self, name: &str, content: &[u8]) -> Result<()>;
    /// Sets a file's time to the storage's present; `false` if it is not there. Never makes it.
    fn touch(&self, name: &str) -> Result<bool>;
    /// Removes a file; `false` if it was not there.
    fn remove(&self, name: &str) -> Result<bool>;
}

/// The door over a folder of the local file system.
pub(super) struct LocalDoor {
    folder: PathBuf,
}

impl LocalDoor {
    pub(super) fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }
}

impl Door for LocalDoor {
    fn list(&self, folder: &str) -> Result<Vec<Listed>> {
        let path = self.folder.join(folder);
        let what = || format!("list the folder `{}`", path.display());
        let entries = match fs::read_dir(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.context(what())?,
        };
        let mut listed = Vec::new();
        for entry in entries {
            let entry = entry.context(what())?;
            let modified = match entry.metadata().and_then(|metadata| metadata.modified()) {
                // Another process may remove its own file between the listing and this.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                modified => modified.context(what())?,
            };
            if let Ok(name) = entry.file_name().into_string()
                && !name.starts_with('.')
            {
                listed.push(Listed { name, modified });
            }
        }
        Ok(listed)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.folder.join(name);
        match fs::read(&path) {
            Ok(content) => Ok(Some(content)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(error).context(format!("read the file `{}`", path.display())),
        }
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        write_durably(&self.folder.join(name), content)
    }

    fn touch(&self, name: &str) -> Result<bool> {
        use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};
        let path = self.folder.join(name);
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let times = Timestamps { last_access: now, last_modification: now };
        match utimensat(CWD, &path, &times, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::NOENT) => Ok(false),
            Err(error) => {
                Err(std::io::Error::from(error)).context(format!("renew the file `{}`", path.display()))
            }
        }
    }

    fn remove(&self, name: &str) -> Result<bool> {
        let path = self.folder.join(name);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error).context(format!("remove the file `{}`", path.display())),
        }
    }
}

/// Writes a file that only its owner can read: under a temporary name, flushed to the disk,
/// renamed, and the rename flushed too. Missing folders are made, for their owner only.
pub(super) fn write_durably(path: &Path, content: &[u8]) -> Result<()> {
    let what = || format!("write the file `{}`", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    make_folder(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.{:016x}", rand::random::<u64>()));
    let written = (|| {
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_folder(folder)
    })();
    if written.is_err() {
        // What could not be finished is of no use to anybody; the error that counts is the first.
        drop(fs::remove_file(&temporary));
    }
    written.context(what())
}

/// Makes a folder and those above it, readable by their owner only; an existing one stays as it is.
pub(super) fn make_folder(folder: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .context(format!("make the folder `{}`", folder.display()))
}

/// Makes renames and removals in a folder survive a power cut.
pub(super) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_private_and_leaves_no_temporary_name_behind() {
        let place = tempfile::tempdir().unwrap();
        let door = LocalDoor::new(place.path());
        door.write("locks/a", b"first").unwrap();
        door.write("locks/a", b"second").unwrap();
        assert_eq!(door.read("locks/a").unwrap().unwrap(), b"second");
        assert_eq!(fs::read_dir(place.path().join("locks")).unwrap().count(), 1);
        let mode = fs::metadata(place.path().join("locks/a")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn touching_a_file_that_was_removed_does_not_bring_it_back() {
        let place = tempfile::tempdir().unwrap();
        let door = LocalDoor::new(place.path());
        door.write("locks/a", b"x").unwrap();
        assert!(door.touch("locks/a").unwrap());
        assert!(door.remove("locks/a").unwrap());
        assert!(!door.touch("locks/a").unwrap());
        assert!(!door.remove("locks/a").unwrap());
        assert!(door.list("locks").unwrap().is_empty());
        assert!(door.read("locks/a").unwrap().is_none());
    }
}
