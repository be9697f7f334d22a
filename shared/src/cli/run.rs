//! From the command line to an exit status.

use super::{
    arguments::{self, Arguments},
    caller::Caller,
    command,
    exit_status::exit_status,
    host::Host,
    usage,
};
use crate::{
    error::Kind,
    report::{self, Work},
};
use clap::{Command, FromArgMatches, builder::StyledStr, error::ErrorKind};
use std::{ffi::OsString, io::Write};

/// Carries out one command line and returns the exit status.
///
/// What it means stands in [`exit_statuses`](super::exit_statuses).
pub fn main(mut host: Host<'_>) -> i32 {
    let mut tree = arguments::tree(host.brand, host.environment.columns);
    let argv = std::iter::once(OsString::from(host.brand)).chain(host.argv.iter().cloned());
    let parsed =
        tree.try_get_matches_from_mut(argv).and_then(|matches| Arguments::from_arg_matches(&matches));
    let arguments = match parsed {
        Ok(arguments) => arguments,
        Err(answer) => {
            tree.build();
            return answered(&mut host, &answer, &tree);
        }
    };
    let Some(command) = arguments.command else {
        let help = tree.render_long_help();
        return write_data(&mut host, &help);
    };
    let work = if matches!(command, arguments::Command::Restore(_)) { Work::Loading } else { Work::Reading };
    let caller = Caller::new(host, &arguments.global, work);
    match command::run(&command, &caller) {
        Ok(()) => {
            caller.progress.clear();
            0
        }
        Err(error) => {
            caller.tell(&error);
            exit_status(error.kind)
        }
    }
}

/// Writes what the parser answers by itself: help and version as data, the rest as an error.
fn answered(host: &mut Host<'_>, answer: &clap::Error, tree: &Command) -> i32 {
    // A command that only holds others shows them, as Docker's do.
    if !answer.use_stderr() || answer.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return write_data(host, &answer.render());
    }
    let command = usage::meant(tree, &host.argv);
    let text = match usage::wrong_usage(answer, command) {
        Some(error) => {
            let name = command.get_bin_name().unwrap_or(host.brand);
            format!("{}See '{name} --help'.\n", report::problem(&error, host.brand))
        }
        None => answer.render().to_string(),
    };
    let _ = host.stderr.write_all(text.as_bytes()).and_then(|()| host.stderr.flush());
    exit_status(Kind::Usage)
}

/// Writes help or the version. That nobody reads it any more is not an error: `head` may.
fn write_data(host: &mut Host<'_>, text: &StyledStr) -> i32 {
    let coloured = host.stdout_is_terminal && !host.environment.no_color;
    let text = if coloured { text.ansi().to_string() } else { text.to_string() };
    let _ = host.stdout.write_all(text.as_bytes()).and_then(|()| host.stdout.flush());
    0
}
