//! Who keeps readers from a relation, and how a session of ours waits for one.
//!
//! Source: PostgreSQL manual, "Explicit Locking": of all modes only ACCESS EXCLUSIVE keeps out
//! who reads.

use super::{
    query::{Query, Row},
    quote::literal,
};
use crate::error::Result;

/// Somebody who holds a lock, or waits for one, that keeps readers from a relation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LockHolder {
    /// The relation's oid.
    pub oid: u32,
    /// What it is: `table`, `index`, `view` ...
    pub kind: String,
    /// Its name, as the server quotes it.
    pub relation: String,
    /// The server's process id of the session; none of a prepared transaction.
    pub pid: Option<i64>,
    /// The identifier of a prepared transaction.
    pub prepared: Option<String>,
    /// Its role, where it can be seen.
    pub user: Option<String>,
    /// `application_name`, where it can be seen.
    pub application: Option<String>,
    /// `active`, `idle in transaction` ..., where it can be seen.
    pub state: Option<String>,
    /// What it runs or ran last, in one line, where it can be seen.
    pub query: Option<String>,
    /// Whether it has the lock; else it waits for it, and readers behind it.
    pub granted: bool,
}

/// How long the statements of a session wait for a lock from here on.
pub fn set_lock_timeout(milliseconds: u128) -> String {
    format!("SET lock_timeout = {}", clamped(milliseconds))
}

/// The same for the rest of a transaction.
pub fn set_local_lock_timeout(milliseconds: u128) -> String {
    format!("SET LOCAL lock_timeout = {}", clamped(milliseconds))
}

/// The server counts in milliseconds, in an int, and takes 0 for "for ever".
fn clamped(milliseconds: u128) -> u128 {
    milliseconds.clamp(1, i32::MAX as u128)
}

/// Reads who keeps others from these relations, their indexes and what they store out of line;
/// holders first.
pub fn lock_holders(session: &mut dyn Query, oids: &[u32]) -> Result<Vec<LockHolder>> {
    if oids.is_empty() {
        return Ok(Vec::new());
    }
    let oids: Vec<String> = oids.iter().map(ToString::to_string).collect();
    let oids = oids.join(", ");
    // Inside a transaction the server answers from what it saw at the first look.
    session.query("SELECT pg_catalog.pg_stat_clear_snapshot()")?;
    let answer = session.query(&format!(
        "SELECT l.relation AS oid, CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' \
         WHEN 'S' THEN 'sequence' WHEN 'i' THEN 'index' WHEN 'I' THEN 'index' ELSE 'table' END AS kind, \
         l.relation::pg_catalog.regclass::text AS relation, l.pid, x.gid, a.usename, a.application_name, \
         a.state, pg_catalog.left(pg_catalog.regexp_replace(a.query, '[[:space:][:cntrl:]]+', ' ', 'g'), 200) \
         AS query, l.granted FROM pg_catalog.pg_locks l \
         LEFT JOIN pg_catalog.pg_class c ON c.oid = l.relation \
         LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
         LEFT JOIN pg_catalog.pg_locks t ON l.pid IS NULL AND t.pid IS NULL \
         AND t.locktype = 'transactionid' AND t.virtualtransaction = l.virtualtransaction \
         LEFT JOIN pg_catalog.pg_prepared_xacts x ON x.transaction = t.transactionid \
         WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' \
         AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid() \
         AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) \
         AND (l.relation IN ({oids}) \
         OR l.relation IN (SELECT indexrelid FROM pg_catalog.pg_index WHERE indrelid IN ({oids})) \
         OR l.relation IN (SELECT reltoastrelid FROM pg_catalog.pg_class WHERE oid IN ({oids}))) \
         ORDER BY l.granted DESC, l.pid"
    ))?;
    answer.iter().map(holder).collect()
}

fn holder(row: Row<'_>) -> Result<LockHolder> {
    Ok(LockHolder {
        oid: row.number("oid")?,
        kind: row.string("kind")?,
        relation: row.string("relation")?,
        pid: row.optional_number("pid")?,
        prepared: row.optional_string("gid")?,
        user: row.optional_string("usename")?,
        application: row.optional_string("application_name")?,
        state: row.optional_string("state")?,
        query: row.optional_string("query")?,
        granted: row.flag("granted")?,
    })
}

/// Reads the relations that sessions of this name wait for.
pub fn waited_for(session: &mut dyn Query, application_name: &str) -> Result<Vec<u32>> {
    session.query("SELECT pg_catalog.pg_stat_clear_snapshot()")?;
    let name = literal(application_name);
    let answer = session.query(&format!(
        "SELECT l.relation AS oid FROM pg_catalog.pg_locks l \
         JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
         WHERE NOT l.granted AND l.locktype = 'relation' \
         AND (a.application_name = {name} OR pg_catalog.starts_with(a.application_name, {name} || '/'))"
    ))?;
    answer.iter().map(|row| row.number("oid")).collect()
}
