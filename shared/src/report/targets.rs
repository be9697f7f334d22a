//! The servers that run here.

use super::{
    backups::{Length, short_version},
    form::Form,
    listing::{Field, Listing},
    table::Table,
    text::harmless,
    units::{since, size},
};
use crate::{
    error::{Error, Result},
    operation::{ServerListing, ServerStatus, TargetsOutcome},
    target::Target,
    template::Row,
};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The fields of a server in a list. The first six are the usual table's.
const FIELDS: &[Field] = &[
    Field { name: "Container", header: "CONTAINER" },
    Field { name: "Image", header: "IMAGE" },
    Field { name: "Service", header: "SERVICE" },
    Field { name: "PostgreSQL", header: "POSTGRESQL" },
    Field { name: "Databases", header: "DATABASES" },
    Field { name: "Size", header: "SIZE" },
    Field { name: "ID", header: "CONTAINER ID" },
    Field { name: "Status", header: "STATUS" },
    Field { name: "User", header: "USER" },
    Field { name: "Kept", header: "KEPT" },
    Field { name: "Labels", header: "LABELS" },
];

/// Writes the servers. The usual table is followed by a second one with what restores keep in
/// them; ages are counted back from `now`.
///
/// # Errors
///
/// If a template asks for a field that there is not.
pub fn targets(outcome: &TargetsOutcome, now: Timestamp, length: Length, form: &Form) -> Result<String> {
    let servers = outcome.servers.iter().map(|server| server_row(server, length));
    let unreachable =
        outcome.unreachable.iter().map(|(target, error)| unreachable_row(target, error, length));
    let listing = Listing { fields: FIELDS, usual: 6, rows: servers.chain(unreachable).collect() };
    match form {
        Form::Table => Ok(with_kept(&listing.table(), outcome, now)),
        _ => listing.written(form),
    }
}

/// Returns the names of the servers' containers, one a line.
pub fn target_names(outcome: &TargetsOutcome) -> String {
    let servers = outcome.servers.iter().map(|server| &server.target);
    let all = servers.chain(outcome.unreachable.iter().map(|(target, _)| target));
    let names: Vec<_> = all.map(|target| harmless(&target.name)).collect();
    names.iter().flat_map(|name| [name.as_ref(), "\n"]).collect()
}

fn server_row(server: &ServerListing, length: Length) -> Row {
    let mut shown = shown_of(&server.target, length);
    shown.extend([
        ("PostgreSQL", version(server, length)),
        ("Databases", server.databases.len().to_string()),
        ("Size", size(server.databases.iter().map(|(_, size)| size).sum())),
        ("Status", server.status().word().to_owned()),
        ("User", server.user.clone()),
        ("Kept", server.kept.len().to_string()),
    ]);
    Row { shown: all_harmless(shown), whole: server_json(server) }
}

fn unreachable_row(target: &Target, error: &Error, length: Length) -> Row {
    let mut shown = shown_of(target, length);
    let nothing = ["Databases", "Size", "User", "Kept"].map(|name| (name, "-".to_owned()));
    shown.extend(nothing);
    shown.extend([
        ("PostgreSQL", "not reached".to_owned()),
        ("Status", ServerStatus::Unreachable.word().to_owned()),
    ]);
    let whole = json!({
        "container": target.name,
        "id": target.id,
        "image": target.image,
        "status": ServerStatus::Unreachable.word(),
        "error": error.to_string(),
    });
    Row { shown: all_harmless(shown), whole }
}

/// What is known of a place whether its server was reached or not.
fn shown_of(target: &Target, length: Length) -> Vec<(&'static str, String)> {
    let id = match length {
        Length::Short => target.id.get(..12).unwrap_or(&target.id),
        Length::Full => &target.id,
    };
    let labels: Vec<_> = target.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    vec![
        ("Container", target.name.clone()),
        ("Image", target.image.clone()),
        ("Service", compose(target)),
        ("ID", id.to_owned()),
        ("Labels", labels.join(",")),
    ]
}

fn all_harmless(shown: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
    shown.into_iter().map(|(name, text)| (name, harmless(&text).into_owned())).collect()
}

fn with_kept(servers: &str, outcome: &TargetsOutcome, now: Timestamp) -> String {
    if outcome.servers.iter().all(|server| server.kept.is_empty()) {
        return servers.to_owned();
    }
    let mut table = Table::new(&["container", "kept database", "was", "size", "since", "why"]);
    for server in &outcome.servers {
        for database in &server.kept {
            let why = if database.unfinished {
                format!("left by an interrupted restore of {}", database.backup)
            } else if database.by_restore {
                format!("replaced by a restore of {}", database.backup)
            } else {
                "put aside by an undo".into()
            };
            table.row([
                server.target.name.clone(),
                database.name.clone(),
                database.database.clone(),
                size(database.size),
                since(&database.time, now),
                why,
            ]);
        }
    }
    format!("{servers}\nKept or left by restores:\n{table}")
}

fn compose(target: &Target) -> String {
    match (&target.project, &target.service) {
        (Some(project), Some(service)) => format!("{project}/{service}"),
        _ => "-".into(),
    }
}

fn version(server: &ServerListing, length: Length) -> String {
    let version = match length {
        Length::Short => short_version(&server.version),
        Length::Full => &server.version,
    };
    if server.in_recovery { format!("{version} (standby)") } else { version.to_owned() }
}

/// A server for programs.
fn server_json(server: &ServerListing) -> Value {
    let databases = server.databases.iter().map(|(name, size)| json!({"name": name, "size_bytes": size}));
    json!({
        "container": server.target.name,
        "id": server.target.id,
        "image": server.target.image,
        "project": server.target.project,
        "service": server.target.service,
        "labels": server.target.labels,
        "status": server.status().word(),
        "version": server.version,
        "user": server.user,
        "superuser": server.superuser,
        "standby": server.in_recovery,
        "databases": databases.collect::<Vec<_>>(),
        "kept": server.kept,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_were_not_reached_are_in_the_table() {
        let outcome = TargetsOutcome {
            servers: vec![ServerListing {
                target: Target { name: "pg".into(), image: "postgres:17".into(), ..Target::default() },
                version: "17.2 (Debian 17.2-1)".into(),
                databases: vec![("shop".into(), 14_000_000), ("postgres".into(), 7_000_000)],
                ..ServerListing::default()
            }],
            unreachable: vec![(
                Target {
                    name: "old".into(),
                    image: "postgres:9".into(),
                    project: Some("shop".into()),
                    service: Some("db".into()),
                    ..Target::default()
                },
                Error::failed("too old"),
            )],
        };
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let written =
            |form: &str| targets(&outcome, now, Length::Short, &Form::of_list(form).unwrap()).unwrap();
        insta::assert_snapshot!(written("table"), @r"
        CONTAINER   IMAGE         SERVICE   POSTGRESQL    DATABASES   SIZE
        pg          postgres:17   -         17.2          2           21 MB
        old         postgres:9    shop/db   not reached   -           -
        ");
        assert_eq!(written("json").lines().count(), 2);
        assert_eq!(
            written("table {{.Container}}\\t{{.Status}}\\t{{.Kept}}"),
            "CONTAINER   STATUS        KEPT\npg          primary       0\nold         unreachable   -\n"
        );
        assert_eq!(target_names(&outcome), "pg\nold\n");
    }
}
