//! What to make of a stream on which nothing moves.
//!
//! A mover says every few seconds that it is alive; psql and the server's tools cannot. But the
//! server knows what their sessions do: one that works may take as long as it likes, and one that
//! waits for a client whom this side waits for has lost its answer, or its question, on the way.

use super::{hands::PlainHands, session::PlainSession};
use crate::mover::Rows;
use std::{sync::Arc, time::Duration};

/// After so long without a byte the server is asked, and after as long again.
pub(super) const SILENCE: Duration = Duration::from_secs(15);
/// So often nothing may have moved where the server cannot be asked yet: a minute in all.
const BEFORE_IT_IS_THERE: u32 = 4;
/// So often in a row the same bad sign is seen before a stream is given up.
const SAME_SIGN: u32 = 2;
/// The same of a tool that sits between two statements: it may have to think, for as long as five
/// minutes.
const TOOL_THINKS: u32 = 20;

/// Whose stream it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// psql's, by the process id of its session at the server.
    Session(u32),
    /// A tool's, by the name of its sessions.
    Tool(String),
}

/// One of the run's sessions, as the server sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub pid: u32,
    pub name: String,
    /// What it waits for, if for anything.
    pub wait: String,
    /// What it does, and since when.
    pub doing: String,
}

/// What the server says of whom a stream belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sign {
    /// It works for them.
    Works,
    /// It waits for them: what they do.
    Waits(String),
    /// It does not know them (any more).
    Gone,
    /// It cannot be asked: why.
    Unknown(String),
}

fn sign(whose: &Whose, seen: Result<Option<Vec<Seen>>, String>) -> Sign {
    let seen = match seen {
        Ok(Some(seen)) => seen,
        // All connections may be taken: who answers so is there, and nothing speaks against the rest.
        Ok(None) => return Sign::Works,
        Err(why) => return Sign::Unknown(why),
    };
    let is_theirs = |one: &&Seen| match whose {
        Whose::Session(pid) => one.pid == *pid,
        Whose::Tool(name) => one.name == *name,
    };
    let theirs: Vec<&Seen> = seen.iter().filter(is_theirs).collect();
    // Source: PostgreSQL manual, "Wait Events of Type Client".
    let waits = |one: &&Seen| one.wait == "ClientRead" || one.wait == "ClientWrite";
    if theirs.is_empty() {
        Sign::Gone
    } else if theirs.iter().all(waits) {
        Sign::Waits(theirs.iter().map(|one| one.doing.as_str()).collect::<Vec<_>>().join("; "))
    } else {
        Sign::Works
    }
}

/// Counts the signs of one stream.
pub(super) struct Guard<'o> {
    asking: Option<(Arc<PlainHands<'o>>, Whose)>,
    /// So often it may be silent while nobody can be asked.
    alone: u32,
    last: Option<Sign>,
    times: u32,
}

impl<'o> Guard<'o> {
    /// Of a stream whose session is not known yet; or that never has one.
    pub fn alone() -> Self {
        Self { asking: None, alone: BEFORE_IT_IS_THERE, last: None, times: 0 }
    }

    /// The same for one that must answer at once.
    pub fn hasty() -> Self {
        Self { alone: 1, ..Self::alone() }
    }

    /// From now on the server can be asked.
    pub fn ask(&mut self, hands: &Arc<PlainHands<'o>>, whose: Whose) {
        self.asking = Some((Arc::clone(hands), whose));
    }

    /// Something has moved.
    pub fn moved(&mut self) {
        (self.last, self.times) = (None, 0);
    }

    /// Nothing has moved for [`SILENCE`]. Gives why the stream is to be given up, if it is.
    pub fn silent(&mut self) -> Option<String> {
        let Some((hands, whose)) = &self.asking else {
            self.times += 1;
            let seconds = SILENCE.as_secs() * u64::from(self.times);
            return (self.times >= self.alone)
                .then(|| format!("nothing has moved on it for {seconds} seconds"));
        };
        let sign = sign(whose, hands.sessions());
        let patience = if matches!(whose, Whose::Tool(_)) { TOOL_THINKS } else { SAME_SIGN };
        self.count(sign, patience)
    }

    fn count(&mut self, sign: Sign, patience: u32) -> Option<String> {
        let is_same = match (&self.last, &sign) {
            (Some(Sign::Waits(before)), Sign::Waits(now)) => before == now,
            (Some(Sign::Gone | Sign::Unknown(_)), Sign::Gone | Sign::Unknown(_)) => true,
            _ => false,
        };
        self.times = if is_same { self.times + 1 } else { 1 };
        let (limit, why) = match &sign {
            Sign::Works => (u32::MAX, String::new()),
            Sign::Waits(doing) => (patience, format!("the server waits for it: {doing}")),
            Sign::Gone => (SAME_SIGN, "its session at the server is gone".to_owned()),
            Sign::Unknown(why) => (SAME_SIGN, format!("the server cannot be asked why: {why}")),
        };
        let seconds = SILENCE.as_secs() * u64::from(self.times);
        let over = self.times >= limit;
        self.last = Some(sign);
        over.then(|| format!("nothing has moved on it for {seconds} seconds, and {why}"))
    }
}

impl PlainHands<'_> {
    /// What the server says of this run's sessions, or why it cannot be asked; nothing if there is no
    /// place for who would ask.
    fn sessions(self: &Arc<Self>) -> Result<Option<Vec<Seen>>, String> {
        let Some((endpoint, database)) = self.last() else {
            return Err("nobody has connected to it yet".to_owned());
        };
        let settings = [("client_encoding".to_owned(), "UTF8".to_owned())];
        let source = self.password(&endpoint);
        let name = format!("pgbackup/{}", self.run_id());
        let asked = PlainSession::open_hastily(self, &endpoint, source.as_ref(), &database, &settings)
            .and_then(|session| {
                let Some(mut session) = session else { return Ok(None) };
                let rows = session.query(&format!(
                    "SELECT pid, application_name, coalesce(wait_event, ''), \
                     coalesce(state, '') || ' since ' || coalesce(state_change::text, '') \
                     FROM pg_catalog.pg_stat_activity WHERE pid <> pg_catalog.pg_backend_pid() \
                     AND (application_name = '{name}' \
                     OR pg_catalog.left(application_name, {}) = '{name}/')",
                    name.len() + 1
                ))?;
                session.close()?;
                Ok(Some(rows))
            });
        let Some(Rows { rows, .. }) = asked.map_err(|error| error.to_string())? else { return Ok(None) };
        let seen = rows.into_iter().map(|row| {
            let mut values =
                row.into_iter().map(|value| String::from_utf8_lossy(&value.unwrap_or_default()).into_owned());
            let mut next = || values.next().unwrap_or_default();
            Seen { pid: next().parse().unwrap_or(0), name: next(), wait: next(), doing: next() }
        });
        Ok(Some(seen.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(pid: u32, name: &str, wait: &str) -> Seen {
        Seen { pid, name: name.into(), wait: wait.into(), doing: format!("{pid} {wait}") }
    }

    #[test]
    fn who_waits_for_a_client_is_told_from_who_works() {
        let seen =
            || Ok(Some(vec![seen(1, "p/r", "ClientRead"), seen(2, "p/r", "PgSleep"), seen(3, "p/r/1", "")]));
        assert_eq!(sign(&Whose::Session(1), seen()), Sign::Waits("1 ClientRead".into()));
        assert_eq!(sign(&Whose::Session(2), seen()), Sign::Works);
        assert_eq!(sign(&Whose::Session(4), seen()), Sign::Gone);
        assert_eq!(sign(&Whose::Tool("p/r/1".into()), seen()), Sign::Works);
        assert_eq!(sign(&Whose::Tool("p/r/1".into()), Err("paused".into())), Sign::Unknown("paused".into()));
        assert_eq!(sign(&Whose::Session(1), Ok(None)), Sign::Works);
    }

    #[test]
    fn a_stream_is_given_up_when_a_bad_sign_is_seen_again_and_not_while_the_server_works() {
        let mut guard = Guard::alone();
        for sign in [
            Sign::Waits("a".into()),
            Sign::Waits("b".into()),
            Sign::Works,
            Sign::Works,
            Sign::Works,
            Sign::Gone,
            Sign::Waits("b".into()),
            Sign::Unknown("paused".into()),
        ] {
            assert_eq!(guard.count(sign, SAME_SIGN), None);
        }
        let why = guard.count(Sign::Unknown("paused".into()), SAME_SIGN).unwrap();
        assert_eq!(why, "nothing has moved on it for 30 seconds, and the server cannot be asked why: paused");
    }

    #[test]
    fn what_moves_in_between_is_forgiven() {
        let mut guard = Guard::alone();
        assert_eq!(guard.count(Sign::Gone, SAME_SIGN), None);
        guard.moved();
        assert_eq!(guard.count(Sign::Gone, SAME_SIGN), None);
    }

    #[test]
    fn who_cannot_be_asked_about_is_given_a_minute() {
        let mut guard = Guard::alone();
        let given_up: Vec<bool> = (0..4).map(|_| guard.silent().is_some()).collect();
        assert_eq!(given_up, [false, false, false, true]);
    }
}
