//! What backups exist, and what each of them holds.
//!
//! A backup is a snapshot of the repository. What a list of backups shows ([`Record`]) stands in
//! the snapshot itself, so listing reads nothing else; everything more is in its
//! [`manifest`]. Names, and the folders that databases are stored in, are decided here.
//!
//! Absent on purpose: how backups are made, stored or restored.
//!
//! Start with [`Record`].

pub mod manifest;

mod backup;
mod folder;
mod name;
mod record;
mod select;

pub use backup::{Backup, Backups, Unreadable, find, list, read_manifest};
pub use folder::{database_folder, database_of_folder};
pub use name::{check_name, default_name};
pub use record::{DatabaseSummary, Record};
pub use select::{Criteria, Label, NamePart};
