//! The table of contents, told by pg_dump itself in the coordinator's snapshot.

use super::{coordinator::Door, tool};
use crate::{
    error::Result,
    postgres::{
        PG_DUMP,
        archive::{Contents, read_contents},
        lock_was_in_the_way, tables,
    },
};
use pgbackup_wire::message::Argument;
use std::{io::BufReader, time::Duration};

/// Bytes read from pg_dump's stream at once; what lies beyond the contents is let go.
const BUFFER: usize = 64 << 10;

/// How long pg_dump waits for a lock that the coordinator holds already: only somebody who waits
/// for the coordinator can stand in the way, and would stand there for ever.
const QUEUED_BEHIND_US: Duration = Duration::from_millis(500);

/// What pg_dump said.
pub(super) enum Told {
    /// The contents, whole.
    Contents(Box<Contents>),
    /// It could not lock a table in time; its error. What it waited for may be over at the
    /// next try.
    Blocked(crate::error::Error),
}

/// The setting of a session that writes nothing to the server's log: that pg_dump leaves in the
/// middle of a table is meant, and nothing for the server's owner to worry about. Only a
/// superuser may set it.
///
/// Source: PostgreSQL manual, "When to Log"; tried on 13 to 18.
fn quiet() -> [(String, String); 1] {
    [("log_min_messages".to_owned(), "panic".to_owned())]
}

/// Runs pg_dump until its contents have been read, and stops it there.
///
/// Custom format begins with header and contents, so all that pg_dump finds out is known before
/// the first row. It ends by SIGTERM or by itself; both are right once the contents are whole.
///
/// # Errors
///
/// When it fails before the end of the contents, with its own words.
pub(super) fn dump_contents(door: &Door<'_, '_>, snapshot: &str) -> Result<Told> {
    let arguments = tables::dump_arguments(
        door.database,
        snapshot,
        door.encoding,
        QUEUED_BEHIND_US.as_millis(),
        door.server.superuser,
    );
    let arguments = arguments.into_iter().map(Argument::Text).collect();
    let settings: &[_] = if door.server.superuser { &quiet() } else { &[] };
    let mut run = door.mover.run_with_settings(PG_DUMP, arguments, &door.server.endpoint, settings)?;
    let contents = read_contents(&mut BufReader::with_capacity(BUFFER, &mut run));
    if contents.is_ok() {
        run.stop();
    }
    let exit = run.wait()?;
    match contents {
        Ok(contents) => Ok(Told::Contents(Box::new(contents))),
        Err(error) => match tool::succeeded(PG_DUMP, &exit) {
            Ok(()) => Err(error),
            Err(failed) if lock_was_in_the_way(&exit.stderr) => Ok(Told::Blocked(failed)),
            Err(failed) => Err(failed),
        },
    }
}
