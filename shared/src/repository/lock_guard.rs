//! Lets dangerous writes through only while a lock is really held.
//!
//! A process that slept through its lock's time (a closed laptop) wakes up without it, and must
//! neither record a backup whose packs a prune may have removed nor go on removing packs. So the
//! storage asks here before it writes a snapshot or removes a pack or an index.

use super::{
    door::Door,
    lock_file::{FOLDER, LockKind, STALE_AFTER},
};
use crate::error::{Error, Kind, Result};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

/// A lock that this process holds, or held.
pub(super) struct Held {
    pub(super) kind: LockKind,
    /// The lock file's name without its folder.
    pub(super) name: String,
    /// When the file was last renewed, by this machine's clock.
    renewed: Mutex<SystemTime>,
    lost: AtomicBool,
}

impl Held {
    pub(super) fn new(kind: LockKind, name: String) -> Self {
        Self { kind, name, renewed: Mutex::new(SystemTime::now()), lost: AtomicBool::new(false) }
    }

    /// Renews the lock file. One that somebody removed is lost, and is not made again.
    pub(super) fn renew(&self, door: &dyn Door) {
        match door.touch(&format!("{FOLDER}/{}", self.name)) {
            Ok(true) => *self.renewed.lock().unwrap_or_else(PoisonError::into_inner) = SystemTime::now(),
            Ok(false) => self.lost.store(true, Ordering::SeqCst),
            // A storage that fails for a while: the time since the last renewal decides.
            Err(_) => {}
        }
    }

    /// Whether it counts by this machine's own knowledge.
    fn seems_held(&self) -> bool {
        let renewed = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back says nothing; the lock file is asked where it matters most.
        let age = renewed.elapsed().unwrap_or_default();
        !self.lost.load(Ordering::SeqCst) && age < STALE_AFTER / 2
    }
}

/// The locks that this process holds in one repository.
#[derive(Clone)]
pub(super) struct Guard {
    door: Arc<dyn Door>,
    held: Arc<Mutex<Vec<Arc<Held>>>>,
}

impl Guard {
    pub(super) fn new(door: Arc<dyn Door>) -> Self {
        Self { door, held: Arc::default() }
    }

    pub(super) fn door(&self) -> &Arc<dyn Door> {
        &self.door
    }

    pub(super) fn add(&self, held: Arc<Held>) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).push(held);
    }

    pub(super) fn remove(&self, held: &Arc<Held>) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).retain(|it| !Arc::ptr_eq(it, held));
    }

    /// Passes if a shared or alone lock is held and its file is there.
    ///
    /// # Errors
    ///
    /// [`Kind::Locked`] if the lock was lost, [`Kind::Failed`] if none was taken.
    pub(super) fn require_any(&self, what: &str) -> Result<()> {
        self.require(what, &|kind| matches!(kind, LockKind::Shared | LockKind::Alone))
    }

    /// Passes if the lock that keeps all others out is held and its file is there.
    pub(super) fn require_alone(&self, what: &str) -> Result<()> {
        self.require(what, &|kind| *kind == LockKind::Alone)
    }

    fn require(&self, what: &str, fits: &dyn Fn(&LockKind) -> bool) -> Result<()> {
        let held: Vec<_> = {
            let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.iter().filter(|it| fits(&it.kind)).cloned().collect()
        };
        if held.is_empty() {
            return Err(Error::failed(format!("{what}: the repository is not locked by this process")));
        }
        for lock in held {
            lock.renew(self.door.as_ref());
            if lock.seems_held() {
                return Ok(());
            }
        }
        Err(Error::new(Kind::Locked, format!("{what}: this process lost its lock of the repository"))
            .caused_by(format!("it was not renewed for {} minutes, or `repo unlock` removed it", minutes()))
            .hint("run the command again"))
    }
}

fn minutes() -> u64 {
    STALE_AFTER.as_secs() / 60
}
