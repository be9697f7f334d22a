//! The session that holds locks and snapshot while others read.
//!
//! LOCK takes no snapshot, so the locks are all there *before* the snapshot is: no TRUNCATE and
//! no rewriting ALTER can fall between the two, after which COPY would give no rows and no
//! error (F42).

use crate::{
    error::{Context as _, Error, Result},
    mover::{Mover, ServerError, ServerSession},
    postgres::{Query, ROLLBACK, Server, tables},
};
use std::{collections::BTreeSet, time::Duration};

/// SQLSTATE lock_not_available.
pub(super) const LOCK_NOT_AVAILABLE: &str = "55P03";
/// SQLSTATE undefined_table, invalid_schema_name and wrong_object_type: a table of the list is
/// gone, or is another kind of thing by now.
const GONE: [&str; 3] = ["42P01", "3F000", "42809"];

/// How a session of ours reaches one database.
#[derive(Clone, Copy)]
pub(super) struct Door<'a, 'o> {
    pub mover: &'a Mover<'o>,
    pub server: &'a Server,
    pub database: &'a str,
    /// The database's encoding.
    pub encoding: &'a str,
}

impl<'o> Door<'_, 'o> {
    /// Opens a session that reads and writes text as pg_dump and pg_restore do.
    pub fn open(&self) -> Result<ServerSession<'o>> {
        let name = format!("pgbackup/{}", self.mover.run_id());
        let settings = tables::session_settings(&name, self.encoding, self.server.version());
        let mut session = self.mover.connect(&self.server.endpoint, self.database, &settings)?;
        tables::restrict_relation_kinds(&mut session)?;
        Ok(session)
    }
}

/// Locks and snapshot of one database. They are gone when it is dropped.
pub(super) struct Coordinator<'o> {
    pub session: ServerSession<'o>,
    /// Name of the exported snapshot.
    pub snapshot: String,
    /// Oids of all relations that are locked.
    pub locked: BTreeSet<u32>,
}

/// What came of trying to lock.
pub(super) enum Attempt<'o> {
    /// All is locked.
    Locked(Coordinator<'o>),
    /// A table of the list was gone before it could be locked; what the server said.
    Changed(Error),
}

/// Lists the tables, locks them, takes the snapshot.
///
/// # Errors
///
/// When a lock cannot be had in `lock_timeout`: names the table, and the session that holds it.
pub(super) fn lock_all<'o>(door: &Door<'_, 'o>, lock_timeout: Duration) -> Result<Attempt<'o>> {
    let mut session = door.open()?;
    let tables = tables::lockable_tables(&mut session).context("list the tables")?;
    session.query(&tables::begin_coordinator(lock_timeout.as_millis()))?;
    for (statement, batch) in tables::lock_statements(&tables) {
        let Err(error) = session.query(&statement) else { continue };
        if GONE.contains(&error.code()) {
            return Ok(Attempt::Changed(error.into()));
        }
        if error.code() == LOCK_NOT_AVAILABLE {
            return Err(explain_lock(&mut session, batch, lock_timeout));
        }
        return Err(Error::from(error).context("lock the tables"));
    }
    let snapshot = tables::export_snapshot(&mut session).context("export the snapshot")?;
    let locked = tables::locked_relations(&mut session).context("read the locks that are held")?;
    Ok(Attempt::Locked(Coordinator { session, snapshot, locked }))
}

/// Says who keeps us from a table, as far as the server tells.
pub(super) fn explain_lock(
    session: &mut ServerSession<'_>,
    tables: &[tables::NamedTable],
    lock_timeout: Duration,
) -> Error {
    let waited = format!("lock was not available within {} s", lock_timeout.as_secs_f64());
    let hint = "try again when it has ended, or wait longer with `--lock-timeout`";
    let ended: std::result::Result<_, ServerError> = session.query(ROLLBACK);
    let holders = match ended {
        Ok(_) => tables::lock_holders(session, tables).unwrap_or_default(),
        Err(_) => Vec::new(),
    };
    let Some(holder) = holders.into_iter().next() else {
        let names: Vec<String> = tables.iter().take(3).map(tables::NamedTable::quoted).collect();
        return Error::failed("tables are locked by somebody else")
            .caused_by(format!("{waited}, and is free by now: one of {} ...", names.join(", ")))
            .hint(hint);
    };
    let verb = if holder.granted { "holds" } else { "waits for" };
    Error::failed(format!("table `{}` is locked by somebody else", holder.table))
        .caused_by(waited)
        .caused_by(format!(
            "process {} of role `{}` {verb} an exclusive lock on it: {}",
            holder.pid,
            holder.user.as_deref().unwrap_or("?"),
            holder.query.as_deref().unwrap_or("(its statement cannot be seen)")
        ))
        .hint(hint)
}

/// Runs a statement whose answer does not matter, keeping the SQLSTATE.
pub(super) fn run(session: &mut ServerSession<'_>, sql: &str) -> Result<()> {
    Query::query(session, sql).map(|_| ())
}
