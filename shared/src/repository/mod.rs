//! Where backups are kept: one deduplicated, compressed, encrypted repository in restic's format.
//!
//! In goes what was cut, hashed and compressed next to the data ([`Writer`]); out come the same
//! blobs, still compressed ([`Reader`]). Opening, checking and pruning is `rustic_core`'s; packing
//! is ours, because `rustic_core`'s archiver cannot take blobs that are already cut. Beside
//! restic's files stands a folder of our own, `pgbackup/`, with the marker that says that this is
//! a repository of ours and with the locks, of which restic's format has none that we could trust.
//!
//! A backup exists when its snapshot file does. The order is packs, index, snapshot, each durable
//! before the next begins; a writer killed at any instant leaves packs that nothing refers to.
//!
//! Absent on purpose: no other room names `rustic_core` or `rustic_backend`, and nothing here
//! knows PostgreSQL or what a backup means.
//!
//! Start with [`open`].

mod backend;
mod check;
mod commit;
mod door;
mod files;
mod header;
mod index;
mod info;
mod keys;
mod location;
mod lock;
mod lock_file;
mod lock_guard;
mod opening;
mod pack;
mod packer;
mod places;
mod prune;
mod read_lock;
mod reader;
mod recovery;
mod repair;
mod rustic;
mod s3;
mod seal;
mod snapshot;
mod storage;
mod tree;

#[cfg(test)]
pub(crate) mod tests;

pub use check::{CheckReport, Depth, Finding};
pub use header::PackNumber;
pub use info::Info;
pub use lock::{Claim, Lock, LockStates, Unlocked};
pub use lock_file::{Holder, LockKind};
pub use opening::{Created, Options, Repository, open, open_or_create};
pub use packer::Writer;
pub use prune::{PrunePlan, Pruned};
pub use read_lock::ReadLock;
pub use reader::{Reader, Survey, SurveyedFile};
pub use recovery::{Imported, import, import_by_password};
pub use repair::IndexState;
pub use s3::S3Variables;
pub use snapshot::{DamagedSnapshot, NewSnapshot, Snapshot, SnapshotId, Snapshots, StoredFile};
