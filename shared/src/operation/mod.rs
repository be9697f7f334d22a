//! The verbs, one file each: a request goes in, an outcome comes out, events on the way.
//!
//! What overwrites or deletes is prepared first: `prepare` gives a plan that can be shown, and
//! `apply` carries it out. Everything a verb needs of the world around it is in [`Surroundings`]
//! or handed in beside it; verbs that need no server take [`AtRepository`].
//!
//! Absent on purpose: a verb prints nothing, asks nobody and knows no command line.
//!
//! Start with [`create()`], then [`Restore`].

pub mod create;
pub mod delete;
pub mod export;
pub mod inspect;
pub mod list;
pub mod repo_check;
pub mod repo_info;
pub mod repo_key;
pub mod repo_prune;
pub mod repo_repair;
pub mod repo_unlock;
pub mod restore;
pub mod restore_plan;
pub mod restore_request;
pub mod target_criteria;
pub mod targets;
pub mod undo;
pub mod verify;
mod verify_headers;

mod at_repository;
mod backups;
mod disk;
mod headroom;
mod kept;
mod read_back;
mod reading;
mod restore_locale;
mod restore_part;
mod restore_prepare;
mod server;
mod surroundings;
mod swapping;
mod taking_back;

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod repository_tests;

pub use at_repository::AtRepository;
pub use create::{CreateOutcome, CreateRequest, DatabaseOutcome, create};
pub use delete::{DeleteOutcome, DeletePlan, DeleteRequest};
pub use export::{ExportOutcome, ExportRequest};
pub use inspect::{InspectOutcome, InspectRequest};
pub use list::ListRequest;
pub use repo_check::{RepoCheckOutcome, RepoCheckRequest};
pub use repo_key::{KeyExportOutcome, KeyExportRequest, KeyImportRequest};
pub use repo_prune::RepoPrunePlan;
pub use repo_repair::{RepoRepairOutcome, RepoRepairPlan};
pub use restore::Restore;
pub use restore_plan::{
    LeftoverPlan, Obstacle, PlannedDatabase, PlannedObject, PlannedPart, Replaced, RestorePlan,
};
pub use restore_request::{RestoreOutcome, RestoreRequest, RestoredDatabase};
pub use surroundings::Surroundings;
pub use target_criteria::{ServerStatus, TargetCriteria};
pub use targets::{KeptDatabase, ServerListing, TargetsOutcome, targets};
pub use undo::{DiscardPlan, SwapPlan, Undo, UndoOutcome, UndoPlan, UndoRequest};
pub use verify::{VerifiedDatabase, VerifyOutcome, VerifyRequest};
