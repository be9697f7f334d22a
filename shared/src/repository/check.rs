//! Looks for damage with `rustic_core`'s own check.

use super::opening::Repository;
use crate::error::{Context, Result};
use rustic_core::{CheckOptions, CheckResults};
use serde::Serialize;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Damage: something that a backup needs is missing or is not what it was.
    pub damage: Vec<Finding>,
    /// What is odd and harmless, such as packs that a killed run left.
    pub remarks: Vec<Finding>,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is.
    pub what: String,
}

impl CheckReport {
    /// Whether nothing is damaged.
    pub fn is_clean(&self) -> bool {
        self.damage.is_empty()
    }
}

/// How much a check reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Index, folders, and the lengths of packs.
    Structure,
    /// Also every byte of every pack that a backup needs.
    EveryByte,
}

impl Repository {
    /// Checks the index against the packs and every folder of every backup against the index.
    pub fn check(&self, depth: Depth) -> Result<CheckReport> {
        let options = CheckOptions::default().read_data(depth == Depth::EveryByte);
        let results = self.inner.rustic.check(options).context("check the repository")?;
        let mut report = CheckReport::default();
        for (level, error) in results.0 {
            let what = plain(&error.to_string());
            // The library does not give the name of its levels out, but says what they mean.
            let harmless = CheckResults(vec![(level, error)]).is_ok().is_ok();
            let list = if harmless { &mut report.remarks } else { &mut report.damage };
            list.push(Finding { what });
        }
        Ok(report)
    }
}

/// The library's words without its advice, which names commands that must not be run here, and of
/// an error within only its message, without its backtrace.
fn plain(said: &str) -> String {
    let said = match said.split_once("`rustic_core` experienced an error") {
        None => said.to_owned(),
        Some((what, details)) => {
            let message = details.split_once("Message:\n").map_or(details, |(_, message)| message);
            format!("{}: {}", what.trim_end_matches([' ', ':']), message.lines().next().unwrap_or_default())
        }
    };
    let said = said.split(". To repair:").next().unwrap_or(&said);
    said.split(" Can be a parallel backup job").next().unwrap_or(said).trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_that_names_commands_of_others_is_left_out() {
        let said = "pack ab not referenced in index. Can be a parallel backup job. To repair: 'rustic repair index'.";
        assert_eq!(plain(said), "pack ab not referenced in index");
    }

    #[test]
    fn an_error_within_is_told_in_one_line() {
        let said = "error checking pack ab : `rustic_core` experienced an error related to `x`.\n\nMessage:\n\
                    MAC check failed.\n\nBacktrace:\n   0: rustic_core";
        assert_eq!(plain(said), "error checking pack ab: MAC check failed");
    }
}
