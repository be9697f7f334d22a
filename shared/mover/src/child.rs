//! A child that can be asked to end, and never killed.

use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// A child begins with SIGTERM ignored and may have set no handler of its own yet, so it is
/// asked again after so long.
const AGAIN: Duration = Duration::from_millis(50);

/// One running child, as long as its number is its own.
#[derive(Clone)]
pub struct Running(Arc<Mutex<Option<Pid>>>);

impl Running {
    pub fn new(pid: Pid) -> Self {
        Self(Arc::new(Mutex::new(Some(pid))))
    }

    /// Nobody signals the child from here on, because a wait is about to free its number.
    pub fn let_go(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Asks the child to end until it has, for at most so long.
    pub fn ask_to_end(&self, limit: Duration) {
        let begun = Instant::now();
        while self.ask() && begun.elapsed() < limit {
            thread::sleep(AGAIN);
        }
    }

    /// Sends SIGTERM once; whether the child may still run.
    fn ask(&self) -> bool {
        let pid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pid) = *pid else { return false };
        let _ = kill_process(pid, Signal::TERM);
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        matches!(waitid(WaitId::Pid(pid), options), Ok(None) | Err(Errno::INTR))
    }
}
