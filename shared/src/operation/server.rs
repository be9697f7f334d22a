//! A server that was reached: its mover, its facts, and sessions for what the verbs ask it.

use super::Surroundings;
use crate::{
    cancel::Cancel,
    catalog::manifest::Globals,
    error::{Context as _, Error, Result},
    mover::{Mover, PlaceOptions, ServerSession},
    postgres::{DatabaseInfo, ProbeOptions, Query, Server, databases, globals, probe, swap},
    target::Target,
};
use pgbackup_wire::message::Environment;
use std::{thread, time::Duration};

/// A server and the mover beside it.
pub(super) struct Reached<'a> {
    pub mover: Mover<'a>,
    pub server: Server,
    pub environment: Environment,
}

/// Starts the mover in a target and finds the server there.
pub(super) fn reach<'a>(at: &Surroundings<'a>, target: &Target, mover: &PlaceOptions) -> Result<Reached<'a>> {
    reach_until(at, target, mover, at.cancel)
}

fn reach_until<'a>(
    at: &Surroundings<'a>,
    target: &Target,
    mover: &PlaceOptions,
    cancel: &Cancel,
) -> Result<Reached<'a>> {
    let mover = Mover::start(at.runtime, target, mover, at.observer, cancel)?;
    let server = probe(&mover, &ProbeOptions::default())
        .context(format!("reach the PostgreSQL server in `{}`", target.name))?;
    let environment = mover.environment()?;
    Ok(Reached { mover, server, environment })
}

/// What belongs to the whole server, as it is now.
pub(super) struct ServerState {
    pub databases: Vec<DatabaseInfo>,
    pub globals: Globals,
}

impl<'a> Reached<'a> {
    /// Opens a session that asks and says what is the server's, not a table's.
    pub fn session(&self, database: &str) -> Result<ServerSession<'a>> {
        let name = format!("pgbackup/{}", self.mover.run_id());
        let settings = [
            ("application_name", name.as_str()),
            ("client_encoding", "UTF8"),
            ("search_path", "pg_catalog"),
            ("standard_conforming_strings", "on"),
            ("default_transaction_read_only", "off"),
            ("synchronous_commit", "on"),
            ("statement_timeout", "0"),
            ("lock_timeout", "60s"),
            ("idle_in_transaction_session_timeout", "0"),
        ];
        let settings: Vec<(String, String)> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.mover.connect(&self.server.endpoint, database, &settings)
    }

    /// Opens such a session in the database that was asked first.
    pub fn maintenance(&self) -> Result<ServerSession<'a>> {
        self.session(&self.server.database)
    }

    /// Reads databases and globals.
    pub fn state(&self, session: &mut dyn Query) -> Result<ServerState> {
        let version = self.server.version();
        Ok(ServerState {
            databases: databases(session, version).context("list the databases")?,
            globals: globals(session, version).context("read roles and tablespaces")?,
        })
    }
}

/// What is left of a run is asked to end so often, and each time this long before the next.
const ROUNDS: u32 = 60;
const BETWEEN_ROUNDS: Duration = Duration::from_millis(100);

/// Ends a run that failed. A mover that still answers ends what it began by itself; otherwise
/// a second one ends what was left.
pub(super) fn end_run(at: &Surroundings<'_>, target: &Target, mover: &PlaceOptions, reached: Reached<'_>) {
    let run = reached.mover.run_id().to_owned();
    if reached.mover.finish().is_ok() {
        return;
    }
    let ended = || -> Result<()> {
        // The user's wish to stop must not stop the cleaning up.
        let reached = reach_until(at, target, mover, &Cancel::default())?;
        let mut session = reached.maintenance()?;
        end_rest_of(&reached, &mut session, &run)?;
        session.close()?;
        reached.mover.finish().map(|_| ())
    };
    if let Err(error) = ended() {
        let what = format!("sessions of this run could not be looked for in `{}`: {error}", target.name);
        at.observer.event(&crate::event::Event::Warning { what });
    }
}

/// Ends the sessions and programs that another run left when its mover was lost. A program may
/// be just about to connect, so both are looked for until neither is there.
///
/// # Errors
///
/// When something would not end within some seconds.
pub(super) fn end_rest_of(reached: &Reached<'_>, session: &mut ServerSession<'_>, run: &str) -> Result<()> {
    for _ in 0..ROUNDS {
        let programs = reached.mover.end_programs_of(run)?;
        let sessions = swap::end_sessions_of_run(session, run)?;
        if programs == 0 && sessions == 0 {
            return Ok(());
        }
        thread::sleep(BETWEEN_ROUNDS);
    }
    Err(Error::failed("what an earlier mover began would not end")
        .caused_by(format!("there are still sessions named `pgbackup/{run}`, or programs of theirs")))
}

/// Reaches a server again after its first mover was lost, to clean up.
pub(super) fn reach_again<'a>(
    at: &Surroundings<'a>,
    target: &Target,
    mover: &PlaceOptions,
) -> Result<Reached<'a>> {
    reach_until(at, target, mover, &Cancel::default())
}

/// A database to connect to while `avoided` ones are renamed or dropped.
pub(super) fn elsewhere(server: &Server, databases: &[DatabaseInfo], avoided: &[&str]) -> Result<String> {
    let can = |name: &str| {
        !avoided.contains(&name)
            && databases.iter().any(|database| {
                database.name == name
                    && database.properties.allow_connections
                    && !database.invalid
                    && database.mark.is_none()
            })
    };
    [server.database.as_str(), "postgres", "template1"]
        .into_iter()
        .chain(databases.iter().map(|database| database.name.as_str()))
        .find(|name| can(name))
        .map(str::to_owned)
        .ok_or_else(|| {
            Error::failed("no other database that could be connected to")
                .caused_by("a database cannot be renamed from inside itself")
                .hint("make one with `CREATE DATABASE postgres`")
        })
}
