//! The movers this engine brought along, each for one kind of machine.

use crate::error::{Error, Result};
use sha2::{Digest, Sha256};

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// A mover's program.
#[derive(Clone, Copy)]
pub(super) struct Program {
    pub(super) bytes: &'static [u8],
}

impl Program {
    /// SHA-256 of the program: both sides tell each other, and speak only if it is the same.
    pub(super) fn build(self) -> [u8; 32] {
        Sha256::digest(self.bytes).into()
    }
}

/// The mover for a machine, by the name that `uname -m` gives it.
///
/// # Errors
///
/// When none is embedded.
pub(super) fn for_machine(machine: &str) -> Result<Program> {
    let name = match machine {
        "arm64" => "aarch64",
        "amd64" => "x86_64",
        other => other,
    };
    if let Some((_, bytes)) = EMBEDDED.iter().find(|(of, _)| *of == name) {
        return Ok(Program { bytes });
    }
    let have: Vec<&str> = EMBEDDED.iter().map(|(of, _)| *of).collect();
    let have =
        if have.is_empty() { "none at all".to_owned() } else { format!("those for {}", have.join(", ")) };
    Err(Error::failed(format!("no mover for the machine `{machine}` is in this program"))
        .caused_by(format!("it was built with {have}"))
        .hint("build it with PGBACKUP_MOVER_DIR set to a folder that holds `pgbackup-mover-<machine>`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_nobody_built_for_is_named_in_the_error() {
        let error = for_machine("pdp11").err().unwrap();
        assert!(error.what.contains("pdp11"), "{error}");
    }
}
