//! Tells how far a database is, not for every chunk but for every mebibyte.

use crate::event::{Event, Observer};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes between two events.
const STEP: u64 = 1 << 20;

/// Counts for one database, from several threads.
pub(super) struct Progress<'a> {
    observer: &'a dyn Observer,
    database: &'a str,
    read: AtomicU64,
    sent: AtomicU64,
}

impl<'a> Progress<'a> {
    pub fn new(observer: &'a dyn Observer, database: &'a str) -> Self {
        let zero = AtomicU64::default;
        Self { observer, database, read: zero(), sent: zero() }
    }

    /// Counts a chunk: the length of its content, and what of it crossed the wire.
    pub fn moved(&self, read: u64, sent: u64) {
        self.sent.fetch_add(sent, Ordering::Relaxed);
        if self.read.fetch_add(read, Ordering::Relaxed) + read >= STEP {
            self.tell();
        }
    }

    /// Tells what was counted and not told yet.
    pub fn tell(&self) {
        let (read, sent) = (self.read.swap(0, Ordering::Relaxed), self.sent.swap(0, Ordering::Relaxed));
        if read + sent > 0 {
            self.observer.event(&Event::Moved { database: self.database.to_owned(), read, sent });
        }
    }

    pub fn table_started(&self, table: &str) {
        let (database, table) = (self.database.to_owned(), table.to_owned());
        self.observer.event(&Event::TableStarted { database, table });
    }

    pub fn table_done(&self, table: &str, rows: u64, bytes: u64) {
        let (database, table) = (self.database.to_owned(), table.to_owned());
        self.observer.event(&Event::TableDone { database, table, rows, bytes });
    }

    pub fn step(&self, what: String) {
        self.observer.event(&Event::Step { what });
    }
}
