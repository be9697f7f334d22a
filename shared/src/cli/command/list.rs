//! `list`: what backups there are.

use crate::{
    cli::{
        arguments::ListFormat,
        caller::Caller,
        filter::{Filter, backup_filter, criteria},
    },
    error::Result,
    operation::{ListRequest, list},
    report::{self, Form},
};
use clap::Args;

/// List the backups, newest first
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT)]
pub(in crate::cli) struct ListArgs {
    /// Only backups for which this holds (can be repeated)
    ///
    /// name=PART of it (^ and $ stand for its ends), target=CONTAINER, database=DATABASE,
    /// label=KEY or label=KEY=VALUE, since= and before=BACKUP, a time, or how long ago (24h, 7d).
    /// Of several with one key one must hold, of labels all, and of different keys each.
    #[arg(short, long = "filter", value_name = "KEY=VALUE", value_parser = backup_filter)]
    pub filters: Vec<Filter>,

    #[command(flatten)]
    pub format: ListFormat,
}

const LONG_ABOUT: &str = "\
List the backups, newest first

Shows complete backups only: one that failed or was cancelled was never recorded. With --quiet
only names are written, one a line; with --format json one object a line.

Examples:
  {plugin} list
  {plugin} ls --filter database=shop --filter since=7d
  {plugin} ls --format 'table {{.Name}}\\t{{.Size}}\\t{{.CreatedSince}}'
  {plugin} ls --format json

Exit status:
  0    the list is complete, and may be empty
  1    the repository could not be read
  5    a backup cannot be read; the others are listed";

pub(in crate::cli) fn run(arguments: &ListArgs, caller: &Caller<'_>) -> Result<()> {
    let form = arguments.format.form()?;
    let repository = caller.repository()?;
    let request = ListRequest { criteria: criteria(&arguments.filters) };
    let mut found = list::list(&caller.at(&repository), &request)?;
    found.there.reverse();
    if caller.quiet && matches!(form, Form::Table) {
        caller.print(&report::backup_names(&found.there))?;
    } else {
        let (now, length) = (caller.clock.now(), arguments.format.length());
        caller.print_as_it_is(&report::backups(&found.there, now, length, &form)?)?;
    }
    found.require_readable()
}
