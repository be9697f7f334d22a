//! From the command line to a verb, and from its outcome to an exit status.
//!
//! In: a [`Host`], which is everything a plugin's binary hands over. Out: text on its streams
//! and the exit status. One file a command in `command`, each with its arguments, its help
//! and its run.
//!
//! Absent on purpose: nothing here reads the environment, opens a terminal or exits; those
//! belong to the binaries. How things look belongs to [`report`](crate::report).
//!
//! Start with [`main`].

mod arguments;
mod asking;
mod caller;
mod choose;
mod command;
mod complete;
mod consent;
mod exit_status;
mod filter;
mod host;
mod places;
mod reference;
mod restore_questions;
mod run;
mod several;
mod usage;

pub use complete::{Completion, complete};
pub use exit_status::exit_statuses;
pub use host::{Environment, Host, S3Variables, Term};
pub use reference::reference;
pub use run::main;
