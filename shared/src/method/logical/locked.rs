//! Waiting for a lock that somebody has, without standing in anybody's way.
//!
//! Whoever holds some locks and waits for another stops those who queue behind what he holds,
//! and can be half of a deadlock, which the server resolves by ending the other half. So all
//! locks are asked for with little patience, given back where one cannot be had, and asked for
//! again when that one is free (F32).

use super::coordinator::run;
use crate::{
    cancel::Cancel,
    error::{Error, Result},
    mover::ServerSession,
    postgres::{
        ROLLBACK,
        locks::{LockHolder, lock_holders},
    },
};
use std::{
    thread,
    time::{Duration, Instant},
};

/// How long one lock is waited for while others are held. A server looks for deadlocks when
/// somebody has waited for a second (`deadlock_timeout`): by then we are gone.
const WHILE_HOLDING: Duration = Duration::from_millis(300);

/// Time between two looks whether a lock is free.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// How long all waiting for locks in one database may take.
pub(super) struct Patience {
    limit: Duration,
    since: Instant,
}

impl Patience {
    pub fn new(limit: Duration) -> Self {
        Self { limit, since: Instant::now() }
    }

    pub fn limit(&self) -> Duration {
        self.limit
    }

    pub fn is_over(&self) -> bool {
        self.since.elapsed() >= self.limit
    }

    /// How long one lock is waited for while others are held, in milliseconds.
    pub fn while_holding(&self) -> u128 {
        WHILE_HOLDING.min(self.limit).as_millis()
    }

    /// Waits until this one has no lock on the relation any more, or the patience is over.
    ///
    /// # Errors
    ///
    /// In the latter case: names the relation and who has it.
    pub fn wait_for(
        &self,
        session: &mut ServerSession<'_>,
        holder: &LockHolder,
        cancel: &Cancel,
    ) -> Result<()> {
        loop {
            cancel.check()?;
            let there = lock_holders(session, &[holder.oid])?;
            let same = there.into_iter().find(|other| {
                (other.oid, other.pid, &other.prepared) == (holder.oid, holder.pid, &holder.prepared)
            });
            let Some(holder) = same else { return Ok(()) };
            if self.is_over() {
                return Err(explain(&holder, self.limit));
            }
            thread::sleep(BETWEEN_LOOKS.min(self.limit.saturating_sub(self.since.elapsed())));
        }
    }
}

/// Gives the transaction's locks back and looks who kept it from one of these relations.
pub(super) fn who(session: &mut ServerSession<'_>, oids: &[u32]) -> Result<Option<Box<LockHolder>>> {
    run(session, ROLLBACK)?;
    Ok(lock_holders(session, oids)?.into_iter().next().map(Box::new))
}

/// The error of a lock that could not be had, when nobody can be named any more.
pub(super) fn unexplained(waited: Duration) -> Error {
    Error::failed("tables are locked by somebody else")
        .caused_by(format!("{}, and nobody holds it any more", not_available(waited)))
        .hint(HINT)
}

const HINT: &str = "try again when it has ended, or wait longer with `--lock-timeout`";

fn not_available(waited: Duration) -> String {
    format!("lock was not available within {} s", waited.as_secs_f64())
}

/// Says who keeps us from a relation, as far as the server tells.
pub(super) fn explain(holder: &LockHolder, waited: Duration) -> Error {
    let verb = if holder.granted { "holds" } else { "waits for" };
    let error = Error::failed(format!("{} `{}` is locked by somebody else", holder.kind, holder.relation))
        .caused_by(not_available(waited));
    if let Some(identifier) = &holder.prepared {
        return error
            .caused_by(format!("the prepared transaction `{identifier}` {verb} an exclusive lock on it"))
            .hint("end it with `COMMIT PREPARED` or `ROLLBACK PREPARED`");
    }
    let of = |what: &Option<String>| what.clone().filter(|text| !text.is_empty()).unwrap_or("?".into());
    let idle = holder.state.as_deref().is_some_and(|state| state.starts_with("idle"));
    let error = error
        .caused_by(format!(
            "process {} of role `{}`, application `{}`, {verb} an exclusive lock on it ({})",
            holder.pid.unwrap_or_default(),
            of(&holder.user),
            of(&holder.application),
            of(&holder.state)
        ))
        .caused_by(match &holder.query {
            Some(query) if idle => format!("its last statement was: {query}"),
            Some(query) => format!("it runs: {query}"),
            None => "its statement cannot be seen".to_owned(),
        })
        .hint(HINT);
    match holder.pid {
        Some(pid) if idle => {
            error.hint(format!("if it was forgotten, end it with `SELECT pg_terminate_backend({pid})`"))
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_named_with_what_it_runs() {
        let holder = LockHolder {
            kind: "table".into(),
            relation: "public.t".into(),
            pid: Some(7),
            user: Some("app".into()),
            application: Some("cron".into()),
            state: Some("active".into()),
            query: Some("VACUUM FULL t".into()),
            granted: true,
            ..LockHolder::default()
        };
        let error = explain(&holder, Duration::from_millis(1500));
        assert_eq!(error.what, "table `public.t` is locked by somebody else");
        assert_eq!(
            error.causes,
            [
                "lock was not available within 1.5 s",
                "process 7 of role `app`, application `cron`, holds an exclusive lock on it (active)",
                "it runs: VACUUM FULL t"
            ]
        );
        assert_eq!(error.hints.len(), 1);
        let forgotten = LockHolder { state: Some("idle in transaction".into()), ..holder };
        let error = explain(&forgotten, Duration::from_secs(10));
        assert_eq!(error.causes.last().unwrap(), "its last statement was: VACUUM FULL t");
        assert_eq!(error.hints.len(), 2);
    }

    #[test]
    fn a_prepared_transaction_is_named_by_its_identifier() {
        let holder =
            LockHolder { prepared: Some("left over".into()), granted: true, ..LockHolder::default() };
        let error = explain(&holder, Duration::from_secs(1));
        assert!(error.causes.iter().any(|cause| cause.contains("`left over` holds")), "{error}");
    }
}
