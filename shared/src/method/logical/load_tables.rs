//! Sessions that load tables and large objects side by side, each in a transaction of its own
//! that commits only when the counts are those of the manifest.

use super::{
    coordinator::run,
    load::{LoadRequest, rolled_back},
    pool::{Worker, work},
    progress::Progress,
};
use crate::{
    catalog::manifest::EntryRecord,
    entry::Blob,
    error::{Context as _, Error, Kind, Result},
    mover::{CopiedIn, ServerError, ServerSession, StopHandle},
    postgres::{
        BEGIN, COMMIT, Freezable, identifier,
        restore_sql::{self, AnalyzeStage, AnalyzeStatement, analyze_statements},
        tables,
    },
};
use std::{collections::HashMap, ops::Range};

/// Large objects in one transaction.
const OBJECTS_AT_ONCE: usize = 64;

/// One table to load.
pub(super) struct TableLoad<'a> {
    pub record: &'a EntryRecord,
    /// The archive's COPY statement, in the archive's encoding.
    pub statement: Vec<u8>,
}

/// What is loaded, and where to.
struct Loading<'a, 'r, 'o> {
    request: &'a LoadRequest<'r, 'o>,
    progress: &'a Progress<'a>,
    /// Largest first.
    tables: Vec<TableLoad<'a>>,
    /// The encoding of the archive's text.
    encoding: String,
    freezable: Freezable,
}

pub(super) struct Loader<'o>(pub ServerSession<'o>);

impl Worker for Loader<'_> {
    fn stop_handle(&self) -> StopHandle {
        self.0.stop_handle()
    }
}

enum Task {
    Table(usize),
    Objects(Range<usize>),
    Analyze(AnalyzeStatement),
}

/// Opens the sessions that load: one at least, more where the server has room.
pub(super) fn open_loaders<'o>(request: &LoadRequest<'_, 'o>, tasks: usize) -> Result<Vec<Loader<'o>>> {
    let mut loaders = Vec::new();
    while loaders.len() < (request.jobs.max(1) as usize).min(tasks) {
        match request.open() {
            Ok(session) => loaders.push(Loader(session)),
            Err(_) if !loaders.is_empty() && !request.cancel.is_cancelled() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(loaders)
}

/// Closes them and waits until they are gone: they would be in the way of the swap.
pub(super) fn close_loaders(loaders: Vec<Loader<'_>>) -> Result<()> {
    loaders.into_iter().try_for_each(|loader| loader.0.close())
}

/// Loads all tables, largest first, and large objects; whoever has nothing more to load analyzes
/// tables. One that is still being loaded is waited for by its lock.
pub(super) fn load_all(
    request: &LoadRequest<'_, '_>,
    progress: &Progress<'_>,
    tables: Vec<TableLoad<'_>>,
    encoding: String,
) -> Result<()> {
    let objects = request.record.large_objects.len();
    let mut tasks: Vec<Task> = (0..tables.len()).map(Task::Table).collect();
    tasks.extend(
        (0..objects)
            .step_by(OBJECTS_AT_ONCE)
            .map(|first| Task::Objects(first..(first + OBJECTS_AT_ONCE).min(objects))),
    );
    if tasks.is_empty() {
        return Ok(());
    }
    let mut loaders = open_loaders(request, tasks.len())?;
    let Some(Loader(first)) = loaders.first_mut() else { return Ok(()) };
    let freezable = Freezable::find(first)?;
    let mut statements = analyze_statements(first, AnalyzeStage::Loaded)?;
    let places: HashMap<(&str, &str), usize> = tables
        .iter()
        .enumerate()
        .map(|(place, table)| ((table.record.schema.as_str(), table.record.name.as_str()), place))
        .collect();
    // In the order of the loads; partitioned tables, which have no rows of their own, before all.
    statements.sort_by_key(|it| places.get(&(it.schema.as_str(), it.name.as_str())).copied());
    tasks.extend(statements.into_iter().map(Task::Analyze));

    let loading = &Loading { request, progress, tables, encoding, freezable };
    let loaders = work(loaders, tasks, request.cancel, &|loader: &mut Loader<'_>, task| match task {
        Task::Table(index) => {
            let Some(table) = loading.tables.get(index) else { return Ok(()) };
            load_table(loading, &mut loader.0, table)
        }
        Task::Objects(range) => {
            let records = request.record.large_objects.get(range).unwrap_or_default();
            load_objects(loading, &mut loader.0, records)
        }
        Task::Analyze(statement) => run(&mut loader.0, &statement.sql),
    })?;
    progress.tell();
    close_loaders(loaders)
}

fn load_table(
    loading: &Loading<'_, '_, '_>,
    session: &mut ServerSession<'_>,
    table: &TableLoad<'_>,
) -> Result<()> {
    let record = table.record;
    let name = format!("{}.{}", identifier(&record.schema), identifier(&record.name));
    let stage = || format!("load table `{name}`");
    loading.progress.table_started(&name);
    let plain = statement_of(loading, session, table).context(stage())?;
    let frozen = loading.freezable.statements(&record.schema, &record.name, record.bytes, &plain);
    run(session, BEGIN).context(stage())?;
    let statement = match frozen {
        Some((truncate, copy)) => run(session, &truncate).map(|()| copy),
        None => Ok(plain),
    };
    let result = statement.and_then(|statement| copy_rows(loading, session, record, &statement));
    match result.and_then(|()| run(session, COMMIT)) {
        Ok(()) => {
            loading.progress.table_done(&name, record.rows, record.bytes);
            Ok(())
        }
        Err(error) => Err(rolled_back(session, error).context(stage())),
    }
}

/// Loads tables one after the other inside a transaction of the caller's, to rows that may be
/// there: none of them is emptied before.
///
/// # Errors
///
/// At the first table that fails, naming it; the transaction is of no use then.
pub(super) fn load_in_transaction(
    request: &LoadRequest<'_, '_>,
    progress: &Progress<'_>,
    session: &mut ServerSession<'_>,
    tables: Vec<TableLoad<'_>>,
    encoding: String,
) -> Result<()> {
    let loading = Loading { request, progress, tables, encoding, freezable: Freezable::default() };
    for table in &loading.tables {
        request.cancel.check()?;
        let record = table.record;
        let name = format!("{}.{}", identifier(&record.schema), identifier(&record.name));
        progress.table_started(&name);
        statement_of(&loading, session, table)
            .and_then(|statement| copy_rows(&loading, session, record, &statement))
            .context(format!("load table `{name}`"))?;
        progress.table_done(&name, record.rows, record.bytes);
    }
    progress.tell();
    Ok(())
}

/// The COPY statement of a table as the session takes it.
fn statement_of(
    loading: &Loading<'_, '_, '_>,
    session: &mut ServerSession<'_>,
    table: &TableLoad<'_>,
) -> Result<String> {
    let statement = restore_sql::text_of_archive(session, &table.statement, &loading.encoding)?;
    tables::copy_in(&statement, &loading.encoding)
}

fn copy_rows(
    loading: &Loading<'_, '_, '_>,
    session: &mut ServerSession<'_>,
    record: &EntryRecord,
    statement: &str,
) -> Result<()> {
    give(loading, record, &mut |blobs| session.copy_in(statement, record.bytes, blobs))
        .and_then(|copied| compare(record, &copied))
}

fn load_objects(
    loading: &Loading<'_, '_, '_>,
    session: &mut ServerSession<'_>,
    records: &[EntryRecord],
) -> Result<()> {
    run(session, BEGIN)?;
    for record in records {
        give(loading, record, &mut |blobs| session.large_object_in(record.oid, blobs))
            .and_then(|copied| compare(record, &copied))
            .map_err(|error| {
                rolled_back(session, error).context(format!("load large object {}", record.oid))
            })?;
    }
    run(session, COMMIT).context("load large objects")
}

/// What takes one stream: the blobs come from the function it is given.
type Copy<'a> = &'a mut dyn FnMut(&mut dyn FnMut() -> Result<Option<Blob>>) -> Result<CopiedIn, ServerError>;

/// Hands over the stored chunks of one entry, without the end of its file.
fn give(loading: &Loading<'_, '_, '_>, record: &EntryRecord, copy: Copy<'_>) -> Result<CopiedIn> {
    let stored = loading.request.stored;
    let count: u64 = record.parts.iter().map(|part| part.chunks).sum();
    let chunks = stored.chunks(&record.file)?;
    if (chunks.len() as u64) < count {
        return Err(Error::new(
            Kind::Damage,
            format!("file `{}` has fewer chunks than the manifest says", record.file),
        ));
    }
    let mut chunks = chunks.into_iter().take(usize::try_from(count).unwrap_or(usize::MAX));
    let copied = copy(&mut || {
        let Some((id, raw_length)) = chunks.next() else { return Ok(None) };
        let blob = stored.blob(&id)?;
        loading.progress.moved(u64::from(raw_length), blob.compressed.len() as u64);
        Ok(Some(blob))
    })?;
    Ok(copied)
}

/// What the server took must be what the manifest says, row for row and byte for byte.
fn compare(record: &EntryRecord, copied: &CopiedIn) -> Result<()> {
    let hash = super::read::hex(&copied.hash);
    // Rows of a large object are 1 on both sides.
    if copied.rows == record.rows && copied.bytes == record.bytes && hash == record.hash {
        return Ok(());
    }
    Err(Error::failed("what the server took is not what was backed up").caused_by(format!(
        "the manifest says {} rows in {} bytes, the server took {} rows in {}",
        record.rows, record.bytes, copied.rows, copied.bytes
    )))
}
