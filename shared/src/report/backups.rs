//! Backups: as a list, and when they are deleted.

use super::{
    form::Form,
    listing::{Field, Listing},
    paragraph::Paragraphs,
    text::{harmless, plural},
    units::{age, seconds, size},
};
use crate::{
    catalog::Backup,
    error::Result,
    operation::{DeleteOutcome, DeletePlan},
    repository::SnapshotId,
    template::Row,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fmt::{Display, Write};

/// The fields of a backup in a list. The first eight are the usual table's.
const FIELDS: &[Field] = &[
    Field { name: "Name", header: "NAME" },
    Field { name: "ID", header: "ID" },
    Field { name: "Container", header: "CONTAINER" },
    Field { name: "PostgreSQL", header: "POSTGRESQL" },
    Field { name: "Databases", header: "DATABASES" },
    Field { name: "Size", header: "SIZE" },
    Field { name: "New", header: "NEW" },
    Field { name: "CreatedSince", header: "CREATED" },
    Field { name: "CreatedAt", header: "CREATED AT" },
    Field { name: "Took", header: "TOOK" },
    Field { name: "Host", header: "MADE ON" },
    Field { name: "Platform", header: "PLATFORM" },
    Field { name: "Labels", header: "LABELS" },
];

/// How much of ids and versions a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Twelve digits of an id, and a version without what its packager adds.
    Short,
    /// All of them.
    Full,
}

/// Writes backups in the order given; ages are counted back from `now`.
///
/// # Errors
///
/// If a template asks for a field that there is not.
pub fn backups(backups: &[Backup], now: Timestamp, length: Length, form: &Form) -> Result<String> {
    listing(backups, now, length).written(form)
}

fn listing(backups: &[Backup], now: Timestamp, length: Length) -> Listing {
    let rows = backups.iter().map(|backup| row(backup, now, length)).collect();
    Listing { fields: FIELDS, usual: 8, rows }
}

fn row(backup: &Backup, now: Timestamp, length: Length) -> Row {
    let record = &backup.record;
    let (id, version) = match length {
        Length::Short => (backup.id.short(), short_version(&record.server_version)),
        Length::Full => (backup.id.as_str(), record.server_version.as_str()),
    };
    let labels: Vec<_> = record.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let shown = vec![
        ("Name", record.name.clone()),
        ("ID", id.to_owned()),
        ("Container", record.target.clone()),
        ("PostgreSQL", version.to_owned()),
        ("Databases", record.databases.len().to_string()),
        ("Size", size(record.total_bytes)),
        ("New", size(record.new_bytes)),
        ("CreatedSince", age(backup.time, now)),
        ("CreatedAt", backup.time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string()),
        ("Took", seconds(record.seconds)),
        ("Host", backup.host.clone()),
        ("Platform", record.platform.clone()),
        ("Labels", labels.join(",")),
    ];
    let shown = shown.into_iter().map(|(name, text)| (name, harmless(&text).into_owned())).collect();
    Row { shown, whole: backup_json(backup) }
}

/// Returns the names of backups, one a line.
pub fn backup_names(backups: &[Backup]) -> String {
    lines(backups.iter().map(|backup| harmless(backup.name())))
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
        "labels": record.labels,
        "total_bytes": record.total_bytes,
        "new_bytes": record.new_bytes,
        "seconds": record.seconds,
    })
}

/// The version without what its packager adds: `17.2 (Debian 17.2-1)` is `17.2`.
pub(super) fn short_version(version: &str) -> &str {
    version.split(' ').next().unwrap_or_default()
}

/// Returns what will be deleted.
pub fn delete_plan(plan: &DeletePlan, now: Timestamp) -> String {
    let count = plan.backups.len() + plan.unreadable.len();
    let mut text = Paragraphs::new(format!("Delete {}", plural(count as u64, "backup")));
    if !plan.backups.is_empty() {
        text.block(&listing(&plan.backups, now, Length::Short).table());
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
    use crate::catalog::{DatabaseSummary, Record};

    fn written(length: Length, form: &str) -> String {
        let backup = Backup {
            id: SnapshotId::parse(&"ab12cd34".repeat(8)).unwrap(),
            time: "2026-11-21T09:00:00Z".parse().unwrap(),
            host: "laptop".into(),
            record: Record {
                name: "pre_test".into(),
                platform: "docker".into(),
                target: "pg".into(),
                server_version: "17.2 (Debian 17.2-1)".into(),
                databases: vec![DatabaseSummary { name: "shop".into(), ..DatabaseSummary::default() }],
                labels: [("tier".into(), "gold".into())].into(),
                total_bytes: 1_400_000_000,
                new_bytes: 14_000_000,
                ..Record::default()
            },
        };
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        backups(&[backup], now, length, &Form::of_list(form).unwrap()).unwrap()
    }

    #[test]
    fn a_list_shows_where_a_backup_is_from_and_how_old_it_is() {
        insta::assert_snapshot!(written(Length::Short, "table"), @r"
        NAME       ID             CONTAINER   POSTGRESQL   DATABASES   SIZE      NEW       CREATED
        pre_test   ab12cd34ab12   pg          17.2         1           1.4 GB    14 MB     3 hours ago
        ");
    }

    #[test]
    fn nothing_is_cut_short_where_all_is_wanted() {
        let text = written(Length::Full, "{{.ID}} {{.PostgreSQL}}");
        assert_eq!(text, format!("{} 17.2 (Debian 17.2-1)\n", "ab12cd34".repeat(8)));
    }

    #[test]
    fn every_field_has_a_header_and_a_value() {
        for Field { name, header } in FIELDS {
            let text = written(Length::Short, &format!("table {{{{.{name}}}}}"));
            let (first, second) = text.trim_end().split_once('\n').unwrap_or((&text, ""));
            assert_eq!(first, *header, "{name}");
            assert!(!second.is_empty(), "{name} is empty");
        }
    }

    #[test]
    fn what_is_shown_and_what_programs_get_can_both_be_asked_for() {
        let form = "{{.Size}} {{.total_bytes}} {{.CreatedAt}} {{index .labels \"tier\"}} {{.Labels}} \
                    {{range .databases}}{{.name}}{{end}}";
        assert_eq!(
            written(Length::Short, form),
            "1.4 GB 1400000000 2026-11-21 09:00:00 +0000 UTC gold tier=gold shop\n"
        );
    }
}
