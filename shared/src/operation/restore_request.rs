//! What is asked of a restore, and what comes of it.

use crate::{
    mover::PlaceOptions,
    postgres::{LocaleChoice, RolePolicy, archive::Wanted},
};

/// What is asked of a restore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreRequest {
    /// The backup, by name or by the beginning of its id.
    pub backup: String,
    /// The databases, by their literal names; empty for all but template1.
    pub databases: Vec<String>,
    /// The name for the one database; it must be free.
    pub into: Option<String>,
    /// Sessions that load at once; by default from the server's processors.
    pub jobs: Option<u32>,
    /// End the sessions of what is replaced.
    pub disconnect: bool,
    /// Drop what was replaced, at the end.
    pub discard_old: bool,
    /// The part that is restored, by default everything. A part is added to the database of its
    /// name where there is one, and nothing there is replaced.
    pub part: Wanted,
    /// What becomes of the backup's roles.
    pub roles: RolePolicy,
    /// The locale of the databases that are made, other than the backup's.
    pub locale: Option<LocaleChoice>,
    /// Whether there is to be a mover in the target, and where.
    pub mover: PlaceOptions,
}

/// What a restore did. Sizes are in bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RestoreOutcome {
    /// The databases that are there now.
    pub databases: Vec<RestoredDatabase>,
    /// Roles that were created.
    pub roles_created: Vec<String>,
    /// Roles that got the backup's attributes, with what became of them.
    pub roles_changed: Vec<String>,
    /// Loaded into tables and large objects.
    pub loaded: u64,
    /// Crossed the wire.
    pub sent: u64,
    /// How long it took.
    pub seconds: f64,
}

/// One database that was restored.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RestoredDatabase {
    /// Its name.
    pub name: String,
    /// Its tables.
    pub tables: u64,
    /// Their rows.
    pub rows: u64,
    /// The name under which what it replaced is kept.
    pub kept_as: Option<String>,
}
