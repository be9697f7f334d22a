//! Databases of ours on a server: kept for `undo`, or left by an interrupted restore.

use super::{KeptDatabase, Obstacle, server::Reached};
use crate::{
    error::{Context as _, Result},
    mover::ServerSession,
    postgres::{
        ConnectedSession, DatabaseInfo, LogicalSlot, MarkKind, PreparedTransaction, Query, Subscription,
        connected_sessions, logical_slots, prepared_transactions, subscriptions, swap,
    },
};

/// What the names of databases of ours begin with: one that is being loaded, one that is kept.
const NEW: &str = "pgbackup_new_";
const KEPT: &str = "pgbackup_kept_";

/// The name under which a database is loaded; `number` tells those of one run apart.
pub(super) fn loaded_name(run: &str, number: usize) -> String {
    format!("{NEW}{run}_{number}")
}

/// The name under which a database is kept.
pub(super) fn kept_name(run: &str, number: usize) -> String {
    format!("{KEPT}{run}_{number}")
}

/// What is told of a database that is ours; none of any other.
pub(super) fn kept(database: &DatabaseInfo) -> Option<KeptDatabase> {
    let size = database.size.unwrap_or_default();
    if let Some(mark) = &database.mark {
        return Some(KeptDatabase {
            name: database.name.clone(),
            database: mark.database.clone(),
            size,
            time: mark.time.to_string(),
            backup: mark.backup.clone(),
            by_restore: mark.kind == MarkKind::KeptByRestore,
            unfinished: mark.kind == MarkKind::Unfinished,
        });
    }
    unmarked_run(database).map(|_| KeptDatabase {
        name: database.name.clone(),
        size,
        unfinished: true,
        ..KeptDatabase::default()
    })
}

/// The run that made a database of ours, if it is one that is not finished.
pub(super) fn unfinished_run(database: &DatabaseInfo) -> Option<&str> {
    match &database.mark {
        Some(mark) if mark.kind == MarkKind::Unfinished => Some(&mark.run),
        Some(_) => None,
        None => unmarked_run(database),
    }
}

/// A restore that was killed between CREATE DATABASE and the comment left a database with our
/// name, closed to all but superusers, and no comment.
fn unmarked_run(database: &DatabaseInfo) -> Option<&str> {
    let (run, number) = database.name.strip_prefix(NEW)?.rsplit_once('_')?;
    let ours = run.len() == 16
        && run.bytes().all(|byte| byte.is_ascii_hexdigit())
        && number.parse::<u32>().is_ok()
        && database.properties.connection_limit == 0
        && database.properties.comment.is_none();
    ours.then_some(run)
}

/// What is going on in the databases of a server.
pub(super) struct Activity {
    sessions: Vec<ConnectedSession>,
    prepared: Vec<PreparedTransaction>,
    slots: Vec<LogicalSlot>,
    pub subscriptions: Vec<Subscription>,
}

impl Activity {
    pub fn read(session: &mut dyn Query) -> Result<Self> {
        Ok(Self {
            sessions: connected_sessions(session, None).context("list the sessions")?,
            prepared: prepared_transactions(session).context("list the prepared transactions")?,
            slots: logical_slots(session).context("list the replication slots")?,
            subscriptions: subscriptions(session).context("list the subscriptions")?,
        })
    }

    /// How many sessions other than this run's are in a database.
    pub fn sessions_in(&self, database: &str, own_run: &str) -> u64 {
        let own = format!("pgbackup/{own_run}");
        let others = |session: &&ConnectedSession| session.database == database && session.application != own;
        self.sessions.iter().filter(others).count() as u64
    }

    /// Whether a run of ours has sessions at the server: it is still at work.
    pub fn is_at_work(&self, run: &str) -> bool {
        let application = format!("pgbackup/{run}");
        self.sessions.iter().any(|session| session.application == application)
    }

    /// What keeps a database from being put aside.
    pub fn in_the_way(&self, database: &str, own_run: &str, disconnect: bool) -> Vec<Obstacle> {
        let mut found = Vec::new();
        let mut add = |what: String, hint: String| found.push(Obstacle { what, hint: Some(hint) });
        let sessions = self.sessions_in(database, own_run);
        if sessions > 0 && !disconnect {
            let who: Vec<String> = self
                .sessions
                .iter()
                .filter(|session| session.database == database)
                .take(3)
                .map(|session| match session.application.as_str() {
                    "" => format!("process {}", session.pid),
                    application => format!("process {} of `{application}`", session.pid),
                })
                .collect();
            add(
                format!(
                    "{sessions} session{} {} connected to `{database}` ({})",
                    if sessions == 1 { "" } else { "s" },
                    if sessions == 1 { "is" } else { "are" },
                    who.join(", ")
                ),
                "stop the application, or end its sessions with `--disconnect`".into(),
            );
        }
        for prepared in self.prepared.iter().filter(|prepared| prepared.database == database) {
            add(
                format!("transaction `{}` in `{database}` is prepared and not ended", prepared.identifier),
                format!("end it in `{database}` with `COMMIT PREPARED` or `ROLLBACK PREPARED`"),
            );
        }
        for slot in self.slots.iter().filter(|slot| slot.database == database) {
            add(
                format!("replication slot `{}` reads from `{database}`", slot.name),
                format!("drop it with `SELECT pg_drop_replication_slot('{}')`", slot.name),
            );
        }
        for subscription in self.subscriptions.iter().filter(|one| one.database == database && one.enabled) {
            add(
                format!("subscription `{}` in `{database}` is enabled", subscription.name),
                format!("disable it in `{database}` with `ALTER SUBSCRIPTION ... DISABLE`"),
            );
        }
        found
    }
}

/// Drops a database of ours with its subscriptions, of which the publisher is told nothing; does
/// nothing if it is not there. `session` is in another database.
pub(super) fn drop_database(
    reached: &Reached<'_>,
    session: &mut ServerSession<'_>,
    name: &str,
) -> Result<()> {
    if !swap::database_exists(session, name)? {
        return Ok(());
    }
    let stage = || format!("drop database `{name}`");
    // A run that was killed while it dropped this one has done all but the drop itself.
    if swap::database_is_half_dropped(session, name)? {
        return Query::query(session, &swap::drop_statement(name)).context(stage()).map(|_| ());
    }
    let subscribed: Vec<Subscription> =
        subscriptions(session)?.into_iter().filter(|one| one.database == name).collect();
    if !subscribed.is_empty() {
        Query::query(session, &swap::open_statement(name)).context(stage())?;
        let mut inside = reached.session(name).context(stage())?;
        for subscription in subscribed {
            for statement in swap::drop_subscription_statements(&subscription.name) {
                Query::query(&mut inside, &statement).context(stage())?;
            }
        }
        inside.close()?;
    }
    for statement in swap::drop_statements(name) {
        Query::query(session, &statement).context(stage())?;
    }
    Ok(())
}
