//! What the exit statuses mean: the one table, for help, documents and tests.

use crate::error::Kind;

/// Every exit status with its meaning.
const TABLE: [(i32, &str); 8] = [
    (0, "done"),
    (1, "failed; nothing was recorded or replaced"),
    (3, "part of the work failed"),
    (4, "no server matched, or more than one"),
    (5, "what is stored is damaged"),
    (6, "somebody else holds the lock"),
    (125, "the command line is wrong"),
    (130, "cancelled"),
];

/// The heading of the statuses in a help text.
const HEADING: &str = "\nExit status:\n";

/// Returns every exit status with its meaning, in order.
pub fn exit_statuses() -> &'static [(i32, &'static str)] {
    &TABLE
}

/// The exit status of a failure.
pub(super) fn exit_status(kind: Kind) -> i32 {
    match kind {
        Kind::Failed => 1,
        Kind::Partial => 3,
        Kind::Target => 4,
        Kind::Damage => 5,
        Kind::Locked => 6,
        Kind::Usage => 125,
        Kind::Cancelled => 130,
    }
}

/// Completes the statuses at the end of a help text: all of them where it names none, and else
/// those of every command that it does not name itself.
pub(super) fn with_statuses(help: &str) -> String {
    let Some((before, named)) = help.split_once(HEADING) else { return help.to_owned() };
    let says = |status: i32| named.lines().any(|line| line.trim_start().starts_with(&format!("{status} ")));
    let none = named.trim().is_empty();
    // A wrong command line is told before anything is done, and any command can be cancelled.
    let missing = TABLE.iter().filter(|(status, _)| !says(*status) && (none || matches!(status, 125 | 130)));
    let mut lines: Vec<String> = missing.map(|(status, meaning)| line(*status, meaning)).collect();
    lines.extend(named.lines().filter(|line| !line.is_empty()).map(Into::into));
    lines.sort_by_key(|line| line.split_whitespace().next().and_then(|status| status.parse::<i32>().ok()));
    format!("{before}{HEADING}{}", lines.join("\n"))
}

/// As help shows it.
fn line(status: i32, meaning: &str) -> String {
    format!("  {status:<4} {meaning}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_help_text_names_its_own_statuses_and_those_of_every_command() {
        assert_eq!(
            with_statuses("List\n\nExit status:\n  0    the list is complete\n  1    it could not be read"),
            "List\n\nExit status:\n  0    the list is complete\n  1    it could not be read\n  125  the command line is \
             wrong\n  130  cancelled"
        );
        let all = with_statuses("Everything\n\nExit status:\n");
        assert!(TABLE.iter().all(|(status, meaning)| all.contains(&line(*status, meaning))), "{all}");
        assert_eq!(with_statuses("A group of commands"), "A group of commands");
    }

    #[test]
    fn every_kind_of_failure_has_a_status_of_the_table() {
        let kinds = [
            Kind::Failed,
            Kind::Partial,
            Kind::Target,
            Kind::Damage,
            Kind::Locked,
            Kind::Usage,
            Kind::Cancelled,
        ];
        let statuses: Vec<i32> = std::iter::once(0).chain(kinds.map(exit_status)).collect();
        assert_eq!(statuses, TABLE.map(|(status, _)| status));
    }
}
