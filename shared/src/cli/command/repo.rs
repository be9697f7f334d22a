//! `repo`: the place where backups are kept.

use crate::{
    cli::{
        arguments::{Consent, Format},
        caller::Caller,
        consent::Decision,
    },
    error::{Context, Error, Result},
    operation::{
        KeyExportRequest, KeyImportRequest, RepoCheckRequest, repo_check, repo_info, repo_key, repo_prune,
        repo_repair, repo_unlock,
    },
    report::{self, Form},
    repository::Depth,
    secret::Secret,
};
use clap::{Args, Subcommand};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Look after the place where backups are kept
#[derive(Args, Debug)]
pub(in crate::cli) struct RepoArgs {
    #[command(subcommand)]
    pub command: RepoCommand,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RepoCommand {
    Info(InfoArgs),
    Check(CheckArgs),
    Prune(PruneArgs),
    Repair(RepairArgs),
    Unlock(UnlockArgs),
    Key(KeyArgs),
}

/// Show where the repository is, how large, and where its key is
#[derive(Args, Debug)]
#[command(long_about = INFO)]
pub(in crate::cli) struct InfoArgs {
    /// How it is written: table, json or TEMPLATE
    ///
    /// A template is Go's, as Docker takes it; its fields are those of the JSON: '{{.path}}'.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: String,
}

const INFO: &str = "\
Show where the repository is, how large, and where its key is

Examples:
  {plugin} repo info
  {plugin} repo info --format json
  {plugin} repo info --format '{{.path}} {{.stored_bytes}}'

Exit status:
  0    done
  1    there is no repository, or it could not be read";

/// Check that everything the backups need is there
#[derive(Args, Debug)]
#[command(long_about = CHECK)]
pub(in crate::cli) struct CheckArgs {
    /// Read every stored byte, too
    #[arg(long)]
    pub read_data: bool,
    #[command(flatten)]
    pub format: Format,
}

const CHECK: &str = "\
Check that everything the backups need is there

Compares index, packs and every backup's files. With --read-data every stored byte is read and
hashed as well, which takes as long as reading the whole repository. Changes nothing.

Examples:
  {plugin} repo check
  {plugin} repo check --read-data

Exit status:
  0    nothing is wrong
  1    the repository could not be read
  5    damage was found; the backups it is in are named
  6    somebody else holds the lock";

/// Free the space that no backup uses
#[derive(Args, Debug)]
#[command(long_about = PRUNE)]
pub(in crate::cli) struct PruneArgs {
    #[command(flatten)]
    pub consent: Consent,
    #[command(flatten)]
    pub format: Format,
}

const PRUNE: &str = "\
Free the space that no backup uses

Removes what deleted backups and interrupted commands left, after showing how much that is. The
space is free at once. Works alone: it waits for nobody and refuses while others use the
repository.

Examples:
  {plugin} repo prune --dry-run
  {plugin} repo prune --yes

Exit status:
  0    done
  1    it failed; every backup is as it was
  5    damage was found, and nothing was removed; the backups it is in are named
  6    somebody else holds the lock";

/// Make the index anew from what the packs hold
#[derive(Args, Debug)]
#[command(long_about = REPAIR)]
pub(in crate::cli) struct RepairArgs {
    #[command(flatten)]
    pub consent: Consent,
    #[command(flatten)]
    pub format: Format,
}

const REPAIR: &str = "\
Make the index anew from what the packs hold

Names the packs that no index names, takes off those that are missing or cut short, and removes
index files that are damaged, after showing how many. Packs and backups stay as they are: a
backup that needs a missing pack stays damaged until that is back, or until a new backup stores
the same rows again.

Examples:
  {plugin} repo repair --dry-run
  {plugin} repo repair --yes

Exit status:
  0    done; `repo check` says which backups are whole
  1    it failed; run it again
  6    somebody else holds the lock";

/// Remove locks whose holders are gone
#[derive(Args, Debug)]
#[command(long_about = UNLOCK)]
pub(in crate::cli) struct UnlockArgs {
    #[command(flatten)]
    pub consent: Consent,
    #[command(flatten)]
    pub format: Format,
}

const UNLOCK: &str = "\
Remove locks whose holders are gone

Shows every lock with its holder, and removes those that were not renewed for a long time or
whose process is gone. Locks of living holders stay.

Examples:
  {plugin} repo unlock

Exit status:
  0    done
  1    a lock could not be removed";

/// Keep the key safe, or bring it to another machine
#[derive(Args, Debug)]
pub(in crate::cli) struct KeyArgs {
    #[command(subcommand)]
    pub command: KeyCommand,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum KeyCommand {
    Export(KeyExportArgs),
    Import(KeyImportArgs),
}

/// Write a recovery sheet: the key, a password, and how to read the repository with restic
#[derive(Args, Debug)]
#[command(long_about = KEY_EXPORT)]
pub(in crate::cli) struct KeyExportArgs {
    /// A file whose first line is the password to add [default: one made from the key]
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

const KEY_EXPORT: &str = "\
Write a recovery sheet: the key, a password, and how to read the repository with restic

Adds a password to the repository, so that restic can open it, and writes the sheet to standard
output. Whoever has the sheet and the repository can read every backup; without the key nobody
can. Keep it where this machine's end does not reach it.

The password is made from the key, so every sheet has the same, and a second run adds none. With
--password-file it is the one in the file. `restic key list` and `restic key remove` look after
passwords; that takes nothing from who has a sheet, for the key itself stands on it.

Examples:
  {plugin} repo key export > recovery-sheet.txt
  {plugin} repo key export --password-file secret.txt

Exit status:
  0    done
  1    it failed; no password was added";

/// Take the key from a recovery sheet, or from the repository by a password
#[derive(Args, Debug)]
#[command(long_about = KEY_IMPORT)]
pub(in crate::cli) struct KeyImportArgs {
    /// The sheet that `repo key export` wrote
    #[arg(value_name = "FILE", required_unless_present = "password_file")]
    pub sheet: Option<PathBuf>,

    /// Instead of a sheet, a file whose first line is a password of the repository
    #[arg(long, value_name = "FILE", conflicts_with = "sheet")]
    pub password_file: Option<PathBuf>,
}

const KEY_IMPORT: &str = "\
Take the key from a recovery sheet, or from the repository by a password

Stores the key on this machine, so that the repository named by --repository, or in the sheet,
opens here. With a password it is taken from the repository itself; a repository that restic
made is taken over this way, and what restic stored in it stays.

Examples:
  {plugin} repo key import recovery-sheet.txt
  {plugin} repo key import --password-file secret.txt --repository /mnt/restic

Exit status:
  0    done
  1    the sheet is not one, the password opens nothing, or there is another key already";

pub(in crate::cli) fn run(arguments: &RepoArgs, caller: &Caller<'_>) -> Result<()> {
    match &arguments.command {
        RepoCommand::Info(arguments) => info(arguments, caller),
        RepoCommand::Check(arguments) => check(arguments, caller),
        RepoCommand::Prune(arguments) => prune(arguments, caller),
        RepoCommand::Repair(arguments) => repair(arguments, caller),
        RepoCommand::Unlock(arguments) => unlock(arguments, caller),
        RepoCommand::Key(KeyArgs { command: KeyCommand::Export(arguments) }) => key_export(arguments, caller),
        RepoCommand::Key(KeyArgs { command: KeyCommand::Import(arguments) }) => key_import(arguments, caller),
    }
}

fn info(arguments: &InfoArgs, caller: &Caller<'_>) -> Result<()> {
    let form = Form::of_object(&arguments.format)?;
    let repository = caller.repository()?;
    let info = repo_info::repo_info(&caller.at(&repository))?;
    caller.print_as_it_is(&report::repository_info(&info, &form)?)
}

fn check(arguments: &CheckArgs, caller: &Caller<'_>) -> Result<()> {
    let repository = caller.repository()?;
    let depth = if arguments.read_data { Depth::EveryByte } else { Depth::Structure };
    let outcome = repo_check::repo_check(&caller.at(&repository), RepoCheckRequest { depth })?;
    let json = || report::json(&outcome);
    caller.print_outcome(arguments.format, || report::repository_checked(&outcome), json)
}

fn prune(arguments: &PruneArgs, caller: &Caller<'_>) -> Result<()> {
    let repository = caller.repository()?;
    let at = caller.at(&repository);
    let plan = repo_prune::prepare(&at)?;
    let text = report::prune_plan(&plan);
    if plan.is_empty() && !arguments.format.is_json() {
        return caller.print(&text);
    }
    let json = arguments.format.is_json().then(|| report::json(&plan).to_string());
    if caller.decide(arguments.consent, &text, json, "Free it?")? == Decision::Stop {
        return Ok(());
    }
    let outcome = repo_prune::apply(&at)?;
    caller.print_outcome(arguments.format, || report::pruned(&outcome), || report::json(&outcome))
}

fn repair(arguments: &RepairArgs, caller: &Caller<'_>) -> Result<()> {
    let repository = caller.repository()?;
    let at = caller.at(&repository);
    let plan = repo_repair::prepare(&at)?;
    let text = report::repair_plan(&plan);
    if plan.is_empty() && !arguments.format.is_json() {
        return caller.print(&text);
    }
    let json = arguments.format.is_json().then(|| report::json(&plan).to_string());
    if caller.decide(arguments.consent, &text, json, "Repair it?")? == Decision::Stop {
        return Ok(());
    }
    let outcome = repo_repair::apply(&at)?;
    caller.print_outcome(arguments.format, || report::repaired(&outcome), || report::json(&outcome))
}

fn unlock(arguments: &UnlockArgs, caller: &Caller<'_>) -> Result<()> {
    let repository = caller.repository()?;
    let at = caller.at(&repository);
    let states = repo_unlock::prepare(&at)?;
    let text = report::unlock_plan(&states, caller.clock.now());
    if states.stale.is_empty() && !arguments.format.is_json() {
        return caller.print(&text);
    }
    let json = arguments.format.is_json().then(|| report::json(&states).to_string());
    if caller.decide(arguments.consent, &text, json, "Remove them?")? == Decision::Stop {
        return Ok(());
    }
    let outcome = repo_unlock::apply(&at)?;
    caller.print_outcome(arguments.format, || report::unlocked(&outcome), || report::json(&outcome))
}

fn key_export(arguments: &KeyExportArgs, caller: &Caller<'_>) -> Result<()> {
    let password = arguments.password_file.as_deref().map(password_of).transpose()?;
    let repository = caller.repository()?;
    let outcome = repo_key::export(&caller.at(&repository), &KeyExportRequest { password })?;
    caller.print(&report::branded(outcome.sheet.expose(), caller.brand))
}

fn key_import(arguments: &KeyImportArgs, caller: &Caller<'_>) -> Result<()> {
    let imported = match (&arguments.sheet, &arguments.password_file) {
        (Some(sheet), _) => {
            let sheet = Secret::new(read(sheet)?);
            let keys_folder = caller.places()?.keys_folder;
            repo_key::import(&KeyImportRequest { sheet, keys_folder })?
        }
        (None, file) => {
            let password = file.as_deref().map(password_of).transpose()?;
            repo_key::import_by_password(&caller.repository_options(password)?)?
        }
    };
    caller.print(&report::imported(&imported))
}

/// The first line of a file, as `restic --password-file` takes it.
fn password_of(file: &Path) -> Result<Secret> {
    let text = read(file)?;
    let password = text.lines().next().unwrap_or_default();
    if password.is_empty() {
        return Err(Error::failed(format!("the first line of `{}` is empty", file.display()))
            .hint("write the password on its first line"));
    }
    Ok(Secret::new(password))
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).context(format!("read `{}`", file.display()))
}
