//! Commands at the same time: right results or a clear refusal, and a whole repository after it.

use pgbackup_tests::{
    Plugin, Server,
    client::Session,
    command::{docker_is_here, output, wait_for},
    faults,
    plugin::{Outcome, wait},
    repository::{assert_restic_is_content, files},
};
use std::{
    fs::{self, File},
    path::PathBuf,
    process::Child,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime},
};

/// What one path through the plugin adds to each command that works on a server.
type More<'a> = &'a [&'a str];

fn with<'a>(arguments: &[&'a str], more: More<'a>) -> Vec<&'a str> {
    [arguments, more].concat()
}

/// A server with databases of this name, which share half of their rows.
fn server_with(databases: &[String]) -> Server {
    let server = Server::start(17);
    for (number, name) in databases.iter().enumerate() {
        server.sql("postgres", &format!("CREATE DATABASE {name}"));
        server.sql(name, &format!("CREATE TABLE own AS SELECT i AS id, md5((i * {number})::text) AS what FROM generate_series(1, 8000) i; CREATE TABLE shared AS SELECT i AS id, md5(i::text) AS what FROM generate_series(1, 8000) i"));
    }
    server
}

fn shop() -> Server {
    server_with(&["shop".to_owned()])
}

/// Starts a backup that waits in its middle until the session is dropped.
fn held_backup(plugin: &Plugin, server: &Server, name: &str, more: More<'_>) -> (Child, Session) {
    let mut holder = Session::open(server, "shop");
    holder.run("BEGIN; LOCK TABLE own IN ACCESS EXCLUSIVE MODE");
    let create = ["create", &server.name, "--name", name, "--lock-timeout", "10m"];
    let running = plugin.start(&with(&create, more));
    wait_for("waiting backup", || {
        let waiting = server.sql("postgres", "SELECT count(*) FROM pg_locks WHERE NOT granted");
        (waiting.trim() != "0").then_some(())
    });
    (running, holder)
}

fn lock_files(plugin: &Plugin) -> Vec<PathBuf> {
    files(&plugin.repository().join("pgbackup/locks"))
}

/// Every backup that is listed is whole, for us and for restic.
fn assert_whole(plugin: &Plugin) {
    plugin.must(&["repo", "check", "--read-data"]);
    assert_restic_is_content(plugin);
    assert_eq!(lock_files(plugin), Vec::<PathBuf>::new());
}

#[test]
fn twelve_backups_at_once_with_deletes_and_prunes_between_them_are_all_whole() {
    twelve_at_once(&[]);
}

fn twelve_at_once(more: More<'_>) {
    if !docker_is_here() {
        return;
    }
    // F26: two of the whole server and one of each of ten databases, while an old backup that
    // holds the same rows is deleted and pruned.
    let databases: Vec<String> = (0..10).map(|number| format!("app_{number}")).collect();
    let (plugin, server) = (Plugin::new(), server_with(&databases));
    for round in 0..faults::rounds(1) {
        plugin.must(&with(&["create", &server.name, "--name", "old"], more));
        let create = |name: &str, database: Option<&str>| {
            let mut arguments = vec!["create", &server.name, "--name", name, "--jobs", "1"];
            arguments.extend(database.into_iter().flat_map(|database| ["-d", database]));
            plugin.run(&with(&arguments, more))
        };
        let all_done = AtomicBool::new(false);
        let (refused, pruned) = std::thread::scope(|scope| {
            let pruner = scope.spawn(|| {
                plugin.must(&["delete", "old", "--yes"]);
                let mut pruned = 0;
                while !all_done.load(Ordering::SeqCst) {
                    let outcome = plugin.run(&["repo", "prune", "--yes"]);
                    assert!(matches!(outcome.status, Some(0 | 6)), "{outcome:?}");
                    pruned += u32::from(outcome.status == Some(0));
                    std::thread::sleep(Duration::from_millis(100));
                }
                pruned
            });
            let mut names: Vec<(String, Option<&str>)> =
                databases.iter().map(|name| (format!("of_{name}_{round}"), Some(name.as_str()))).collect();
            names.extend([(format!("all_1_{round}"), None), (format!("all_2_{round}"), None)]);
            let runs: Vec<_> = names
                .into_iter()
                .map(|(name, database)| {
                    scope.spawn(move || {
                        // Only a prune can be in the way, and it is short.
                        for refused in 0..500 {
                            let Outcome { status, stderr, .. } = create(&name, database);
                            assert!(matches!(status, Some(0 | 6)), "{name}: {status:?} {stderr}");
                            if status == Some(0) {
                                return refused;
                            }
                            std::thread::sleep(Duration::from_millis(50));
                        }
                        panic!("{name} was refused 500 times");
                    })
                })
                .collect();
            let refused: u32 = runs.into_iter().map(|run| run.join().unwrap()).sum();
            all_done.store(true, Ordering::SeqCst);
            (refused, pruner.join().unwrap())
        });
        pgbackup_tests::command::say(&format!("{refused} refused for a prune, {pruned} prunes"));
        plugin.must(&["repo", "prune", "--yes"]);
        assert_whole(&plugin);
        for backup in plugin.backups() {
            plugin.must(&["verify", &backup]);
        }
        assert_eq!(plugin.backups().len() as u32, 12 * (round + 1));
    }
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn a_backup_that_others_delete_and_prune_beside_lacks_nothing() {
    delete_beside(&[]);
}

fn delete_beside(more: More<'_>) {
    if !docker_is_here() {
        return;
    }
    // F27: what the running backup counts as known is deleted under it.
    let (plugin, server) = (Plugin::new(), shop());
    plugin.must(&with(&["create", &server.name, "--name", "old"], more));
    let (running, holder) = held_backup(&plugin, &server, "new", more);

    plugin.must(&["delete", "old", "--yes"]);
    let said = plugin.must_fail(6, &["repo", "prune", "--yes"]);
    assert!(said.contains("create"), "{said}");
    plugin.must_fail(6, &["repo", "repair", "--yes"]);

    drop(holder);
    let outcome = wait(running);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    plugin.must(&["repo", "prune", "--yes"]);
    assert_eq!(plugin.backups(), ["new"]);
    plugin.must(&["verify", "new"]);
    assert_whole(&plugin);
}

#[test]
fn a_restore_beside_a_backup_works_where_they_do_not_meet_and_is_refused_where_they_do() {
    restore_beside(&[]);
}

fn restore_beside(more: More<'_>) {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), shop());
    plugin.must(&with(&["create", &server.name, "--name", "old"], more));
    let rows = server.sql("shop", "TABLE own ORDER BY id");
    let (running, holder) = held_backup(&plugin, &server, "new", more);

    plugin.must(&with(&["restore", "old", "-d", "shop", "--into", "copy", "--yes"], more));
    let said = plugin.must_fail(1, &with(&["restore", "old", "-d", "shop", "--yes"], more));

    assert!(said.contains("connected to `shop`") && said.contains("pgbackup/"), "{said}");
    drop(holder);
    let outcome = wait(running);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(server.sql("copy", "TABLE own ORDER BY id"), rows);
    plugin.must(&["verify", "new"]);
    plugin.must(&with(&["restore", "new", "-d", "shop", "--yes"], more));
    assert_eq!(server.sql("shop", "TABLE own ORDER BY id"), rows);
    assert_whole(&plugin);
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn two_restores_of_one_database_leave_one_that_is_whole_and_nothing_half_done() {
    two_restores(&[]);
}

fn two_restores(more: More<'_>) {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), shop());
    plugin.must(&with(&["create", &server.name, "--name", "b"], more));
    let rows = server.sql("shop", "TABLE own ORDER BY id");
    for round in 0..faults::rounds(2) {
        server.sql("shop", "DELETE FROM own");
        let restore = with(&["restore", "b", "-d", "shop", "--yes"], more);
        let runs = [plugin.start(&restore), plugin.start(&restore)];

        let outcomes = runs.map(wait);

        let done = outcomes.iter().filter(|outcome| outcome.status == Some(0)).count();
        assert!(done > 0, "round {round}: {outcomes:?}");
        let clear =
            |outcome: &Outcome| matches!(outcome.status, Some(0 | 1)) && !outcome.stderr.contains("panicked");
        assert!(outcomes.iter().all(clear), "round {round}: {outcomes:?}");
        assert_eq!(server.sql("shop", "TABLE own ORDER BY id"), rows, "round {round}: {outcomes:?}");
        let databases = server.all_databases();
        assert!(!databases.iter().any(|name| name.contains("_new_")), "round {round}: {databases:?}");
        let kept = databases.iter().filter(|name| name.contains("_kept_")).count();
        assert_eq!(kept, done, "round {round}: each that was done keeps what it replaced: {databases:?}");
        plugin.must(&with(&["undo", &server.name, "--discard", "--yes"], more));
    }
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn a_lock_counts_while_its_holder_lives_or_is_on_another_host_and_not_when_it_is_dead() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), shop());
    plugin.must(&["create", &server.name, "--name", "old"]);

    let (mut running, holder) = held_backup(&plugin, &server, "killed", &[]);
    plugin.must_fail(6, &["repo", "prune", "--yes"]);
    plugin.must(&["repo", "unlock", "--yes"]);
    assert_eq!(lock_files(&plugin).len(), 2, "a living holder's locks stay");
    let of_another_host = fs::read_to_string(&lock_files(&plugin)[0]).unwrap();
    output("kill", &["-KILL", &running.id().to_string()], b"");
    running.wait().unwrap();
    drop(holder);

    // Dead: nobody waits for it, and its name is free.
    plugin.must(&["repo", "prune", "--yes"]);
    plugin.must(&["create", &server.name, "--name", "killed"]);
    assert_eq!(lock_files(&plugin), Vec::<PathBuf>::new());

    // Of a process with the same number on another host nothing is known.
    let mut lock: serde_json::Value = serde_json::from_str(&of_another_host).unwrap();
    lock["kind"] = "shared".into();
    lock["host"] = "far-away".into();
    lock["system"] = "another boot".into();
    let file = plugin.repository().join("pgbackup/locks/00000000000000000000000000000001.lock");
    fs::write(&file, lock.to_string()).unwrap();
    let said = plugin.must_fail(6, &["repo", "prune", "--yes"]);
    assert!(said.contains("far-away"), "{said}");
    plugin.must(&["repo", "unlock", "--yes"]);
    assert!(file.exists());
    plugin.must(&["create", &server.name, "--name", "beside"]);
    let an_hour_ago = SystemTime::now() - Duration::from_hours(1);
    File::options().write(true).open(&file).unwrap().set_modified(an_hour_ago).unwrap();
    plugin.must(&["repo", "prune", "--yes"]);
    assert!(!file.exists());
    assert_whole(&plugin);
}
