//! What happens while a verb is at work: the border between work and output.
//!
//! Operations tell an [`Observer`]; `report` turns events into bars, lines or NDJSON. An event
//! never holds a secret: statements and commands are told without the values of passwords.

use serde::Serialize;

/// Takes events as they happen, from several threads.
pub trait Observer: Send + Sync {
    /// Takes one event; must return soon.
    fn event(&self, event: &Event);
}

/// Takes events and does nothing with them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _: &Event) {}
}

/// One thing that happened. Sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A repository was made at first use.
    RepositoryCreated {
        /// Where it is.
        path: String,
        /// Where its key is.
        key_file: String,
    },
    /// A step of an operation began: "connect", "read globals", "restore indexes" ...
    Step {
        /// What is done, and to what.
        what: String,
    },
    /// Something the user should know, though nothing failed.
    Warning {
        /// What it is.
        what: String,
    },
    /// A statement sent to the server (shown with `-v`).
    Statement {
        /// The database of the session.
        database: String,
        /// The statement, without secrets.
        sql: String,
    },
    /// A program run in the container (shown with `-v`).
    Command {
        /// Its command line, without secrets.
        argv: Vec<String>,
    },
    /// A database's turn came.
    DatabaseStarted {
        /// Its name.
        database: String,
        /// How much its tables hold, by the server's statistics.
        expected_bytes: u64,
        /// How many tables and large objects will be moved.
        tables: u64,
    },
    /// A table (or one page range of it) began to move.
    TableStarted {
        /// Its database.
        database: String,
        /// Schema and name, as the server quotes them.
        table: String,
    },
    /// Bytes moved since the last event of this kind for this database.
    Moved {
        /// The database.
        database: String,
        /// Bytes read from tables, or loaded into them.
        read: u64,
        /// Bytes that crossed the wire.
        sent: u64,
    },
    /// A table has ended, proven complete.
    TableDone {
        /// Its database.
        database: String,
        /// Schema and name, as the server quotes them.
        table: String,
        /// Its rows.
        rows: u64,
        /// Its bytes.
        bytes: u64,
    },
    /// A database's turn ended.
    DatabaseDone {
        /// Its name.
        database: String,
        /// Why it failed, if it did.
        error: Option<String>,
        /// Bytes read or loaded.
        read: u64,
        /// Bytes that were new to the repository.
        new: u64,
        /// How long it took.
        seconds: f64,
    },
    /// Stored bytes were read back and checked.
    Checked {
        /// Bytes checked since the last event of this kind.
        bytes: u64,
        /// All bytes that will be checked.
        of: u64,
    },
}
