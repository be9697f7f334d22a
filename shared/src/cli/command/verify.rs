//! `verify`: a backup is read back, byte by byte.

use crate::{
    cli::{arguments::Format, caller::Caller, several::Several},
    error::Result,
    operation::{VerifyRequest, verify},
    report,
};
use clap::Args;

/// Read a backup back, every byte, and check it
#[derive(Args, Debug)]
#[command(long_about = LONG_ABOUT)]
pub(in crate::cli) struct VerifyArgs {
    /// The backup, by the beginning of its name or id (can be repeated)
    #[arg(value_name = "BACKUP", required = true)]
    pub backups: Vec<String>,
    #[command(flatten)]
    pub format: Format,
}

const LONG_ABOUT: &str = "\
Read a backup back, every byte, and check it

Decrypts, decompresses and hashes everything the backup holds and compares it with the manifest:
every table, large object and table of contents. Needs no server. Changes nothing.

Examples:
  {plugin} verify pre_test

Exit status:
  0    every byte is what it was
  1    there is no such backup, or the repository could not be read
  5    damage was found; the tables it is in are named
  6    somebody else holds the lock";

/// Verifies one backup after the other: damage in one does not keep the others from being read.
pub(in crate::cli) fn run(arguments: &VerifyArgs, caller: &Caller<'_>) -> Result<()> {
    let repository = caller.repository()?;
    let mut several = Several::new("verify", arguments.backups.len());
    for backup in &arguments.backups {
        let request = VerifyRequest { backup: backup.clone() };
        let verified = verify::verify(&caller.at(&repository), &request);
        if let Some(outcome) = several.keep(caller, backup, verified)? {
            let json = || report::verified_json(&outcome);
            caller.print_outcome(arguments.format, || report::verified(&outcome), json)?;
        }
    }
    several.end()
}
