//! `targets`: the PostgreSQL servers that run here.

use super::place::{Attributes, MoverPlace};
use crate::{
    cli::{
        arguments::ListFormat,
        caller::Caller,
        filter::{Filter, labels, target_criteria, target_filter},
    },
    error::Result,
    operation::targets,
    report::{self, Form},
};
use clap::Args;

/// List the PostgreSQL servers that run here
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT)]
pub(in crate::cli) struct TargetsArgs {
    /// Only servers for which this holds (can be repeated)
    ///
    /// name=PART of the container's (^ and $ stand for its ends), target=CONTAINER or the
    /// beginning of its id, database=DATABASE, label=KEY or label=KEY=VALUE, status=primary,
    /// standby or unreachable. Of several with one key one must hold, of labels all, and of
    /// different keys each.
    #[arg(short, long = "filter", value_name = "KEY=VALUE", value_parser = target_filter)]
    pub filters: Vec<Filter>,

    #[command(flatten)]
    pub format: ListFormat,

    /// Only containers of this Compose service
    #[arg(long, value_name = "SERVICE", help_heading = "Which container")]
    pub service: Option<String>,

    /// Only containers of this Compose project
    #[arg(long, value_name = "PROJECT", help_heading = "Which container")]
    pub project: Option<String>,

    #[command(flatten)]
    pub mover: MoverPlace,
}

const LONG_ABOUT: &str = "\
List the PostgreSQL servers that run here

Looks at the processes of every running container, whatever its name or image, and asks each
server it finds for its version, databases and sizes. Databases that restores have kept for
`undo`, or left behind when they were interrupted, are shown too. With --quiet only containers'
names are written, one a line. Changes nothing.

Examples:
  {plugin} targets
  {plugin} targets --project shop --format json
  {plugin} targets --filter status=primary --format '{{.Container}} {{.PostgreSQL}}'

Exit status:
  0    the list is complete, and may be empty; a server that could not be asked is in it, too
  1    the platform could not be asked";

pub(in crate::cli) fn run(arguments: &TargetsArgs, caller: &Caller<'_>) -> Result<()> {
    let form = arguments.format.form()?;
    let runtime = caller.runtime()?;
    let surroundings = caller.surroundings(runtime.as_ref());
    let attributes = Attributes {
        service: arguments.service.clone(),
        project: arguments.project.clone(),
        labels: labels(&arguments.filters),
    };
    let selection = attributes.selection(None);
    let mut outcome = targets(&surroundings, &selection, &arguments.mover.options())?;
    let found_none = outcome.servers.is_empty() && outcome.unreachable.is_empty();
    target_criteria(&arguments.filters).select(&mut outcome);
    for (_, error) in &outcome.unreachable {
        caller.tell(error);
    }
    if caller.quiet && matches!(form, Form::Table) {
        return caller.print(&report::target_names(&outcome));
    }
    let now = caller.clock.now();
    caller.print_as_it_is(&report::targets(&outcome, now, arguments.format.length(), &form)?)?;
    if found_none && matches!(form, Form::Table) {
        let said = match selection.said() {
            said if said.is_empty() => said,
            said => format!(" in what fits `{said}`"),
        };
        caller.progress.note(&format!("no PostgreSQL server runs{said} at {}", runtime.describe()));
    }
    Ok(())
}
