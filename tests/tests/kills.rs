//! F41, F7, F8: processes are killed at random instants. The user's server never restarts, and
//! what was not proven complete is never listed.

use pgbackup_tests::{
    Plugin, Server,
    command::docker_is_here,
    compare::{assert_same_text, portrait},
    faults::{self, Victim},
    plugin,
    repository::{assert_restic_is_content, copy_folder, files, restic, restic_password},
};
use rand::Rng;
use std::{
    fs,
    thread::sleep,
    time::{Duration, Instant},
};

fn server_with_a_shop(major: u32) -> Server {
    let server = Server::start(major);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql(
        "shop",
        "CREATE TABLE orders AS SELECT i AS id, repeat(md5(i::text), 5) AS what FROM generate_series(1, 150000) i; CREATE INDEX ON orders (what); CREATE INDEX ON orders (id);
         CREATE TABLE items AS TABLE orders; CREATE INDEX ON items (what); SELECT lo_from_bytea(0, decode(repeat(md5('x'), 100000), 'hex'));",
    );
    server
}

/// Kills one of the plugin's programs in the container at random instants of create and restore.
fn no_kill_restarts_the_server(major: u32, victim: Victim) {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server_with_a_shop(major));
    let started = Instant::now();
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "good"]);
    let create_takes = started.elapsed();
    let started = Instant::now();
    plugin.must(&["restore", "good", "-d", "shop", "--into", "copy", "--yes"]);
    let restore_takes = started.elapsed();
    let before = portrait(&server, "shop");
    let (mut random, mut killed) = (faults::random(), 0);
    let log = server.log().len();
    let up_since = server.sql("postgres", "SELECT pg_postmaster_start_time()");

    for round in 0..faults::rounds(12) {
        let name = format!("round-{round}");
        let restores = victim == Victim::PgRestore || (victim == Victim::Mover && random.random_bool(0.5));
        let (arguments, takes) = if restores {
            (vec!["restore", "good", "-d", "shop", "--yes"], restore_takes)
        } else {
            (vec!["create", &server.name, "-d", "shop", "--name", &name], create_takes)
        };
        let mut running = plugin.start(&arguments);
        if faults::wait_until_it_runs(&server, victim, &mut running) {
            // pg_dump lives only as long as its contents take, so its instants are short.
            let longest = if victim == Victim::PgDump { Duration::from_millis(60) } else { takes };
            sleep(faults::moment(&mut random, longest));
            killed += faults::signal(&server, victim, "KILL");
        }
        let outcome = plugin::wait(running);

        assert!(matches!(outcome.status, Some(0 | 1 | 3)), "round {round}: {outcome:?}");
        if !restores {
            assert_eq!(
                plugin.backups().contains(&name),
                outcome.status == Some(0),
                "round {round}: {outcome:?}"
            );
        }
        assert_eq!(server.complaints(log), Vec::<String>::new(), "round {round}: {outcome:?}");
        assert_eq!(server.leftovers(), Vec::<String>::new(), "round {round}");
        if outcome.status == Some(0) && restores {
            plugin.must(&["undo", &server.name, "--discard", "--yes"]);
        }
    }

    assert!(killed > 0, "no process was there to be killed");
    assert_eq!(up_since, server.sql("postgres", "SELECT pg_postmaster_start_time()"));
    assert_same_text("what the database holds", &before.content, &portrait(&server, "shop").content);
    for name in plugin.backups() {
        plugin.must(&["verify", &name]);
    }
    plugin.must(&["repo", "unlock", "--yes"]);
    plugin.must(&["repo", "prune", "--yes"]);
    assert_restic_is_content(&plugin);
}

#[test]
fn killing_the_mover_never_restarts_the_server_17() {
    no_kill_restarts_the_server(17, Victim::Mover);
}

#[test]
fn killing_the_mover_never_restarts_the_server_13() {
    no_kill_restarts_the_server(13, Victim::Mover);
}

#[test]
fn killing_the_mover_never_restarts_the_server_18() {
    no_kill_restarts_the_server(18, Victim::Mover);
}

#[test]
fn killing_pg_restore_never_restarts_the_server_13() {
    no_kill_restarts_the_server(13, Victim::PgRestore);
}

#[test]
fn killing_pg_restore_never_restarts_the_server_18() {
    no_kill_restarts_the_server(18, Victim::PgRestore);
}

#[test]
fn killing_pg_dump_never_restarts_the_server() {
    no_kill_restarts_the_server(17, Victim::PgDump);
}

#[test]
fn killing_pg_restore_never_restarts_the_server() {
    no_kill_restarts_the_server(17, Victim::PgRestore);
}

#[test]
fn killing_the_plugin_itself_leaves_no_backup_and_nothing_in_the_container() {
    if !docker_is_here() {
        return;
    }
    // F8: at whatever step it dies, only complete backups are listed.
    let (plugin, server) = (Plugin::new(), server_with_a_shop(17));
    let started = Instant::now();
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "good"]);
    let takes = started.elapsed();
    let (mut random, log) = (faults::random(), server.log().len());

    for round in 0..faults::rounds(12) {
        let name = format!("round-{round}");
        let mut running = plugin.start(&["create", &server.name, "-d", "shop", "--name", &name]);
        sleep(faults::moment(&mut random, takes));
        running.kill().unwrap();
        let outcome = plugin::wait(running);

        let listed = plugin.backups().contains(&name);
        assert!(
            !listed || outcome.status == Some(0) || plugin.run(&["verify", &name]).status == Some(0),
            "round {round}: {outcome:?}"
        );
        assert_eq!(server.leftovers(), Vec::<String>::new(), "round {round}");
        assert_eq!(server.complaints(log), Vec::<String>::new(), "round {round}");
    }

    plugin.must(&["repo", "prune", "--yes"]);
    assert_nothing_is_left_over(&plugin);
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "after"]);
    plugin.must(&["verify", "after"]);
    assert_restic_is_content(&plugin);
}

#[test]
fn killing_the_plugin_in_a_restore_leaves_the_old_database_serving() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server_with_a_shop(17));
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "good"]);
    let before = portrait(&server, "shop");
    let (mut random, log) = (faults::random(), server.log().len());

    for round in 0..faults::rounds(6) {
        let mut running = plugin.start(&["restore", "good", "-d", "shop", "--yes"]);
        if faults::wait_until_it_runs(&server, Victim::PgRestore, &mut running) {
            sleep(faults::moment(&mut random, Duration::from_millis(1500)));
        }
        running.kill().unwrap();
        plugin::wait(running);

        assert_eq!(server.leftovers(), Vec::<String>::new(), "round {round}");
        assert_eq!(server.complaints(log), Vec::<String>::new(), "round {round}");
        assert_same_text("the database", &before.content, &portrait(&server, "shop").content);
        // What it left is named, and goes when asked.
        if server.all_databases().len() > 4 {
            let said = plugin.run(&["targets"]);
            assert_eq!(said.status, Some(0), "{said:?}");
            plugin.must(&["undo", &server.name, "--discard", "--yes"]);
        }
        assert_eq!(server.all_databases(), ["postgres", "shop", "template0", "template1"], "round {round}");
    }
}

#[test]
fn ctrl_c_ends_a_backup_with_130_and_leaves_nothing() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server_with_a_shop(17));
    let log = server.log().len();
    let mut running = plugin.start(&["create", &server.name, "-d", "shop", "--name", "b"]);
    assert!(faults::wait_until_it_runs(&server, Victim::Mover, &mut running));

    faults::interrupt(&running);
    let outcome = plugin::wait(running);

    assert_eq!(outcome.status, Some(130), "{outcome:?}");
    assert_eq!(plugin.backups(), Vec::<String>::new());
    assert_eq!(server.leftovers(), Vec::<String>::new());
    assert_eq!(server.complaints(log), Vec::<String>::new());
}

#[test]
fn ctrl_c_ends_a_restore_with_130_and_leaves_nothing() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server_with_a_shop(17));
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "b"]);
    let (before, log) = (portrait(&server, "shop"), server.log().len());
    let mut running = plugin.start(&["restore", "b", "-d", "shop", "--yes"]);
    assert!(faults::wait_until_it_runs(&server, Victim::PgRestore, &mut running));

    faults::interrupt(&running);
    let outcome = plugin::wait(running);

    assert_eq!(outcome.status, Some(130), "{outcome:?}");
    assert_same_text("the database", &before.content, &portrait(&server, "shop").content);
    assert_eq!(server.all_databases(), ["postgres", "shop", "template0", "template1"]);
    assert_eq!(server.leftovers(), Vec::<String>::new());
    assert_eq!(server.complaints(log), Vec::<String>::new());
}

/// A shop that changes between three backups, so that a prune has packs to remove and to rewrite.
fn repository_with_three_backups(plugin: &Plugin, server: &Server) {
    for name in ["one", "two", "three"] {
        plugin.must(&["create", &server.name, "-d", "shop", "--name", name]);
        server.sql(
            "shop",
            "UPDATE orders SET what = md5(what) WHERE id % 3 = 0; DELETE FROM items WHERE id % 5 = 0",
        );
    }
}

/// What no kill may leave behind a prune: unfinished files, packs that nothing names, locks.
fn assert_nothing_is_left_over(plugin: &Plugin) {
    let left: Vec<_> = files(&plugin.repository())
        .into_iter()
        .filter(|file| {
            file.extension().is_some_and(|it| it == "lock") || file.display().to_string().contains("-tmp-")
        })
        .collect();
    assert_eq!(left, Vec::<std::path::PathBuf>::new());
    let said = restic(plugin, &["check", "--read-data"]);
    assert!(said.contains("no errors were found"), "restic says: {said}");
    assert!(!said.contains("additional files"), "restic says: {said}");
}

#[test]
fn killing_delete_and_prune_at_any_instant_costs_no_backup_and_the_next_prune_works() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server_with_a_shop(17));
    repository_with_three_backups(&plugin, &server);
    let whole = plugin.home().join("whole");
    restic_password(&plugin);
    copy_folder(&plugin.repository(), &whole);
    let started = Instant::now();
    plugin.must(&["delete", "two", "--yes"]);
    let delete_takes = started.elapsed();
    let started = Instant::now();
    plugin.must(&["repo", "prune", "--yes"]);
    let prune_takes = started.elapsed();
    let (mut random, mut killed) = (faults::random(), 0);

    for round in 0..faults::rounds(12) {
        fs::remove_dir_all(plugin.repository()).unwrap();
        copy_folder(&whole, &plugin.repository());
        let victim = if round % 4 == 0 {
            (vec!["delete", "two", "--yes"], delete_takes)
        } else {
            plugin.must(&["delete", "two", "--yes"]);
            (vec!["repo", "prune", "--yes"], prune_takes)
        };
        let mut running = plugin.start(&victim.0);
        sleep(faults::moment(&mut random, victim.1));
        running.kill().unwrap();
        killed += u32::from(plugin::wait(running).status.is_none());

        let mut listed = plugin.backups();
        listed.sort();
        let before = round % 4 == 0 && listed == ["one", "three", "two"];
        assert!(before || listed == ["one", "three"], "round {round}: {listed:?}");
        for name in &listed {
            plugin.must(&["verify", name]);
        }
        // The lock of a dead process on this machine is in nobody's way.
        plugin.must(&["repo", "prune", "--yes"]);
        assert_nothing_is_left_over(&plugin);
        assert_eq!(plugin.backups().len(), listed.len(), "round {round}");
        for name in &listed {
            plugin.must(&["verify", name]);
        }
    }

    assert!(killed > 0, "every run had ended before it was killed");
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "after"]);
    plugin.must(&["verify", "after"]);
}
