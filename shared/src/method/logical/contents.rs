//! The table of contents, told by pg_dump itself in the coordinator's snapshot.

use super::{
    coordinator::{Coordinator, Door},
    tool,
};
use crate::{
    error::Result,
    mover::{ServerSession, ToolStop},
    postgres::{
        PG_DUMP,
        archive::{Contents, read_contents},
        lock_was_in_the_way,
        locks::{LockHolder, lock_holders, waited_for},
        tables,
    },
};
use pgbackup_wire::message::Argument;
use std::{
    io::BufReader,
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

/// Bytes read from pg_dump's stream at once; what lies beyond the contents is let go.
const BUFFER: usize = 64 << 10;

/// How long pg_dump waits for a lock that the coordinator holds already: only somebody who waits
/// for the coordinator can stand in the way, and would stand there for ever.
const QUEUED_BEHIND_US: Duration = Duration::from_millis(500);

/// pg_dump minds its time only where it locks tables. What it asks the server about a view or a
/// sequence may wait for ever, and so it is looked at so often, and ended when it waits that
/// many times in a row.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
const LOOKS: u32 = 4;

/// What pg_dump said.
pub(super) enum Told {
    /// The contents, whole.
    Contents(Box<Contents>),
    /// It did not get a lock in time: its error, and who has it, as far as that was seen. It may
    /// be over at the next try.
    Blocked(crate::error::Error, Option<Box<LockHolder>>),
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
pub(super) fn dump_contents(door: &Door<'_, '_>, coordinator: &mut Coordinator<'_>) -> Result<Told> {
    let arguments = tables::dump_arguments(
        door.database,
        &coordinator.snapshot,
        door.encoding,
        QUEUED_BEHIND_US.as_millis(),
        door.server.superuser,
    );
    let arguments = arguments.into_iter().map(Argument::Text).collect();
    let settings: &[_] = if door.server.superuser { &quiet() } else { &[] };
    let mut run = door.mover.run_with_settings(PG_DUMP, arguments, &door.server.endpoint, settings)?;
    let name = format!("pgbackup/{}", door.mover.run_id());
    let session = &mut coordinator.session;
    let (contents, seen) = thread::scope(|scope| {
        let stop = run.stop_handle();
        let (done, is_done) = channel::<()>();
        let watching = scope.spawn(move || watch(session, &name, &stop, &is_done));
        let contents = read_contents(&mut BufReader::with_capacity(BUFFER, &mut run));
        drop(done);
        (contents, watching.join().unwrap_or_default())
    });
    if contents.is_ok() {
        run.stop();
    }
    let exit = run.wait()?;
    match contents {
        Ok(contents) => Ok(Told::Contents(Box::new(contents))),
        Err(error) => match tool::succeeded(PG_DUMP, &exit) {
            Ok(()) => Err(error),
            Err(failed) if seen.stopped || lock_was_in_the_way(&exit.stderr) => {
                Ok(Told::Blocked(failed, seen.holder))
            }
            Err(failed) => Err(failed),
        },
    }
}

/// What was seen of pg_dump's waiting.
#[derive(Default)]
struct Seen {
    /// Who kept it waiting last.
    holder: Option<Box<LockHolder>>,
    /// It was ended because it waited.
    stopped: bool,
}

/// Looks whether pg_dump waits for a lock, until it is done.
fn watch(
    session: &mut ServerSession<'_>,
    application_name: &str,
    stop: &ToolStop<'_>,
    is_done: &Receiver<()>,
) -> Seen {
    let mut seen = Seen::default();
    let mut waiting = 0;
    while is_done.recv_timeout(BETWEEN_LOOKS) == Err(RecvTimeoutError::Timeout) {
        // A session that cannot be asked any more shows by itself where it is used next.
        let Ok(relations) = waited_for(session, application_name) else { return seen };
        if relations.is_empty() {
            waiting = 0;
            continue;
        }
        waiting += 1;
        let Ok(holders) = lock_holders(session, &relations) else { return seen };
        seen.holder = holders.into_iter().next().map(Box::new).or(seen.holder);
        if waiting >= LOOKS {
            stop.stop();
            seen.stopped = true;
            return seen;
        }
    }
    seen
}
