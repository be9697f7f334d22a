//! F41, F7, F8: programs of ours in the container are killed at random instants. The user's server
//! never restarts, and what was not proven complete is never listed. The plugin's own turn is in
//! `plugin_kills.rs` and `repository_kills.rs`.

use pgbackup_tests::{
    Plugin, Server,
    command::docker_is_here,
    compare::{assert_same_text, portrait},
    faults::{self, Victim},
    plugin,
    repository::assert_restic_is_content,
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

/// What is added to a process's own score when the kernel looks for one to end: proc(5),
/// `/proc/pid/oom_score_adj`.
fn scores(pids: &[String]) -> Vec<String> {
    let read = |pid: &String| fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).ok();
    pids.iter().filter_map(read).map(|score| score.trim().to_owned()).collect()
}

#[test]
fn when_memory_runs_out_the_kernel_ends_our_programs_before_the_server() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server_with_a_shop(17));
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "b"]);
    let mut running = plugin.start(&["restore", "b", "-d", "shop", "--into", "copy", "--yes"]);

    assert!(faults::wait_until_it_runs(&server, Victim::PgRestore, &mut running));
    let children = scores(&faults::processes(&server, Victim::PgRestore));
    let movers = scores(&faults::processes(&server, Victim::Mover));
    let outcome = plugin::wait(running);

    // The mover must be there to wait for its children (F41), so they go first.
    assert!(!children.is_empty() && children.iter().all(|score| score == "1000"), "{children:?}");
    assert!(!movers.is_empty() && movers.iter().all(|score| score == "950"), "{movers:?}");
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
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
