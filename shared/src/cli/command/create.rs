//! `create`: a server becomes a backup.

use super::place::{Attributes, MoverPlace};
use crate::{
    catalog,
    cli::{
        arguments::{Format, database_name},
        caller::Caller,
        choose::Wanted,
        several::Several,
    },
    error::Result,
    operation::{CreateRequest, create},
    report,
};
use clap::Args;
use jiff::SignedDuration;

/// Back up one PostgreSQL server into the repository
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT)]
pub(in crate::cli) struct CreateArgs {
    /// The container, by name or by the beginning of its id [default: the one that runs a server]
    #[arg(value_name = "CONTAINER", conflicts_with = "all")]
    pub container: Option<String>,

    /// The backup's name [default: the container's name and the time]
    #[arg(long, value_name = "NAME", conflicts_with = "all")]
    pub name: Option<String>,

    /// A label of the backup, for `list --filter` (can be repeated)
    #[arg(long = "label", value_name = "KEY[=VALUE]", value_parser = label)]
    pub backup_labels: Vec<(String, String)>,

    /// Back up only this database (can be repeated) [default: the whole server]
    #[arg(short, long = "database", value_name = "DATABASE", value_parser = database_name())]
    pub databases: Vec<String>,

    /// Sessions that read at once [default: from the server's processors, 4 at most]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub jobs: Option<u32>,

    /// Back up every server that is found, one after the other
    #[arg(long)]
    pub all: bool,

    /// How long to wait for a table that somebody has locked [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = lock_timeout)]
    pub lock_timeout: Option<SignedDuration>,

    #[command(flatten)]
    pub format: Format,
    #[command(flatten)]
    pub attributes: Attributes,
    #[command(flatten)]
    pub mover: MoverPlace,
}

const LONG_ABOUT: &str = "\
Back up one PostgreSQL server into the repository

Finds the server, reads every database and what belongs to all of them (roles, memberships,
settings, tablespaces) next to its data, and stores what the repository does not have yet. The
server stays online, nothing is left in the container, and the backup is listed only after
everything in it was proven complete. Where several servers run, a terminal shows a list of which
some can be marked.

Examples:
  {plugin} create
  {plugin} create pg --name pre_test
  {plugin} create --service db -d shop -d billing

Exit status:
  0    the backup is complete and recorded
  1    it failed; no backup was recorded
  3    some databases or servers failed; no complete backup was recorded of those
  4    no server matched, or more than one
  6    somebody else holds the lock, or makes a backup of that name
  130  cancelled; no backup was recorded";

/// How the server is named, where there are several.
const HINTS: &[&str] = &["name one: `pgbackup create {}`", "or back up every one: `pgbackup create --all`"];

/// Reads `KEY=VALUE`; a key alone has an empty value, as Docker's labels have.
fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if key.trim().is_empty() {
        return Err("a label has a key: KEY or KEY=VALUE".into());
    }
    Ok((key.trim().to_owned(), value.to_owned()))
}

/// Reads `10s`, `500ms`, `1m 30s`; a bare number is seconds.
fn lock_timeout(text: &str) -> Result<SignedDuration, String> {
    let duration = text
        .parse::<u32>()
        .map(|seconds| SignedDuration::from_secs(i64::from(seconds)))
        .or_else(|_| text.parse::<SignedDuration>().map_err(|_| ()))
        .map_err(|()| "a time like `10s`, `500ms` or `2m` is expected".to_owned())?;
    // The server counts lock_timeout in milliseconds, in an int, and takes 0 for "for ever".
    if !(1..=i128::from(i32::MAX)).contains(&duration.as_millis()) {
        return Err("a time between 1 millisecond and 24 days is expected".into());
    }
    Ok(duration)
}

pub(in crate::cli) fn run(arguments: &CreateArgs, caller: &Caller<'_>) -> Result<()> {
    if let Some(name) = &arguments.name {
        catalog::check_name(name)?;
    }
    let runtime = caller.runtime()?;
    let selection = arguments.attributes.selection(arguments.container.as_deref());
    let wanted = match &arguments.name {
        _ if arguments.all => Wanted::All,
        // A name is one backup's.
        Some(_) => Wanted::One(HINTS),
        None => Wanted::Some(HINTS),
    };
    let targets = caller.choose(runtime.as_ref(), &selection, wanted)?;
    let repository = caller.repository_made_if_absent()?;
    let request = CreateRequest {
        name: arguments.name.clone(),
        databases: arguments.databases.clone(),
        labels: arguments.backup_labels.iter().cloned().collect(),
        jobs: arguments.jobs,
        lock_timeout: arguments.lock_timeout.map(SignedDuration::unsigned_abs),
        mover: arguments.mover.options(),
    };
    let surroundings = caller.surroundings(runtime.as_ref());
    let mut several = Several::new("create", targets.len());
    for target in &targets {
        let created = create(&surroundings, &repository, target, &request);
        if let Some(outcome) = several.keep(caller, &target.name, created)? {
            if caller.quiet && !arguments.format.is_json() {
                caller.print(&format!("{}\n", outcome.name))?;
                continue;
            }
            let json = || report::created_json(&outcome);
            caller.print_outcome(arguments.format, || report::created(&outcome), json)?;
        }
    }
    several.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_a_key_and_perhaps_a_value() {
        assert_eq!(label("tier=gold=er").unwrap(), ("tier".into(), "gold=er".into()));
        assert_eq!(label("tier").unwrap(), ("tier".into(), String::new()));
        assert!(label("=gold").is_err());
    }

    #[test]
    fn a_lock_timeout_is_a_time_or_a_number_of_seconds() {
        assert_eq!(lock_timeout("7").unwrap().as_millis(), 7_000);
        assert_eq!(lock_timeout("500ms").unwrap().as_millis(), 500);
    }

    #[test]
    fn a_lock_timeout_that_would_wait_for_ever_is_refused() {
        assert!(lock_timeout("0").is_err());
        assert!(lock_timeout("-3s").is_err());
        assert!(lock_timeout("soon").is_err());
    }
}
