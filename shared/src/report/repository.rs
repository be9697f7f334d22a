//! The place where backups are kept: figures, checks, prunes, locks, keys.

use super::{
    form::{Form, OUTSIDE},
    paragraph::Paragraphs,
    table::{Table, fields},
    text::{harmless, harmless_json, plural},
    units::{since, size},
};
use crate::{
    error::Result,
    operation::{RepoCheckOutcome, RepoPrunePlan, RepoRepairOutcome, RepoRepairPlan},
    repository::{Holder, Imported, Info, LockKind, LockStates, Pruned, Unlocked},
    template::{Missing, Value},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::fmt::Write;

/// Writes what a repository is.
///
/// # Errors
///
/// If a template asks for what there is not.
pub fn repository_info(info: &Info, form: &Form) -> Result<String> {
    let json = json!(info);
    match form {
        Form::Table => Ok(info_text(info)),
        Form::Json => Ok(harmless_json(&format!("{json}\n")).into_owned()),
        Form::Template(template) | Form::TableOf(template) => {
            Ok(template.render(&Value::of(&json), OUTSIDE, Missing::Error)? + "\n")
        }
    }
}

fn info_text(info: &Info) -> String {
    let opened = info.key_file.clone().unwrap_or_else(|| "none, opened by a password".into());
    fields(&[
        ("Id", info.id.clone()),
        ("Path", info.path.clone()),
        ("Key file", opened),
        ("Passwords", info.passwords.to_string()),
        ("Backups", info.backups.to_string()),
        ("Stored", format!("{} in {}", size(info.stored_bytes), plural(info.packs, "pack"))),
    ])
}

/// Returns what a prune would free.
pub fn prune_plan(plan: &RepoPrunePlan) -> String {
    if plan.is_empty() {
        return "Nothing to free: every pack is needed\n".into();
    }
    let mut text = Paragraphs::new(format!("Free {} of {}", size(plan.freed_bytes), size(plan.stored_bytes)));
    let packs = [
        (plan.packs_to_remove, "of which nothing is needed, will be removed"),
        (plan.packs_without_index, "left by interrupted commands, will be removed"),
        (plan.packs_to_rewrite, "of which a part is needed, will be written anew without the rest"),
    ];
    let lines = packs.into_iter().filter(|(count, _)| *count > 0);
    text.list("Packs", lines.map(|(count, what)| format!("{} {what}", plural(count, "pack"))));
    text.into_text()
}

/// Returns what a prune freed.
pub fn pruned(pruned: &Pruned) -> String {
    format!("{} freed, {} removed\n", size(pruned.freed_bytes), plural(pruned.packs_removed, "pack"))
}

/// Returns what a repair would do.
pub fn repair_plan(plan: &RepoRepairPlan) -> String {
    if plan.is_empty() {
        return "Nothing to repair: the index names every pack, and nothing else\n".into();
    }
    let mut text = Paragraphs::new("Make the index anew from the packs".into());
    let lines = [
        (plan.damaged_index_files, "index file", "that is damaged, will be removed"),
        (plan.packs_to_name, "pack", "that no index names, will be looked into"),
        (plan.packs_to_take_off, "pack", "missing or cut short, will be taken off the index"),
    ];
    let lines = lines.into_iter().filter(|(count, ..)| *count > 0);
    text.list("Index", lines.map(|(count, thing, what)| format!("{} {what}", plural(count, thing))));
    text.into_text()
}

/// Returns what a repair did.
pub fn repaired(outcome: &RepoRepairOutcome) -> String {
    let mut text = format!(
        "{} named, {} taken off the index\n",
        plural(outcome.packs_named, "pack"),
        plural(outcome.packs_taken_off, "pack")
    );
    if outcome.packs_unreadable > 0 {
        let packs = plural(outcome.packs_unreadable, "pack");
        let _ = writeln!(text, "remark: {packs} with an unreadable header stayed where they are, unnamed");
    }
    text
}

/// Returns the locks that there are, and which of them will be removed; ages are counted
/// back from `now`.
pub fn unlock_plan(states: &LockStates, now: Timestamp) -> String {
    if states.stale.is_empty() && states.live.is_empty() {
        return "No locks\n".into();
    }
    let mut text = Paragraphs::new(format!("Remove {}", plural(states.stale.len() as u64, "lock")));
    let mut table = Table::new(&["lock", "command", "host", "process", "since", "what happens"]);
    let holders = states.stale.iter().map(|holder| (holder, "holder is gone: removed"));
    for (holder, fate) in holders.chain(states.live.iter().map(|holder| (holder, "holder lives: stays"))) {
        table.row([
            kind(holder),
            holder.what.clone(),
            holder.host.clone(),
            holder.pid.to_string(),
            since(&holder.since, now),
            fate.to_owned(),
        ]);
    }
    text.block(&table.to_string());
    text.into_text()
}

fn kind(holder: &Holder) -> String {
    match &holder.kind {
        LockKind::Shared => "shared".into(),
        LockKind::Alone => "alone".into(),
        LockKind::Name(name) => format!("name {name}"),
    }
}

/// Returns what an unlock did.
pub fn unlocked(unlocked: &Unlocked) -> String {
    format!(
        "{} removed, {} of living holders left\n",
        plural(unlocked.removed.len() as u64, "lock"),
        unlocked.live.len()
    )
}

/// Returns where an imported key is.
pub fn imported(imported: &Imported) -> String {
    let file = imported.key_file.display().to_string();
    let how = if imported.was_there { "was there already" } else { "is stored" };
    format!("key of repository {} {how}: {}\n", harmless(&imported.repository), harmless(&file))
}

/// Returns what a check found, when nothing was damaged.
pub fn repository_checked(outcome: &RepoCheckOutcome) -> String {
    let mut text = format!("{}, nothing is damaged\n", plural(outcome.backups, "backup"));
    for remark in &outcome.remarks {
        let _ = writeln!(text, "remark: {}", harmless(&remark.what));
    }
    text
}

/// Returns what serializes itself, as a value.
pub fn json(outcome: &impl Serialize) -> Json {
    json!(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_repository_is_can_be_asked_for_by_template() {
        let info = Info {
            id: "ab12".into(),
            path: "/backups".into(),
            key_file: None,
            backups: 2,
            stored_bytes: 36_000_000,
            packs: 3,
            passwords: 0,
        };
        let written = |form: &str| repository_info(&info, &Form::of_object(form).unwrap());
        assert_eq!(written("{{.path}} {{.StoredBytes}}").unwrap(), "/backups 36000000\n");
        assert!(written("{{.Free}}").is_err());
    }

    #[test]
    fn a_prune_says_what_it_frees_and_how() {
        let plan = RepoPrunePlan {
            freed_bytes: 36_000_000,
            stored_bytes: 146_000_000,
            packs_to_remove: 2,
            packs_to_rewrite: 1,
            packs_without_index: 0,
        };
        insta::assert_snapshot!(prune_plan(&plan), @r"
        Free 36 MB of 146 MB

        Packs:
          2 packs of which nothing is needed, will be removed
          1 pack of which a part is needed, will be written anew without the rest
        ");
    }

    #[test]
    fn locks_of_the_living_stay() {
        let holder = |what: &str, kind| Holder {
            kind,
            what: what.into(),
            host: "laptop".into(),
            pid: 42,
            since: "2026-11-21T10:00:00Z".into(),
            system: String::new(),
            started: String::new(),
        };
        let states = LockStates {
            stale: vec![holder("create", LockKind::Name("pre_test".into()))],
            live: vec![holder("repo prune", LockKind::Alone)],
        };
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        insta::assert_snapshot!(unlock_plan(&states, now), @r"
        Remove 1 lock

        LOCK            COMMAND      HOST      PROCESS   SINCE         WHAT HAPPENS
        name pre_test   create       laptop    42        2 hours ago   holder is gone: removed
        alone           repo prune   laptop    42        2 hours ago   holder lives: stays
        ");
    }
}
