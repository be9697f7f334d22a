//! `kill -9` of the plugin while it deletes backups and prunes: no backup that is listed is lost,
//! and the next prune works and leaves nothing over.

use pgbackup_tests::{
    Plugin, Server,
    command::{docker_is_here, say},
    phases::{Kills, Phase},
    repository::{copy_folder, files, restic, restic_password},
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Child,
    time::{Duration, Instant},
};

/// What a run has done to the repository, as its files tell: nothing yet, taken the lock, begun
/// to change what is stored.
const PHASES: [Phase; 3] = [("open", ""), ("locked", ""), ("at work", "")];

/// The files of a repository that a delete or prune changes.
#[derive(Clone, PartialEq, Eq)]
struct Stored(BTreeSet<PathBuf>);

impl Stored {
    fn of(repository: &Path) -> Self {
        let folders = ["data", "index", "snapshots"];
        let found = folders.iter().flat_map(|folder| files(&repository.join(folder)));
        // The repository itself lies below a folder named `data`.
        let inside = |file: PathBuf| file.strip_prefix(repository).expect("it is in there").to_owned();
        Self(found.map(inside).collect())
    }

    /// How many files are new in `later`, and how many are gone, by their folders.
    fn changes(&self, later: &Self) -> String {
        let count = |from: &Self, to: &Self, folder: &str| {
            from.0.difference(&to.0).filter(|file| file.starts_with(folder)).count()
        };
        ["data", "index", "snapshots"]
            .map(|folder| format!("{folder} +{} -{}", count(later, self, folder), count(self, later, folder)))
            .join(", ")
    }
}

fn is_locked(repository: &Path) -> bool {
    files(&repository.join("locks")).iter().any(|file| file.extension().is_some_and(|it| it == "lock"))
}

/// The phase that a repository's files show.
fn phase(repository: &Path, before: &Stored) -> usize {
    if Stored::of(repository) != *before {
        return 2;
    }
    usize::from(is_locked(repository))
}

/// Waits until the run is in this phase or has ended.
fn wait_until(aim: usize, running: &mut Child, repository: &Path, before: &Stored) {
    // Asked without a pause: the phases are short.
    let since = Instant::now();
    while since.elapsed() < Duration::from_mins(1) {
        let now = if aim == 1 { usize::from(is_locked(repository)) } else { phase(repository, before) };
        if now >= aim || running.try_wait().expect("it can be waited for").is_some() {
            return;
        }
    }
}

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

/// Kills `arguments` in all phases; each time, the backups that are listed then are among
/// `possible`, and they are whole before and after the next prune.
fn no_kill_costs_a_backup(what: &'static str, before: &[&[&str]], arguments: &[&str], possible: &[&[&str]]) {
    let plugin = Plugin::new();
    let whole = repository_with_three_backups(&plugin);
    let repository = plugin.repository();
    let prepare = || {
        fs::remove_dir_all(&repository).unwrap();
        copy_folder(&whole, &repository);
        for command in before {
            plugin.must(command);
        }
        Stored::of(&repository)
    };
    prepare();
    let started = Instant::now();
    plugin.must(arguments);
    let takes = started.elapsed();
    let mut kills = Kills::plan(what, &PHASES, 6);
    while let Some(aim) = kills.next_phase() {
        let stored = prepare();
        let mut running = plugin.start(arguments);
        wait_until(aim, &mut running, &repository, &stored);
        let moment = kills.moment(aim, takes / 3);
        // Not over the end of the phase: the next one has its own turns.
        let since = Instant::now();
        while since.elapsed() < moment && phase(&repository, &stored) == aim {}
        let _ = running.kill();
        let status = running.wait().unwrap().code();
        let after = Stored::of(&repository);
        let found = phase(&repository, &stored);
        kills.count(aim, status.is_none().then_some(found), 0);
        say(&format!("  {}", stored.changes(&after)));

        let said = restic(&plugin, &["check"]);
        assert!(said.contains("no errors were found"), "restic says: {said}");
        let mut listed = plugin.backups();
        listed.sort();
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
    kills.conclude();
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
