//! How long a server that is away is waited for.

use super::answer::Failure;
use crate::cancel::Cancel;
use backon::{BlockingRetryable, ExponentialBuilder};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// The first pause between two tries; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How quickly a pause ends when the user cancels.
const STEP: Duration = Duration::from_millis(20);

/// When to try again, and when to give up.
pub(super) struct Patience {
    /// For a server that has never answered: a wrong address should be told soon.
    unmet: Duration,
    /// For one that has: long enough for a restart.
    met: Duration,
    has_answered: AtomicBool,
    given_up: AtomicBool,
    cancel: Cancel,
}

impl Patience {
    pub(super) fn new(cancel: Cancel) -> Self {
        Self::of(Duration::from_secs(2), Duration::from_mins(1), cancel)
    }

    pub(super) fn of(unmet: Duration, met: Duration, cancel: Cancel) -> Self {
        Self { unmet, met, has_answered: AtomicBool::new(false), given_up: AtomicBool::new(false), cancel }
    }

    /// Repeats what fails for a reason that may pass, with pauses between, until it succeeds, its
    /// time is up, or the user cancels.
    pub(super) fn until_it_works<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let begun = Instant::now();
        let cancel = self.cancel.clone();
        let pauses = ExponentialBuilder::new()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_jitter()
            .without_max_times();
        let tried = || {
            let result = attempt();
            if result.as_ref().err().is_none_or(Failure::is_an_answer) {
                self.has_answered.store(true, Ordering::Relaxed);
            }
            result
        };
        let worth_it = |failure: &Failure| {
            failure.may_pass() && begun.elapsed() < self.now() && !self.cancel.is_cancelled()
        };
        let result = tried.retry(pauses).sleep(move |pause| rest(pause, &cancel)).when(worth_it).call();
        // Who was waited for in vain once is not waited for by the next request again.
        self.given_up.store(result.as_ref().is_err_and(Failure::may_pass), Ordering::Relaxed);
        result
    }

    /// Whether a failure is the user's doing: nothing is tried again after Ctrl-C.
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    fn now(&self) -> Duration {
        match (self.given_up.load(Ordering::Relaxed), self.has_answered.load(Ordering::Relaxed)) {
            (true, _) => Duration::ZERO,
            (_, true) => self.met,
            (_, false) => self.unmet,
        }
    }
}

fn rest(pause: Duration, cancel: &Cancel) {
    let end = Instant::now() + pause;
    while !cancel.is_cancelled() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::sleep(left.min(STEP));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quick(cancel: &Cancel) -> Patience {
        Patience::of(Duration::ZERO, Duration::from_secs(20), cancel.clone())
    }

    #[test]
    fn what_may_pass_is_tried_again_and_what_may_not_is_told_at_once() {
        let patience = quick(&Cancel::default());
        let mut tries = 0;
        let result = patience.until_it_works(|| {
            tries += 1;
            if tries < 3 { Err(Failure::status(503, "")) } else { Ok(tries) }
        });
        assert_eq!(result.unwrap(), 3);
        let mut tries = 0;
        let refused: Result<(), _> = patience.until_it_works(|| {
            tries += 1;
            Err(Failure::status(403, "<Code>AccessDenied</Code>"))
        });
        assert!(refused.is_err());
        assert_eq!(tries, 1);
    }

    #[test]
    fn a_server_that_never_answered_is_given_up_soon_and_a_cancelled_wait_ends() {
        let cancel = Cancel::default();
        let mut tries = 0;
        let result: Result<(), _> = quick(&cancel).until_it_works(|| {
            tries += 1;
            Err(Failure::unreachable("connection refused"))
        });
        assert!(result.is_err());
        assert_eq!(tries, 1);
        let waiting: Result<(), _> = quick(&cancel).until_it_works(|| {
            cancel.cancel();
            Err(Failure::status(503, ""))
        });
        assert!(waiting.is_err());
    }
}
