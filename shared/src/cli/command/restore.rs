//! `restore`: a backup becomes databases again.

use super::place::{Attributes, MoverPlace};
use crate::{
    catalog,
    cli::{
        arguments::{Consent, Format, database_name},
        caller::Caller,
        choose::Wanted,
        consent::Decision,
    },
    error::{Error, Kind, Result},
    operation::{Restore, RestoreRequest},
    report,
    repository::Repository,
    target::{Runtime, Selection, Target},
};
use clap::Args;

/// Restore databases from a backup
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT)]
pub(in crate::cli) struct RestoreArgs {
    /// The backup, by the beginning of its name or id; with --yes by its whole name
    #[arg(value_name = "BACKUP")]
    pub backup: String,

    /// Restore only this database (can be repeated) [default: all but template1]
    #[arg(short, long = "database", value_name = "DATABASE", value_parser = database_name())]
    pub databases: Vec<String>,

    /// Restore the one database under this name, which must be free
    #[arg(long, value_name = "NAME", value_parser = database_name())]
    pub into: Option<String>,

    /// The container, by name or by the beginning of its id [default: where the backup is from]
    #[arg(long, value_name = "CONTAINER")]
    pub to: Option<String>,

    /// Sessions that load at once [default: from the server's processors, 4 at most]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub jobs: Option<u32>,

    /// End the sessions of the databases that are replaced, and keep new ones out
    #[arg(long)]
    pub disconnect: bool,

    /// Drop what was replaced at the end instead of keeping it for `undo`
    #[arg(long)]
    pub discard_old: bool,

    #[command(flatten)]
    pub consent: Consent,
    #[command(flatten)]
    pub format: Format,
    #[command(flatten)]
    pub attributes: Attributes,
    #[command(flatten)]
    pub mover: MoverPlace,
}

const LONG_ABOUT: &str = "\
Restore databases from a backup

Shows a plan first. Each database is then loaded beside the one it replaces, where nobody else
can connect to it, compared with the backup's own counts, and only then swapped in by renaming.
What it replaces is kept, closed to connections, until `undo` brings it back or drops it. If
anything fails, the old database has served all the while and nothing new is left.

Examples:
  {plugin} restore pre_test --dry-run
  {plugin} restore pre_test
  {plugin} restore pre_test -d shop --into shop_copy
  {plugin} restore pre_test --to other_container --yes

Exit status:
  0    everything was restored
  1    it failed, or something was in the way; what was there serves on
  3    some databases were restored and others failed
  4    no server matched, or more than one
  5    the backup is damaged
  6    somebody else holds the lock
  130  cancelled";

pub(in crate::cli) fn run(arguments: &RestoreArgs, caller: &Caller<'_>) -> Result<()> {
    let repository = caller.repository()?;
    let runtime = caller.runtime()?;
    let target = destination(arguments, caller, &repository, runtime.as_ref())?;
    let request = RestoreRequest {
        backup: arguments.backup.clone(),
        databases: arguments.databases.clone(),
        into: arguments.into.clone(),
        jobs: arguments.jobs,
        disconnect: arguments.disconnect,
        discard_old: arguments.discard_old,
        mover: arguments.mover.options(),
    };
    let surroundings = caller.surroundings(runtime.as_ref());
    let restore = Restore::prepare(&surroundings, &repository, &target, &request)?;
    let plan = restore.plan();
    let backup = plan.backup.clone();
    let text = report::restore_plan(plan);
    let json = arguments.format.is_json().then(|| report::json(plan).to_string());
    caller.refuse(plan.refusal(), arguments.consent, &text, json.as_deref())?;
    if caller.decide(arguments.consent, &text, json, "Restore?")? == Decision::Stop {
        return Ok(());
    }
    let outcome = restore.apply()?;
    let json = || report::restored_json(&backup, &outcome);
    caller.print_outcome(arguments.format, || report::restored(&backup, &outcome), json)?;
    if outcome.databases.iter().any(|database| database.kept_as.is_some()) {
        caller.progress.note("`pgbackup undo` swaps back, `pgbackup undo --discard` drops what is kept");
    }
    Ok(())
}

/// The container that was named, or else the one that the backup is from.
fn destination(
    arguments: &RestoreArgs,
    caller: &Caller<'_>,
    repository: &Repository,
    runtime: &dyn Runtime,
) -> Result<Target> {
    let backups = catalog::list(repository)?;
    // Who says yes beforehand does not see which backup a beginning stands for.
    let backup = if arguments.consent.yes {
        backups.find_whole(&arguments.backup)?
    } else {
        backups.find(&arguments.backup)?
    };
    let said = arguments.attributes.selection(arguments.to.as_deref());
    let selection = if said.is_empty() {
        Selection { name: Some(backup.record.target.clone()), ..Selection::default() }
    } else {
        said.clone()
    };
    let chosen =
        caller.choose(runtime, &selection, Wanted::One(&["name one with `--to {}`"])).map_err(|error| {
            if error.kind != Kind::Target || !said.is_empty() {
                return error;
            }
            error
                .context(format!("the server that `{}` is from does not run here", backup.name()))
                .hint("name another one with `--to`")
        })?;
    chosen.into_iter().next().ok_or_else(|| Error::new(Kind::Target, "no server was chosen"))
}
