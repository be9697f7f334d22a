//! `kill -9` of the plugin while it deletes backups and prunes, before each thing that it does to
//! a file: no backup that is listed is lost, and the next prune works and leaves nothing over.

use pgbackup_tests::{
    Plugin, Server,
    command::{docker_is_here, say},
    faults,
    repository::{copy_folder, files, restic, restic_password},
};
use std::{fs, path::PathBuf};

/// What changes a file for others to see: the lock, an index, a pack or a snapshot comes, is
/// written through, goes.
const CALLS: [&str; 3] = ["rename", "fsync", "unlink"];

/// Three backups of a shop that changes between them, so that a prune has packs to remove and to
/// rewrite. Gives a copy of the repository.
fn repository_with_three_backups(plugin: &Plugin) -> PathBuf {
    let server = Server::start(17);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql(
        "shop",
        "CREATE TABLE orders AS SELECT i AS id, repeat(md5(i::text), 5) AS what FROM generate_series(1, 100000) i; CREATE TABLE items AS TABLE orders",
    );
    for name in ["one", "two", "three"] {
        plugin.must(&["create", &server.name, "-d", "shop", "--name", name]);
        server.sql(
            "shop",
            "UPDATE orders SET what = md5(what) WHERE id % 3 = 0; DELETE FROM items WHERE id % 5 = 0",
        );
    }
    restic_password(plugin);
    let whole = plugin.home().join("whole");
    copy_folder(&plugin.repository(), &whole);
    whole
}

/// What no kill may leave behind a prune: unfinished files, packs that nothing names, locks.
fn assert_nothing_is_left_over(plugin: &Plugin) {
    let left: Vec<_> = files(&plugin.repository())
        .into_iter()
        .filter(|file| {
            file.extension().is_some_and(|it| it == "lock") || file.display().to_string().contains("-tmp-")
        })
        .collect();
    assert_eq!(left, Vec::<PathBuf>::new());
    let said = restic(plugin, &["check", "--read-data"]);
    assert!(said.contains("no errors were found"), "restic says: {said}");
    assert!(!said.contains("additional files"), "restic says: {said}");
}

/// Kills `arguments` at each of these calls; each time, the backups that are listed then are among
/// `possible`, and they are whole before and after the next prune.
fn no_kill_costs_a_backup(what: &'static str, before: &[&[&str]], arguments: &[&str], possible: &[&[&str]]) {
    let plugin = Plugin::new();
    let whole = repository_with_three_backups(&plugin);
    let repository = plugin.repository();
    let mut kills = 0;
    for call in CALLS {
        for nth in 1..=faults::rounds(3) {
            fs::remove_dir_all(&repository).unwrap();
            copy_folder(&whole, &repository);
            for command in before {
                plugin.must(command);
            }
            let outcome = plugin.run_killed_at(call, nth, arguments);
            if outcome.status == Some(0) {
                break;
            }
            assert_eq!(outcome.status, None, "{outcome:?}");
            kills += 1;

            let said = restic(&plugin, &["check"]);
            assert!(said.contains("no errors were found"), "restic says: {said}");
            let mut listed = plugin.backups();
            listed.sort();
            say(&format!("{what} killed at {call} {nth}: {listed:?}"));
            assert!(possible.iter().any(|names| listed == *names), "{listed:?}");
            for name in &listed {
                plugin.must(&["verify", name]);
            }
            // The lock of a dead process on this machine is in nobody's way.
            plugin.must(&["repo", "prune", "--yes"]);
            assert_nothing_is_left_over(&plugin);
            assert_eq!(plugin.backups().len(), listed.len());
            for name in &listed {
                plugin.must(&["verify", name]);
            }
        }
    }
    assert!(kills >= CALLS.len(), "{what} was killed {kills} times");
}

#[test]
fn killing_a_delete_at_any_instant_costs_no_other_backup() {
    if !docker_is_here() {
        return;
    }
    let possible: [&[&str]; 2] = [&["one", "three"], &["one", "three", "two"]];
    no_kill_costs_a_backup("delete", &[], &["delete", "two", "--yes"], &possible);
}

#[test]
fn killing_a_prune_at_any_instant_costs_no_backup_and_the_next_one_works() {
    if !docker_is_here() {
        return;
    }
    let before: [&[&str]; 1] = [&["delete", "two", "--yes"]];
    no_kill_costs_a_backup("prune", &before, &["repo", "prune", "--yes"], &[&["one", "three"]]);
}
