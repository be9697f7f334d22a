//! How the user's wish to stop reaches a thread that is blocked in a read.

use crate::error::{Error, Result};
use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

type Waker = Box<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct State {
    cancelled: AtomicBool,
    wakers: Mutex<Vec<(u64, Waker)>>,
}

/// A flag that is raised once, and wakes those who registered.
#[derive(Clone, Default)]
pub struct Cancel(Arc<State>);

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancel").field(&self.is_cancelled()).finish()
    }
}

impl Cancel {
    /// Raises the flag and calls every waker, each time it is called.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        for (_, wake) in self.0.wakers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            wake();
        }
    }

    /// Whether the flag is up.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// Ends the work at hand with [`crate::error::Kind::Cancelled`] when the flag is up.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            return Err(Error::cancelled());
        }
        Ok(())
    }

    /// Calls `wake` when the flag is raised (at once if it is up) until the guard is dropped.
    pub fn on_cancel(&self, wake: impl Fn() + Send + Sync + 'static) -> Waiting {
        let mut wakers = self.0.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        let number = wakers.last().map_or(0, |(number, _)| number + 1);
        if self.is_cancelled() {
            wake();
        }
        wakers.push((number, Box::new(wake)));
        Waiting { cancel: self.clone(), number }
    }
}

/// Keeps a waker registered.
pub struct Waiting {
    cancel: Cancel,
    number: u64,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.cancel
            .0
            .wakers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn a_waker_is_called_while_its_guard_lives_and_not_after() {
        let calls = Arc::new(AtomicUsize::new(0));
        let cancel = Cancel::default();
        let seen = Arc::clone(&calls);
        let guard = cancel.on_cancel(move || {
            seen.fetch_add(1, Ordering::SeqCst);
        });
        cancel.cancel();
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        drop(guard);
        cancel.cancel();
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        assert!(cancel.check().unwrap_err().is_cancelled());
    }
}
