//! Finds, opens and makes repositories.
//!
//! What stands at a place is decided by three things: the marker of ours
//! (`pgbackup/repository.json`), restic's `config`, and what this machine remembers of the place.
//! Making is done under the lock, and in an order that can be taken up again after a crash: key
//! file, `config`, marker, memory of the place.

use super::{
    door::Door,
    files::Files,
    keys::{KeyBytes, KeyFolder, bytes_of, master_key, random_key},
    lock::acquire,
    lock_file::LockKind,
    lock_guard::Guard,
    places::KnownPlaces,
    rustic::foreign,
    s3::S3Variables,
    seal::Sealer,
    storage::Storage,
};
use crate::{
    cancel::Cancel,
    clock::SystemClock,
    error::{Context, Error, Kind, Result},
    secret::Secret,
};
use rustic_core::{
    ConfigOptions, Credentials, KeyOptions, OpenStatus, RepositoryBackends, RepositoryOptions, WriteBackend,
};
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// The folder of ours inside a repository.
pub(super) const OURS: &str = "pgbackup";
/// The marker, inside that folder.
const MARKER: &str = "repository.json";
/// What helps without a key file and without a recovery sheet.
const BY_PASSWORD: &str =
    "with a password of the repository: `pgbackup repo key import --password-file FILE` keeps its key here";
/// The layout of that folder that this version writes.
const FORMAT: u32 = 1;

/// Where a repository is and how to open it. Everything is handed in.
#[derive(Clone, Debug)]
pub struct Options {
    /// A path, `local:PATH`, `s3:https://HOST/BUCKET/PREFIX` or `s3://BUCKET/PREFIX`.
    pub repository: String,
    /// The folder that holds one key file for each repository.
    pub keys_folder: PathBuf,
    /// The file that remembers which repository is at which place.
    pub known_places_file: PathBuf,
    /// Opens with this password instead of the key file.
    pub password: Option<Secret>,
    /// What AWS's own tools would read in the environment.
    pub s3: S3Variables,
    /// Ends the wait for a server that is away.
    pub cancel: Cancel,
    /// The name of this host, for locks and snapshots.
    pub host: String,
}

/// Whether a repository was made just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    /// It was there.
    No,
    /// It was made.
    Yes {
        /// The file with its key; none if a password opens it.
        key_file: Option<PathBuf>,
    },
}

/// An open repository. Can be shared by threads.
pub struct Repository {
    pub(super) inner: Arc<Inner>,
}

/// What everything that works on a repository shares.
pub(super) struct Inner {
    pub(super) rustic: rustic_core::Repository<OpenStatus>,
    pub(super) backend: Arc<dyn Files>,
    pub(super) sealer: Sealer,
    pub(super) guard: Guard,
    pub(super) key: KeyBytes,
    pub(super) id: String,
    pub(super) place: String,
    pub(super) key_file: Option<PathBuf>,
    pub(super) host: String,
}

impl Inner {
    /// What cannot be read back is damage for the one who wants it back, unless the storage itself
    /// could not be asked.
    pub(super) fn damage(&self, mut error: Error) -> Error {
        if self.backend.trouble().is_none() {
            error.kind = Kind::Damage;
        }
        error
    }
}

impl Repository {
    /// Passes while the storage says what it holds. For those who look for damage: what a server
    /// that is away does not give out is not damaged.
    ///
    /// # Errors
    ///
    /// The error of the storage.
    pub fn require_answers(&self) -> Result<()> {
        self.inner.backend.trouble().map_or(Ok(()), Err)
    }

    /// Its id: 64 hexadecimal letters, the same at every place that it is copied to.
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// Where it is: its folder, or its place in S3 as restic writes it.
    pub fn place(&self) -> &str {
        &self.inner.place
    }

    /// The file that its key was read from; none if it was opened by password.
    pub fn key_file(&self) -> Option<&Path> {
        self.inner.key_file.as_deref()
    }

    /// The name of this host, as it stands in locks and snapshots.
    pub fn host(&self) -> &str {
        &self.inner.host
    }
}

/// Opens a repository that is there.
///
/// # Errors
///
/// [`Kind::Failed`] if there is none, if this machine remembers one at a place that is empty now
/// (F37), or if its key is missing (F36).
pub fn open(options: &Options) -> Result<Repository> {
    let site = Site::new(options)?;
    match site.look()? {
        Found::Nothing => Err(Error::failed(format!("there is no repository at `{}`", site.storage.text()))
            .hint("the first `pgbackup create` makes one, or give its place with `--repository`")),
        Found::Repository(marker) => site.open(marker.as_ref()),
    }
}

/// Opens a repository, or makes it if there is nothing at its place and never was.
///
/// # Errors
///
/// As [`open`], and if the place holds something else.
pub fn open_or_create(options: &Options) -> Result<(Repository, Created)> {
    let site = Site::new(options)?;
    match site.look()? {
        Found::Nothing => site.create(),
        Found::Repository(marker) => Ok((site.open(marker.as_ref())?, Created::No)),
    }
}

/// Says that a folder is a repository of ours, and which one; can be read without its key.
#[derive(Serialize, Deserialize)]
struct Marker {
    format: u32,
    repository: String,
}

/// What stands at a place.
enum Found {
    /// Nothing, and nothing is remembered of it.
    Nothing,
    /// restic's `config`, and our marker unless it is an ordinary repository of restic's or its
    /// making was interrupted.
    Repository(Option<Marker>),
}

/// A place, and what this machine has for it.
struct Site<'a> {
    options: &'a Options,
    storage: Storage,
    keys: KeyFolder,
    known: KnownPlaces,
    remembered: Option<String>,
    door: Arc<dyn Door>,
}

impl<'a> Site<'a> {
    fn new(options: &'a Options) -> Result<Self> {
        let storage = Storage::at(options)?;
        let known = KnownPlaces::new(&options.known_places_file);
        let remembered = known.repository_at(&storage.text())?;
        let door = storage.door();
        Ok(Self { options, keys: KeyFolder::new(&options.keys_folder), storage, known, remembered, door })
    }

    fn look(&self) -> Result<Found> {
        let place = self.storage.text();
        let has_config = self.storage.has_config()?;
        let marker = match self.door.read(MARKER)? {
            None => None,
            Some(text) => Some(
                serde_json::from_slice::<Marker>(&text)
                    .context(format!("read the marker of the repository `{place}`"))?,
            ),
        };
        match (&marker, has_config, &self.remembered) {
            (None, false, Some(id)) => {
                Err(Error::failed(format!("the repository that was at `{place}` is not there"))
                    .caused_by(format!(
                        "this machine remembers `{}` at this place, and it is empty",
                        short(id)
                    ))
                    .hint(self.storage.where_it_may_be())
                    .hint(format!(
                        "if it was removed on purpose, remove its line from `{}`",
                        self.options.known_places_file.display()
                    ))
                    .note("no new repository was made"))
            }
            (None, false, None) => Ok(Found::Nothing),
            (Some(marker), _, Some(id)) if *id != marker.repository => {
                Err(Error::failed(format!("another repository than before is at `{place}`"))
                    .caused_by(format!(
                        "`{}` was there, now it is `{}`",
                        short(id),
                        short(&marker.repository)
                    ))
                    .hint(format!(
                        "if this is right, remove its line from `{}`",
                        self.options.known_places_file.display()
                    )))
            }
            (Some(marker), _, _) if marker.format > FORMAT => {
                Err(Error::failed(format!("the repository `{place}` was made by a later version"))
                    .caused_by(format!("its format is {}, this version knows {FORMAT}", marker.format)))
            }
            (Some(_), false, _) => {
                Err(Error::new(Kind::Damage, format!("the file `{place}/config` is missing"))
                    .caused_by("without it no repository can be opened")
                    .hint("bring it back from a copy of the repository"))
            }
            (_, true, _) => Ok(Found::Repository(marker)),
        }
    }

    fn open(&self, marker: Option<&Marker>) -> Result<Repository> {
        let guard = Guard::new(Arc::clone(&self.door));
        let (backend, rustic) = self.unopened(&guard)?;
        let place = self.storage.text();
        let what = || format!("open the repository `{place}`");
        let (rustic, key_file) = if let Some(password) = &self.options.password {
            let opened = rustic.open(&Credentials::password(password.expose())).map_err(|error| {
                if error.is_incorrect_password() {
                    return Error::failed(what()).caused_by("no key of it has this password");
                }
                foreign(what(), &error)
            })?;
            (opened, None)
        } else if let Some(marker) = marker {
            let file = self.keys.file_of(&marker.repository);
            let key = self.keys.read(&marker.repository)?.ok_or_else(|| self.key_missing(&file))?;
            let opened = rustic.open(&Credentials::Masterkey(master_key(&key)?)).map_err(|error| {
                foreign(what(), &error).hint(format!("is `{}` the key of this repository?", file.display()))
            })?;
            (opened, Some(file))
        } else {
            self.take_up(&rustic)?
        };
        let repository = self.opened(backend, rustic, guard, key_file)?;
        if marker.is_some_and(|marker| marker.repository != repository.inner.id) {
            return Err(Error::new(Kind::Damage, what())
                .caused_by("its marker and its `config` name two repositories"));
        }
        if let Some(id) = self.remembered.as_ref().filter(|id| **id != repository.inner.id) {
            return Err(Error::failed(what()).caused_by(format!("`{}` was at this place before", short(id))));
        }
        if marker.is_none() {
            self.mark(&repository.inner.id)?;
        }
        self.known.remember(&place, &repository.inner.id)?;
        Ok(repository)
    }

    /// Opens what has a `config` but no marker: its making was interrupted, or it is an ordinary
    /// repository of restic's, which needs its password.
    fn take_up(
        &self,
        rustic: &rustic_core::Repository<()>,
    ) -> Result<(rustic_core::Repository<OpenStatus>, Option<PathBuf>)> {
        for (file, key) in self.keys.unfinished()? {
            let credentials = Credentials::Masterkey(master_key(&key)?);
            if let Ok(opened) = rustic.clone().open(&credentials) {
                let id = config_id(&opened);
                let file = self.keys.finish(&file, &id)?;
                return Ok((opened, Some(file)));
            }
        }
        Err(Error::failed(format!("no key opens the repository `{}`", self.storage.text()))
            .caused_by("it has no marker of ours: it is an ordinary restic repository, or it lost its marker")
            .hint(BY_PASSWORD))
    }

    fn create(&self) -> Result<(Repository, Created)> {
        self.storage.check_free()?;
        self.storage.make()?;
        let guard = Guard::new(Arc::clone(&self.door));
        // No clock is at hand before anything is open; the time is only for the reader of an error.
        let lock = acquire(&guard, LockKind::Alone, "make the repository", &self.options.host, &SystemClock)?;
        if let Found::Repository(marker) = self.look()? {
            drop(lock);
            return Ok((self.open(marker.as_ref())?, Created::No));
        }
        let (backend, rustic) = self.unopened(&guard)?;
        let (credentials, unfinished) = if let Some(password) = &self.options.password {
            (Credentials::password(password.expose()), None)
        } else {
            let key = random_key();
            let file = self.keys.write_unfinished(&key)?;
            (Credentials::Masterkey(master_key(&key)?), Some(file))
        };
        let rustic = rustic
            .init(&credentials, &KeyOptions::default(), &ConfigOptions::default())
            .context(format!("make the repository `{}`", self.storage.text()))?;
        let id = config_id(&rustic);
        let key_file = unfinished.map(|file| self.keys.finish(&file, &id)).transpose()?;
        self.mark(&id)?;
        self.known.remember(&self.storage.text(), &id)?;
        drop(lock);
        let repository = self.opened(backend, rustic, guard, key_file.clone())?;
        Ok((repository, Created::Yes { key_file }))
    }

    fn unopened(&self, guard: &Guard) -> Result<(Arc<dyn Files>, rustic_core::Repository<()>)> {
        let what = || format!("open the repository `{}`", self.storage.text());
        let backend = self.storage.files(guard)?;
        let shared: Arc<dyn WriteBackend> = Arc::clone(&backend) as _;
        let backends = RepositoryBackends::new(shared, None);
        let options = RepositoryOptions::default().no_cache(true);
        Ok((backend, rustic_core::Repository::new(&options, &backends).context(what())?))
    }

    fn opened(
        &self,
        backend: Arc<dyn Files>,
        rustic: rustic_core::Repository<OpenStatus>,
        guard: Guard,
        key_file: Option<PathBuf>,
    ) -> Result<Repository> {
        if rustic.config().version != 2 {
            return Err(Error::failed(format!("open the repository `{}`", self.storage.text()))
                .caused_by(format!("it has restic's format {}, needed is 2", rustic.config().version))
                .hint("`restic migrate upgrade_repo_v2` brings it to format 2"));
        }
        let key =
            bytes_of(&rustic.key()).ok_or_else(|| Error::failed("the repository's key has an odd length"))?;
        let inner = Inner {
            id: config_id(&rustic),
            sealer: Sealer::new(&key),
            place: self.storage.text(),
            host: self.options.host.clone(),
            rustic,
            backend,
            guard,
            key,
            key_file,
        };
        Ok(Repository { inner: Arc::new(inner) })
    }

    fn mark(&self, id: &str) -> Result<()> {
        let marker = Marker { format: FORMAT, repository: id.to_owned() };
        let text = serde_json::to_vec_pretty(&marker).context("write down the repository's marker")?;
        self.door.write(MARKER, &text)
    }

    fn key_missing(&self, file: &Path) -> Error {
        Error::failed(format!("the key of the repository `{}` is missing", self.storage.text()))
            .caused_by(format!("there is no file `{}`", file.display()))
            .hint("on another host, or after a loss: `pgbackup repo key import FILE` with the recovery sheet")
            .hint(BY_PASSWORD)
    }
}

fn config_id(rustic: &rustic_core::Repository<OpenStatus>) -> String {
    rustic.config().id.to_hex().as_str().to_owned()
}

/// The first letters of a repository's id, as shown to people.
fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
