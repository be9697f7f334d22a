//! Backups: as a list, one by one, and when they are deleted.

use super::{
    paragraph::Paragraphs,
    table::{Table, fields},
    text::{harmless, plural},
    units::{age, moment, seconds, size},
};
use crate::{
    catalog::{
        Backup,
        manifest::{DatabaseRecord, Manifest, ReadBy},
    },
    operation::{DeleteOutcome, DeletePlan, InspectOutcome},
    repository::SnapshotId,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fmt::{Display, Write};

/// Returns backups as a table, in the order given; ages are counted back from `now`.
pub fn backups(backups: &[Backup], now: Timestamp) -> String {
    let mut table =
        Table::new(&["name", "id", "container", "postgresql", "databases", "size", "new", "created"]);
    for backup in backups {
        let record = &backup.record;
        table.row([
            record.name.clone(),
            backup.id.short().to_owned(),
            record.target.clone(),
            short_version(&record.server_version).to_owned(),
            record.databases.len().to_string(),
            size(record.total_bytes),
            size(record.new_bytes),
            age(backup.time, now),
        ]);
    }
    table.to_string()
}

/// Returns the names of backups, one a line.
pub fn backup_names(backups: &[Backup]) -> String {
    lines(backups.iter().map(|backup| harmless(backup.name())))
}

/// Returns backups for programs: one object a line, as Docker does.
pub fn backups_json(backups: &[Backup]) -> String {
    lines(backups.iter().map(backup_json))
}

fn lines(items: impl Iterator<Item = impl Display>) -> String {
    let mut text = String::new();
    for item in items {
        let _ = writeln!(text, "{item}");
    }
    text
}

fn backup_json(backup: &Backup) -> Value {
    let record = &backup.record;
    json!({
        "name": record.name,
        "id": backup.id.as_str(),
        "time": backup.time.to_string(),
        "host": backup.host,
        "platform": record.platform,
        "container": record.target,
        "version": record.server_version,
        "whole_server": record.whole_server,
        "databases": record.databases,
        "total_bytes": record.total_bytes,
        "new_bytes": record.new_bytes,
        "seconds": record.seconds,
    })
}

/// The version without what its packager adds: `17.2 (Debian 17.2-1)` is `17.2`.
pub(super) fn short_version(version: &str) -> &str {
    version.split(' ').next().unwrap_or_default()
}

/// Returns all that is known of one backup, its databases and their tables.
pub fn inspected(outcome: &InspectOutcome) -> String {
    let InspectOutcome { backup, manifest } = outcome;
    let service = match (&manifest.target.project, &manifest.target.service) {
        (Some(project), Some(service)) => format!(", Compose {project}/{service}"),
        _ => String::new(),
    };
    let kind = if manifest.whole_server { "whole server" } else { "databases by name" };
    let hashes = if manifest.globals.with_passwords { "" } else { ", without password hashes" };
    let read_by = match manifest.server.read_by {
        ReadBy::Mover => "the mover",
        ReadBy::Plain => "the server's own tools",
    };
    let mut text = fields(&[
        ("Name", manifest.name.clone()),
        ("Id", backup.id.as_str().to_owned()),
        ("Started", moment(&manifest.started)),
        ("Finished", moment(&manifest.finished)),
        ("From", format!("{} ({}){service}", manifest.target.name, manifest.target.image)),
        ("PostgreSQL", manifest.server.version.clone()),
        ("Read by", read_by.into()),
        ("What", format!("{kind}, {}", plural(manifest.databases.len() as u64, "database"))),
        ("Roles", format!("{}{hashes}", manifest.globals.roles.len())),
        ("Size", size(backup.record.total_bytes)),
        ("New", size(backup.record.new_bytes)),
        ("Took", seconds(backup.record.seconds)),
        ("Made on", backup.host.clone()),
    ]);
    for database in &manifest.databases {
        text.push('\n');
        text.push_str(&inspected_database(database));
    }
    text
}

fn inspected_database(database: &DatabaseRecord) -> String {
    let bytes: u64 = database.tables.iter().chain(&database.large_objects).map(|entry| entry.bytes).sum();
    let mut text = format!(
        "Database `{}`: {}, {}, {}, {}\n",
        harmless(&database.name),
        plural(database.tables.len() as u64, "table"),
        plural(database.sequences.len() as u64, "sequence"),
        plural(database.large_objects.len() as u64, "large object"),
        size(bytes)
    );
    if database.tables.is_empty() {
        return text;
    }
    let mut table = Table::new(&["table", "rows", "size"]);
    for entry in &database.tables {
        table.row([format!("{}.{}", entry.schema, entry.name), entry.rows.to_string(), size(entry.bytes)]);
    }
    text.push_str(&table.to_string());
    text
}

/// Returns manifests as one JSON array, without hashes of passwords.
pub fn inspected_json(outcomes: &[InspectOutcome]) -> String {
    let array: Vec<Value> = outcomes.iter().map(manifest_json).collect();
    format!("{:#}\n", Value::Array(array))
}

fn manifest_json(outcome: &InspectOutcome) -> Value {
    let mut manifest: Manifest = outcome.manifest.clone();
    for role in &mut manifest.globals.roles {
        role.password_hash = None;
    }
    let mut value = json!(manifest);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("id".into(), json!(outcome.backup.id.as_str()));
        fields.insert("total_bytes".into(), json!(outcome.backup.record.total_bytes));
        fields.insert("new_bytes".into(), json!(outcome.backup.record.new_bytes));
    }
    value
}

/// Returns what will be deleted.
pub fn delete_plan(plan: &DeletePlan, now: Timestamp) -> String {
    let count = plan.backups.len() + plan.unreadable.len();
    let mut text = Paragraphs::new(format!("Delete {}", plural(count as u64, "backup")));
    if !plan.backups.is_empty() {
        text.block(&backups(&plan.backups, now));
    }
    for id in &plan.unreadable {
        text.line(&format!("{}, which cannot be read", id.short()));
    }
    text.line(&format!("{} will be left", plural(plan.remaining as u64, "backup")));
    text.into_text()
}

/// Returns the same for programs.
pub fn delete_plan_json(plan: &DeletePlan) -> Value {
    let backups: Vec<Value> = plan.backups.iter().map(backup_json).collect();
    json!({"backups": backups, "unreadable": ids(&plan.unreadable), "remaining": plan.remaining})
}

/// Returns the names of what was deleted, one a line; ids of what had none that could be read.
pub fn deleted(outcome: &DeleteOutcome) -> String {
    backup_names(&outcome.deleted) + &lines(outcome.unreadable.iter().map(SnapshotId::short))
}

fn ids(ids: &[SnapshotId]) -> Vec<&str> {
    ids.iter().map(SnapshotId::as_str).collect()
}

/// Returns the same for programs.
pub fn deleted_json(outcome: &DeleteOutcome) -> Value {
    let names: Vec<_> = outcome.deleted.iter().map(Backup::name).collect();
    json!({"deleted": names, "unreadable": ids(&outcome.unreadable)})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalog::{DatabaseSummary, Record, manifest::Role},
        repository::SnapshotId,
    };

    fn backup() -> Backup {
        Backup {
            id: SnapshotId::parse(&"ab12cd34".repeat(8)).unwrap(),
            time: "2026-11-21T09:00:00Z".parse().unwrap(),
            host: "laptop".into(),
            record: Record {
                name: "pre_test".into(),
                target: "pg".into(),
                server_version: "17.2 (Debian 17.2-1)".into(),
                databases: vec![DatabaseSummary::default()],
                total_bytes: 1_400_000_000,
                new_bytes: 14_000_000,
                ..Record::default()
            },
        }
    }

    #[test]
    fn a_list_shows_where_a_backup_is_from_and_how_old_it_is() {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        insta::assert_snapshot!(backups(&[backup()], now), @r"
        NAME       ID             CONTAINER   POSTGRESQL   DATABASES   SIZE     NEW     CREATED
        pre_test   ab12cd34ab12   pg          17.2         1           1.4 GB   14 MB   3 hours ago
        ");
    }

    #[test]
    fn a_manifest_for_programs_holds_no_password_hash() {
        let mut manifest = Manifest {
            schema: 1,
            name: "pre_test".into(),
            started: String::new(),
            finished: String::new(),
            target: crate::catalog::manifest::TargetRecord::default(),
            server: crate::catalog::manifest::ServerRecord::default(),
            method: "logical".into(),
            kind: "full".into(),
            whole_server: true,
            globals: crate::catalog::manifest::Globals::default(),
            databases: Vec::new(),
            tools: std::collections::BTreeMap::new(),
        };
        manifest.globals.roles = vec![Role {
            name: "app".into(),
            password_hash: Some(crate::catalog::manifest::PasswordHash::new("SCRAM-SHA-256$x")),
            ..Role::default()
        }];
        let json = inspected_json(&[InspectOutcome { backup: backup(), manifest }]);
        assert!(json.starts_with("[\n") && json.contains("\"app\""), "{json}");
        assert!(!json.contains("SCRAM"), "{json}");
    }
}
