//! `undo`: what a restore replaced comes back, or goes for good.

use super::place::{Attributes, MoverPlace};
use crate::{
    cli::{
        arguments::{Consent, Format},
        caller::Caller,
        consent::Decision,
    },
    error::{Error, Result},
    operation::{KeptDatabase, ServerListing, Surroundings, UndoRequest, targets, undo::Undo},
    report::{self, plural},
    target::{Selection, Target},
};
use clap::Args;

/// Bring back the databases that the last restore replaced
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT)]
pub(in crate::cli) struct UndoArgs {
    /// The container, by name or by the beginning of its id [default: the one that runs a server]
    #[arg(value_name = "CONTAINER")]
    pub container: Option<String>,

    /// Only this database (can be repeated) [default: all that the last restore replaced]
    #[arg(short, long = "database", value_name = "DATABASE")]
    pub databases: Vec<String>,

    /// Drop kept databases, and those that interrupted restores left, instead
    #[arg(long)]
    pub discard: bool,

    /// End the sessions of the databases that are swapped, and keep new ones out
    #[arg(long, conflicts_with = "discard")]
    pub disconnect: bool,

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
Bring back the databases that the last restore replaced

A restore keeps what it replaced in the server itself, closed to connections. This swaps it back
by renaming, and keeps what was restored in its place, so that it can be undone again. Shows a
plan first. With --discard it drops what is kept and frees the space.

Examples:
  {plugin} undo
  {plugin} undo pg -d shop
  {plugin} undo --discard --dry-run

Exit status:
  0    done
  1    it failed, or there is nothing to undo
  3    some databases were swapped or dropped and others failed
  4    no server matched, or more than one
  130  cancelled";

pub(in crate::cli) fn run(arguments: &UndoArgs, caller: &Caller<'_>) -> Result<()> {
    let runtime = caller.runtime()?;
    let selection = arguments.attributes.selection(arguments.container.as_deref());
    let surroundings = caller.surroundings(runtime.as_ref());
    let target = server(arguments, caller, &surroundings, &selection)?;
    let request = UndoRequest {
        databases: arguments.databases.clone(),
        discard: arguments.discard,
        disconnect: arguments.disconnect,
        mover: arguments.mover.options(),
    };
    let undo = Undo::prepare(&surroundings, &target, &request)?;
    let plan = undo.plan();
    let text = report::undo_plan(plan, caller.clock.now());
    let json = arguments.format.is_json().then(|| report::json(plan).to_string());
    caller.refuse(plan.refusal(), arguments.consent, &text, json.as_deref())?;
    let question = if arguments.discard { "Drop them?" } else { "Swap back?" };
    if caller.decide(arguments.consent, &text, json, question)? == Decision::Stop {
        return Ok(());
    }
    let outcome = undo.apply()?;
    caller.print_outcome(arguments.format, || report::undone(&outcome), || report::undone_json(&outcome))
}

/// The one server that is meant. Of several it is the one that keeps what could be undone.
///
/// # Errors
///
/// `Kind::Target` if more than one does, or could, and nobody can pick; `Kind::Failed` if none
/// does.
fn server(
    arguments: &UndoArgs,
    caller: &Caller<'_>,
    surroundings: &Surroundings<'_>,
    selection: &Selection,
) -> Result<Target> {
    let mut servers = caller.servers(surroundings.runtime, selection)?;
    if servers.len() == 1 {
        return Ok(servers.swap_remove(0));
    }
    let outcome = targets(surroundings, selection, &arguments.mover.options())?;
    let asked = outcome.servers.len() + outcome.unreachable.len();
    for (_, error) in &outcome.unreachable {
        caller.tell(error);
    }
    let is_meant = |kept: &KeptDatabase| {
        (arguments.discard || !kept.unfinished)
            && (arguments.databases.is_empty() || arguments.databases.contains(&kept.database))
    };
    let keeps = |server: &ServerListing| server.kept.iter().any(is_meant);
    let mut meant: Vec<Target> =
        outcome.servers.into_iter().filter(keeps).map(|server| server.target).collect();
    // A server that could not be asked may keep something, too.
    meant.extend(outcome.unreachable.into_iter().map(|(target, _)| target));
    match meant.len() {
        0 => Err(Error::failed("there is nothing to undo")
            .caused_by(format!("none of {} here keeps such databases", plural(asked as u64, "server")))),
        1 => Ok(meant.swap_remove(0)),
        count => {
            let what = format!("{} keep databases that could be meant", plural(count as u64, "server"));
            caller.pick(meant, &what, &["name one: `pgbackup undo {}`"])
        }
    }
}
