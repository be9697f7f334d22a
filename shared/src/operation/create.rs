//! `create`: a server becomes a backup.
//!
//! Every database is read for itself, and a failure of one does not keep the others from being
//! read; but only a backup in which everything is whole is recorded.

use super::{
    Surroundings, backups,
    restore_plan::obstacles_error,
    server::{Reached, end_run, reach},
};
use crate::{
    catalog::{
        self,
        manifest::{DatabaseRecord, Globals, Manifest, ReadBy, SCHEMA, ServerRecord, TargetRecord},
    },
    entry::{Blob, ChunkId},
    error::{Context as _, Error, Kind, Result},
    event::Event,
    method::logical::{Previous, ReadDatabase, ReadRequest, Store, read_database, run_to_end},
    mover::{PlaceOptions, Way},
    postgres::{DatabaseInfo, PG_DUMP, PG_DUMPALL, globals_script, tables},
    repository::{NewSnapshot, Repository, StoredFile, Writer},
    target::Target,
};
use jiff::Timestamp;
use pgbackup_wire::{CutSizes, Cutter, message::Argument};
use std::{collections::BTreeMap, time::Duration};

/// How long to wait for a locked table where nobody said how long.
const USUAL_LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// The folder of a backup that holds the folders of its databases.
const DATABASES: &str = "databases";

/// What is asked of [`create`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreateRequest {
    /// The backup's name; by default the target's name and the time.
    pub name: Option<String>,
    /// The databases, by their literal names; empty for the whole server.
    pub databases: Vec<String>,
    /// What the user calls it beside its name: key to value.
    pub labels: BTreeMap<String, String>,
    /// Sessions that read at once; by default from the server's processors.
    pub jobs: Option<u32>,
    /// How long to wait for a table that somebody has locked; 10 s by default.
    pub lock_timeout: Option<Duration>,
    /// Whether there is to be a mover in the target, and where.
    pub mover: PlaceOptions,
}

/// A backup that is complete and recorded. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateOutcome {
    /// Its name.
    pub name: String,
    /// Its snapshot's id, hexadecimal.
    pub id: String,
    /// Its databases, by name.
    pub databases: Vec<DatabaseOutcome>,
    /// Read from tables and large objects.
    pub read: u64,
    /// New to the repository, as stored.
    pub new: u64,
    /// Crossed the wire.
    pub sent: u64,
    /// How long all of it took.
    pub seconds: f64,
}

/// One database of a backup. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct DatabaseOutcome {
    /// Its name.
    pub name: String,
    /// Its tables.
    pub tables: u64,
    /// Their rows.
    pub rows: u64,
    /// Its large objects.
    pub large_objects: u64,
    /// Read from tables and large objects.
    pub read: u64,
    /// New to the repository, as stored.
    pub new: u64,
    /// How long it took.
    pub seconds: f64,
}

/// Backs up one server into the repository.
///
/// # Errors
///
/// [`Kind::Partial`] if some databases could be read and others not: each is told by an event of
/// its own, and no backup is recorded. Otherwise what failed; nothing is recorded either.
pub fn create(
    at: &Surroundings<'_>,
    repository: &Repository,
    target: &Target,
    request: &CreateRequest,
) -> Result<CreateOutcome> {
    let started = at.clock.now();
    let name = match &request.name {
        Some(name) => name.clone(),
        None => catalog::default_name(&target.name, started),
    };
    catalog::check_name(&name)?;
    let _lock = repository.lock_shared("create", at.clock)?;
    let _claim = repository.claim_name(&name, at.clock)?;
    let writer = repository.writer()?;
    let creation = Creation { at, repository, target, request, name, started };
    creation.run(writer).map_err(|error| {
        error
            .context(format!("backup of `{}` was not recorded", target.name))
            .note("no backup was recorded; data already stored is removed by the next `pgbackup repo prune`")
    })
}

struct Creation<'a, 'b> {
    at: &'a Surroundings<'b>,
    repository: &'a Repository,
    target: &'a Target,
    request: &'a CreateRequest,
    name: String,
    started: Timestamp,
}

/// What was read of a server, before it is recorded.
struct Gathered {
    databases: Vec<ReadDatabase>,
    outcomes: Vec<DatabaseOutcome>,
    globals: Globals,
    globals_sql: Vec<(ChunkId, u32)>,
}

impl Creation<'_, '_> {
    fn run(&self, writer: Writer) -> Result<CreateOutcome> {
        let mover = &self.request.mover;
        let reached = reach(self.at, self.target, mover)?;
        let gathered = match self.gather(&reached, &writer) {
            Ok(gathered) => gathered,
            Err(error) => {
                end_run(self.at, self.target, mover, reached);
                self.at.cancel.check()?;
                return Err(error);
            }
        };
        let sent = reached.mover.received();
        let mut server = reached.server.record();
        server.read_by = match reached.mover.way() {
            Way::Mover => ReadBy::Mover,
            Way::Plain => ReadBy::Plain,
        };
        // The mover's own count of all it sent must be what arrived, or nothing is recorded.
        reached.mover.finish()?;
        self.at.cancel.check()?;
        self.record(writer, gathered, server, sent)
    }

    fn gather(&self, reached: &Reached<'_>, writer: &Writer) -> Result<Gathered> {
        let mut session = reached.maintenance()?;
        let state = reached.state(&mut session)?;
        session.close()?;
        let chosen = choose(&state.databases, &self.request.databases)?;
        let bytes = chosen.iter().filter_map(|database| database.size).sum();
        let headroom = reached.headroom(self.request.jobs, bytes, &state.databases);
        let what = format!("server in `{}` has no room for a backup", self.target.name);
        if let Some(error) = obstacles_error(&what, &headroom.obstacles) {
            return Err(error);
        }
        headroom.tell(self.at.observer);
        let jobs = headroom.jobs;
        if !state.globals.with_passwords {
            let what = format!(
                "role `{}` may not read password hashes: the backup has the roles without them",
                reached.server.endpoint.user
            );
            self.at.observer.event(&Event::Warning { what });
        }
        let step = "read roles, settings and tablespaces".to_owned();
        self.at.observer.event(&Event::Step { what: step });
        let globals_sql = match globals_script(&state.globals, reached.server.version())? {
            Some(script) => store_small(writer, &script)?,
            None => Self::globals_sql(reached, writer, state.globals.with_passwords)?,
        };
        let earlier = backups::Earlier::open(self.repository, self.target)?;
        let mut databases = Vec::new();
        let mut outcomes = Vec::new();
        let mut failures = Vec::new();
        for database in &chosen {
            self.at.cancel.check()?;
            let previous = self.previous(&earlier, writer, database);
            match self.read(reached, writer, database, jobs, &previous) {
                Ok((read, outcome)) => {
                    databases.push(read);
                    outcomes.push(outcome);
                }
                Err(error) => {
                    self.at.cancel.check()?;
                    failures.push((database.name.as_str(), error));
                    // Without the mover nothing more can be read.
                    if reached.mover.space(&[]).is_err() {
                        break;
                    }
                }
            }
        }
        match failed(failures, chosen.len()) {
            Some(error) => Err(error),
            None => Ok(Gathered { databases, outcomes, globals: state.globals, globals_sql }),
        }
    }

    /// What the last backup knows of this database. A backup that cannot be read any more costs
    /// time here, and nothing else: everything is then sent anew.
    fn previous(&self, earlier: &backups::Earlier, writer: &Writer, database: &DatabaseInfo) -> Previous {
        earlier.of(&database.name, &|id| writer.has(id)).unwrap_or_else(|error| {
            let what = format!("the last backup of `{}` cannot be compared with: {error}", database.name);
            self.at.observer.event(&Event::Warning { what });
            Previous::default()
        })
    }

    fn read(
        &self,
        reached: &Reached<'_>,
        writer: &Writer,
        database: &DatabaseInfo,
        jobs: u32,
        previous: &Previous,
    ) -> Result<(ReadDatabase, DatabaseOutcome)> {
        let began = self.at.clock.now();
        let new_before = writer.new_bytes();
        let read = read_database(&ReadRequest {
            mover: &reached.mover,
            server: &reached.server,
            database,
            folder: format!("{DATABASES}/{}", catalog::database_folder(&database.name)),
            jobs,
            lock_timeout: self.request.lock_timeout.unwrap_or(USUAL_LOCK_TIMEOUT),
            previous,
            store: &InRepository(writer),
            observer: self.at.observer,
            cancel: self.at.cancel,
        });
        let new = writer.new_bytes().saturating_sub(new_before);
        let seconds = self.seconds_since(began);
        let bytes = read.as_ref().map_or(0, |read| bytes_of(&read.record));
        self.at.observer.event(&Event::DatabaseDone {
            database: database.name.clone(),
            error: read.as_ref().err().map(ToString::to_string),
            read: bytes,
            new,
            seconds,
        });
        let read = read?;
        let outcome = DatabaseOutcome {
            name: database.name.clone(),
            tables: read.record.tables.len() as u64,
            rows: read.record.tables.iter().map(|table| table.rows).sum(),
            large_objects: read.record.large_objects.len() as u64,
            read: bytes,
            new,
            seconds,
        };
        Ok((read, outcome))
    }

    /// The server's own pg_dumpall writes the globals for people; a restore uses the manifest's.
    fn globals_sql(
        reached: &Reached<'_>,
        writer: &Writer,
        with_passwords: bool,
    ) -> Result<Vec<(ChunkId, u32)>> {
        let arguments = tables::globals_arguments(&reached.server.database, with_passwords);
        let arguments = arguments.into_iter().map(Argument::Text).collect();
        let text = run_to_end(&reached.mover, PG_DUMPALL, arguments, &reached.server.endpoint)
            .context("read roles, settings and tablespaces")?;
        store_small(writer, &text)
    }

    /// The commit: from here on the backup exists, or not at all.
    fn record(
        &self,
        writer: Writer,
        gathered: Gathered,
        server: ServerRecord,
        sent: u64,
    ) -> Result<CreateOutcome> {
        let step = "record the backup".to_owned();
        self.at.observer.event(&Event::Step { what: step });
        let mut tools = BTreeMap::from([("pgbackup".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]);
        if let Some(version) = gathered.databases.iter().find_map(|read| read.dump_version.clone()) {
            tools.insert(PG_DUMP.to_owned(), version);
        }
        let mut files = vec![StoredFile { path: vec!["globals.sql".into()], chunks: gathered.globals_sql }];
        let mut records: Vec<DatabaseRecord> = Vec::new();
        for read in gathered.databases {
            files.extend(read.files.into_iter().map(|file| StoredFile {
                path: read.record.folder.split('/').map(Into::into).chain([file.name]).collect(),
                chunks: file.chunks,
            }));
            records.push(read.record);
        }
        let manifest = Manifest {
            schema: SCHEMA,
            name: self.name.clone(),
            started: self.started.to_string(),
            finished: self.at.clock.now().to_string(),
            target: self.target_record(),
            server,
            method: "logical".into(),
            kind: "full".into(),
            whole_server: self.request.databases.is_empty(),
            globals: gathered.globals,
            databases: records,
            labels: self.request.labels.clone(),
            tools,
        };
        let text = serde_json::to_vec_pretty(&manifest).context("write the manifest")?;
        files.push(StoredFile { path: vec!["manifest.json".into()], chunks: store_small(&writer, &text)? });
        let new = writer.new_bytes();
        let seconds = self.seconds_since(self.started);
        let description = catalog::Record::of(&manifest, &text, new, seconds).to_description()?;
        let id = writer.commit(
            files,
            NewSnapshot {
                time: self.started,
                label: self.name.clone(),
                host: self.at.host.to_owned(),
                tags: Vec::new(),
                description,
            },
        )?;
        Ok(CreateOutcome {
            name: self.name.clone(),
            id: id.as_str().to_owned(),
            read: gathered.outcomes.iter().map(|database| database.read).sum(),
            databases: gathered.outcomes,
            new,
            sent,
            seconds,
        })
    }

    fn target_record(&self) -> TargetRecord {
        TargetRecord {
            platform: self.at.platform.to_owned(),
            name: self.target.name.clone(),
            id: self.target.id.clone(),
            image: self.target.image.clone(),
            project: self.target.project.clone(),
            service: self.target.service.clone(),
        }
    }

    fn seconds_since(&self, began: Timestamp) -> f64 {
        self.at.clock.now().duration_since(began).as_secs_f64()
    }
}

/// The databases that are meant: all that can be connected to and are nobody's but the users',
/// or those of the given names.
fn choose<'a>(databases: &'a [DatabaseInfo], names: &[String]) -> Result<Vec<&'a DatabaseInfo>> {
    let can = |database: &DatabaseInfo| database.properties.allow_connections && !database.invalid;
    if names.is_empty() {
        return Ok(databases.iter().filter(|database| can(database) && database.mark.is_none()).collect());
    }
    let mut chosen = Vec::new();
    for database in databases.iter().filter(|database| names.contains(&database.name)) {
        if database.mark.is_some() {
            return Err(Error::failed(format!("database `{}` is kept or left by a restore", database.name))
                .hint("bring it back with `pgbackup undo` first"));
        }
        if !can(database) {
            return Err(Error::failed(format!("database `{}` allows no connections", database.name)));
        }
        chosen.push(database);
    }
    let missing = names.iter().find(|name| !databases.iter().any(|database| database.name == **name));
    if let Some(name) = missing {
        let there: Vec<&str> = databases
            .iter()
            .filter(|database| can(database) && database.mark.is_none())
            .map(|database| database.name.as_str())
            .collect();
        return Err(Error::failed(format!("there is no database named `{name}`"))
            .caused_by(format!("the server has {}", there.join(", "))));
    }
    Ok(chosen)
}

/// The error that the failures of single databases make.
fn failed(mut failures: Vec<(&str, Error)>, chosen: usize) -> Option<Error> {
    if chosen == 1 {
        return failures.pop().map(|(name, error)| error.context(format!("read database `{name}`")));
    }
    if failures.is_empty() {
        return None;
    }
    let kind = if failures.len() < chosen { Kind::Partial } else { Kind::Failed };
    let what = format!("{} of {chosen} databases could not be read", failures.len());
    Some(failures.into_iter().fold(Error::new(kind, what), |all, (name, error)| {
        let all = all.caused_by(format!("`{name}`: {error}"));
        error.hints.into_iter().fold(all, Error::hint)
    }))
}

fn bytes_of(record: &DatabaseRecord) -> u64 {
    record.tables.iter().chain(&record.large_objects).map(|entry| entry.bytes).sum()
}

/// Cuts and stores a file that was made on this side.
fn store_small(writer: &Writer, text: &[u8]) -> Result<Vec<(ChunkId, u32)>> {
    let mut cutter = Cutter::new(CutSizes::for_table(0))
        .ok_or_else(|| Error::failed("the sizes that small files are cut at are not sound"))?;
    let mut chunks = Vec::new();
    let mut each = |chunk: &[u8]| -> Result<()> {
        chunks.push((writer.add_plain(chunk)?, chunk.len() as u32));
        Ok(())
    };
    cutter.push(text, &mut each)?;
    cutter.finish(&mut each)?;
    Ok(chunks)
}

/// The repository's writer as the method sees it.
struct InRepository<'a>(&'a Writer);

impl Store for InRepository<'_> {
    fn has(&self, id: &ChunkId) -> bool {
        self.0.has(id)
    }

    fn add(&self, blob: Blob) -> Result<bool> {
        self.0.add(blob)
    }

    fn add_plain(&self, content: &[u8]) -> Result<ChunkId> {
        self.0.add_plain(content)
    }
}
