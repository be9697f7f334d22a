//! The key files: one for each repository, `<keys folder>/<repository id>`.
//!
//! A key file is the master key as `rustic_core` writes it down (JSON), readable by its owner
//! only. A repository that is being made has a key file with a temporary name, so that at no
//! moment anything is sealed with a key that is not on the disk.

use super::door::{make_folder, sync_folder, write_durably};
use crate::error::{Context, Error, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use rand::RngCore;
use rustic_core::repofile::MasterKey;
use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// The master key: 32 bytes for AES-256, then 16 and 16 for Poly1305 (`k` and `r`).
pub(super) type KeyBytes = [u8; 64];

/// What the name of a key file begins with while its repository is being made.
const UNFINISHED: &str = "unfinished-";

/// The folder of the key files.
pub(super) struct KeyFolder {
    folder: PathBuf,
}

impl KeyFolder {
    pub(super) fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The key file of a repository, whether it exists or not.
    pub(super) fn file_of(&self, repository: &str) -> PathBuf {
        self.folder.join(repository)
    }

    /// The key of a repository, or none if there is no such file.
    ///
    /// # Errors
    ///
    /// If others can read the file, or if it does not hold a key.
    pub(super) fn read(&self, repository: &str) -> Result<Option<KeyBytes>> {
        read_key(&self.file_of(repository))
    }

    /// Writes the key of a repository.
    pub(super) fn write(&self, repository: &str, key: &KeyBytes) -> Result<PathBuf> {
        let file = self.file_of(repository);
        self.make()?;
        write_durably(&file, &key_text(key)?)?;
        Ok(file)
    }

    /// Writes the key of a repository that is about to be made, under a temporary name.
    pub(super) fn write_unfinished(&self, key: &KeyBytes) -> Result<PathBuf> {
        let file = self.folder.join(format!("{UNFINISHED}{:016x}", rand::random::<u64>()));
        self.make()?;
        write_durably(&file, &key_text(key)?)?;
        Ok(file)
    }

    /// Gives a key file its name for good.
    pub(super) fn finish(&self, unfinished: &Path, repository: &str) -> Result<PathBuf> {
        let file = self.file_of(repository);
        fs::rename(unfinished, &file)
            .and_then(|()| sync_folder(&self.folder))
            .context(format!("name the key file `{}`", file.display()))?;
        Ok(file)
    }

    /// The keys of repositories whose making was interrupted.
    pub(super) fn unfinished(&self) -> Result<Vec<(PathBuf, KeyBytes)>> {
        let what = || format!("list the folder of keys `{}`", self.folder.display());
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.context(what())?,
        };
        let mut keys = Vec::new();
        for entry in entries {
            let entry = entry.context(what())?;
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED)
                && let Some(key) = read_key(&entry.path())?
            {
                keys.push((entry.path(), key));
            }
        }
        Ok(keys)
    }

    fn make(&self) -> Result<()> {
        make_folder(&self.folder)?;
        let mode = |folder: &Path| fs::metadata(folder).map(|it| it.permissions().mode() & 0o777);
        let what = || format!("make the folder of keys `{}` private", self.folder.display());
        if mode(&self.folder).context(what())? & 0o077 != 0 {
            fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o700)).context(what())?;
        }
        Ok(())
    }
}

/// A new random key, from a generator that the system seeds. Poly1305 masks the bits of `r` that
/// it cannot use, so any 64 bytes are a key.
pub(super) fn random_key() -> KeyBytes {
    let mut key = [0; 64];
    rand::rng().fill_bytes(&mut key);
    key
}

/// The key in the form that `rustic_core` takes.
pub(super) fn master_key(key: &KeyBytes) -> Result<MasterKey> {
    serde_json::from_slice(&key_text(key)?).context("hand over the repository's key")
}

/// The bytes of a key, if it has as many as it must.
pub(super) fn bytes_of(key: &MasterKey) -> Option<KeyBytes> {
    joined(&key.encrypt, &key.mac.k, &key.mac.r)
}

fn joined(encrypt: &[u8], k: &[u8], r: &[u8]) -> Option<KeyBytes> {
    if encrypt.len() != 32 || k.len() != 16 || r.len() != 16 {
        return None;
    }
    [encrypt, k, r].concat().try_into().ok()
}

fn key_text(key: &KeyBytes) -> Result<Vec<u8>> {
    let (encrypt, mac) = key.split_at(32);
    let (k, r) = mac.split_at(16);
    let text = serde_json::json!({
        "mac": { "k": BASE64.encode(k), "r": BASE64.encode(r) },
        "encrypt": BASE64.encode(encrypt),
    });
    serde_json::to_vec(&text).context("write down the repository's key")
}

fn read_key(file: &Path) -> Result<Option<KeyBytes>> {
    let what = || format!("read the key file `{}`", file.display());
    let text = match fs::read(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text.context(what())?,
    };
    let mode = fs::metadata(file).context(what())?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Error::failed(format!("others can read the key file `{}`", file.display()))
            .caused_by(format!("its mode is {mode:04o}"))
            .hint(format!("make it private with `chmod 600 {}`", file.display())));
    }
    // Lengths are checked here, because the library panics on a key that is too short.
    let parsed = serde_json::from_slice::<MasterKey>(&text).ok().as_ref().and_then(bytes_of);
    parsed.map(Some).ok_or_else(|| {
        Error::failed(format!("the file `{}` does not hold a repository's key", file.display()))
            .hint("write it anew from the recovery sheet with `pgbackup repo key import FILE`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back_and_its_file_and_folder_are_private() {
        let place = tempfile::tempdir().unwrap();
        let keys = KeyFolder::new(place.path().join("keys"));
        let key = random_key();
        let file = keys.write("abc", &key).unwrap();
        assert_eq!(keys.read("abc").unwrap().unwrap(), key);
        assert_eq!(bytes_of(&master_key(&key).unwrap()).unwrap(), key);
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(place.path().join("keys")).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(keys.read("other").unwrap().is_none());
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused_with_the_command_that_helps() {
        let place = tempfile::tempdir().unwrap();
        let keys = KeyFolder::new(place.path());
        let file = keys.write("abc", &random_key()).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let error = keys.read("abc").unwrap_err();
        assert!(error.hints[0].contains("chmod 600"), "{error:?}");
    }

    #[test]
    fn a_key_that_is_too_short_is_an_error_and_no_panic() {
        let place = tempfile::tempdir().unwrap();
        let keys = KeyFolder::new(place.path());
        write_durably(&keys.file_of("abc"), br#"{"mac":{"k":"AAAA","r":"AAAA"},"encrypt":"AAAA"}"#).unwrap();
        assert!(keys.read("abc").unwrap_err().what.contains("does not hold"));
    }

    #[test]
    fn the_key_of_an_interrupted_making_is_found_and_can_be_finished() {
        let place = tempfile::tempdir().unwrap();
        let keys = KeyFolder::new(place.path());
        let key = random_key();
        let file = keys.write_unfinished(&key).unwrap();
        assert_eq!(keys.unfinished().unwrap(), [(file.clone(), key)]);
        keys.finish(&file, "abc").unwrap();
        assert!(keys.unfinished().unwrap().is_empty());
        assert_eq!(keys.read("abc").unwrap().unwrap(), key);
    }
}
