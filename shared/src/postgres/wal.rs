//! What the write-ahead log takes of a disk.

use super::query::Query;
use crate::error::Result;

/// Segments of the log that are ready to be written anew, in bytes. Names of segments rise with
/// their position in one timeline; those behind the current one are not in use yet.
///
/// Source: PostgreSQL manual, "WAL Configuration", on recycled segments.
pub fn recycled_wal(session: &mut dyn Query) -> Result<u64> {
    let answer = session.query(
        "SELECT COALESCE(sum(size), 0)::bigint AS bytes FROM pg_catalog.pg_ls_waldir() \
         WHERE name ~ '^[0-9A-F]{24}$' \
         AND name > pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn())",
    )?;
    answer.only()?.number("bytes")
}
