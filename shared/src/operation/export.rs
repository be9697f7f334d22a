//! `export`: writes one backup into a folder, as dumps that `pg_restore -Fd` takes.
//!
//! The folder is filled under a temporary name beside the wanted one, every chunk's hash compared
//! on the way, and renamed when all of it is on the disk: a folder of the wanted name is complete.

use super::{AtRepository, read_back::read_back};
use crate::{
    catalog::{self, Backup, manifest::Manifest},
    error::{Context, Error, Kind, Result},
    repository::StoredFile,
};
use pgbackup_wire::ChunkId;
use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs::{self, DirBuilder, File},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// How many files are kept open while they are filled.
const OPEN_FILES: usize = 64;

/// What to export, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportRequest {
    /// The backup's name, or the beginning of its id.
    pub backup: String,
    /// The folder to make; an existing one must be empty.
    pub folder: PathBuf,
    /// The databases, by their literal names; empty for all.
    pub databases: Vec<String>,
}

/// What was exported. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportOutcome {
    /// The backup.
    pub backup: Backup,
    /// The folder.
    pub folder: PathBuf,
    /// Each database, and its folder below `folder`.
    pub databases: Vec<(String, String)>,
    /// How many files were written.
    pub files: u64,
    /// What they hold.
    pub bytes: u64,
    /// How long it took.
    pub seconds: f64,
}

/// Exports a backup.
///
/// # Errors
///
/// [`Kind::Damage`] if a chunk is not what was stored. On any error nothing is left behind.
pub fn export(at: &AtRepository<'_>, request: &ExportRequest) -> Result<ExportOutcome> {
    let started = at.clock.now();
    let folder = free_folder(&request.folder)?;
    let backup = catalog::list(at.repository)?.find(&request.backup)?.clone();
    let _lock = at.lock_to_read("export")?;
    let reader = at.repository.reader()?;
    let manifest = catalog::read_manifest(&reader, &backup)?;
    let databases = selected(&manifest, &backup, &request.databases)?;
    let files: Vec<_> =
        reader.files(&backup.id)?.into_iter().filter(|file| is_wanted(file, &databases)).collect();

    let filling = Filling::begin(&folder)?;
    files.iter().try_for_each(|file| filling.make(file))?;
    let places = places(&files);
    let mut ids: Vec<_> = places.keys().copied().collect();
    reader.sort_as_stored(&mut ids);
    let bytes = files.iter().map(StoredFile::size).sum();
    let total = ids.iter().filter_map(|id| reader.raw_length(id)).map(u64::from).sum();
    read_back(at, &reader, &ids, total, &|position, content| {
        let content = content.map_err(|error| of_file(error, ids.get(position), &places, &files))?;
        for place in ids.get(position).and_then(|id| places.get(id)).into_iter().flatten() {
            if let Some(file) = files.get(place.file) {
                filling
                    .open(file)
                    .and_then(|output| output.write_all_at(&content, place.offset))
                    .context(format!("write `{}`", file.path.join("/")))?;
            }
        }
        Ok(())
    })?;
    filling.finish(&folder, &files)?;
    Ok(ExportOutcome {
        backup,
        folder,
        databases,
        files: files.len() as u64,
        bytes,
        seconds: at.clock.now().duration_since(started).as_secs_f64(),
    })
}

/// The wanted folder, absolute, if nothing is there or an empty folder.
fn free_folder(wanted: &Path) -> Result<PathBuf> {
    let folder =
        std::path::absolute(wanted).context(format!("make the path `{}` absolute", wanted.display()))?;
    let not_empty = |why: &str| {
        Error::failed(format!("`{}` is not an empty folder", folder.display()))
            .caused_by(why)
            .hint("give the name of a folder that does not exist yet")
            .note("nothing was written")
    };
    match fs::read_dir(&folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(folder),
            Some(_) => Err(not_empty("there is something in it")),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(folder),
        Err(error) if error.kind() == ErrorKind::NotADirectory => Err(not_empty("it is a file")),
        Err(error) => Err(error).context(format!("look into `{}`", folder.display())),
    }
}

/// The databases to export, each with its folder in the backup.
fn selected(manifest: &Manifest, backup: &Backup, wanted: &[String]) -> Result<Vec<(String, String)>> {
    let all = manifest.databases.iter().map(|database| (database.name.clone(), database.folder.clone()));
    if wanted.is_empty() {
        return Ok(all.collect());
    }
    let absent =
        wanted.iter().find(|name| !manifest.databases.iter().any(|database| database.name == **name));
    if let Some(name) = absent {
        let there: Vec<_> =
            manifest.databases.iter().map(|database| format!("`{}`", database.name)).collect();
        return Err(Error::failed(format!("the backup `{}` holds no database `{name}`", backup.name()))
            .hint(format!("it holds {}", there.join(", "))));
    }
    Ok(all.filter(|(name, _)| wanted.contains(name)).collect())
}

/// Whether a file is of a wanted database, or of none.
fn is_wanted(file: &StoredFile, databases: &[(String, String)]) -> bool {
    match file.path.as_slice() {
        [above, database, ..] if above == "databases" => {
            let folder = format!("{above}/{database}");
            databases.iter().any(|(_, wanted)| *wanted == folder)
        }
        _ => true,
    }
}

/// Where a chunk's content goes.
struct Place {
    /// The file, as a position in the list of files.
    file: usize,
    offset: u64,
}

fn places(files: &[StoredFile]) -> HashMap<ChunkId, Vec<Place>> {
    let mut places: HashMap<ChunkId, Vec<Place>> = HashMap::new();
    for (number, file) in files.iter().enumerate() {
        let mut offset = 0;
        for (id, length) in &file.chunks {
            places.entry(*id).or_default().push(Place { file: number, offset });
            offset += u64::from(*length);
        }
    }
    places
}

fn of_file(
    error: Error,
    id: Option<&ChunkId>,
    places: &HashMap<ChunkId, Vec<Place>>,
    files: &[StoredFile],
) -> Error {
    let place = id.and_then(|id| places.get(id)).and_then(|places| places.first());
    match place.and_then(|place| files.get(place.file)) {
        Some(file) => error.context(format!("export `{}`", file.path.join("/"))),
        None => error,
    }
}

/// The folder while it is filled; removed unless it is finished.
struct Filling {
    path: PathBuf,
    /// Files that are open: a few, because a database may have more tables than a process may
    /// have open files.
    open: Mutex<HashMap<PathBuf, Arc<File>>>,
    finished: bool,
}

impl Filling {
    fn begin(wanted: &Path) -> Result<Self> {
        let name = wanted
            .file_name()
            .ok_or_else(|| Error::new(Kind::Usage, format!("`{}` cannot be made", wanted.display())))?;
        let mut temporary = OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".unfinished-{:016x}", rand::random::<u64>()));
        let path = wanted.with_file_name(temporary);
        make_folder(&path)?;
        Ok(Self { path, open: Mutex::default(), finished: false })
    }

    fn path_of(&self, file: &StoredFile) -> PathBuf {
        std::iter::once(self.path.as_os_str()).chain(file.path.iter().map(OsStr::new)).collect()
    }

    /// Makes an empty file, and the folders above it.
    fn make(&self, file: &StoredFile) -> Result<()> {
        let path = self.path_of(file);
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        let made = File::options().write(true).create_new(true).mode(0o600).open(&path);
        made.map(drop).context(format!("make the file `{}`", path.display()))
    }

    fn open(&self, file: &StoredFile) -> io::Result<Arc<File>> {
        let path = self.path_of(file);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(&path) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(File::options().write(true).open(&path)?);
        if open.len() >= OPEN_FILES {
            open.clear();
        }
        open.insert(path, Arc::clone(&file));
        Ok(file)
    }

    /// Puts everything on the disk and gives the folder its name.
    fn finish(mut self, wanted: &Path, files: &[StoredFile]) -> Result<()> {
        let what = || format!("flush `{}` to the disk", wanted.display());
        self.flush(files).context(what())?;
        fs::rename(&self.path, wanted).context(format!("give the folder its name `{}`", wanted.display()))?;
        self.finished = true;
        let above = wanted.parent().unwrap_or(Path::new("/"));
        File::open(above).and_then(|above| above.sync_all()).context(what())
    }

    /// One call for all files: a database may have thousands of tables.
    #[cfg(target_os = "linux")]
    fn flush(&self, _: &[StoredFile]) -> io::Result<()> {
        Ok(rustix::fs::syncfs(File::open(&self.path)?)?)
    }

    #[cfg(not(target_os = "linux"))]
    fn flush(&self, files: &[StoredFile]) -> io::Result<()> {
        files.iter().try_for_each(|file| File::open(self.path_of(file))?.sync_all())
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        if !self.finished {
            // The error that brought us here is the one that counts.
            drop(fs::remove_dir_all(&self.path));
        }
    }
}

fn make_folder(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .context(format!("make the folder `{}`", path.display()))
}
