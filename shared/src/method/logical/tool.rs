//! Runs of the server's own tools to their end, with what they said when they failed.

use crate::{
    error::{Error, Result},
    mover::{Exit, Mover},
};
use pgbackup_wire::message::{Argument, Endpoint};

/// Lines of standard error that an error message quotes.
const LINES: usize = 8;

/// Runs a tool to its end and gives its output, which is held whole.
///
/// # Errors
///
/// When it cannot be run, or ends with another status than 0.
pub fn run_to_end(
    mover: &Mover<'_>,
    program: &str,
    arguments: Vec<Argument>,
    endpoint: &Endpoint,
) -> Result<Vec<u8>> {
    let mut run = mover.run(program, arguments, endpoint)?;
    let mut output = Vec::new();
    while let Some(bytes) = run.read()? {
        output.extend_from_slice(&bytes);
    }
    succeeded(program, &run.wait()?)?;
    Ok(output)
}

/// Makes an error of an exit that is not a success, with the tool's own words as causes.
pub fn succeeded(program: &str, exit: &Exit) -> Result<()> {
    if exit.status == Some(0) {
        return Ok(());
    }
    let ended = match (exit.status, exit.signal) {
        (Some(status), _) => format!("`{program}` ended with exit status {status}"),
        (None, Some(signal)) => format!("`{program}` was ended by signal {signal}"),
        (None, None) => format!("`{program}` ended, and nobody knows how"),
    };
    Err(told(&exit.stderr).into_iter().fold(Error::failed(ended), Error::caused_by))
}

/// The lines of a tool that tell of its failure, without its own name in front: the entry at
/// fault first, then what the server said.
fn told(stderr: &str) -> Vec<String> {
    let mut lines: Vec<String> = stderr
        .lines()
        .map(|line| {
            let line = ["pg_restore: ", "pg_dump: ", "pg_dumpall: "]
                .into_iter()
                .find_map(|prefix| line.strip_prefix(prefix))
                .unwrap_or(line);
            line.strip_prefix("error: ").unwrap_or(line).trim_end().to_owned()
        })
        .filter(|line| !line.is_empty() && !is_chatter(line))
        .collect();
    let first = lines.iter().rposition(|line| line.contains("from TOC entry")).unwrap_or(0);
    lines.drain(..first);
    lines.truncate(LINES);
    lines
}

fn is_chatter(line: &str) -> bool {
    line == "while PROCESSING TOC:"
        || line == "while INITIALIZING:"
        || line == "while FINALIZING:"
        || line.starts_with("warning: ")
        || line.starts_with("NOTICE: ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::{PG_DUMP, PG_RESTORE};

    #[test]
    fn the_entry_at_fault_is_named_before_what_the_server_said() {
        let stderr = "pg_restore: warning: x\npg_restore: while PROCESSING TOC:\n\
                      pg_restore: from TOC entry 215; 1259 16385 TABLE t postgres\n\
                      pg_restore: error: could not execute query: ERROR:  role \"bob\" does not exist\n\
                      Command was: ALTER TABLE public.t OWNER TO bob;\n";
        let exit = Exit { status: Some(1), signal: None, stderr: stderr.into() };
        let error = succeeded(PG_RESTORE, &exit).unwrap_err();
        assert_eq!(error.what, "`pg_restore` ended with exit status 1");
        assert_eq!(error.causes.first().unwrap(), "from TOC entry 215; 1259 16385 TABLE t postgres");
        assert!(error.causes.iter().any(|cause| cause.contains("role \"bob\" does not exist")));
    }

    #[test]
    fn only_the_status_zero_is_a_success() {
        let exit = |status, signal| Exit { status, signal, stderr: String::new() };
        assert!(succeeded(PG_DUMP, &exit(Some(0), None)).is_ok());
        assert!(succeeded(PG_DUMP, &exit(Some(1), None)).is_err());
        assert!(succeeded(PG_DUMP, &exit(None, Some(9))).is_err());
        assert!(succeeded(PG_DUMP, &exit(None, None)).is_err());
    }
}
