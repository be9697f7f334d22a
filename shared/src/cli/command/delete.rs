//! `delete`: a backup is forgotten.

use crate::{
    cli::{
        arguments::{Consent, Format},
        caller::Caller,
        consent::Decision,
    },
    error::Result,
    operation::{DeleteRequest, delete},
    report,
};
use clap::Args;

/// Delete backups
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT)]
pub(in crate::cli) struct DeleteArgs {
    /// The backup, by the beginning of its name or id; with --yes by its whole name (can be repeated)
    #[arg(value_name = "BACKUP", required = true)]
    pub backups: Vec<String>,
    #[command(flatten)]
    pub consent: Consent,
    #[command(flatten)]
    pub format: Format,
}

const LONG_ABOUT: &str = "\
Delete backups

Takes the backups off the list, after showing which. What only they used stays in the repository
until `{plugin} repo prune` frees it.

Examples:
  {plugin} delete pre_test
  {plugin} rm pre_test old_test --yes

Exit status:
  0    they are deleted
  1    there is no such backup, or it could not be deleted; nothing was deleted
  6    somebody else holds the lock";

pub(in crate::cli) fn run(arguments: &DeleteArgs, caller: &Caller<'_>) -> Result<()> {
    let repository = caller.repository()?;
    let at = caller.at(&repository);
    let request = DeleteRequest { backups: arguments.backups.clone(), whole_names: arguments.consent.yes };
    let plan = delete::prepare(&at, &request)?;
    let text = report::delete_plan(&plan, caller.clock.now());
    let json = arguments.format.is_json().then(|| report::delete_plan_json(&plan).to_string());
    if caller.decide(arguments.consent, &text, json, "Delete?")? == Decision::Stop {
        return Ok(());
    }
    let outcome = delete::apply(&at, plan)?;
    let json = || report::deleted_json(&outcome);
    caller.print_outcome(arguments.format, || report::deleted(&outcome), json)?;
    caller.progress.note("the space that only they used is freed by `pgbackup repo prune`");
    Ok(())
}
