//! A restore: what it would do, and what it did.

use super::{
    backups::short_version,
    paragraph::Paragraphs,
    table::Table,
    text::{harmless, plural},
    units::{seconds, size},
};
use crate::operation::{PlannedObject, PlannedPart, Replaced, RestoreOutcome, RestorePlan};
use serde_json::{Value, json};
use std::fmt::Write;

/// Returns a restore's plan: what will be there, what it replaces, and what is in the way.
pub fn restore_plan(plan: &RestorePlan) -> String {
    let mut text = Paragraphs::new(format!(
        "Restore of `{}` (PostgreSQL {}) to `{}` (PostgreSQL {})",
        harmless(&plan.backup),
        harmless(short_version(&plan.backup_version)),
        harmless(&plan.target),
        harmless(short_version(&plan.server_version))
    ));
    let mut table = Table::new(&["database", "size", "tables", "rows", "replaces"]);
    for database in &plan.databases {
        let name = if database.name == database.from {
            database.name.clone()
        } else {
            format!("{} (from {})", database.name, database.from)
        };
        table.row([
            name,
            size(database.size),
            database.tables.to_string(),
            database.rows.to_string(),
            database.replaces.as_ref().map_or_else(|| "nothing".to_owned(), replaced),
        ]);
    }
    text.block(&table.to_string());
    if let Some(part) = &plan.part {
        part_of(&mut text, part);
    }
    let leftovers = plan.leftovers.iter().map(|leftover| {
        format!("`{}` ({}), begun for `{}`", leftover.name, size(leftover.size), leftover.database)
    });
    text.list("Left by interrupted restores, will be dropped", leftovers);
    text.list("Roles that will be created", names(&plan.roles_to_create));
    text.list("Roles that get the backup's attributes", plan.roles_changed.iter().cloned());
    text.list("Roles that exist and stay as they are", names(&plan.roles_kept));
    text.list("Also done for the whole server", plan.globals.iter().cloned());
    let kept = plan
        .kept
        .iter()
        .map(|kept| format!("`{}` ({}), was `{}`", kept.name, size(kept.size), kept.database));
    text.list("Kept by earlier restores, stays", kept);
    text.line(&match plan.free {
        Some(free) => format!("Space: {} needed, {} free", size(plan.needed), size(free)),
        None => format!("Space: {} needed, what is free cannot be told", size(plan.needed)),
    });
    text.list("Worth knowing", plan.remarks.iter().cloned());
    text.list("In the way", plan.obstacles.iter().map(|obstacle| obstacle.what.clone()));
    text.into_text()
}

/// Things of one kind that are named; of more the number is said.
const NAMED: usize = 12;

/// What of a database is restored, by kinds.
fn part_of(text: &mut Paragraphs, part: &PlannedPart) {
    let mut kinds: Vec<&str> = Vec::new();
    for object in &part.objects {
        if !kinds.contains(&object.kind.as_str()) {
            kinds.push(&object.kind);
        }
    }
    let lines = kinds.into_iter().map(|kind| {
        let all: Vec<&PlannedObject> = part.objects.iter().filter(|object| object.kind == kind).collect();
        let mut names: Vec<String> = all.iter().take(NAMED).map(|object| object_text(object)).collect();
        if all.len() > NAMED {
            names.push(format!("{} more", all.len() - NAMED));
        }
        format!("{kind}: {}", names.join(", "))
    });
    let title = if part.adds { "Added to what is there, all of it or nothing" } else { "Only this of it" };
    text.list(title, lines);
    text.list("Left out", part.left_out.iter().cloned());
}

fn object_text(object: &PlannedObject) -> String {
    match object.rows {
        Some(rows) => format!("{} ({})", object.name, plural(rows, "row")),
        None => object.name.clone(),
    }
}

fn names(names: &[String]) -> Option<String> {
    (!names.is_empty()).then(|| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
}

fn replaced(replaced: &Replaced) -> String {
    let fate = match &replaced.kept_as {
        Some(name) => format!("kept as {name}"),
        None => "dropped at the end".into(),
    };
    let sessions = match replaced.sessions {
        0 => String::new(),
        count => format!(", {} connected", plural(count, "session")),
    };
    format!("{}{sessions}, {fate}", size(replaced.size))
}

/// Returns what a restore did, and what was kept.
pub fn restored(backup: &str, outcome: &RestoreOutcome) -> String {
    let mut text = String::new();
    for database in &outcome.databases {
        let kept = match &database.kept_as {
            Some(name) => format!("; what was there is kept as `{}`", harmless(name)),
            None => String::new(),
        };
        let _ = writeln!(
            text,
            "{}: {}, {}{kept}",
            harmless(&database.name),
            plural(database.tables, "table"),
            plural(database.rows, "row")
        );
    }
    let _ =
        writeln!(text, "{}: {} loaded, {}", harmless(backup), size(outcome.loaded), seconds(outcome.seconds));
    text
}

/// Returns the same for programs.
pub fn restored_json(backup: &str, outcome: &RestoreOutcome) -> Value {
    let databases = outcome.databases.iter().map(|database| {
        json!({
            "name": database.name,
            "tables": database.tables,
            "rows": database.rows,
            "kept_as": database.kept_as,
        })
    });
    json!({
        "backup": backup,
        "databases": databases.collect::<Vec<_>>(),
        "roles_created": outcome.roles_created,
        "roles_changed": outcome.roles_changed,
        "loaded_bytes": outcome.loaded,
        "sent_bytes": outcome.sent,
        "seconds": outcome.seconds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{Obstacle, PlannedDatabase};

    #[test]
    fn a_plan_says_what_is_created_replaced_kept_and_in_the_way() {
        let plan = RestorePlan {
            backup: "pre_test".into(),
            target: "pg".into(),
            server_version: "17.2".into(),
            backup_version: "15.6".into(),
            databases: vec![PlannedDatabase {
                from: "shop".into(),
                name: "shop".into(),
                size: 14_000_000,
                tables: 12,
                rows: 3400,
                replaces: Some(Replaced {
                    size: 15_000_000,
                    kept_as: Some("shop_kept_1".into()),
                    sessions: 2,
                }),
            }],
            roles_to_create: vec!["app".into()],
            free: Some(20_000_000_000),
            needed: 14_000_000,
            obstacles: vec![Obstacle { what: "2 sessions are connected to `shop`".into(), hint: None }],
            ..RestorePlan::default()
        };
        insta::assert_snapshot!(restore_plan(&plan), @r"
        Restore of `pre_test` (PostgreSQL 15.6) to `pg` (PostgreSQL 17.2)

        DATABASE   SIZE      TABLES    ROWS      REPLACES
        shop       14 MB     12        3400      15 MB, 2 sessions connected, kept as shop_kept_1

        Roles that will be created:
          `app`

        Space: 14 MB needed, 20 GB free

        In the way:
          2 sessions are connected to `shop`
        ");
    }

    #[test]
    fn a_restore_says_what_it_loaded_and_what_is_kept() {
        let outcome = RestoreOutcome {
            databases: vec![crate::operation::RestoredDatabase {
                name: "shop".into(),
                tables: 1,
                rows: 3400,
                kept_as: Some("shop_kept_1".into()),
            }],
            loaded: 14_000_000,
            seconds: 3.0,
            ..RestoreOutcome::default()
        };
        assert_eq!(
            restored("pre_test", &outcome),
            "shop: 1 table, 3400 rows; what was there is kept as `shop_kept_1`\npre_test: 14 MB loaded, 3.0 s\n"
        );
    }
}
