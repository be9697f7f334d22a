//! The servers that run here.

use super::{
    table::Table,
    units::{since, size},
};
use crate::{
    operation::{ServerListing, TargetsOutcome},
    target::Target,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fmt::Write;

/// Returns the servers as a table, and what restores keep in them as a second one; ages are
/// counted back from `now`.
pub fn targets(outcome: &TargetsOutcome, now: Timestamp) -> String {
    let mut servers = Table::new(&["container", "image", "service", "postgresql", "databases", "size"]);
    for server in &outcome.servers {
        servers.row([
            server.target.name.clone(),
            server.target.image.clone(),
            compose(&server.target),
            version(server),
            server.databases.len().to_string(),
            size(server.databases.iter().map(|(_, size)| size).sum()),
        ]);
    }
    for (target, _) in &outcome.unreachable {
        let nothing = || "-".to_owned();
        servers.row([
            target.name.clone(),
            target.image.clone(),
            compose(target),
            "not reached".into(),
            nothing(),
            nothing(),
        ]);
    }
    if outcome.servers.iter().all(|server| server.kept.is_empty()) {
        return servers.to_string();
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

fn version(server: &ServerListing) -> String {
    // `17.2 (Debian 17.2-1)`: the packager's part is for programs.
    let short = server.version.split(' ').next().unwrap_or_default();
    if server.in_recovery { format!("{short} (standby)") } else { short.to_owned() }
}

/// Returns the servers for programs: one object a line, as Docker does.
pub fn targets_json(outcome: &TargetsOutcome) -> String {
    let mut lines = String::new();
    let servers = outcome.servers.iter().map(|server| {
        let databases = server.databases.iter().map(|(name, size)| json!({"name": name, "size_bytes": size}));
        json!({
            "container": server.target.name,
            "id": server.target.id,
            "image": server.target.image,
            "project": server.target.project,
            "service": server.target.service,
            "version": server.version,
            "user": server.user,
            "superuser": server.superuser,
            "standby": server.in_recovery,
            "databases": databases.collect::<Vec<_>>(),
            "kept": server.kept,
        })
    });
    let unreachable = outcome.unreachable.iter().map(|(target, error)| {
        json!({
            "container": target.name,
            "id": target.id,
            "image": target.image,
            "error": error.to_string(),
        })
    });
    for object in servers.chain(unreachable).collect::<Vec<Value>>() {
        let _ = writeln!(lines, "{object}");
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

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
        insta::assert_snapshot!(targets(&outcome, now), @r"
        CONTAINER   IMAGE         SERVICE   POSTGRESQL    DATABASES   SIZE
        pg          postgres:17   -         17.2          2           21 MB
        old         postgres:9    shop/db   not reached   -           -
        ");
        assert_eq!(targets_json(&outcome).lines().count(), 2);
    }
}
