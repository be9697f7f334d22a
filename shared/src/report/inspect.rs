//! One backup, down to each of its tables.

use super::{
    form::{Form, OUTSIDE},
    table::{Table, fields},
    text::{harmless, harmless_json, plural},
    units::{moment, seconds, size},
};
use crate::{
    catalog::manifest::{DatabaseRecord, Manifest, ReadBy},
    error::Result,
    operation::InspectOutcome,
    template::{Missing, Value},
};
use serde_json::{Value as Json, json};
use std::fmt::Write;

/// Writes all that is known of backups: text for people, one JSON array, or what a template makes
/// of each. Hashes of passwords are left out.
///
/// # Errors
///
/// If a template asks for what there is not.
pub fn inspected(outcomes: &[InspectOutcome], form: &Form) -> Result<String> {
    let template = match form {
        Form::Table => {
            let texts: Vec<_> = outcomes.iter().map(text).collect();
            return Ok(texts.join("\n"));
        }
        Form::Json => {
            let array: Vec<Json> = outcomes.iter().map(manifest_json).collect();
            return Ok(harmless_json(&format!("{:#}\n", Json::Array(array))).into_owned());
        }
        Form::Template(template) | Form::TableOf(template) => template,
    };
    let mut written = String::new();
    for outcome in outcomes {
        let json = manifest_json(outcome);
        let _ = writeln!(written, "{}", template.render(&Value::of(&json), OUTSIDE, Missing::Error)?);
    }
    Ok(written)
}

/// All that is known of one backup, its databases and their tables.
fn text(outcome: &InspectOutcome) -> String {
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
    let mut lines = vec![
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
    ];
    let labels: Vec<_> = manifest.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    if !labels.is_empty() {
        lines.push(("Labels", labels.join(", ")));
    }
    let mut text = fields(&lines);
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

fn manifest_json(outcome: &InspectOutcome) -> Json {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalog::{
            Backup, Record,
            manifest::{Globals, PasswordHash, Role, ServerRecord, TargetRecord},
        },
        repository::SnapshotId,
    };
    use std::collections::BTreeMap;

    fn outcome() -> InspectOutcome {
        let role = Role {
            name: "app".into(),
            password_hash: Some(PasswordHash::new("SCRAM-SHA-256$x")),
            ..Role::default()
        };
        let manifest = Manifest {
            schema: 1,
            name: "pre_test".into(),
            started: String::new(),
            finished: String::new(),
            target: TargetRecord { name: "pg".into(), ..TargetRecord::default() },
            server: ServerRecord { version: "17.2 (Debian)".into(), ..ServerRecord::default() },
            method: "logical".into(),
            kind: "full".into(),
            whole_server: true,
            globals: Globals { roles: vec![role], ..Globals::default() },
            databases: Vec::new(),
            labels: BTreeMap::new(),
            tools: BTreeMap::new(),
        };
        let backup = Backup {
            id: SnapshotId::parse(&"ab12cd34".repeat(8)).unwrap(),
            time: "2026-11-21T09:00:00Z".parse().unwrap(),
            host: "laptop".into(),
            record: Record { total_bytes: 1_400, ..Record::default() },
        };
        InspectOutcome { backup, manifest }
    }

    fn written(form: &str) -> Result<String> {
        inspected(&[outcome(), outcome()], &Form::of_object(form).unwrap())
    }

    #[test]
    fn a_manifest_for_programs_holds_no_password_hash() {
        let json = written("json").unwrap();
        assert!(json.starts_with("[\n") && json.contains("\"app\""), "{json}");
        for form in ["json", "{{json .}}", "{{.}}"] {
            assert!(!written(form).unwrap().contains("SCRAM"), "{form}");
        }
    }

    #[test]
    fn a_template_is_filled_in_for_each_backup_and_takes_gos_names_too() {
        let form = "{{.name}} {{.Target.Name}} {{.server.version}} {{.TotalBytes}} {{range .Globals.Roles}}{{.Name}}{{end}}";
        let line = "pre_test pg 17.2 (Debian) 1400 app\n";
        assert_eq!(written(form).unwrap(), line.repeat(2));
    }

    #[test]
    fn what_a_manifest_does_not_have_is_an_error() {
        let error = written("{{.Size}}").unwrap_err();
        assert!(error.what.ends_with("at <.Size>: map has no entry for key \"Size\""), "{error}");
    }
}
