//! What a lock file says, and whether the one who wrote it still lives.

use crate::error::{Context, Result};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};

/// The folder of the lock files.
pub(super) const FOLDER: &str = "locks";
/// How the names of files end that are written to read the storage's time off them.
pub(super) const TIME: &str = ".time";
/// How often a holder renews its lock file.
pub(super) const RENEW_EVERY: Duration = Duration::from_mins(1);
/// After so long without renewal a lock counts for nothing: long enough for a laptop's nap or a
/// storage that hangs, short enough that nobody waits a night for a machine that is gone.
pub(super) const STALE_AFTER: Duration = Duration::from_mins(15);

/// What a lock is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockKind {
    /// Beside others: writers, and readers that must not be pruned under.
    Shared,
    /// Nobody else: prune.
    Alone,
    /// The name of a backup that is being made.
    Name(String),
}

impl LockKind {
    /// Whether two locks cannot be held at once.
    pub(super) fn conflicts_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Alone, _) | (_, Self::Alone) => true,
            (Self::Name(one), Self::Name(other)) => one == other,
            _ => false,
        }
    }
}

/// Who holds a lock, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// What the lock is for.
    pub kind: LockKind,
    /// What the holder does: `create`, `prune` ...
    pub what: String,
    /// Its host.
    pub host: String,
    /// Its process.
    pub pid: u32,
    /// When it took the lock, RFC 3339, UTC.
    pub since: String,
    /// Tells one running system from another where host names are equal: boot and process
    /// namespace; empty where the system does not say.
    pub system: String,
    /// Tells a process from a later one with the same number: its start, in the system's ticks.
    pub started: String,
}

impl Holder {
    /// The present process.
    pub(super) fn here(kind: LockKind, what: &str, host: &str, since: &str) -> Self {
        let pid = std::process::id();
        Self {
            kind,
            what: what.to_owned(),
            host: host.to_owned(),
            pid,
            since: since.to_owned(),
            system: system(),
            started: Stat::of(pid).map(|stat| stat.started).unwrap_or_default(),
        }
    }

    /// For the reader of an error: who, where, since when.
    pub(super) fn describe(&self) -> String {
        format!("`{}` on host `{}` (process {}) since {}", self.what, self.host, self.pid, self.since)
    }

    pub(super) fn to_text(&self) -> Result<Vec<u8>> {
        serde_json::to_vec_pretty(self).context("write down who holds the lock")
    }

    /// Whether this process is known to have ended. Only asked of the system that it ran on.
    fn has_ended(&self) -> bool {
        let here = system();
        if here.is_empty() || self.system != here {
            return false;
        }
        match Stat::of(self.pid) {
            Some(stat) => stat.is_dead || stat.started != self.started,
            // A /proc that is mounted with `hidepid` does not show other users' processes.
            None => !exists(self.pid),
        }
    }

    /// Whether the lock counts for nothing: not renewed for [`STALE_AFTER`], or its process ended.
    /// `now` and `renewed` are both times of the storage, so that no two clocks are compared.
    pub(super) fn is_stale(&self, renewed: SystemTime, now: SystemTime) -> bool {
        now.duration_since(renewed).is_ok_and(|age| age > STALE_AFTER) || self.has_ended()
    }
}

/// This boot and this process namespace (Linux); empty elsewhere, where only time decides.
fn system() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let namespace = std::fs::read_link("/proc/self/ns/pid");
    match (boot, namespace) {
        (Ok(boot), Ok(namespace)) => format!("{} {}", boot.trim(), namespace.display()),
        _ => String::new(),
    }
}

/// What the system says of a process.
struct Stat {
    /// It has ended and waits for its parent to ask how.
    is_dead: bool,
    /// When it started, in ticks since boot.
    started: String,
}

impl Stat {
    /// None if there is no such process, or if it is another user's and hidden.
    ///
    /// Source: proc(5), `/proc/pid/stat`, fields 3 and 22. The name in field 2 may hold anything,
    /// so what follows its last parenthesis is counted.
    fn of(pid: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_whitespace();
        let is_dead = matches!(fields.next()?, "Z" | "X" | "x");
        Some(Self { is_dead, started: fields.nth(18)?.to_owned() })
    }
}

/// Whether there is a process of this number, whoever it belongs to.
fn exists(pid: u32) -> bool {
    use rustix::{
        io::Errno,
        process::{Pid, test_kill_process},
    };
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
    test_kill_process(pid) != Err(Errno::SRCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(kind: LockKind) -> Holder {
        Holder::here(kind, "create", "here", "2026-01-01T00:00:00Z")
    }

    #[test]
    fn a_lock_of_a_living_process_is_stale_only_after_its_time() {
        let now = SystemTime::now();
        let holder = holder(LockKind::Shared);
        assert!(!holder.is_stale(now - STALE_AFTER, now));
        assert!(holder.is_stale(now - STALE_AFTER - Duration::from_secs(1), now));
        assert!(!holder.is_stale(now + STALE_AFTER, now), "a storage's clock may be set back");
    }

    #[test]
    fn a_lock_of_a_process_that_ended_on_this_system_is_stale_at_once() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let mut holder = Holder { pid: child.id(), ..holder(LockKind::Shared) };
        let now = SystemTime::now();
        while !holder.is_stale(now, now) {
            // Ended, and not asked after: that counts as well.
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(holder.is_stale(now, now));
        // The same number on another system says nothing.
        holder.system = "elsewhere".to_owned();
        assert!(!holder.is_stale(now, now));
        // A process that was given the number of one that ended is another.
        let reused = Holder { started: "1".to_owned(), ..tests::holder(LockKind::Alone) };
        assert!(reused.is_stale(now, now));
    }

    #[test]
    fn a_process_that_is_there_is_seen_even_where_proc_hides_it() {
        assert!(exists(std::process::id()));
        assert!(exists(1), "it belongs to another user, and is there");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert!(!exists(child.id()));
    }

    #[test]
    fn writers_share_and_prune_is_alone_and_a_name_is_taken_once() {
        use LockKind::{Alone, Name, Shared};
        let name = |name: &str| Name(name.to_owned());
        assert!(!Shared.conflicts_with(&Shared));
        assert!(!Shared.conflicts_with(&name("a")));
        assert!(!name("a").conflicts_with(&name("b")));
        assert!(name("a").conflicts_with(&name("a")));
        for kind in [Shared, Alone, name("a")] {
            assert!(Alone.conflicts_with(&kind) && kind.conflicts_with(&Alone));
        }
    }
}
