//! The session that holds locks and snapshot while others read.
//!
//! LOCK takes no snapshot, so the locks are all there *before* the snapshot is: no TRUNCATE and
//! no rewriting ALTER can fall between the two, after which COPY would give no rows and no
//! error (F42).

use super::locked::{self, Patience};
use crate::{
    error::{Context as _, Error, Result},
    mover::{Mover, ServerSession},
    postgres::{
        Query, Server,
        locks::{LockHolder, set_local_lock_timeout, set_lock_timeout},
        tables,
    },
};
use std::collections::BTreeSet;

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
    /// Somebody has one of them: who, unless he is gone by now. All locks were given back.
    Blocked(ServerSession<'o>, Option<Box<LockHolder>>),
}

/// Lists the tables, locks them, takes the snapshot. Waits for no lock for long.
pub(super) fn lock_all<'o>(door: &Door<'_, 'o>, patience: &Patience) -> Result<Attempt<'o>> {
    let mut session = door.open()?;
    run(&mut session, &set_lock_timeout(patience.limit().as_millis()))?;
    let tables = tables::lockable_tables(&mut session).context("list the tables")?;
    can_be_locked(door.server, tables.len() as u64)?;
    run(&mut session, tables::BEGIN_COORDINATOR)?;
    run(&mut session, &set_local_lock_timeout(patience.while_holding()))?;
    for (statement, batch) in tables::lock_statements(&tables) {
        let Err(error) = session.query(&statement) else { continue };
        if GONE.contains(&error.code()) {
            return Ok(Attempt::Changed(error.into()));
        }
        if error.code() == LOCK_NOT_AVAILABLE {
            let oids: Vec<u32> = batch.iter().map(|table| table.oid).collect();
            let holder = locked::who(&mut session, &oids)?;
            return Ok(Attempt::Blocked(session, holder));
        }
        return Err(Error::from(error).context("lock the tables"));
    }
    let snapshot = tables::export_snapshot(&mut session).context("export the snapshot")?;
    let locked = tables::locked_relations(&mut session).context("read the locks that are held")?;
    // What is read in here has to wait for nobody but who works on an index.
    run(&mut session, &set_local_lock_timeout(patience.limit().as_millis()))?;
    Ok(Attempt::Locked(Coordinator { session, snapshot, locked }))
}

/// Refuses what would fill the server's table of locks, so that others could lock nothing.
///
/// Source: PostgreSQL manual, "Lock Management", `max_locks_per_transaction`.
fn can_be_locked(server: &Server, tables: u64) -> Result<()> {
    let Some(each) = server.number_setting("max_locks_per_transaction") else { return Ok(()) };
    let connections = server.number_setting("max_connections").unwrap_or(100)
        + server.number_setting("max_prepared_transactions").unwrap_or(0);
    if tables <= each * connections {
        return Ok(());
    }
    let needed = tables.div_ceil(connections.max(1));
    Err(Error::failed(format!("{tables} tables are more than the server can lock at once"))
        .caused_by(format!(
            "`max_locks_per_transaction` is {each}, which makes {} locks for all {connections} connections",
            each * connections
        ))
        .hint(format!("set `max_locks_per_transaction` to {} or more, and restart the server", needed * 2)))
}

/// Runs a statement whose answer does not matter, keeping the SQLSTATE.
pub(super) fn run(session: &mut ServerSession<'_>, sql: &str) -> Result<()> {
    Query::query(session, sql).map(|_| ())
}
