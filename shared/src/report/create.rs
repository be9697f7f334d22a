//! A backup that was made.

use super::{
    text::harmless,
    units::{seconds, size},
};
use crate::operation::{CreateOutcome, DatabaseOutcome};
use serde_json::{Value, json};

/// Returns what a backup was worth: `pre_test: 1.4 GB read, 14 MB new, 2.1 s`.
pub fn created(outcome: &CreateOutcome) -> String {
    format!(
        "{}: {} read, {} new, {}\n",
        harmless(&outcome.name),
        size(outcome.read),
        size(outcome.new),
        seconds(outcome.seconds)
    )
}

/// Returns the same for programs, with every database.
pub fn created_json(outcome: &CreateOutcome) -> Value {
    let CreateOutcome { name, id, databases, read, new, sent, seconds } = outcome;
    json!({
        "name": name,
        "id": id,
        "databases": databases.iter().map(database_json).collect::<Vec<_>>(),
        "read_bytes": read,
        "new_bytes": new,
        "sent_bytes": sent,
        "seconds": seconds,
    })
}

fn database_json(database: &DatabaseOutcome) -> Value {
    let DatabaseOutcome { name, tables, rows, large_objects, read, new, seconds } = database;
    json!({
        "name": name,
        "tables": tables,
        "rows": rows,
        "large_objects": large_objects,
        "read_bytes": read,
        "new_bytes": new,
        "seconds": seconds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_says_what_the_backup_was_worth() {
        let outcome = CreateOutcome {
            name: "pre_test".into(),
            id: "ab12".into(),
            databases: Vec::new(),
            read: 1_400_000_000,
            new: 14_000_000,
            sent: 14_100_000,
            seconds: 2.1,
        };
        assert_eq!(created(&outcome), "pre_test: 1.4 GB read, 14 MB new, 2.1 s\n");
        assert_eq!(created_json(&outcome)["new_bytes"], 14_000_000);
    }
}
