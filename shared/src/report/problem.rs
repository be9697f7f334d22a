//! Errors as people and programs read them.

use super::text::{branded, harmless, harmless_json};
use crate::error::{Error, Kind};
use serde_json::json;
use std::fmt::Write;

/// Returns an error as text: what failed, its causes, hints and notes, a line each.
///
/// Lines that a server or a program wrote stay lines, set in below what they belong to.
pub fn problem(error: &Error, brand: &str) -> String {
    let mut text = String::new();
    let mut line = |head: &str, body: &str| {
        let body = branded(body, brand);
        let mut lines = body.trim_end().lines();
        let _ = writeln!(text, "{head}{}", harmless(lines.next().unwrap_or_default()));
        for more in lines {
            let _ = writeln!(text, "    {}", harmless(more));
        }
    };
    line("error: ", &error.what);
    for (head, bodies) in
        [("  caused by: ", &error.causes), ("hint: ", &error.hints), ("note: ", &error.notes)]
    {
        for body in bodies {
            line(head, body);
        }
    }
    text
}

/// Returns an error as one line of JSON, like the events of `--progress json`.
pub fn problem_json(error: &Error, brand: &str) -> String {
    let branded_all = |texts: &[String]| texts.iter().map(|text| branded(text, brand)).collect::<Vec<_>>();
    let error = json!({
        "event": "error",
        "kind": kind(error.kind),
        "what": branded(&error.what, brand),
        "causes": branded_all(&error.causes),
        "hints": branded_all(&error.hints),
        "notes": branded_all(&error.notes),
    });
    harmless_json(&error.to_string()).into_owned()
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Failed => "failed",
        Kind::Partial => "partial",
        Kind::Target => "target",
        Kind::Damage => "damage",
        Kind::Locked => "locked",
        Kind::Usage => "usage",
        Kind::Cancelled => "cancelled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_from_what_failed_to_what_was_left_behind() {
        let error = Error::failed("backup of `pg` was not committed")
            .caused_by("`pg_dump` ended with exit status 1")
            .caused_by("permission denied\nfor table x\n")
            .hint("free space with `pgbackup repo prune`")
            .note("no backup was recorded");
        assert_eq!(
            problem(&error, "docker pgbackup"),
            "error: backup of `pg` was not committed\n  caused by: `pg_dump` ended with exit status 1\n  \
             caused by: permission denied\n    for table x\nhint: free space with `docker pgbackup repo \
             prune`\nnote: no backup was recorded\n"
        );
    }

    #[test]
    fn an_escape_sequence_in_a_cause_does_not_reach_the_terminal() {
        let error = Error::failed("x").caused_by("table \x1b[2Jgone");
        assert!(problem(&error, "b").contains("table \\x1b[2Jgone"));
    }
}
