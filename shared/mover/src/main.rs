//! The program that reads and loads next to the data.
//!
//! The engine puts it into the container for the length of one command. `serve` speaks with
//! the engine over standard input and output in frames of `pgbackup_wire`, opens sessions at
//! the server, runs the server's tools, and cuts, hashes and compresses what it reads.
//!
//! Absent on purpose: it decides nothing, writes nothing to disk, opens no port, knows no
//! repository, and holds no secret but the server's own, which it never sends.
//!
//! Start with [`serve`].

mod channel;
mod child;
mod connection;
mod control_group;
mod copy_in;
mod copy_out;
mod ending;
mod environment;
mod identity;
mod known;
mod large_object;
mod login;
mod out_of_memory;
mod output;
mod password;
mod processes;
mod program;
mod serve;
mod session;
mod tool;
mod trouble;
mod worker;

use std::{io::Write, process::ExitCode};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let done = match (arguments.next().as_deref(), arguments.next()) {
        (Some("check"), None) => check(),
        (Some("serve"), None) => serve::serve(),
        _ => Err("the engine of pgbackup runs this program; it is of no use by itself".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be gone together with the engine.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the program's hash, which shows that it is whole and can run here.
fn check() -> Result<(), Box<dyn std::error::Error>> {
    writeln!(std::io::stdout(), "{}", pgbackup_wire::ChunkId(program::hash()?))?;
    Ok(())
}
