//! Reads one database, whole and of one moment, or fails.

use super::{
    contents::{self, Told},
    coordinator::{self, Attempt, Coordinator, Door},
    large_objects,
    locked::{self, Patience},
    plan,
    progress::Progress,
    read_tables::{ReadPart, Reading, Results, read_all},
    store::Store,
};
use crate::{
    cancel::Cancel,
    catalog::manifest::{DatabaseRecord, EntryRecord, Part},
    entry::ChunkId,
    error::{Context as _, Error, Result},
    event::{Event, Observer},
    mover::{Mover, ServerSession},
    postgres::{
        COMMIT, DatabaseInfo, ROLLBACK, Server, archive::Contents, installed_extensions, locks::LockHolder,
        restore_sql, tables,
    },
};
use pgbackup_wire::{ChunksHash, CutSizes, Cutter};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, time::Duration};

/// How often a database is begun anew, at least, because tables came or went while they were
/// locked, or because somebody queued between our locks and pg_dump's. It goes on for as long as
/// a lock may be waited for.
const ATTEMPTS: u32 = 3;

/// What ends the rows in a file of the directory format: COPY's end of data, as pg_dump 13 to 18
/// write it.
const END_OF_ROWS: &[u8] = b"\\.\n\n\n";

/// What is known of the database from its last backup.
#[derive(Clone, Debug, Default)]
pub struct Previous {
    /// First eight bytes of its chunks' names.
    pub prefixes: Vec<u64>,
    /// The average its tables were cut at, by schema and name.
    pub chunk_sizes: BTreeMap<(String, String), u32>,
}

/// What [`read_database`] reads, how, and where to.
pub struct ReadRequest<'a, 'o> {
    /// The mover beside the server.
    pub mover: &'a Mover<'o>,
    /// The server.
    pub server: &'a Server,
    /// The database.
    pub database: &'a DatabaseInfo,
    /// Its folder in the backup: `databases/<name, encoded>`.
    pub folder: String,
    /// Sessions that read at once.
    pub jobs: u32,
    /// How long to wait for a table that somebody has locked.
    pub lock_timeout: Duration,
    /// Its last backup.
    pub previous: &'a Previous,
    /// Where content goes.
    pub store: &'a dyn Store,
    /// Who is told.
    pub observer: &'a dyn Observer,
    /// Whether to go on.
    pub cancel: &'a Cancel,
}

/// One database, read and proven complete.
#[derive(Clone, Debug)]
pub struct ReadDatabase {
    /// What the manifest says of it.
    pub record: DatabaseRecord,
    /// Its files, with names relative to its folder.
    pub files: Vec<ReadFile>,
    /// The version of the pg_dump that told the contents.
    pub dump_version: Option<String>,
}

/// One file of a database's folder.
#[derive(Clone, Debug)]
pub struct ReadFile {
    /// Its name: `3245.dat`.
    pub name: String,
    /// Its chunks in order, with the lengths of their content in bytes.
    pub chunks: Vec<(ChunkId, u32)>,
}

/// Reads one database.
///
/// # Errors
///
/// When anything that its contents name could not be read whole: a table, a sequence's value, a
/// large object. What was stored by then is not referred to by anything.
pub fn read_database(request: &ReadRequest<'_, '_>) -> Result<ReadDatabase> {
    let door = Door {
        mover: request.mover,
        server: request.server,
        database: &request.database.name,
        encoding: &request.database.properties.encoding,
    };
    request.mover.forget_known()?;
    request.mover.add_known(&request.previous.prefixes)?;
    let (mut coordinator, contents) = begin(request, &door)?;

    let oids: Vec<u32> = contents.table_data().map(|entry| entry.oid).collect();
    let facts = tables::table_facts(&mut coordinator.session, &oids).context("read the tables' columns")?;
    let extensions = installed_extensions(&mut coordinator.session).context("list the extensions")?;
    let plan = plan::tables(&contents, &facts, door.encoding, request.server.version(), request.previous)?;
    let groups = contents.large_objects()?;
    let objects = plan::objects(&groups);
    request.observer.event(&Event::DatabaseStarted {
        database: request.database.name.clone(),
        expected_bytes: plan.iter().map(|table| table.facts.bytes).sum(),
        tables: (plan.len() + objects.len()) as u64,
    });

    let progress = Progress::new(request.observer, &request.database.name);
    let reading = Reading {
        door,
        tables: &plan,
        objects: &objects,
        jobs: request.jobs.max(1),
        lock_timeout: request.lock_timeout,
        store: request.store,
        progress: &progress,
        cancel: request.cancel,
    };
    let results = read_all(&reading, &mut coordinator)?;
    let sequences = sequences(&mut coordinator.session, &contents, door.encoding)?;
    coordinator::run(&mut coordinator.session, COMMIT).context("end the snapshot")?;
    coordinator.session.close()?;

    let mut read = assemble(request, &contents, &plan, &objects, results)?;
    read.record.extensions = extensions;
    for (name, bytes) in large_objects::lists(&groups) {
        let file = store_small(request.store, name, &bytes)?;
        read.record.extra_files.insert(file.name.clone(), hex(&Sha256::digest(&bytes)));
        read.files.push(file);
    }
    read.record.sequences = sequences;
    Ok(read)
}

/// The value of every sequence by its name, as `setval` takes both.
fn sequences(
    session: &mut ServerSession<'_>,
    contents: &Contents,
    encoding: &str,
) -> Result<BTreeMap<String, String>> {
    let values = contents.sequence_sets()?.into_iter();
    let named = values.map(|value| {
        let name = restore_sql::text_of_archive(session, value.name.as_bytes(), encoding)?;
        Ok((name, value.arguments))
    });
    named.collect::<Result<_>>().context("read the values of the sequences")
}

/// Locks, takes the snapshot and reads the contents; again if a table came or went in between, or
/// if somebody had something that was needed, when he has it no more.
fn begin<'o>(request: &ReadRequest<'_, 'o>, door: &Door<'_, 'o>) -> Result<(Coordinator<'o>, Contents)> {
    let patience = Patience::new(request.lock_timeout);
    let mut attempts = 0;
    loop {
        attempts += 1;
        request.cancel.check()?;
        let last = match attempt(door, &patience)? {
            Begun::Done(done) => return Ok(*done),
            Begun::Again(error) => error,
            Begun::Blocked(mut session, holder) => {
                patience.wait_for(&mut session, &holder, request.cancel)?;
                locked::explain(&holder, request.lock_timeout)
            }
        };
        if attempts >= ATTEMPTS && patience.is_over() {
            return Err(
                last.context(format!("tables changed each of {attempts} times that they were to be locked"))
            );
        }
    }
}

/// What came of trying to begin.
enum Begun<'o> {
    Done(Box<(Coordinator<'o>, Contents)>),
    /// Something was in the way that may be over at the next try.
    Again(Error),
    /// Somebody has a lock; nothing of ours is locked meanwhile.
    Blocked(ServerSession<'o>, Box<LockHolder>),
}

fn attempt<'o>(door: &Door<'_, 'o>, patience: &Patience) -> Result<Begun<'o>> {
    let mut coordinator = match coordinator::lock_all(door, patience)? {
        Attempt::Locked(coordinator) => coordinator,
        Attempt::Changed(error) => return Ok(Begun::Again(error)),
        Attempt::Blocked(session, Some(holder)) => return Ok(Begun::Blocked(session, holder)),
        Attempt::Blocked(_, None) => return Ok(Begun::Again(locked::unexplained(patience.limit()))),
    };
    let contents = match contents::dump_contents(door, &mut coordinator)? {
        Told::Contents(contents) => *contents,
        Told::Blocked(_, Some(holder)) => {
            coordinator::run(&mut coordinator.session, ROLLBACK)?;
            return Ok(Begun::Blocked(coordinator.session, holder));
        }
        Told::Blocked(error, None) => return Ok(Begun::Again(error)),
    };
    let unlocked = contents.table_data().find(|entry| !coordinator.locked.contains(&entry.oid));
    let Some(entry) = unlocked else { return Ok(Begun::Done(Box::new((coordinator, contents)))) };
    Ok(Begun::Again(Error::failed(format!(
        "table `{}.{}` was made while the others were locked",
        entry.schema_text(),
        entry.tag_text()
    ))))
}

/// Makes files and records of all that was read.
fn assemble(
    request: &ReadRequest<'_, '_>,
    contents: &Contents,
    plan: &[plan::TablePlan],
    objects: &[(i32, u32)],
    results: Results,
) -> Result<ReadDatabase> {
    let end_of_rows = (request.store.add_plain(END_OF_ROWS)?, END_OF_ROWS.len() as u32);
    let mut files = Vec::new();
    let mut table_records = Vec::new();
    for (table, parts) in plan.iter().zip(results.tables) {
        let record = EntryRecord {
            dump_id: table.dump_id,
            oid: table.facts.table.oid,
            schema: table.facts.table.schema.clone(),
            name: table.facts.table.name.clone(),
            file: format!("{}.dat", table.dump_id),
            chunk_size: table.sizes.average,
            read_as: table.read_as.clone(),
            ..counted(&parts)
        };
        let mut chunks: Vec<_> = parts.into_iter().flat_map(|part| part.chunks).collect();
        chunks.push(end_of_rows);
        files.push(ReadFile { name: record.file.clone(), chunks });
        table_records.push(record);
    }
    let mut object_records = Vec::new();
    for ((dump_id, oid), part) in objects.iter().zip(results.objects) {
        let record = EntryRecord {
            dump_id: *dump_id,
            oid: *oid,
            name: oid.to_string(),
            file: large_objects::file(*oid),
            chunk_size: CutSizes::for_table(0).average,
            ..counted(std::slice::from_ref(&part))
        };
        files.push(ReadFile { name: record.file.clone(), chunks: part.chunks });
        object_records.push(record);
    }
    let lists: BTreeMap<i32, String> =
        contents.large_objects()?.into_iter().map(|group| (group.dump_id, group.file)).collect();
    let toc = contents.directory_toc(&|entry| {
        if !entry.had_dumper {
            return None;
        }
        lists.get(&entry.dump_id).cloned().or_else(|| Some(format!("{}.dat", entry.dump_id)))
    });
    files.push(store_small(request.store, "toc.dat".into(), &toc)?);
    Ok(ReadDatabase {
        record: DatabaseRecord {
            name: request.database.name.clone(),
            folder: request.folder.clone(),
            properties: request.database.properties.clone(),
            archive_version: contents.version.to_string(),
            contents_bytes: toc.len() as u64,
            contents_hash: hex(&Sha256::digest(&toc)),
            tables: table_records,
            large_objects: object_records,
            size: request.database.size.unwrap_or_default(),
            ..DatabaseRecord::default()
        },
        files,
        dump_version: contents.dump_version.as_ref().map(ToString::to_string),
    })
}

/// Rows, bytes, parts, and the hash over all their chunks' names in order.
fn counted(parts: &[ReadPart]) -> EntryRecord {
    let mut hash = ChunksHash::new();
    parts.iter().flat_map(|part| &part.chunks).for_each(|(id, _)| hash.add(id));
    EntryRecord {
        rows: parts.iter().map(|part| part.rows).sum(),
        bytes: parts.iter().map(|part| part.bytes).sum(),
        hash: hex(&hash.finish()),
        parts: parts
            .iter()
            .map(|part| Part { chunks: part.chunks.len() as u64, rows: part.rows, bytes: part.bytes })
            .collect(),
        ..EntryRecord::default()
    }
}

/// Stores a file that was made here; cut like a small table, so that it deduplicates.
fn store_small(store: &dyn Store, name: String, bytes: &[u8]) -> Result<ReadFile> {
    let mut cutter = Cutter::new(CutSizes::for_table(0))
        .ok_or_else(|| Error::failed("the sizes that small files are cut at are not sound"))?;
    let mut chunks = Vec::new();
    let mut each = |chunk: &[u8]| -> Result<()> {
        chunks.push((store.add_plain(chunk)?, chunk.len() as u32));
        Ok(())
    };
    cutter.push(bytes, &mut each)?;
    cutter.finish(&mut each)?;
    Ok(ReadFile { name, chunks })
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        use std::fmt::Write as _;
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
