//! `inspect`: everything that is known of a backup.

use crate::{
    cli::{arguments::Format, caller::Caller},
    error::Result,
    operation::{InspectRequest, inspect},
    report,
};
use clap::Args;

/// Show what a backup holds, down to each table
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT)]
pub(in crate::cli) struct InspectArgs {
    /// The backup, by name or by the beginning of its id (can be repeated)
    #[arg(value_name = "BACKUP", required = true)]
    pub backups: Vec<String>,
    #[command(flatten)]
    pub format: Format,
}

const LONG_ABOUT: &str = "\
Show what a backup holds, down to each table

Reads the backup's manifest. With --format json the whole manifests come as one array; hashes of
passwords are left out.

Examples:
  {plugin} inspect pre_test
  {plugin} inspect pre_test --format json

Exit status:
  0    done
  1    there is no such backup, or the repository could not be read
  5    the manifest is damaged";

pub(in crate::cli) fn run(arguments: &InspectArgs, caller: &Caller<'_>) -> Result<()> {
    let repository = caller.repository()?;
    let outcomes = arguments
        .backups
        .iter()
        .map(|backup| inspect::inspect(&caller.at(&repository), &InspectRequest { backup: backup.clone() }))
        .collect::<Result<Vec<_>>>()?;
    if arguments.format.is_json() {
        return caller.print(&report::inspected_json(&outcomes));
    }
    let texts: Vec<_> = outcomes.iter().map(report::inspected).collect();
    caller.print(&texts.join("\n"))
}
