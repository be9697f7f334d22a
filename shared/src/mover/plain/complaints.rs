//! What a program writes to standard error, kept as far as it matters.

use memchr::memmem;
use std::{
    io::Read,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// So much of what was written is kept.
const TAIL: usize = 16 << 10;
/// Letters of a mark (`stream::new_mark`).
const MARK: usize = 32;
/// How long the end of it is waited for once standard output has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What one program has complained of so far.
#[derive(Default)]
pub(super) struct Complaints {
    said: Mutex<(Vec<u8>, bool)>,
    changed: Condvar,
}

impl Complaints {
    /// Listens to `stderr` in a thread of its own until it ends.
    pub fn of(stderr: Box<dyn Read + Send>) -> Arc<Self> {
        let complaints = Arc::new(Self::default());
        let listener = Arc::clone(&complaints);
        thread::spawn(move || listener.take_all(stderr));
        complaints
    }

    fn lock(&self) -> MutexGuard<'_, (Vec<u8>, bool)> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_all(&self, mut stderr: impl Read) {
        let mut buffer = [0; 4096];
        loop {
            match stderr.read(&mut buffer) {
                Ok(length @ 1..) => {
                    let mut said = self.lock();
                    said.0.extend_from_slice(buffer.get(..length).unwrap_or_default());
                    let surplus = said.0.len().saturating_sub(TAIL);
                    said.0.drain(..surplus);
                    self.changed.notify_all();
                }
                // Whoever has nothing to complain of is silent for long.
                Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {}
                _ => break,
            }
        }
        self.lock().1 = true;
        self.changed.notify_all();
    }

    /// All that was said, once it has ended or nothing more is to be expected.
    pub fn all(&self) -> String {
        let said = self.lock();
        let (said, _) = self
            .changed
            .wait_timeout_while(said, LAST_WORDS, |said| !said.1)
            .unwrap_or_else(PoisonError::into_inner);
        // Marks of ours are no complaints.
        let is_mark = |line: &&str| line.len() == MARK && line.bytes().all(|byte| byte.is_ascii_hexdigit());
        let said = String::from_utf8_lossy(&said.0).into_owned();
        said.trim().lines().filter(|line| !is_mark(line)).collect::<Vec<_>>().join("\n")
    }

    /// What was said up to a mark that the program was asked to write there.
    pub fn before(&self, mark: &str) -> String {
        let there = |said: &[u8]| memmem::find(said, mark.as_bytes());
        let said = self.lock();
        let (mut said, _) = self
            .changed
            .wait_timeout_while(said, LAST_WORDS, |said| !said.1 && there(&said.0).is_none())
            .unwrap_or_else(PoisonError::into_inner);
        let at = there(&said.0).unwrap_or(said.0.len());
        let text = String::from_utf8_lossy(said.0.get(..at).unwrap_or_default()).into_owned();
        said.0.clear();
        text
    }

    /// Lets go of what was said so far.
    pub fn forget(&self) {
        self.lock().0.clear();
    }
}
