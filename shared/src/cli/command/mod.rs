//! The commands, one file each: its arguments, its help, and its way from request to outcome.

pub(super) mod completion;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod export;
pub(super) mod inspect;
pub(super) mod list;
pub(super) mod part;
pub(super) mod place;
pub(super) mod repo;
pub(super) mod restore;
pub(super) mod targets;
pub(super) mod undo;
pub(super) mod verify;

use super::{arguments::Command, caller::Caller};
use crate::error::Result;

/// Carries out one command.
pub(super) fn run(command: &Command, caller: &Caller<'_>) -> Result<()> {
    match command {
        Command::Targets(arguments) => targets::run(arguments, caller),
        Command::Create(arguments) => create::run(arguments, caller),
        Command::List(arguments) => list::run(arguments, caller),
        Command::Inspect(arguments) => inspect::run(arguments, caller),
        Command::Verify(arguments) => verify::run(arguments, caller),
        Command::Restore(arguments) => restore::run(arguments, caller),
        Command::Undo(arguments) => undo::run(arguments, caller),
        Command::Export(arguments) => export::run(arguments, caller),
        Command::Delete(arguments) => delete::run(arguments, caller),
        Command::Repo(arguments) => repo::run(arguments, caller),
        Command::Completion(arguments) => completion::run(arguments, caller),
    }
}
