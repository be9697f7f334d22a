//! Which servers are known.

use crate::error::{Error, Result};
use std::fmt;

/// The oldest and the newest major version whose servers are read and restored.
const KNOWN_MAJORS: std::ops::RangeInclusive<u32> = 13..=18;

/// A server's version by number: `170002` is 17.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32);

impl Version {
    /// The major version: 17.
    pub fn major(self) -> u32 {
        self.0 / 10_000
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10_000, self.0 % 10_000)
    }
}

/// Refuses a server that is older than 13 or newer than 18.
pub fn check_version(number: u32) -> Result<Version> {
    // Up to 9.6 the number was 9.6.24 = 90624; all that old has the major 9 or less here.
    let version = Version(number);
    if KNOWN_MAJORS.contains(&version.major()) {
        return Ok(version);
    }
    let named =
        if number < 100_000 { format!("9.{}", number / 100 % 100) } else { version.major().to_string() };
    Err(Error::failed(format!("the server is PostgreSQL {named}")).caused_by(format!(
        "PostgreSQL {} to {} can be backed up and restored",
        KNOWN_MAJORS.start(),
        KNOWN_MAJORS.end()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_outside_13_to_18_are_refused_by_their_own_name() {
        assert_eq!(check_version(130_016).unwrap().to_string(), "13.16");
        assert!(check_version(180_006).is_ok());
        assert_eq!(check_version(190_000).unwrap_err().what, "the server is PostgreSQL 19");
        assert_eq!(check_version(90_624).unwrap_err().what, "the server is PostgreSQL 9.6");
        assert_eq!(check_version(120_001).unwrap_err().what, "the server is PostgreSQL 12");
    }
}
