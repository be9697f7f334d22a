//! `export`: a backup becomes files that pg_restore reads.

use crate::{
    cli::{
        arguments::{Format, database_name},
        caller::Caller,
    },
    error::Result,
    operation::{ExportRequest, export},
    report,
};
use clap::Args;
use std::path::PathBuf;

/// Write a backup as files for pg_restore
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT)]
pub(in crate::cli) struct ExportArgs {
    /// The backup, by the beginning of its name or id
    #[arg(value_name = "BACKUP")]
    pub backup: String,

    /// The folder to make; it must not exist or be empty
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,

    /// Write only this database (can be repeated) [default: all]
    #[arg(short, long = "database", value_name = "DATABASE", value_parser = database_name())]
    pub databases: Vec<String>,

    #[command(flatten)]
    pub format: Format,
}

const LONG_ABOUT: &str = "\
Write a backup as files for pg_restore

Writes each database as a folder in pg_dump's directory format, beside them globals.sql and
manifest.json. Every byte is checked on the way. The folder gets its name at the end, so one
that is there is complete.

Examples:
  {plugin} export pre_test ./pre_test
  pg_restore -d shop -j 2 ./pre_test/databases/shop

Exit status:
  0    the folder is complete
  1    it failed; no folder of that name was made
  5    the backup is damaged
  6    somebody else holds the lock";

pub(in crate::cli) fn run(arguments: &ExportArgs, caller: &Caller<'_>) -> Result<()> {
    let repository = caller.repository()?;
    let request = ExportRequest {
        backup: arguments.backup.clone(),
        folder: arguments.folder.clone(),
        databases: arguments.databases.clone(),
    };
    let outcome = export::export(&caller.at(&repository), &request)?;
    caller.print_outcome(arguments.format, || report::exported(&outcome), || report::exported_json(&outcome))
}
