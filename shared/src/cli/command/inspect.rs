//! `inspect`: everything that is known of a backup.

use crate::{
    cli::caller::Caller,
    error::{Kind, Result},
    operation::{InspectRequest, inspect},
    report::{self, Form},
};
use clap::Args;

/// Show what a backup holds, down to each table
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT)]
pub(in crate::cli) struct InspectArgs {
    /// The backup, by the beginning of its name or id (can be repeated)
    #[arg(value_name = "BACKUP", required = true)]
    pub backups: Vec<String>,

    /// How it is written: table, json or TEMPLATE [default: table of one, json of several]
    ///
    /// A template is Go's, as Docker takes it, and is filled in for each backup; its fields are
    /// those of the JSON: '{{.target.name}}'. docs/formats.md has all functions.
    #[arg(short, long, value_name = "FORMAT")]
    pub format: Option<String>,
}

const LONG_ABOUT: &str = "\
Show what a backup holds, down to each table

Reads the backup's manifest. Several backups, and with --format json one, too, come as one JSON
array of whole manifests; hashes of passwords are left out. One that is not there does not keep
the others from being shown.

Examples:
  {plugin} inspect pre_test
  {plugin} inspect pre_test --format json
  {plugin} inspect -f '{{range .databases}}{{println .name}}{{end}}' pre_test

Exit status:
  0    done
  1    there is no such backup, or the repository could not be read; the others were shown
  5    a manifest is damaged; the others were shown";

pub(in crate::cli) fn run(arguments: &InspectArgs, caller: &Caller<'_>) -> Result<()> {
    let form = match arguments.format.as_deref() {
        Some(format) => Form::of_object(format)?,
        None if arguments.backups.len() > 1 => Form::Json,
        None => Form::Table,
    };
    let repository = caller.repository()?;
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for backup in &arguments.backups {
        match inspect::inspect(&caller.at(&repository), &InspectRequest { backup: backup.clone() }) {
            Ok(outcome) => found.push(outcome),
            Err(error) if error.is_cancelled() => return Err(error),
            Err(error) => errors.push(error),
        }
    }
    caller.print_as_it_is(&report::inspected(&found, &form)?)?;
    // The worst comes last and gives the exit status; all are told.
    errors.sort_by_key(|error| error.kind == Kind::Damage);
    let Some(last) = errors.pop() else { return Ok(()) };
    for error in &errors {
        caller.tell(error);
    }
    Err(last)
}
