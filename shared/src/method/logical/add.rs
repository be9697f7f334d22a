//! Adds a part of a backup to a database that is in use: all of it in one transaction, or nothing.
//!
//! Definitions come from pg_restore as a script, which a session of ours runs in the transaction
//! that the rows are loaded in; so nobody sees a table without its rows, and a failure at any
//! moment leaves the database as it was. What exists is never replaced.
//!
//! Start with [`add_to_database`].

use super::{
    coordinator::run,
    load::{LoadRequest, Loaded, contents_of, match_tables, rolled_back, tell_of_start},
    load_tables::{TableLoad, load_in_transaction},
    progress::Progress,
    tool::succeeded,
};
use crate::{
    error::{Context as _, Error, Kind, Result},
    mover::ServerSession,
    postgres::{
        BEGIN, COMMIT, PG_RESTORE, Statement,
        archive::{Content, Contents, script_parts},
        present,
        restore_sql::{self, RestoreSection, text_of_archive},
    },
};
use pgbackup_wire::message::Argument;
use std::collections::HashMap;

/// What is added beside the contents.
pub struct Addition<'a> {
    /// Definitions, rows, or both.
    pub content: Content,
    /// The order of the tables, by their numbers in the archive, where keys must be minded.
    pub order: &'a [i32],
    /// Statements for the end of the transaction.
    pub at_the_end: &'a [Statement],
    /// Told the number of the transaction just before it is committed.
    pub committing: &'a dyn Fn(&str),
}

/// Adds what the request's part holds. The counts of rows are those of the manifest, or nothing
/// is committed.
///
/// # Errors
///
/// At the first thing that fails, naming it; everything has been rolled back then, unless the
/// answer to the commit was lost, which is for the caller to find out.
pub fn add_to_database(request: &LoadRequest<'_, '_>, addition: &Addition<'_>) -> Result<Loaded> {
    let record = request.record;
    let contents = contents_of(request)?;
    let mut loads = match_tables(&contents, record)?;
    let place = |load: &TableLoad<'_>| addition.order.iter().position(|id| *id == load.record.dump_id);
    loads.sort_by_key(place);
    tell_of_start(request, &loads);
    let progress = Progress::new(request.observer, request.name);
    let mut session = request.open()?;
    let result = transaction(request, addition, &contents, loads, &progress, &mut session);
    result.map_err(|error| rolled_back(&mut session, error))?;
    session.close()?;
    Ok(Loaded {
        tables: record.tables.len() as u64,
        rows: record.tables.iter().map(|table| table.rows).sum(),
        bytes: record.tables.iter().map(|table| table.bytes).sum(),
    })
}

fn transaction(
    request: &LoadRequest<'_, '_>,
    addition: &Addition<'_>,
    contents: &Contents,
    loads: Vec<TableLoad<'_>>,
    progress: &Progress<'_>,
    session: &mut ServerSession<'_>,
) -> Result<()> {
    let encoding = contents.encoding()?;
    run(session, BEGIN)?;
    // Others use this database: neither they nor we wait for ever.
    run(session, restore_sql::LOCK_PATIENCE)?;
    run(session, restore_sql::KEYS_AT_THE_END)?;
    let defines = addition.content != Content::DataOnly;
    if defines {
        progress.step(format!("make the schema in `{}`", request.name));
        run_section(request, contents, RestoreSection::PreData, &encoding, session)?;
    }
    let tables: Vec<(String, String)> =
        loads.iter().map(|load| (load.record.schema.clone(), load.record.name.clone())).collect();
    load_in_transaction(request, progress, session, loads, encoding.clone())?;
    for sequence in contents.sequence_sets()? {
        let name = text_of_archive(session, sequence.name.as_bytes(), &encoding)?;
        let statement = if defines {
            present::set_sequence(&name, &sequence.arguments)
        } else {
            present::move_sequence_on(&name, &sequence.arguments)
        };
        run(session, &statement).context(format!("set the sequence `{name}`"))?;
    }
    if defines {
        progress.step(format!("build indexes and constraints in `{}`", request.name));
        run_section(request, contents, RestoreSection::PostData, &encoding, session)?;
        progress.step(format!("analyze what is new in `{}`", request.name));
        for (schema, name) in &tables {
            run(session, &restore_sql::analyze_table(schema, name))?;
        }
    }
    for statement in addition.at_the_end {
        if statement.secret {
            session.query_secret(&statement.sql)?;
        } else {
            run(session, &statement.sql)?;
        }
    }
    request.cancel.check()?;
    progress.step(format!("commit in `{}`", request.name));
    let number = present::transaction_number(session)?;
    (addition.committing)(&number);
    run(session, COMMIT).context("commit")
}

/// Has pg_restore write one section as a script, and runs it entry by entry.
fn run_section(
    request: &LoadRequest<'_, '_>,
    contents: &Contents,
    section: RestoreSection,
    encoding: &str,
    session: &mut ServerSession<'_>,
) -> Result<()> {
    request.cancel.check()?;
    let mark = format!("{:032x}", rand::random::<u128>());
    let archive = request.mover.file(&contents.script_archive(&mark))?;
    let mut arguments: Vec<Argument> =
        restore_sql::script_arguments(section).into_iter().map(Argument::Text).collect();
    arguments.push(archive.argument());
    let mut run_of_tool = request.mover.run(PG_RESTORE, arguments, &request.server.endpoint)?;
    let mut script = Vec::new();
    while let Some(bytes) = run_of_tool.read()? {
        script.extend_from_slice(&bytes);
    }
    let stage = || format!("write the {} part of `{}` as a script", section.name(), request.name);
    succeeded(PG_RESTORE, &run_of_tool.wait()?).context(stage())?;
    // How strings are written is the archive's matter only as long as its statements run.
    let strings = contents.entries.iter().find(|entry| entry.is("STDSTRINGS"));
    if let Some(defn) = strings.and_then(|entry| entry.defn.as_ref()) {
        run(session, &defn.to_string())?;
    }
    let entries: HashMap<i32, _> = contents.entries.iter().map(|entry| (entry.dump_id, entry)).collect();
    for part in script_parts(&script, &mark)? {
        request.cancel.check()?;
        let entry = entries.get(&part.dump_id).ok_or_else(|| {
            Error::new(Kind::Failed, "pg_restore wrote a script that is not understood").context(stage())
        })?;
        let statements = text_of_archive(session, &part.statements, encoding)?;
        run(session, &statements).context(format!("make {}", entry.named()))?;
    }
    run(session, restore_sql::STRINGS_AS_EVER)
}
