//! `restore`: a backup becomes databases again.

use super::{
    part::{PART, PartArgs},
    place::{Attributes, MoverPlace, MoverWhen},
};
use crate::{
    catalog,
    cli::{
        arguments::{Consent, Format, database_name},
        caller::Caller,
        choose::Wanted,
        consent::{Decision, Question},
        restore_questions::command_of,
    },
    error::{Error, Kind, Result},
    operation::{Restore, RestoreRequest},
    postgres::{LocaleChoice, RolePolicy},
    report,
    repository::Repository,
    target::{Runtime, Selection, Target},
};
use clap::{Args, ValueEnum};

/// Restore databases from a backup
#[derive(Args, Clone, Debug)]
#[command(long_about = LONG_ABOUT)]
pub(in crate::cli) struct RestoreArgs {
    /// The backup, by the beginning of its name or id; with --yes by its whole name [default: asked
    /// for on a terminal]
    #[arg(value_name = "BACKUP")]
    pub backup: Option<String>,

    /// Restore only this database (can be repeated) [default: all but template1]
    #[arg(short, long = "database", value_name = "DATABASE", value_parser = database_name())]
    pub databases: Vec<String>,

    /// Restore the one database under this name, which must be free
    #[arg(long, value_name = "NAME", value_parser = database_name())]
    pub into: Option<String>,

    /// What becomes of the backup's roles
    #[arg(long, value_name = "HOW", default_value = "create")]
    pub roles: Roles,

    /// The locale that databases are made with: [libc:|icu:|builtin:]LOCALE [default: their own]
    #[arg(long, value_name = "LOCALE")]
    pub locale: Option<String>,

    /// The container, by name or by the beginning of its id [default: where the backup is from]
    #[arg(long, value_name = "CONTAINER")]
    pub to: Option<String>,

    /// Sessions that load at once [default: from the server's processors, 4 at most]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub jobs: Option<u32>,

    /// End the sessions of the databases that are replaced, and keep new ones out
    #[arg(long, conflicts_with_all = PART)]
    pub disconnect: bool,

    /// Drop what was replaced at the end instead of keeping it for `undo`
    #[arg(long, conflicts_with_all = PART)]
    pub discard_old: bool,

    #[command(flatten)]
    pub consent: Consent,
    #[command(flatten)]
    pub format: Format,
    #[command(flatten)]
    pub part: PartArgs,
    #[command(flatten)]
    pub attributes: Attributes,
    #[command(flatten)]
    pub mover: MoverPlace,
}

/// What becomes of the backup's roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Roles {
    /// Make none and change none; all that own something must be there
    Skip,
    /// Make those that are missing, and leave those that exist as they are
    Create,
    /// Make those that are missing, and give those that exist the backup's attributes
    Replace,
}

impl From<Roles> for RolePolicy {
    fn from(roles: Roles) -> Self {
        match roles {
            Roles::Skip => Self::Skip,
            Roles::Create => Self::Create,
            Roles::Replace => Self::Replace,
        }
    }
}

const LONG_ABOUT: &str = "\
Restore databases from a backup

Shows a plan first. Each database is then loaded beside the one it replaces, where nobody else
can connect to it, compared with the backup's own counts, and only then swapped in by renaming.
What it replaces is kept, closed to connections, until `undo` brings it back or drops it. If
anything fails, the old database has served all the while and nothing new is left.

With -t, -n, --schema-only or --data-only a part of one database is restored. With --into, or if
there is no such database, a new one is made that holds the part alone. Otherwise it is added to
the one that is there, in one transaction: all of it, or nothing. What is there already is never
replaced: a table that exists is in the way, unless --data-only adds rows to it.

On a terminal a restore without a backup's name asks for everything, and shows the command that
would have done the same.

Examples:
  {plugin} restore
  {plugin} restore pre_test --dry-run
  {plugin} restore pre_test
  {plugin} restore pre_test -d shop --into shop_copy
  {plugin} restore pre_test --to other_container --yes
  {plugin} restore pre_test -d shop -t orders --into shop_orders
  {plugin} restore pre_test -d shop -t public.orders --data-only

Exit status:
  0    everything was restored
  1    it failed, or something was in the way; what was there serves on
  3    some databases were restored and others failed
  4    no server matched, or more than one
  5    the backup is damaged
  6    somebody else holds the lock
  130  cancelled";

pub(in crate::cli) fn run(arguments: &RestoreArgs, caller: &Caller<'_>) -> Result<()> {
    // What is wrong with it is said before anything is asked.
    request(arguments, String::new())?;
    let terminal = arguments.backup.is_none().then(|| caller.whom_to_ask()).transpose()?;
    let repository = caller.repository()?;
    let runtime = caller.runtime()?;
    let asked = terminal.is_some();
    let arguments = match terminal {
        None => arguments.clone(),
        Some(terminal) => caller.complete(arguments, terminal, &repository, runtime.as_ref())?,
    };
    let arguments = &arguments;
    let request = request(arguments, arguments.backup.clone().unwrap_or_default())?;
    let target = destination(arguments, &request.backup, caller, &repository, runtime.as_ref())?;
    let surroundings = caller.surroundings(runtime.as_ref());
    let restore = Restore::prepare(&surroundings, &repository, &target, &request)?;
    let plan = restore.plan();
    let backup = plan.backup.clone();
    let text = report::restore_plan(plan);
    let json = arguments.format.is_json().then(|| report::json(plan).to_string());
    caller.refuse(plan.refusal(), arguments.consent, &text, json.as_deref())?;
    let replaced = plan.databases.iter().filter(|database| database.replaces.is_some());
    let replaced: Vec<&str> = replaced.map(|database| database.name.as_str()).collect();
    let question = match replaced.as_slice() {
        [_, ..] if !asked => Question::YesOrNo("Restore?"),
        [] => Question::YesOrNo("Restore?"),
        [name] => Question::Name(name),
        // The name of the server stands for all of them.
        _ => Question::Name(&target.name),
    };
    if caller.decide_by(arguments.consent, &text, json, question)? == Decision::Stop {
        return Ok(());
    }
    let outcome = restore.apply()?;
    let json = || report::restored_json(&backup, &outcome);
    caller.print_outcome(arguments.format, || report::restored(&backup, &outcome), json)?;
    if outcome.databases.iter().any(|database| database.kept_as.is_some()) {
        caller.progress.note("`pgbackup undo` swaps back, `pgbackup undo --discard` drops what is kept");
    }
    if asked {
        caller.progress.note(&format!("the same without questions: `pgbackup {}`", command_of(arguments)));
    }
    Ok(())
}

impl RestoreArgs {
    /// The options without values that were said, but for those about showing and asking.
    pub fn flags(&self) -> Vec<&'static str> {
        let all = [
            (self.part.schema_only, "--schema-only"),
            (self.part.data_only, "--data-only"),
            (self.roles == Roles::Skip, "--roles=skip"),
            (self.roles == Roles::Replace, "--roles=replace"),
            (self.disconnect, "--disconnect"),
            (self.discard_old, "--discard-old"),
            (self.mover.mover == MoverWhen::Never, "--mover=never"),
        ];
        all.into_iter().filter(|(is_said, _)| *is_said).map(|(_, flag)| flag).collect()
    }
}

fn request(arguments: &RestoreArgs, backup: String) -> Result<RestoreRequest> {
    Ok(RestoreRequest {
        backup,
        databases: arguments.databases.clone(),
        into: arguments.into.clone(),
        jobs: arguments.jobs,
        disconnect: arguments.disconnect,
        discard_old: arguments.discard_old,
        part: arguments.part.wanted()?,
        roles: arguments.roles.into(),
        locale: arguments.locale.as_deref().map(LocaleChoice::parse).transpose()?,
        mover: arguments.mover.options(),
    })
}

/// The container that was named, or else the one that the backup is from.
fn destination(
    arguments: &RestoreArgs,
    backup: &str,
    caller: &Caller<'_>,
    repository: &Repository,
    runtime: &dyn Runtime,
) -> Result<Target> {
    let backups = catalog::list(repository)?;
    // Who says yes beforehand does not see which backup a beginning stands for.
    let backup = if arguments.consent.yes { backups.find_whole(backup)? } else { backups.find(backup)? };
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
