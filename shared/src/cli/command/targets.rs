//! `targets`: the PostgreSQL servers that run here.

use super::place::{Attributes, MoverPlace};
use crate::{
    cli::{arguments::Format, caller::Caller},
    error::Result,
    operation::targets,
    report,
};
use clap::Args;

/// List the PostgreSQL servers that run here
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT)]
pub(in crate::cli) struct TargetsArgs {
    #[command(flatten)]
    pub format: Format,
    #[command(flatten)]
    pub attributes: Attributes,
    #[command(flatten)]
    pub mover: MoverPlace,
}

const LONG_ABOUT: &str = "\
List the PostgreSQL servers that run here

Looks at the processes of every running container, whatever its name or image, and asks each
server it finds for its version, databases and sizes. Databases that restores have kept for
`undo`, or left behind when they were interrupted, are shown too. Changes nothing.

Examples:
  {plugin} targets
  {plugin} targets --project shop --format json

Exit status:
  0    the list is complete, and may be empty; a server that could not be asked is in it, too
  1    the platform could not be asked";

pub(in crate::cli) fn run(arguments: &TargetsArgs, caller: &Caller<'_>) -> Result<()> {
    let runtime = caller.runtime()?;
    let surroundings = caller.surroundings(runtime.as_ref());
    let selection = arguments.attributes.selection(None);
    let outcome = targets(&surroundings, &selection, &arguments.mover.options())?;
    for (_, error) in &outcome.unreachable {
        caller.tell(error);
    }
    if arguments.format.is_json() {
        return caller.print(&report::targets_json(&outcome));
    }
    caller.print(&report::targets(&outcome, caller.clock.now()))?;
    if outcome.servers.is_empty() && outcome.unreachable.is_empty() {
        let said = match selection.said() {
            said if said.is_empty() => said,
            said => format!(" in what fits `{said}`"),
        };
        caller.progress.note(&format!("no PostgreSQL server runs{said} at {}", runtime.describe()));
    }
    Ok(())
}
