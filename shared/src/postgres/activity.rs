//! Who and what uses a database now, and so stands in the way of renaming or dropping it.

use super::{query::Query, quote::literal};
use crate::error::Result;

/// A session in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectedSession {
    /// The server's process.
    pub pid: u32,
    /// Its database.
    pub database: String,
    /// Its role; none of a background worker without one.
    pub user: Option<String>,
    /// `application_name`, as the client says it.
    pub application: String,
    /// The client's address; none over a unix socket.
    pub address: Option<String>,
    /// `client backend`, `walsender`, `autovacuum worker` ...
    pub kind: String,
    /// `active`, `idle`, `idle in transaction` ...; none if this role may not see it.
    pub state: Option<String>,
}

/// Reads the sessions in a database but this one; in all databases for none. Autovacuum is left
/// out: the server itself ends it when it is in the way.
pub fn connected_sessions(session: &mut dyn Query, database: Option<&str>) -> Result<Vec<ConnectedSession>> {
    let condition = database.map(|name| format!("AND datname = {}", literal(name))).unwrap_or_default();
    let answer = session.query(&format!(
        "SELECT pid, datname AS database, usename AS user_name, COALESCE(application_name, '') AS application, \
         pg_catalog.host(client_addr) AS address, COALESCE(backend_type, '') AS kind, state \
         FROM pg_catalog.pg_stat_activity WHERE datname IS NOT NULL AND pid <> pg_catalog.pg_backend_pid() \
         AND backend_type IS DISTINCT FROM 'autovacuum worker' {condition} ORDER BY backend_start, pid"
    ))?;
    answer
        .iter()
        .map(|row| {
            Ok(ConnectedSession {
                pid: row.number("pid")?,
                database: row.string("database")?,
                user: row.optional_string("user_name")?,
                application: row.string("application")?,
                address: row.optional_string("address")?,
                kind: row.string("kind")?,
                state: row.optional_string("state")?,
            })
        })
        .collect()
}

/// A transaction that waits for COMMIT PREPARED. A database that has one cannot be dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedTransaction {
    /// Its global identifier.
    pub identifier: String,
    /// Its database.
    pub database: String,
    /// Who prepared it.
    pub owner: String,
    /// When, as the server writes it.
    pub prepared: String,
}

/// Reads all prepared transactions of the server, oldest first.
pub fn prepared_transactions(session: &mut dyn Query) -> Result<Vec<PreparedTransaction>> {
    let answer = session.query(
        "SELECT gid, database, owner, prepared FROM pg_catalog.pg_prepared_xacts ORDER BY prepared, gid",
    )?;
    answer
        .iter()
        .map(|row| {
            Ok(PreparedTransaction {
                identifier: row.string("gid")?,
                database: row.string("database")?,
                owner: row.string("owner")?,
                prepared: row.string("prepared")?,
            })
        })
        .collect()
}

/// A logical replication slot. A database that has one cannot be dropped, and the slot goes
/// with the database when that is renamed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogicalSlot {
    /// Its name.
    pub name: String,
    /// Its database.
    pub database: String,
    /// Its output plugin.
    pub plugin: String,
    /// Whether somebody reads from it now.
    pub active: bool,
}

/// Reads all logical slots of the server.
pub fn logical_slots(session: &mut dyn Query) -> Result<Vec<LogicalSlot>> {
    let answer = session.query(
        "SELECT slot_name, database, plugin, active FROM pg_catalog.pg_replication_slots \
         WHERE slot_type = 'logical' AND database IS NOT NULL ORDER BY slot_name",
    )?;
    answer
        .iter()
        .map(|row| {
            Ok(LogicalSlot {
                name: row.string("slot_name")?,
                database: row.string("database")?,
                plugin: row.string("plugin")?,
                active: row.flag("active")?,
            })
        })
        .collect()
}

/// A subscription. A database that has one cannot be dropped before its subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Its name.
    pub name: String,
    /// Its database.
    pub database: String,
    /// Whether it is enabled, so that its worker is running.
    pub enabled: bool,
    /// The slot at the publisher, if it has one.
    pub slot: Option<String>,
}

/// Reads all subscriptions of the server.
pub fn subscriptions(session: &mut dyn Query) -> Result<Vec<Subscription>> {
    let answer = session.query(
        "SELECT s.subname, d.datname, s.subenabled, s.subslotname FROM pg_catalog.pg_subscription s \
         JOIN pg_catalog.pg_database d ON d.oid = s.subdbid ORDER BY d.datname, s.subname",
    )?;
    answer
        .iter()
        .map(|row| {
            Ok(Subscription {
                name: row.string("subname")?,
                database: row.string("datname")?,
                enabled: row.flag("subenabled")?,
                slot: row.optional_string("subslotname")?,
            })
        })
        .collect()
}
