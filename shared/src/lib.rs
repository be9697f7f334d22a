//! The engine behind `docker pgbackup` and `kubectl pgbackup`.
//!
//! Rooms in reading order: vocabulary ([`error`], [`entry`], [`event`], [`clock`], [`cancel`])
//! and the language of formats ([`template`]); where a server runs ([`target`]) and the program
//! beside its data; where backups are kept ([`repository`]); what a server is (`postgres`) and
//! how it becomes entries (`method`); what backups exist ([`catalog`]); the verbs
//! ([`operation`]); their faces (`report`, `cli`).
//!
//! Absent on purpose: the engine does not print, exit, read the environment, open a terminal,
//! or know Docker or Kubernetes; all of that is handed to `cli::main`.

pub mod cancel;
pub mod clock;
pub mod entry;
pub mod error;
pub mod event;
pub mod secret;
pub mod template;

pub mod mover;
pub mod target;

pub mod repository;

pub mod method;
pub mod postgres;

pub mod catalog;

pub mod operation;

pub mod cli;
pub mod report;

#[cfg(any(test, feature = "testing"))]
pub mod testing;
