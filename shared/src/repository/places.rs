//! Remembers which repository is at which place (F37).
//!
//! A mount that is missing looks like an empty folder. Whoever has once had a repository at a
//! place gets an error there and never a new, empty one on the wrong disk.

use super::door::{make_folder, write_durably};
use crate::error::{Context, Result};
use std::{
    collections::BTreeMap,
    fs::File,
    io::ErrorKind,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// The file that holds them: a JSON object, absolute path to repository id.
pub(super) struct KnownPlaces {
    file: PathBuf,
}

impl KnownPlaces {
    pub(super) fn new(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into() }
    }

    /// The id of the repository that was last seen at this place.
    pub(super) fn repository_at(&self, place: &str) -> Result<Option<String>> {
        Ok(self.read()?.remove(place))
    }

    /// Remembers it; does nothing if it is known already.
    pub(super) fn remember(&self, place: &str, repository: &str) -> Result<()> {
        if self.repository_at(place)?.as_deref() == Some(repository) {
            return Ok(());
        }
        let _alone = self.lock()?;
        let mut places = self.read()?;
        places.insert(place.to_owned(), repository.to_owned());
        let text = serde_json::to_vec_pretty(&places).context("write down the places that are known")?;
        write_durably(&self.file, &text)
    }

    fn read(&self) -> Result<BTreeMap<String, String>> {
        let what = || format!("read the places that are known from `{}`", self.file.display());
        match std::fs::read(&self.file) {
            Ok(text) => serde_json::from_slice(&text).context(what()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(error).context(what()),
        }
    }

    /// Keeps other processes from changing the file until the lock is dropped.
    fn lock(&self) -> Result<File> {
        make_folder(self.file.parent().unwrap_or(Path::new(".")))?;
        let path = self.file.with_extension("lock");
        let what = || format!("lock the file `{}`", path.display());
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .context(what())?;
        file.lock().context(what())?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_that_two_processes_remember_at_once_are_both_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("places.json");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let places = KnownPlaces::new(&file);
                scope.spawn(move || places.remember(&format!("/place/{number}"), "id").unwrap());
            }
        });
        let places = KnownPlaces::new(&file);
        for number in 0..8 {
            assert_eq!(places.repository_at(&format!("/place/{number}")).unwrap().as_deref(), Some("id"));
        }
        assert_eq!(places.repository_at("/elsewhere").unwrap(), None);
    }
}
