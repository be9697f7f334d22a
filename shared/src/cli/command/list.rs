//! `list`: what backups there are.

use crate::{
    cli::{arguments::Format, caller::Caller},
    error::Result,
    operation::list,
    report,
};
use clap::Args;

/// List the backups, newest first
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT)]
pub(in crate::cli) struct ListArgs {
    #[command(flatten)]
    pub format: Format,
}

const LONG_ABOUT: &str = "\
List the backups, newest first

Shows complete backups only: one that failed or was cancelled was never recorded. With --quiet
only names are written, one a line; with --format json one object a line.

Examples:
  {plugin} list
  {plugin} ls --format json

Exit status:
  0    the list is complete, and may be empty
  1    the repository could not be read
  5    a backup cannot be read; the others are listed";

pub(in crate::cli) fn run(arguments: &ListArgs, caller: &Caller<'_>) -> Result<()> {
    let repository = caller.repository()?;
    let mut found = list::list(&caller.at(&repository))?;
    found.there.reverse();
    let backups = &found.there;
    let text = if arguments.format.is_json() {
        report::backups_json(backups)
    } else if caller.quiet {
        report::backup_names(backups)
    } else {
        report::backups(backups, caller.clock.now())
    };
    caller.print(&text)?;
    found.require_readable()
}
