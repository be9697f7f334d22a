//! The Docker side of pgbackup: containers in, streams out.
//!
//! In goes the command line as `docker` hands it to a plugin; out goes a
//! [`Runtime`](pgbackup_engine::target::Runtime) on which the engine does everything else.
//! tokio and bollard end here: they run on threads of their own, and what leaves this package
//! blocks.
//!
//! Absent on purpose: nothing here knows what a backup is.
//!
//! Reading order: [`plugin`] (what `docker` says to us), [`endpoint`] (which daemon is meant),
//! [`transport`] (how bytes get there), [`runtime`] (what we ask of it).

pub mod endpoint;
pub mod plugin;
pub mod runtime;
pub mod transport;
