//! How things look: outcomes, plans, errors and progress as text, tables and JSON.
//!
//! In: what operations return and tell. Out: strings, and an [`Observer`](crate::event::Observer)
//! that writes to the stream it was given.
//!
//! Names come from servers and may hold anything; every text made here has been through
//! [`harmless`], so that no name can move a cursor or start a line of its own.
//!
//! Absent on purpose: this room decides nothing and reads nothing.
//!
//! Start with [`problem`].

mod backups;
mod bars;
mod create;
mod form;
mod inspect;
mod listing;
mod paragraph;
mod problem;
mod progress;
mod read_back;
mod repository;
mod restore;
mod sink;
mod table;
mod targets;
mod text;
mod undo;
mod units;

pub use backups::{Length, backup_names, backups, delete_plan, delete_plan_json, deleted, deleted_json};
pub use create::{created, created_json};
pub use form::Form;
pub use inspect::inspected;
pub use problem::{problem, problem_json};
pub use progress::{Progress, Style, Work};
pub use read_back::{exported, exported_json, verified, verified_json};
pub use repository::{
    imported, json, prune_plan, pruned, repair_plan, repaired, repository_checked, repository_info,
    unlock_plan, unlocked,
};
pub use restore::{restore_plan, restored, restored_json};
pub use sink::Sink;
pub use table::{Table, fields};
pub use targets::{target_names, targets};
pub use text::{branded, harmless, harmless_json, plural};
pub use undo::{undo_plan, undone, undone_json};
pub use units::{age, seconds, size};
