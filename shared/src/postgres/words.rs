//! The words that others need of the server's language: transactions, and the names of its programs.

/// Begins a transaction.
pub const BEGIN: &str = "BEGIN";
/// Ends a transaction and keeps what it did.
pub const COMMIT: &str = "COMMIT";
/// Ends a transaction and takes back what it did.
pub const ROLLBACK: &str = "ROLLBACK";

/// Writes one database.
pub const PG_DUMP: &str = "pg_dump";
/// Writes what belongs to the whole server.
pub const PG_DUMPALL: &str = "pg_dumpall";
/// Makes a database again of what [`PG_DUMP`] wrote.
pub const PG_RESTORE: &str = "pg_restore";

/// Whether this program's trouble was a lock that it did not get in time. The server's message may
/// be in any language; the statement, which the program repeats, is not.
pub fn lock_was_in_the_way(stderr: &str) -> bool {
    stderr.contains("LOCK TABLE")
}
