//! The moment at which one database takes another's place.

use super::server::{Reached, elsewhere};
use crate::{
    error::{Context as _, Error, Result},
    mover::ServerSession,
    postgres::{BEGIN, COMMIT, DatabaseInfo, ROLLBACK, Statement, swap},
};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

/// Time between two rounds of ending sessions.
const ROUND: Duration = Duration::from_millis(50);

/// One transaction that renames databases.
pub(super) struct Swap<'a> {
    /// The name that is at stake, for messages.
    pub database: &'a str,
    /// What is done with the server's roles in the same transaction, behind the rest.
    pub changes: &'a [Statement],
    /// The statements, in order.
    pub statements: Vec<String>,
    /// Databases that are renamed: no session may be in them.
    pub renamed: Vec<&'a str>,
    /// Those of them whose sessions are ended, whoever they are.
    pub emptied: Vec<&'a str>,
}

/// Runs the statements in one transaction, from another database.
///
/// The rename locks its database against new sessions and waits five seconds for those that are
/// there; meanwhile, where that is wanted, they are ended again and again.
///
/// # Errors
///
/// When a session is still there after that, with a hint; nothing has been renamed then.
pub(super) fn swap(reached: &Reached<'_>, databases: &[DatabaseInfo], swap: &Swap<'_>) -> Result<()> {
    let place = elsewhere(&reached.server, databases, &swap.renamed)?;
    let mut session = reached.session(&place)?;
    let mut ender = if swap.emptied.is_empty() { None } else { Some(reached.session(&place)?) };
    let over = AtomicBool::new(false);
    let result = thread::scope(|scope| {
        if let Some(ender) = &mut ender {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    if swap::end_sessions(ender, &swap.emptied).is_err() {
                        break;
                    }
                    thread::sleep(ROUND);
                }
            });
        }
        let result = transaction(&mut session, &swap.statements, swap.changes);
        over.store(true, Ordering::SeqCst);
        result
    });
    if let Some(ender) = ender {
        ender.close()?;
    }
    session.close()?;
    result.context(format!("swap database `{}`", swap.database))
}

/// Tries the statements in a transaction that is taken back.
pub(super) fn rehearse(
    session: &mut ServerSession<'_>,
    statements: &[String],
    changes: &[Statement],
) -> Result<()> {
    session.query(BEGIN)?;
    let result = statements
        .iter()
        .try_for_each(|statement| run(session, statement))
        .and_then(|()| changes.iter().try_for_each(|change| change_one(session, change)));
    session.query(ROLLBACK)?;
    result
}

fn transaction(session: &mut ServerSession<'_>, statements: &[String], changes: &[Statement]) -> Result<()> {
    session.query(BEGIN)?;
    let result = statements
        .iter()
        .try_for_each(|statement| run(session, statement))
        .and_then(|()| changes.iter().try_for_each(|change| change_one(session, change)));
    if let Err(error) = result {
        // A session that is gone has rolled back already.
        let _ = session.query(ROLLBACK);
        return Err(error);
    }
    session.query(COMMIT)?;
    Ok(())
}

fn change_one(session: &mut ServerSession<'_>, change: &Statement) -> Result<()> {
    if change.secret {
        session.query_secret(&change.sql)?;
    } else {
        session.query(&change.sql)?;
    }
    Ok(())
}

fn run(session: &mut ServerSession<'_>, statement: &str) -> Result<()> {
    session.query(statement).map(|_| ()).map_err(|error| {
        let in_use = error.code() == swap::IN_USE;
        let error = Error::from(error);
        if in_use {
            return error.hint("stop the application, or end its sessions with `--disconnect`");
        }
        error
    })
}
