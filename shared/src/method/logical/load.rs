//! Fills a new, empty database with what is stored, and proves that all of it has arrived.

use super::{
    analyze::analyze_finished,
    coordinator::run,
    load_tables::{TableLoad, load_all},
    progress::Progress,
    read::hex,
    store::Stored,
    tool::succeeded,
};
use crate::{
    cancel::Cancel,
    catalog::manifest::DatabaseRecord,
    error::{Context as _, Error, Kind, Result},
    event::{Event, Observer},
    mover::{MemoryFile, Mover, ServerSession, Way},
    postgres::{
        PG_RESTORE, ROLLBACK, Server,
        archive::{Contents, TocEntry, read_directory_toc},
        restore_sql::{self, RestoreSection},
        tables,
    },
};
use pgbackup_wire::message::Argument;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};

/// What [`load_database`] loads, and where to.
pub struct LoadRequest<'a, 'o> {
    /// The mover beside the server.
    pub mover: &'a Mover<'o>,
    /// The server.
    pub server: &'a Server,
    /// The database, which exists and is empty.
    pub database: &'a str,
    /// The name it will have, for messages and events.
    pub name: &'a str,
    /// What the manifest says of it, or of the part that is loaded.
    pub record: &'a DatabaseRecord,
    /// The part of the contents that is loaded; none for all.
    pub part: Option<&'a Contents>,
    /// Its stored files.
    pub stored: &'a dyn Stored,
    /// Sessions that load at once.
    pub jobs: u32,
    /// Bytes that building one index may take, where the server would take more than there is.
    pub index_memory: Option<u64>,
    /// Who is told.
    pub observer: &'a dyn Observer,
    /// Whether to go on.
    pub cancel: &'a Cancel,
}

/// What was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Tables.
    pub tables: u64,
    /// Their rows.
    pub rows: u64,
    /// Bytes of text and of large objects.
    pub bytes: u64,
}

impl<'o> LoadRequest<'_, 'o> {
    /// Opens a session that loads.
    pub(super) fn open(&self) -> Result<ServerSession<'o>> {
        let version = self.server.version();
        let name = format!("pgbackup/{}", self.mover.run_id());
        let mut settings = tables::session_settings(&name, &self.record.properties.encoding, version);
        settings.extend(restore_sql::load_settings(version));
        let mut session = self.mover.connect(&self.server.endpoint, self.database, &settings)?;
        tables::restrict_relation_kinds(&mut session)?;
        Ok(session)
    }
}

/// Loads one database: what comes before the data, the data, what comes after, statistics.
///
/// # Errors
///
/// At the first thing that fails, naming it. The database is then of no use and is the caller's
/// to drop. [`Kind::Damage`] if what is stored is not what the manifest says.
pub fn load_database(request: &LoadRequest<'_, '_>) -> Result<Loaded> {
    let record = request.record;
    let contents = contents_of(request)?;
    let loads = match_tables(&contents, record)?;
    tell_of_start(request, &loads);
    let progress = Progress::new(request.observer, request.name);
    let bytes_of: HashMap<i32, u64> =
        record.tables.iter().map(|table| (table.dump_id, table.bytes)).collect();
    let bytes_of = |entry: &TocEntry| bytes_of.get(&entry.dump_id).copied().unwrap_or_default();
    let archive = request.mover.file(&contents.contents_only_archive(&bytes_of))?;

    progress.step(format!("make the schema of `{}`", request.name));
    restore_section(request, RestoreSection::PreData, 1, &archive)?;

    // Before the data: from 17 on this is what makes the large objects, which are still empty.
    let without_data = request.mover.file(&contents.archive_without_data())?;
    progress.step(format!("set the sequences of `{}`", request.name));
    restore_section(request, RestoreSection::Data, 1, &without_data)?;
    drop(without_data);

    load_all(request, &progress, loads, contents.encoding()?)?;

    progress.step(format!("build indexes and constraints of `{}`", request.name));
    let jobs = match request.mover.way() {
        Way::Mover => request.jobs,
        // The archive comes on standard input, where several processes cannot read it.
        Way::Plain => 1,
    };
    restore_section(request, RestoreSection::PostData, jobs, &archive)?;

    progress.step(format!("analyze `{}`", request.name));
    analyze_finished(request)?;
    compare_schema(request, &contents)?;
    Ok(Loaded {
        tables: record.tables.len() as u64,
        rows: record.tables.iter().map(|table| table.rows).sum(),
        bytes: record.tables.iter().chain(&record.large_objects).map(|entry| entry.bytes).sum(),
    })
}

/// The contents that are loaded, of which every byte is what the manifest says.
pub(super) fn contents_of(request: &LoadRequest<'_, '_>) -> Result<Contents> {
    let record = request.record;
    let toc = request.stored.file("toc.dat")?;
    if toc.len() as u64 != record.contents_bytes || hex(&Sha256::digest(&toc)) != record.contents_hash {
        return Err(Error::new(Kind::Damage, "table of contents is not the one of the manifest"));
    }
    request.part.map_or_else(|| read_directory_toc(&toc), |part| Ok(part.clone()))
}

/// Tells that a database is begun, and how much there is to load.
pub(super) fn tell_of_start(request: &LoadRequest<'_, '_>, loads: &[TableLoad<'_>]) {
    request.observer.event(&Event::DatabaseStarted {
        database: request.name.to_owned(),
        expected_bytes: loads.iter().map(|load| load.record.bytes).sum(),
        tables: (loads.len() + request.record.large_objects.len()) as u64,
    });
}

/// Finds the manifest's record of each table of the contents. Neither may name one that the
/// other does not.
pub(super) fn match_tables<'a>(
    contents: &Contents,
    record: &'a DatabaseRecord,
) -> Result<Vec<TableLoad<'a>>> {
    let mut left: BTreeMap<i32, _> = record.tables.iter().map(|table| (table.dump_id, table)).collect();
    let mut loads = Vec::new();
    for entry in contents.table_data() {
        let table = left.remove(&entry.dump_id).ok_or_else(|| missing(entry))?;
        let statement = entry.copy_stmt.as_ref().map(|text| text.as_bytes().to_vec()).unwrap_or_default();
        loads.push(TableLoad { record: table, statement });
    }
    if let Some(table) = left.values().next() {
        let what = format!("table `{}.{}` of the manifest is not in the contents", table.schema, table.name);
        return Err(Error::new(Kind::Damage, what));
    }
    let objects: usize = contents.large_objects()?.iter().map(|group| group.oids.len()).sum();
    if objects != record.large_objects.len() {
        let what =
            format!("contents name {objects} large objects, and the manifest {}", record.large_objects.len());
        return Err(Error::new(Kind::Damage, what));
    }
    loads.sort_by_key(|load| std::cmp::Reverse(load.record.bytes));
    Ok(loads)
}

fn missing(entry: &TocEntry) -> Error {
    let name = format!("{}.{}", entry.schema_text(), entry.tag_text());
    Error::new(Kind::Damage, format!("table `{name}` of the contents is not in the manifest"))
}

/// Lets pg_restore make one section.
fn restore_section(
    request: &LoadRequest<'_, '_>,
    section: RestoreSection,
    jobs: u32,
    archive: &MemoryFile<'_>,
) -> Result<()> {
    request.cancel.check()?;
    let mut arguments: Vec<Argument> = restore_sql::restore_arguments(section, request.database, jobs)
        .into_iter()
        .map(Argument::Text)
        .collect();
    arguments.push(archive.argument());
    let mut settings: Vec<_> = restore_sql::restore_settings(request.server.version()).into_iter().collect();
    settings.extend(restore_sql::index_settings(request.index_memory));
    let run = request.mover.run_with_settings(PG_RESTORE, arguments, &request.server.endpoint, &settings)?;
    succeeded(PG_RESTORE, &run.wait()?).context(format!(
        "make the {} part of `{}`",
        section.name(),
        request.name
    ))
}

/// Every table of the contents must be there, and no other; every index whose parts are whole
/// must be of use.
fn compare_schema(request: &LoadRequest<'_, '_>, contents: &Contents) -> Result<()> {
    let mut session = request.open()?;
    let there = restore_sql::count_tables(&mut session)?;
    let useless = restore_sql::useless_indexes(&mut session)?;
    session.close()?;
    let named = contents.entries.iter().filter(|entry| entry.is("TABLE")).count() as u64;
    if there != named {
        return Err(Error::failed(format!("tables of `{}` are not those of the backup", request.name))
            .caused_by(format!("the contents name {named} tables, the new database has {there}")));
    }
    if useless.is_empty() {
        return Ok(());
    }
    let cause = format!("the server did not mark them valid: {}", useless.join(", "));
    Err(Error::failed(format!("indexes of partitioned tables of `{}` are of no use", request.name))
        .caused_by(cause))
}

/// Ends a transaction that failed, and gives the error that made it fail.
pub(super) fn rolled_back(session: &mut ServerSession<'_>, error: Error) -> Error {
    // A session that is gone has rolled back already.
    let _ = run(session, ROLLBACK);
    error
}
