//! What can be typed next: commands, options, their values, backups, databases, containers.
//!
//! In: a [`Host`](super::Host) whose arguments are the words typed so far, the last of them the one
//! to be completed, perhaps empty. Out: candidates in the form that shells' scripts for cobra read,
//! which `docker` and `kubectl` both hand on: one a line, a tab and what it is, and at the end a
//! line with the directive (spf13/cobra, completions.go).
//!
//! Nothing is made and nobody is asked anything. What cannot be looked up is left out: a shell
//! has no place for errors. How long it may take is the binary's matter.
//!
//! Absent on purpose: clap_complete's engine for values that are looked up. It is marked
//! unstable, and its candidates come from functions that cannot be handed the host.
//!
//! Start with [`complete()`].

mod answer;
mod script;
mod values;
mod words;

pub use answer::{Completion, complete};
pub(super) use script::{Shell, script};
