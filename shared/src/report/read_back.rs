//! Backups that were read back: verified, or exported as files.

use super::{
    text::{harmless, plural},
    units::{seconds, size},
};
use crate::operation::{ExportOutcome, VerifyOutcome};
use serde_json::{Value, json};
use std::fmt::Write;

/// Returns what was read of a backup that is whole.
pub fn verified(outcome: &VerifyOutcome) -> String {
    let mut text = String::new();
    for database in &outcome.databases {
        let _ = writeln!(
            text,
            "{}: {}, {}, {}, {}",
            harmless(&database.name),
            plural(database.tables, "table"),
            plural(database.rows, "row"),
            plural(database.large_objects, "large object"),
            size(database.bytes)
        );
    }
    let _ = writeln!(
        text,
        "{}: every byte is what it was, {} read, {}",
        harmless(outcome.backup.name()),
        size(outcome.bytes),
        seconds(outcome.seconds)
    );
    text
}

/// Returns the same for programs.
pub fn verified_json(outcome: &VerifyOutcome) -> Value {
    let databases = outcome.databases.iter().map(|database| {
        json!({
            "name": database.name,
            "tables": database.tables,
            "rows": database.rows,
            "large_objects": database.large_objects,
            "bytes": database.bytes,
        })
    });
    json!({
        "name": outcome.backup.name(),
        "id": outcome.backup.id.as_str(),
        "databases": databases.collect::<Vec<_>>(),
        "chunks": outcome.chunks,
        "bytes": outcome.bytes,
        "seconds": outcome.seconds,
    })
}

/// Returns which folder holds which database.
pub fn exported(outcome: &ExportOutcome) -> String {
    let folder = outcome.folder.display().to_string();
    let mut text = String::new();
    for (name, below) in &outcome.databases {
        let _ = writeln!(text, "{}: {}/{}", harmless(name), harmless(&folder), harmless(below));
    }
    let _ = writeln!(
        text,
        "{}: {} in {}, {}",
        harmless(outcome.backup.name()),
        size(outcome.bytes),
        plural(outcome.files, "file"),
        seconds(outcome.seconds)
    );
    text
}

/// Returns the same for programs.
pub fn exported_json(outcome: &ExportOutcome) -> Value {
    let databases = outcome.databases.iter().map(|(name, folder)| json!({"name": name, "folder": folder}));
    json!({
        "name": outcome.backup.name(),
        "id": outcome.backup.id.as_str(),
        "folder": outcome.folder.display().to_string(),
        "databases": databases.collect::<Vec<_>>(),
        "files": outcome.files,
        "bytes": outcome.bytes,
        "seconds": outcome.seconds,
    })
}
