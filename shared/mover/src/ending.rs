//! Ending everything: sessions closed, children asked to end and waited for, then this
//! program.

use crate::{channel::Channel, child::Running};
use rustix::{
    io::Errno,
    process::{WaitOptions, wait},
};
use std::{
    collections::HashMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Statements get so long to be cancelled before their connections are cut.
const GRACE: Duration = Duration::from_secs(3);

/// Children get so long; one of the server's tools that was asked to end does so at once.
const LIMIT: Duration = Duration::from_secs(20);

/// The channels that are open.
#[derive(Default)]
pub struct Channels {
    open: Mutex<HashMap<u32, Arc<Channel>>>,
    changed: Condvar,
}

impl Channels {
    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Arc<Channel>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn get(&self, number: u32) -> Option<Arc<Channel>> {
        self.lock().get(&number).cloned()
    }

    pub fn len(&self) -> usize {
        self.lock().len()
    }

    pub fn insert(&self, channel: &Arc<Channel>) {
        self.lock().insert(channel.number(), Arc::clone(channel));
    }

    /// Forgets a channel whose thread has ended.
    pub fn remove(&self, number: u32) {
        self.lock().remove(&number);
        self.changed.notify_all();
    }

    /// Ends all channels and waits for them. Returns when no session is open and no child is
    /// left, as far as that can be brought about without killing one.
    pub fn end_all(&self) {
        for channel in self.lock().values() {
            channel.end();
        }
        if !self.wait_until_empty(GRACE) {
            let children: Vec<Running> = self.lock().values().filter_map(|channel| channel.cut()).collect();
            for child in &children {
                child.ask_to_end(LIMIT);
            }
            self.wait_until_empty(GRACE);
        }
        // Only what is left when its thread cannot even write to the engine any more.
        let children: Vec<Running> = self.lock().values().filter_map(|channel| channel.cut()).collect();
        for child in &children {
            child.ask_to_end(LIMIT);
        }
        reap_adopted();
    }

    fn wait_until_empty(&self, limit: Duration) -> bool {
        let open = self.lock();
        let waited = self.changed.wait_timeout_while(open, limit, |open| !open.is_empty());
        let (open, _) = waited.unwrap_or_else(PoisonError::into_inner);
        open.is_empty()
    }
}

/// Waits for processes that lost their parent, which was a child of ours: the server's main
/// process would judge them by how they ended.
fn reap_adopted() {
    let begun = Instant::now();
    while begun.elapsed() < GRACE {
        match wait(WaitOptions::NOHANG) {
            Ok(None) | Err(Errno::INTR) => thread::sleep(Duration::from_millis(20)),
            Ok(Some(_)) => {}
            Err(_) => return,
        }
    }
}
