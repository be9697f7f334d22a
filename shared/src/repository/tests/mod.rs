//! Whole repositories in temporary folders.

mod clocks;
mod concurrency;
mod disks;
mod locks;
mod opening;
mod pruning;
mod repairing;
mod storing;

use super::{
    NewSnapshot, Options, Repository, S3Variables, SnapshotId, StoredFile, Writer, open, open_or_create,
};
use crate::{cancel::Cancel, clock::SystemClock, entry::Blob, secret::Secret};
use jiff::Timestamp;
use pgbackup_wire::ChunkId;
use rand::{RngCore, SeedableRng, rngs::StdRng};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// A folder with room for a repository, keys, and what is remembered.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn repository_path(&self) -> PathBuf {
        self.path().join("repository")
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            repository: self.repository_path().to_str().unwrap().to_owned(),
            keys_folder: self.path().join("keys"),
            known_places_file: self.path().join("places.json"),
            password: None,
            s3: S3Variables::default(),
            cancel: Cancel::default(),
            host: "here".to_owned(),
        }
    }

    /// Makes the repository, or opens it.
    pub(crate) fn repository(&self) -> Repository {
        open_or_create(&self.options()).unwrap().0
    }

    /// All packs.
    pub(crate) fn packs(&self) -> Vec<PathBuf> {
        files_below(&self.repository_path().join("data"))
    }
}

/// All files below a folder, in the order of their paths.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

/// Content that does not compress.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut content = vec![0; length];
    StdRng::seed_from_u64(seed).fill_bytes(&mut content);
    content
}

/// A chunk as the mover sends it.
pub(crate) fn blob(content: &[u8]) -> Blob {
    Blob {
        id: ChunkId::of(content),
        raw_length: u32::try_from(content.len()).unwrap(),
        compressed: zstd::bulk::compress(content, 1).unwrap(),
    }
}

/// Stores content in pieces of 64 KiB and names the file that it makes.
pub(crate) fn put(writer: &Writer, path: &[&str], content: &[u8]) -> StoredFile {
    let chunks = content
        .chunks(64 << 10)
        .map(|piece| {
            let blob = blob(piece);
            let named = (blob.id, blob.raw_length);
            writer.add(blob).unwrap();
            named
        })
        .collect();
    StoredFile { path: path.iter().map(|part| (*part).to_owned()).collect(), chunks }
}

pub(crate) fn named(name: &str) -> NewSnapshot {
    NewSnapshot {
        time: Timestamp::now(),
        label: name.to_owned(),
        host: "here".to_owned(),
        tags: vec!["docker".to_owned()],
        description: String::new(),
    }
}

/// Makes a backup of these files.
pub(crate) fn back_up(repository: &Repository, name: &str, files: &[(&[&str], &[u8])]) -> SnapshotId {
    let _lock = repository.lock_shared("create", &SystemClock).unwrap();
    let writer = repository.writer().unwrap();
    let files = files.iter().map(|(path, content)| put(&writer, path, content)).collect();
    writer.commit(files, named(name)).unwrap()
}

/// restic on a repository; none where it is not installed, which CI does not allow.
pub(crate) struct Restic {
    repository: PathBuf,
}

impl Restic {
    pub(crate) const PASSWORD: &str = "correct horse";

    pub(crate) fn on(repository: &Repository) -> Option<Self> {
        let restic = Self::at(repository.place().into());
        Self::is_installed().then(|| {
            repository.add_password_key(&Secret::new(Self::PASSWORD)).unwrap();
            restic
        })
    }

    /// On a repository that has its password already, or is to be made.
    pub(crate) fn at(repository: PathBuf) -> Self {
        Self { repository }
    }

    pub(crate) fn is_installed() -> bool {
        let installed = Command::new("restic").arg("version").output().is_ok();
        assert!(installed || std::env::var_os("CI").is_none(), "restic is not installed");
        installed
    }

    pub(crate) fn run(&self, arguments: &[&str]) {
        let output = Command::new("restic")
            .env("RESTIC_PASSWORD", Self::PASSWORD)
            .arg("--repo")
            .arg(&self.repository)
            .args(["--no-cache", "--no-lock"])
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "restic {arguments:?}: {said}");
    }
}

/// Opens anew, as another process would.
pub(crate) fn again(place: &Place) -> Repository {
    open(&place.options()).unwrap()
}
