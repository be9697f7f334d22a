//! `verify`: reads every byte of one backup back and compares it with the manifest.
//!
//! Each chunk is decrypted, decompressed and hashed; of each table the chunks, their hash, the
//! bytes and the rows (line feeds in COPY's text) are compared with what was counted when it was
//! read from the server; the header of each pack that holds a part of the backup is compared with
//! the index. All damage is looked for, not only the first.

use super::{
    AtRepository,
    read_back::read_back,
    verify_headers::{self, DamagedHeader},
};
use crate::{
    catalog::{
        self, Backup,
        manifest::{DatabaseRecord, EntryRecord, Manifest},
    },
    error::{Error, Kind, Result},
    repository::{Reader, SurveyedFile},
};
use pgbackup_wire::{ChunkId, ChunksHash};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::{Mutex, PoisonError},
};

/// Which backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyRequest {
    /// Its name, or the beginning of its id.
    pub backup: String,
}

/// A backup that is whole. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifyOutcome {
    /// The backup.
    pub backup: Backup,
    /// Its databases, in the order of their names.
    pub databases: Vec<VerifiedDatabase>,
    /// Different chunks that were read and hashed.
    pub chunks: u64,
    /// What they hold.
    pub bytes: u64,
    /// How long it took.
    pub seconds: f64,
}

/// A database that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedDatabase {
    /// Its name.
    pub name: String,
    /// Its tables.
    pub tables: u64,
    /// Their rows, counted again.
    pub rows: u64,
    /// Its large objects.
    pub large_objects: u64,
    /// What tables and large objects hold.
    pub bytes: u64,
}

/// Verifies one backup.
///
/// # Errors
///
/// [`Kind::Damage`] with one cause for each table, large object or file that is damaged.
pub fn verify(at: &AtRepository<'_>, request: &VerifyRequest) -> Result<VerifyOutcome> {
    let started = at.clock.now();
    let backup = catalog::list(at.repository)?.find(&request.backup)?.clone();
    let _lock = at.lock_to_read("verify")?;
    let reader = at.repository.reader()?;
    let manifest = catalog::read_manifest(&reader, &backup).or_else(|error| {
        at.repository.require_answers()?;
        Err(damaged(&backup, [error.to_string()]))
    })?;
    let checked = Checked::read(at, &reader, &backup)?;
    let (databases, mut damage) = checked.compare(&reader, &backup, &manifest);
    damage.extend(verify_headers::describe(
        &checked.headers,
        &reader,
        &checked.files,
        &checked.folders,
        &manifest,
    ));
    if !damage.is_empty() {
        at.repository.require_answers()?;
        return Err(damaged(&backup, damage));
    }
    let seconds = at.clock.now().duration_since(started).as_secs_f64();
    Ok(VerifyOutcome {
        backup,
        databases,
        chunks: checked.chunks.len() as u64,
        bytes: checked.bytes,
        seconds,
    })
}

fn damaged(backup: &Backup, damage: impl IntoIterator<Item = String>) -> Error {
    let error = Error::new(Kind::Damage, format!("the backup `{}` is damaged", backup.name()));
    damage
        .into_iter()
        .fold(error, Error::caused_by)
        .hint("other backups may be whole: `pgbackup verify` them, and `pgbackup repo check` names all that are damaged")
        .note(super::repo_check::HOW_TO_HEAL)
}

/// What was found in a chunk that is whole, or why it is not.
type ChunkState = std::result::Result<Counted, String>;

/// Length and line feeds.
#[derive(Clone, Copy, Default)]
struct Counted {
    bytes: u64,
    lines: u64,
}

/// A backup whose every chunk was read.
struct Checked {
    files: BTreeMap<String, SurveyedFile>,
    chunks: HashMap<ChunkId, ChunkState>,
    bytes: u64,
    /// Its folders, each with the id of its tree.
    folders: Vec<(Vec<String>, ChunkId)>,
    /// Folders that cannot be read.
    damage: Vec<String>,
    headers: Vec<DamagedHeader>,
}

impl Checked {
    fn read(at: &AtRepository<'_>, reader: &Reader, backup: &Backup) -> Result<Self> {
        let survey = reader.survey(&backup.id)?;
        let damage = survey
            .unreadable
            .iter()
            .map(|(folder, error)| {
                let database = folder.get(1).and_then(|folder| catalog::database_of_folder(folder));
                match database {
                    Some(name) => format!("database `{name}`: its folder cannot be read: {error}"),
                    None => format!("the folder `/{}` cannot be read: {error}", folder.join("/")),
                }
            })
            .collect();
        let mut ids: Vec<_> = survey.files.iter().flat_map(|file| file.chunks.iter().copied()).collect();
        ids.sort_unstable();
        ids.dedup();
        reader.sort_as_stored(&mut ids);
        let bytes = ids.iter().filter_map(|id| reader.raw_length(id)).map(u64::from).sum();
        let states = Mutex::new(vec![Ok(Counted::default()); ids.len()]);
        read_back(at, reader, &ids, bytes, &|position, content| {
            if content.is_err() {
                at.repository.require_answers()?;
            }
            let state = content.map(|content| counted(&content)).map_err(|error| error.to_string());
            if let Some(place) = states.lock().unwrap_or_else(PoisonError::into_inner).get_mut(position) {
                *place = state;
            }
            Ok(())
        })?;
        let states = states.into_inner().unwrap_or_else(PoisonError::into_inner);
        let headers = verify_headers::check(at.cancel, reader, &ids, &survey.folders)?;
        Ok(Self {
            files: survey.files.into_iter().map(|file| (file.path.join("/"), file)).collect(),
            chunks: ids.into_iter().zip(states).collect(),
            bytes,
            folders: survey.folders,
            damage,
            headers,
        })
    }

    /// Compares with the manifest; gives the databases as counted, and all damage.
    fn compare(
        &self,
        reader: &Reader,
        backup: &Backup,
        manifest: &Manifest,
    ) -> (Vec<VerifiedDatabase>, Vec<String>) {
        let mut damage = self.damage.clone();
        let mut named = BTreeSet::new();
        let mut databases = Vec::new();
        for database in &manifest.databases {
            let mut add = |thing: &dyn fmt::Display, why: String| {
                damage.push(format!("database `{}`: {thing}: {why}", database.name));
            };
            let mut rows = 0;
            let entries = database.tables.iter().chain(&database.large_objects).map(|entry| &entry.file);
            named.extend(entries.map(|file| format!("{}/{file}", database.folder)));
            for table in &database.tables {
                match self.entry(database, table) {
                    Ok(counted) if counted == table.rows => rows += counted,
                    Ok(counted) => add(
                        &shown(table),
                        format!("it has {counted} rows, and {} were read from the server", table.rows),
                    ),
                    Err(why) => add(&shown(table), why),
                }
            }
            for object in &database.large_objects {
                if let Err(why) = self.entry(database, object) {
                    add(&format!("large object {}", object.oid), why);
                }
            }
            let contents = [("toc.dat", &database.contents_hash)];
            let extra = database.extra_files.iter().map(|(name, hash)| (name.as_str(), hash));
            for (name, hash) in contents.into_iter().chain(extra) {
                let path = format!("{}/{name}", database.folder);
                let parts: Vec<_> = path.split('/').collect();
                named.insert(path.clone());
                let state = self
                    .whole(&path)
                    .and_then(|()| reader.file(&backup.id, &parts).map_err(|error| error.to_string()));
                match state {
                    Ok(content) if ChunkId::of(&content).to_string() == *hash => {}
                    Ok(_) => add(&format!("`{name}`"), "its hash is not the manifest's".to_owned()),
                    Err(why) => add(&format!("`{name}`"), why),
                }
            }
            databases.push(VerifiedDatabase {
                name: database.name.clone(),
                tables: database.tables.len() as u64,
                rows,
                large_objects: database.large_objects.len() as u64,
                bytes: database.tables.iter().chain(&database.large_objects).map(|entry| entry.bytes).sum(),
            });
        }
        for path in self.files.keys().filter(|path| !named.contains(*path)) {
            self.whole(path).err().into_iter().for_each(|why| damage.push(format!("`{path}`: {why}")));
        }
        (databases, damage)
    }

    /// Compares a table's or large object's file with its record; gives its line feeds.
    fn entry(&self, database: &DatabaseRecord, entry: &EntryRecord) -> std::result::Result<u64, String> {
        let path = format!("{}/{}", database.folder, entry.file);
        self.whole(&path)?;
        let file = self.files.get(&path).ok_or("its file is missing")?;
        let expected: u64 = entry.parts.iter().map(|part| part.chunks).sum();
        let chunks =
            usize::try_from(expected).ok().and_then(|expected| file.chunks.get(..expected)).ok_or_else(
                || format!("{expected} chunks are on record, and {} are stored", file.chunks.len()),
            )?;
        let mut hash = ChunksHash::new();
        let mut counted = Counted::default();
        for id in chunks {
            hash.add(id);
            let found =
                self.chunks.get(id).and_then(|state| state.as_ref().ok()).copied().unwrap_or_default();
            counted.bytes += found.bytes;
            counted.lines += found.lines;
        }
        if ChunkId(hash.finish()).to_string() != entry.hash {
            return Err("its chunks are not those on record".to_owned());
        }
        if counted.bytes != entry.bytes {
            return Err(format!("it has {} bytes, and {} are on record", counted.bytes, entry.bytes));
        }
        Ok(counted.lines)
    }

    /// Passes a file that is there with every chunk and its right size (F45).
    fn whole(&self, path: &str) -> std::result::Result<(), String> {
        let file = self.files.get(path).ok_or("it is missing")?;
        let mut size = 0;
        for id in &file.chunks {
            match self.chunks.get(id) {
                Some(Ok(counted)) => size += counted.bytes,
                Some(Err(why)) => return Err(why.clone()),
                None => return Err(format!("the chunk `{id}` was not read")),
            }
        }
        if size != file.size {
            return Err(format!("its size is on record as {} bytes, and it has {size}", file.size));
        }
        Ok(())
    }
}

fn shown(table: &EntryRecord) -> String {
    format!("table `{}.{}`", table.schema, table.name)
}

#[expect(clippy::naive_bytecount, reason = "the compiler makes vector code of it")]
fn counted(content: &[u8]) -> Counted {
    let lines = content.iter().filter(|byte| **byte == b'\n').count() as u64;
    Counted { bytes: content.len() as u64, lines }
}
