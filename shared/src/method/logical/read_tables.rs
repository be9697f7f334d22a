//! Worker sessions that read parts of tables and large objects in the coordinator's snapshot.

use super::{
    coordinator::{Coordinator, Door, LOCK_NOT_AVAILABLE, run},
    locked,
    plan::{TablePlan, Task},
    pool::{Worker, lock, work},
    progress::Progress,
    store::Store,
};
use crate::{
    cancel::Cancel,
    entry::ChunkId,
    error::{Context as _, Error, Result},
    mover::{CopiedOut, Piece, ServerError, ServerSession, StopHandle},
    postgres::{COMMIT, ROLLBACK, tables::begin_in_snapshot},
};
use pgbackup_wire::CutSizes;
use std::{sync::Mutex, time::Duration};

/// Tasks in one transaction; its end gives the locks back, so that a database of many tables
/// does not fill the server's lock table once for each session.
const TASKS_IN_TRANSACTION: u32 = 100;

/// How long a worker waits for a lock that the coordinator holds already: only somebody who
/// waits for the coordinator can stand in the way, and would stand there for ever.
const QUEUED_BEHIND_US_MS: u32 = 500;

/// What was read of one part, large object or small file: its chunks, counted on both sides.
#[derive(Clone, Debug)]
pub(super) struct ReadPart {
    pub chunks: Vec<(ChunkId, u32)>,
    pub rows: u64,
    pub bytes: u64,
}

/// All that was read, in the order of the plan.
pub(super) struct Results {
    /// Per table, per part.
    pub tables: Vec<Vec<ReadPart>>,
    /// Per large object.
    pub objects: Vec<ReadPart>,
}

/// What is read, and where it goes.
pub(super) struct Reading<'a, 'o> {
    pub door: Door<'a, 'o>,
    pub tables: &'a [TablePlan],
    /// Large objects by entry and oid.
    pub objects: &'a [(i32, u32)],
    pub jobs: u32,
    pub lock_timeout: Duration,
    pub store: &'a dyn Store,
    pub progress: &'a Progress<'a>,
    pub cancel: &'a Cancel,
}

struct Reader<'o> {
    session: ServerSession<'o>,
    tasks: u32,
}

impl Worker for Reader<'_> {
    fn stop_handle(&self) -> StopHandle {
        self.session.stop_handle()
    }
}

/// Parts that have arrived, and what is still missing of each table.
struct Arrived {
    tables: Vec<Vec<Option<ReadPart>>>,
    objects: Vec<Option<ReadPart>>,
}

/// Reads everything of the plan; returns only if all of it has arrived.
pub(super) fn read_all(reading: &Reading<'_, '_>, coordinator: &mut Coordinator<'_>) -> Result<Results> {
    let tasks = super::plan::tasks(reading.tables, reading.objects.len());
    let snapshot = coordinator.snapshot.clone();
    let readers = open_readers(reading, &snapshot, tasks.len())?;
    let coordinator = Mutex::new(&mut coordinator.session);
    let arrived = Mutex::new(Arrived {
        tables: reading.tables.iter().map(|table| vec![None; table.parts.len()]).collect(),
        objects: vec![None; reading.objects.len()],
    });
    let readers = work(readers, tasks, reading.cancel, &|reader: &mut Reader<'_>, task| {
        if reader.tasks >= TASKS_IN_TRANSACTION {
            run(&mut reader.session, COMMIT)?;
            run(&mut reader.session, &begin_in_snapshot(&snapshot, QUEUED_BEHIND_US_MS))?;
            reader.tasks = 0;
        }
        reader.tasks += 1;
        match task {
            Task::Part(table, part) => {
                read_task(reading, reader, &coordinator, &snapshot, (table, part), &arrived)
            }
            Task::Objects(range) => range.into_iter().try_for_each(|index| {
                let read = read_object(reading, &mut reader.session, index)?;
                if let Some(place) = lock(&arrived).objects.get_mut(index) {
                    *place = Some(read);
                }
                Ok(())
            }),
        }
    })?;
    for mut reader in readers {
        run(&mut reader.session, COMMIT)?;
        reader.session.close()?;
    }
    reading.progress.tell();
    whole(arrived.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// Nothing may be missing: a plan that was not carried out to its end is a failure.
fn whole(arrived: Arrived) -> Result<Results> {
    let missing = || Error::failed("not everything that was planned has been read");
    let tables = arrived
        .tables
        .into_iter()
        .map(|parts| parts.into_iter().collect::<Option<Vec<_>>>())
        .collect::<Option<Vec<_>>>()
        .ok_or_else(missing)?;
    let objects = arrived.objects.into_iter().collect::<Option<Vec<_>>>().ok_or_else(missing)?;
    Ok(Results { tables, objects })
}

/// Opens as many sessions as are wanted and can be of use. One there must be; where the server
/// has no connection left for another, fewer do the work.
fn open_readers<'o>(reading: &Reading<'_, 'o>, snapshot: &str, tasks: usize) -> Result<Vec<Reader<'o>>> {
    let wanted = (reading.jobs as usize).min(tasks);
    let mut readers = Vec::new();
    while readers.len() < wanted {
        match reading.door.open() {
            Ok(mut session) => {
                run(&mut session, &begin_in_snapshot(snapshot, QUEUED_BEHIND_US_MS))
                    .context("import the snapshot")?;
                readers.push(Reader { session, tasks: 0 });
            }
            Err(_) if !readers.is_empty() && !reading.cancel.is_cancelled() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(readers)
}

fn read_task(
    reading: &Reading<'_, '_>,
    reader: &mut Reader<'_>,
    coordinator: &Mutex<&mut ServerSession<'_>>,
    snapshot: &str,
    (table_index, part_index): (usize, usize),
    arrived: &Mutex<Arrived>,
) -> Result<()> {
    let (Some(table), Some(sql)) = (
        reading.tables.get(table_index),
        reading.tables.get(table_index).and_then(|table| table.parts.get(part_index)),
    ) else {
        return Err(Error::failed("a part that is not in the plan was to be read"));
    };
    let name = table.facts.table.quoted();
    let stage = || format!("read table `{name}`");
    reading.progress.table_started(&name);
    let read = match read_part(reading, &mut reader.session, sql, table.sizes) {
        // Somebody waits for the coordinator's lock and we wait behind him. The coordinator
        // itself has the lock and need not wait.
        Err(error) if error.code() == LOCK_NOT_AVAILABLE => {
            run(&mut reader.session, ROLLBACK)?;
            run(&mut reader.session, &begin_in_snapshot(snapshot, QUEUED_BEHIND_US_MS))?;
            reader.tasks = 0;
            let mut coordinator = lock(coordinator);
            match read_part(reading, &mut coordinator, sql, table.sizes) {
                Err(error) if error.code() == LOCK_NOT_AVAILABLE => {
                    let error = match locked::who(&mut coordinator, &[table.facts.table.oid])? {
                        Some(holder) => locked::explain(&holder, reading.lock_timeout),
                        None => locked::unexplained(reading.lock_timeout),
                    };
                    return Err(error.context(stage()));
                }
                other => other,
            }
        }
        other => other,
    }
    .map_err(|error| Error::from(error).context(stage()))?;
    let mut arrived = lock(arrived);
    let Some(parts) = arrived.tables.get_mut(table_index) else { return Ok(()) };
    if let Some(place) = parts.get_mut(part_index) {
        *place = Some(read);
    }
    if parts.iter().all(Option::is_some) {
        let (rows, bytes) =
            parts.iter().flatten().fold((0, 0), |(rows, bytes), part| (rows + part.rows, bytes + part.bytes));
        reading.progress.table_done(&name, rows, bytes);
    }
    Ok(())
}

fn read_part(
    reading: &Reading<'_, '_>,
    session: &mut ServerSession<'_>,
    sql: &str,
    sizes: CutSizes,
) -> Result<ReadPart, ServerError> {
    take(reading, &mut |use_known, each| session.copy_out(sql, sizes, use_known, each))
}

fn read_object(reading: &Reading<'_, '_>, session: &mut ServerSession<'_>, index: usize) -> Result<ReadPart> {
    let Some((_, oid)) = reading.objects.get(index).copied() else {
        return Err(Error::failed("a large object that is not in the plan was to be read"));
    };
    let sizes = CutSizes::for_table(0);
    take(reading, &mut |use_known, each| session.large_object_out(oid, sizes, use_known, each))
        .map_err(|error| Error::from(error).context(format!("read large object {oid}")))
}

/// What reads one stream: told whether known chunks may be named only, it gives its pieces.
type Copy<'a> =
    &'a mut dyn FnMut(bool, &mut dyn FnMut(Piece) -> Result<()>) -> Result<CopiedOut, ServerError>;

/// Takes one stream into the store.
///
/// A chunk that the mover takes for known counts only if the store has it under its full name:
/// the mover compares eight bytes of it. If one is not there, all is read again with nothing
/// known.
fn take(reading: &Reading<'_, '_>, copy: Copy<'_>) -> Result<ReadPart, ServerError> {
    for use_known in [true, false] {
        let mut chunks: Vec<(ChunkId, u32)> = Vec::new();
        let mut all_there = true;
        let copied = copy(use_known, &mut |piece| {
            match piece {
                Piece::New(blob) => {
                    chunks.push((blob.id, blob.raw_length));
                    let sent = blob.compressed.len() as u64;
                    reading.progress.moved(u64::from(blob.raw_length), sent);
                    reading.store.add(blob)?;
                }
                Piece::Known { id, raw_length } => {
                    all_there &= reading.store.has(&id);
                    chunks.push((id, raw_length));
                    reading.progress.moved(u64::from(raw_length), 0);
                }
            }
            Ok(())
        })?;
        if all_there {
            return Ok(ReadPart { chunks, rows: copied.rows, bytes: copied.bytes });
        }
    }
    Err(Error::failed("the mover names chunks as known though nothing is to be known").into())
}
