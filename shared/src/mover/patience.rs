//! Giving up a program on whose streams nothing moves.

use crate::target::SessionControl;
use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Twice what a mover gets, because a shell cannot say that it is alive.
const LIMIT: Duration = Duration::from_mins(1);

/// Aborts a session when it was not renewed for [`LIMIT`].
pub(super) struct Patience {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    renewed: Instant,
    over: bool,
    gave_up: bool,
}

impl Patience {
    /// Begins to watch a session.
    pub(super) fn with(control: Arc<dyn SessionControl>) -> Arc<Self> {
        let state = State { renewed: Instant::now(), over: false, gave_up: false };
        let patience = Arc::new(Self { state: Mutex::new(state), changed: Condvar::new() });
        let watching = Arc::clone(&patience);
        thread::spawn(move || {
            if watching.runs_out() {
                control.abort();
            }
        });
        patience
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something has moved.
    pub(super) fn renew(&self) {
        self.lock().renewed = Instant::now();
    }

    /// Ends the watch; gives the time waited in vain if the session was given up.
    pub(super) fn end(&self) -> Option<Duration> {
        let mut state = self.lock();
        state.over = true;
        self.changed.notify_all();
        state.gave_up.then_some(LIMIT)
    }

    /// Waits until the session is to be given up, or the watch is over.
    fn runs_out(&self) -> bool {
        let mut state = self.lock();
        while !state.over {
            let left = LIMIT.saturating_sub(state.renewed.elapsed());
            if left.is_zero() {
                state.gave_up = true;
                return true;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }
}
