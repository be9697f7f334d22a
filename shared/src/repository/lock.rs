//! Locks: writers side by side, prune alone, each name once.
//!
//! Whoever wants a lock first writes its own lock file and then looks at all others. Of two that
//! come at once at least one sees the other; one that sees a conflict takes its own file back.
//! No storage needs to offer more for this than listing what was written. A holder renews its
//! file; ages are differences of two times of the storage, so clocks of hosts are not compared.

use super::{
    door::Door,
    lock_file::{FOLDER, Holder, LockKind, RENEW_EVERY, TIME},
    lock_guard::{Guard, Held},
    opening::Repository,
};
use crate::{
    clock::Clock,
    error::{Error, Kind, Result},
};
use serde::Serialize;
use std::{
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, SystemTime},
};

/// Two that come at once and both step back try again; after so many times it is not chance.
const ATTEMPTS: u32 = 6;
/// How the names of lock files end.
const SUFFIX: &str = ".lock";
/// Only a lock this young may belong to one that is about to step back.
const YOUNG: Duration = Duration::from_secs(2);

/// A lock of the repository; dropping it gives it back.
pub struct Lock {
    guard: Guard,
    held: Arc<Held>,
    stop: Option<Sender<()>>,
    renewer: Option<JoinHandle<()>>,
}

/// The name of a backup that is being made; dropping it gives the name back.
pub struct Claim {
    _lock: Lock,
}

/// The locks of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LockStates {
    /// Locks of living holders.
    pub live: Vec<Holder>,
    /// Locks that count for nothing: their holders have ended, or were not heard of for long.
    pub stale: Vec<Holder>,
}

/// What `unlock` did and found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unlocked {
    /// Stale locks that it removed.
    pub removed: Vec<Holder>,
    /// Locks of living holders, which it left.
    pub live: Vec<Holder>,
}

impl Repository {
    /// Takes a lock beside other writers and readers; `what` is the command that needs it.
    ///
    /// # Errors
    ///
    /// [`Kind::Locked`] while somebody holds the repository alone; names who, where, since when.
    pub fn lock_shared(&self, what: &str, clock: &dyn Clock) -> Result<Lock> {
        self.lock(LockKind::Shared, what, clock)
    }

    /// Takes the lock that keeps all others out.
    ///
    /// # Errors
    ///
    /// [`Kind::Locked`] while anybody holds any lock; names who, where, since when.
    pub fn lock_alone(&self, what: &str, clock: &dyn Clock) -> Result<Lock> {
        self.lock(LockKind::Alone, what, clock)
    }

    /// Takes a name for the backup that is about to be made.
    ///
    /// # Errors
    ///
    /// [`Kind::Locked`] while another makes a backup of this name, [`Kind::Failed`] if there is
    /// one already.
    pub fn claim_name(&self, name: &str, clock: &dyn Clock) -> Result<Claim> {
        let lock = self.lock(LockKind::Name(name.to_owned()), "create", clock)?;
        // Looked at after the claim: one that held the name before has recorded its backup by now.
        if let Some(taken) = self.snapshots()?.there.iter().find(|snapshot| snapshot.label == name) {
            return Err(Error::failed(format!("there is a backup named `{name}` already"))
                .caused_by(format!(
                    "it was made at {}, its id is {}",
                    taken.time.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    taken.id.short()
                ))
                .hint("give another name with `--name`, or delete that backup first"));
        }
        Ok(Claim { _lock: lock })
    }

    /// The locks that there are at present.
    pub fn lock_states(&self) -> Result<LockStates> {
        self.locks_at(storage_time(self.inner.guard.door().as_ref())?)
    }

    /// The same where nothing can be written: ages are counted by this machine's clock.
    pub(super) fn locks_seen(&self) -> Result<LockStates> {
        self.locks_at(SystemTime::now())
    }

    fn locks_at(&self, now: SystemTime) -> Result<LockStates> {
        let door = self.inner.guard.door();
        let (stale, live): (Vec<_>, Vec<_>) =
            others(door.as_ref(), "", now)?.into_iter().partition(|other| other.stale);
        let holders = |others: Vec<Other>| others.into_iter().map(|other| other.holder).collect();
        Ok(LockStates { live: holders(live), stale: holders(stale) })
    }

    /// Removes stale locks, and tells which ones are live.
    pub fn unlock(&self) -> Result<Unlocked> {
        let door = self.inner.guard.door();
        let now = storage_time(door.as_ref())?;
        let mut unlocked = Unlocked::default();
        for other in others(door.as_ref(), "", now)? {
            if !other.stale {
                unlocked.live.push(other.holder);
            } else if door.remove(&format!("{FOLDER}/{}", other.name))? {
                unlocked.removed.push(other.holder);
            }
        }
        Ok(unlocked)
    }

    fn lock(&self, kind: LockKind, what: &str, clock: &dyn Clock) -> Result<Lock> {
        acquire(&self.inner.guard, kind, what, &self.inner.host, clock)
    }
}

/// Takes a lock, or says who holds what is in its way.
pub(super) fn acquire(
    guard: &Guard,
    kind: LockKind,
    what: &str,
    host: &str,
    clock: &dyn Clock,
) -> Result<Lock> {
    let door = guard.door().as_ref();
    let holder = Holder::here(kind.clone(), what, host, &clock.now().to_string());
    let text = holder.to_text()?;
    let mut attempt = 0;
    loop {
        attempt += 1;
        let name = format!("{:032x}{SUFFIX}", rand::random::<u128>());
        let path = format!("{FOLDER}/{name}");
        door.write(&path, &text)?;
        let in_the_way = match obstacle(door, &name, &kind) {
            Ok(None) => return Ok(hold(guard, kind, name)),
            Ok(Some(in_the_way)) => in_the_way,
            Err(error) => {
                // The first error says more than one about a file that cannot be taken back.
                drop(door.remove(&path));
                return Err(error);
            }
        };
        door.remove(&path)?;
        if attempt >= ATTEMPTS || !in_the_way.young {
            return Err(locked(&in_the_way.holder, &kind));
        }
        // Each waits another while, so that one of them comes first the next time.
        std::thread::sleep(Duration::from_millis(rand::random_range(5..150)));
    }
}

/// The first lock that cannot be held together with the one in the file `own`. Stale locks that
/// would be in the way are removed first: their holders find out before they write again.
fn obstacle(door: &dyn Door, own: &str, kind: &LockKind) -> Result<Option<Other>> {
    let now = door
        .list(FOLDER)?
        .into_iter()
        .find(|file| file.name == own)
        .map(|file| file.modified)
        .ok_or_else(|| Error::failed("the lock file was removed while it was taken"))?;
    for other in others(door, own, now)? {
        if !other.holder.kind.conflicts_with(kind) {
            continue;
        }
        if !other.stale {
            return Ok(Some(other));
        }
        door.remove(&format!("{FOLDER}/{}", other.name))?;
    }
    Ok(None)
}

/// A lock file of another.
struct Other {
    name: String,
    holder: Holder,
    stale: bool,
    young: bool,
}

/// All lock files but `own`. One that cannot be read counts as held alone by somebody unknown.
fn others(door: &dyn Door, own: &str, now: SystemTime) -> Result<Vec<Other>> {
    let mut others = Vec::new();
    for file in door.list(FOLDER)? {
        if file.name == own || !file.name.ends_with(SUFFIX) {
            continue;
        }
        let Some(text) = door.read(&format!("{FOLDER}/{}", file.name))? else { continue };
        let holder = serde_json::from_slice(&text).unwrap_or_else(|_| Holder {
            kind: LockKind::Alone,
            what: "unknown".to_owned(),
            host: "unknown".to_owned(),
            pid: 0,
            since: "unknown".to_owned(),
            system: String::new(),
            started: String::new(),
        });
        let stale = holder.is_stale(file.modified, now);
        let young = now.duration_since(file.modified).unwrap_or_default() < YOUNG;
        others.push(Other { name: file.name, holder, stale, young });
    }
    Ok(others)
}

/// The storage's present, read off a file that is written for it.
fn storage_time(door: &dyn Door) -> Result<SystemTime> {
    let name = format!("{:032x}{TIME}", rand::random::<u128>());
    let path = format!("{FOLDER}/{name}");
    door.write(&path, b"")?;
    let listed = door.list(FOLDER)?.into_iter().find(|file| file.name == name);
    door.remove(&path)?;
    listed.map(|file| file.modified).ok_or_else(|| Error::failed("read the time of the storage"))
}

/// Starts the renewal of a lock that was taken.
fn hold(guard: &Guard, kind: LockKind, name: String) -> Lock {
    let held = Arc::new(Held::new(kind, name));
    guard.add(Arc::clone(&held));
    let (stop, stopped) = channel();
    let renewed = Arc::clone(&held);
    let door = Arc::clone(guard.door());
    let renewer = std::thread::spawn(move || {
        while stopped.recv_timeout(RENEW_EVERY) == Err(RecvTimeoutError::Timeout) {
            renewed.renew(door.as_ref());
        }
    });
    Lock { guard: guard.clone(), held, stop: Some(stop), renewer: Some(renewer) }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.guard.remove(&self.held);
        self.stop.take();
        if let Some(renewer) = self.renewer.take() {
            drop(renewer.join());
        }
        // A file that cannot be removed now is stale as soon as this process has ended.
        drop(self.guard.door().remove(&format!("{FOLDER}/{}", self.held.name)));
    }
}

pub(super) fn locked(holder: &Holder, wanted: &LockKind) -> Error {
    let what = match (wanted, &holder.kind) {
        (LockKind::Name(name), LockKind::Name(_)) => {
            format!("a backup named `{name}` is being made by another")
        }
        _ => "the repository is locked".to_owned(),
    };
    Error::new(Kind::Locked, what)
        .caused_by(format!("held by {}", holder.describe()))
        .hint("try again when it has ended")
        .hint("if it was killed, `pgbackup repo unlock` removes its lock once it is stale")
}
