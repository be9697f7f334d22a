//! The kinds of places that a repository can be at, and what stands there before it is opened.

use super::{
    backend::LocalFiles,
    door::{Door, LocalDoor, make_folder},
    files::Files,
    location::Location,
    lock_guard::Guard,
    opening::{OURS, Options},
    rustic::foreign,
    s3::{Client, S3Door, S3Files},
};
use crate::error::{Context, Error, Result};
use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The folders of restic's layout.
const OF_RESTIC: [&str; 4] = ["data", "index", "keys", "snapshots"];

/// A place for a repository.
pub(super) enum Storage {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A prefix in a bucket.
    S3(Arc<Client>),
}

impl Storage {
    /// Reads the place; asks no server yet.
    pub(super) fn at(options: &Options) -> Result<Self> {
        Ok(match Location::parse(&options.repository)? {
            Location::Folder(path) => Self::Folder(path),
            Location::S3(place) => Self::S3(Arc::new(Client::new(&place, &options.s3, &options.cancel)?)),
        })
    }

    /// The one name of the place: for messages, and as a key of the places that are known.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Folder(path) => path.to_string_lossy().into_owned(),
            Self::S3(client) => client.address().text(),
        }
    }

    /// The door for our own small files.
    pub(super) fn door(&self) -> Arc<dyn Door> {
        match self {
            Self::Folder(path) => Arc::new(LocalDoor::new(path.join(OURS))),
            Self::S3(client) => Arc::new(S3Door::new(Arc::clone(client), OURS)),
        }
    }

    /// restic's files.
    pub(super) fn files(&self, guard: &Guard) -> Result<Arc<dyn Files>> {
        Ok(match self {
            Self::Folder(path) => {
                let files = LocalFiles::new(path, guard.clone());
                let what = || format!("open the folder `{}`", path.display());
                Arc::new(files.map_err(|error| foreign(what(), &error))?)
            }
            Self::S3(client) => Arc::new(S3Files::new(Arc::clone(client), guard.clone())),
        })
    }

    /// Whether restic's `config` is there: without it there is no repository.
    pub(super) fn has_config(&self) -> Result<bool> {
        match self {
            Self::Folder(path) => match fs::metadata(path.join("config")) {
                Ok(_) => Ok(true),
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    Ok(false)
                }
                Err(error) => Err(error).context(format!("look at the repository `{}`", path.display())),
            },
            Self::S3(client) => Ok(client.read("config")?.is_some()),
        }
    }

    /// What may be the matter where a repository that was there is not.
    pub(super) fn where_it_may_be(&self) -> &'static str {
        match self {
            Self::Folder(_) => "is the disk mounted?",
            Self::S3(_) => "is this the right bucket, at the right endpoint?",
        }
    }

    /// Makes the place, where that is needed.
    pub(super) fn make(&self) -> Result<()> {
        match self {
            Self::Folder(path) => make_folder(path),
            // A bucket is its owner's; names in it need no folders.
            Self::S3(_) => Ok(()),
        }
    }

    /// Passes if the place holds nothing but what an interrupted making may have left.
    pub(super) fn check_free(&self) -> Result<()> {
        let in_the_way = match self {
            Self::Folder(path) => stranger_in(path).context(format!("look into `{}`", path.display()))?,
            Self::S3(client) => {
                let objects = client.list("")?.into_iter();
                let ours = format!("{OURS}/");
                objects.map(|object| object.name).find(|name| !name.is_empty() && !name.starts_with(&ours))
            }
        };
        match in_the_way {
            None => Ok(()),
            Some(name) => Err(Error::failed(format!("`{}` holds something else", self.text()))
                .caused_by(format!("`{name}` is in it, and it is no repository"))
                .hint("give an empty or a new folder with `--repository`")
                .note("nothing was changed there")),
        }
    }
}

/// The first thing in a folder that no interrupted making of a repository could have left.
fn stranger_in(place: &Path) -> std::io::Result<Option<String>> {
    let entries = match fs::read_dir(place) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let of_restic = OF_RESTIC.iter().any(|folder| name == *folder);
        if name != OURS && !(of_restic && holds_no_file(&entry.path())?) {
            return Ok(Some(name.to_string_lossy().into_owned()));
        }
    }
    Ok(None)
}

/// Whether there are only folders below this one.
fn holds_no_file(folder: &Path) -> std::io::Result<bool> {
    if !folder.is_dir() {
        return Ok(false);
    }
    for entry in fs::read_dir(folder)? {
        if !holds_no_file(&entry?.path())? {
            return Ok(false);
        }
    }
    Ok(true)
}
