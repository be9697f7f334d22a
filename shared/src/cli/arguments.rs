//! The command line as a tree: what stands above all commands, and options that several share.
//!
//! In help texts `{plugin}` stands for the plugin as people call it; [`tree`] puts the name in.

use super::{command, exit_status::with_statuses};
use crate::{
    error::Result,
    postgres::server_text,
    report::{Form, Length},
};
use clap::{
    Args, CommandFactory, Parser, Subcommand, ValueEnum,
    builder::{OsStringValueParser, TypedValueParser},
};
use std::os::unix::ffi::OsStringExt;

/// Back up and restore PostgreSQL servers that run in containers
#[derive(Debug, Parser)]
#[command(
    name = "pgbackup",
    version,
    long_about = LONG_ABOUT,
    max_term_width = 100,
    disable_help_subcommand = false
)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Command>,
}

const LONG_ABOUT: &str = "\
Back up and restore PostgreSQL servers that run in containers

Finds the server through the platform you already use, reads it next to its data, and keeps
what is new in one deduplicated, compressed and encrypted repository. Nothing has to be
installed in the container, and nothing is left there.

Examples:
  {plugin} create                      back up the one PostgreSQL server that runs here
  {plugin} list                        show what backups there are
  {plugin} restore pre_test --dry-run  show what a restore would do

Exit status:
";

/// Takes the name of a database as it was typed, byte for byte: it need not be UTF-8.
pub(super) fn database_name() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new().map(|name| server_text::from_bytes(&name.into_vec()).into_owned())
}

/// Options that every command takes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub(super) struct Global {
    /// Where backups are kept [default: PGBACKUP_REPOSITORY, else a folder in your home]
    ///
    /// A path, or a place in S3: s3:https://HOST/BUCKET/PREFIX, or s3://BUCKET/PREFIX for AWS and
    /// AWS_ENDPOINT_URL. Key and secret come from where AWS's own tools look: AWS_ACCESS_KEY_ID and
    /// AWS_SECRET_ACCESS_KEY, else the profile AWS_PROFILE in ~/.aws. Without it PGBACKUP_REPOSITORY
    /// counts, then pgbackup/repository in XDG_DATA_HOME (~/.local/share).
    #[arg(long, global = true, value_name = "PLACE")]
    pub repository: Option<String>,

    /// Say only what was asked for: no progress, no notes
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Show commands and statements as they are run, without secrets
    #[arg(short, long, global = true)]
    pub verbose: bool,

    /// How progress is shown on standard error
    #[arg(long, global = true, value_name = "HOW", default_value = "auto")]
    pub progress: ProgressStyle,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ProgressStyle {
    /// Bars on a terminal, else a line a database
    Auto,
    /// A line a database
    Plain,
    /// One JSON object a line for each event
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Targets(command::targets::TargetsArgs),
    Create(command::create::CreateArgs),
    #[command(visible_alias = "ls")]
    List(command::list::ListArgs),
    Inspect(command::inspect::InspectArgs),
    Verify(command::verify::VerifyArgs),
    Restore(command::restore::RestoreArgs),
    Undo(command::undo::UndoArgs),
    Export(command::export::ExportArgs),
    #[command(visible_alias = "rm")]
    Delete(command::delete::DeleteArgs),
    Repo(command::repo::RepoArgs),
    Completion(command::completion::CompletionArgs),
}

/// How the outcome is written to standard output.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Format {
    /// How the outcome is written to standard output
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: FormatKind,
}

/// For people or for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FormatKind {
    /// For people
    Table,
    /// For programs
    Json,
}

impl Format {
    pub fn is_json(self) -> bool {
        self.format == FormatKind::Json
    }
}

/// How a list is written to standard output.
#[derive(Args, Clone, Debug)]
pub(super) struct ListFormat {
    /// How the list is written: table, json, 'table TEMPLATE' or TEMPLATE
    ///
    /// A template is Go's, as Docker takes it, and is filled in for each line: '{{.Name}}'. With
    /// 'table TEMPLATE' columns are parted by \t and stand below headers. docs/formats.md has
    /// all fields and functions.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: String,

    /// Cut nothing short: ids and versions are shown whole
    #[arg(long)]
    pub no_trunc: bool,
}

impl ListFormat {
    /// The form that was asked for.
    ///
    /// # Errors
    ///
    /// `Kind::Usage` if it is none.
    pub fn form(&self) -> Result<Form> {
        Form::of_list(&self.format)
    }

    pub fn length(&self) -> Length {
        if self.no_trunc { Length::Full } else { Length::Short }
    }
}

/// What everything that deletes or overwrites asks for.
#[derive(Args, Clone, Copy, Debug)]
pub(super) struct Consent {
    /// Show the plan and stop
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,

    /// Carry out the plan without asking; needed where nobody can be asked
    #[arg(short, long)]
    pub yes: bool,
}

/// Returns the whole tree with the plugin's name in its texts.
///
/// `columns` is the width that help is wrapped at, 100 at most.
pub(super) fn tree(brand: &str, columns: Option<u16>) -> clap::Command {
    let width = usize::from(columns.unwrap_or(100)).clamp(40, 100);
    branded(Arguments::command().term_width(width), brand).bin_name(brand)
}

/// Puts the plugin's name into the texts of a command and of all below it.
fn branded(mut command: clap::Command, brand: &str) -> clap::Command {
    let program = brand.replace(' ', "-");
    let named = |text: &clap::builder::StyledStr| {
        text.to_string().replace("{plugin}", brand).replace("{program}", &program)
    };
    if let Some(text) = command.get_about().map(named) {
        command = command.about(text);
    }
    if let Some(text) = command.get_long_about().map(named) {
        command = command.long_about(with_statuses(&text));
    }
    let names: Vec<String> = command.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    for name in names {
        command = command.mut_subcommand(name, |below| branded(below, brand));
    }
    command
}
