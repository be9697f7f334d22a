//! F6, F41: what happens to the mover or psql, to a session, to the server and to its container while a
//! create or restore is at work: a clear error, soon, and no ghost when a container comes back.
//!
//! A run is held at a known place: a create before a table that another session has locked, a
//! restore in a row whose check sleeps.

use pgbackup_tests::{
    Outcome, Plugin, Server,
    client::Session,
    command::{docker_is_here, must, output, say, wait_for},
    faults::{self, Victim},
    plugin,
};
use std::{
    thread,
    time::{Duration, Instant},
};

/// What was lost is told so soon: ten seconds by the documents, and more on a machine that is busy
/// with other tests.
const TOLD: Duration = Duration::from_secs(45);

/// What does not answer any more is told so soon: 30 s without a heartbeat, and what it takes to
/// look once more.
const SILENT: Duration = Duration::from_secs(90);

/// The ways to hurt a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Mover,
    /// All of psql that run in the mover's place.
    Psql,
    Session,
    Postmaster,
    Restart,
    Kill,
    Pause,
}

impl Fault {
    fn happens_to(self, server: &Server) {
        match self {
            Self::Mover => assert_eq!(faults::signal(server, Victim::Mover, "KILL"), 1),
            Self::Psql => assert_ne!(faults::signal(server, Victim::Psql, "KILL"), 0),
            Self::Session => {
                let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'pgbackup%'";
                assert_ne!(server.sql("postgres", end).trim(), "0");
            }
            Self::Postmaster => {
                let pid = must("docker", &["inspect", "--format", "{{.State.Pid}}", &server.name]);
                must("kill", &["-KILL", pid.trim()]);
            }
            Self::Restart => drop(must("docker", &["restart", &server.name])),
            Self::Kill => drop(must("docker", &["kill", &server.name])),
            // Freezing a container fails now and then on a busy machine; it runs on then.
            Self::Pause => wait_for("container that is paused", || {
                output("docker", &["pause", &server.name], b"").status.success().then_some(())
            }),
        }
    }

    /// Has the server back.
    fn is_over(self, server: &Server) {
        match self {
            Self::Mover | Self::Psql | Self::Session | Self::Restart => {}
            Self::Postmaster | Self::Kill => {
                wait_for("container that has ended", || {
                    let state = must("docker", &["inspect", "--format", "{{.State.Running}}", &server.name]);
                    (state.trim() == "false").then_some(())
                });
                must("docker", &["start", &server.name]);
            }
            Self::Pause => drop(must("docker", &["unpause", &server.name])),
        }
        server.wait_until_it_answers();
    }

    fn limit(self) -> Duration {
        if self == Self::Pause { SILENT } else { TOLD }
    }

    /// Whether the server itself was killed, and recovers with every right.
    fn kills_the_server(self) -> bool {
        matches!(self, Self::Postmaster | Self::Kill | Self::Restart)
    }
}

const AT_ONCE: [Fault; 5] = [Fault::Mover, Fault::Session, Fault::Postmaster, Fault::Restart, Fault::Kill];
const PLAIN_AT_ONCE: [Fault; 5] =
    [Fault::Psql, Fault::Session, Fault::Postmaster, Fault::Restart, Fault::Kill];

/// What goes between plugin and container, on command lines.
type Way<'a> = &'a [&'a str];

const MOVER: Way<'_> = &[];
const PLAIN: Way<'_> = &["--mover=never"];

/// A shop with a backup named `good`, of which a restore sleeps for so many seconds in a row of
/// `held`.
fn shop(plugin: &Plugin, seconds: u32) -> Server {
    let server = Server::start(17);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql(
        "shop",
        &format!("CREATE TABLE orders AS SELECT i AS id, md5(i::text) AS what FROM generate_series(1, 1000) i;
         CREATE FUNCTION takes_long(i int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN true; END';
         CREATE TABLE held (i int CHECK (takes_long(i)));
         INSERT INTO held VALUES (1);
         CREATE OR REPLACE FUNCTION takes_long(i int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep({seconds}); RETURN true; END'"),
    );
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "good"]);
    server
}

/// Waits until a session of the plugin's waits for what holds it.
fn wait_until_held(server: &Server) {
    wait_for("run that is held", || {
        let held = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgbackup%' AND (wait_event = 'PgSleep' OR (wait_event_type = 'Lock' AND state = 'active') OR query LIKE '%pg_locks%')";
        (server.sql("postgres", held).trim() != "0").then_some(())
    });
}

/// Hurts a run that is held, and gives how it ended.
fn hurt(fault: Fault, plugin: &Plugin, server: &Server, arguments: &[&str]) -> Outcome {
    let running = plugin.start(arguments);
    wait_until_held(server);
    let log = server.log().len();
    let since = Instant::now();
    fault.happens_to(server);
    let outcome = plugin::wait(running);
    let took = since.elapsed();
    say(&format!("{} {fault:?}: told after {:.1} s\n{}", arguments[0], took.as_secs_f64(), outcome.stderr));

    assert_eq!(outcome.status, Some(1), "{fault:?}: {outcome:?}");
    assert!(outcome.stderr.contains("error: "), "{fault:?}: {outcome:?}");
    assert!(outcome.stderr.contains(&server.name) || outcome.stderr.contains("shop"), "{outcome:?}");
    assert!(took < fault.limit(), "{fault:?} was told after {took:?}: {outcome:?}");
    fault.is_over(server);
    let mut left = server.leftovers();
    if fault.kills_the_server() {
        // The one that cleans up may be killed with its container while it is placed: nothing in
        // there can then remove its file. A run five minutes later does.
        left.retain(|line| !line.contains("pgbackup-mover-"));
    }
    assert_eq!(left, Vec::<String>::new(), "{fault:?}: {outcome:?}");
    if !fault.kills_the_server() {
        assert_eq!(server.complaints(log), Vec::<String>::new(), "{fault:?}");
    }
    outcome
}

fn create_is_hurt(way: Way<'_>, faults: &[Fault]) {
    let plugin = Plugin::new();
    let server = shop(&plugin, 600);
    for fault in faults {
        let mut holder = Session::open(&server, "shop");
        holder.run("BEGIN; LOCK TABLE held");
        let mut arguments =
            vec!["create", &server.name, "-d", "shop", "--name", "hurt", "--lock-timeout", "10m"];
        arguments.extend(way);
        let outcome = hurt(*fault, &plugin, &server, &arguments);
        assert!(outcome.stderr.contains("no backup was recorded"), "{fault:?}: {outcome:?}");
        assert_eq!(plugin.backups(), ["good"], "{fault:?}");
    }
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "after"]);
}

fn restore_is_hurt(way: Way<'_>, seconds: u32, faults: &[Fault]) {
    let plugin = Plugin::new();
    let server = shop(&plugin, seconds);
    for fault in faults {
        let mut arguments = vec!["restore", "good", "-d", "shop", "--yes"];
        arguments.extend(way);
        hurt(*fault, &plugin, &server, &arguments);
        assert_eq!(server.sql("shop", "SELECT count(*) FROM orders").trim(), "1000", "{fault:?}");
        // What could not be taken back from a server that was gone is dropped when asked.
        if server.all_databases().len() > 4 {
            plugin.must(&["undo", &server.name, "--discard", "--yes"]);
        }
        assert_eq!(server.all_databases(), ["postgres", "shop", "template0", "template1"], "{fault:?}");
    }
}

#[test]
fn a_create_whose_mover_session_server_or_container_is_lost_says_so_and_records_nothing() {
    if docker_is_here() {
        create_is_hurt(MOVER, &AT_ONCE);
    }
}

#[test]
fn a_restore_whose_mover_session_server_or_container_is_lost_says_so_and_replaces_nothing() {
    if docker_is_here() {
        restore_is_hurt(MOVER, 600, &AT_ONCE);
    }
}

#[test]
fn a_container_that_is_paused_for_long_fails_the_run_and_has_no_ghost_when_it_comes_back() {
    if docker_is_here() {
        thread::scope(|scope| {
            scope.spawn(|| create_is_hurt(MOVER, &[Fault::Pause]));
            restore_is_hurt(MOVER, 600, &[Fault::Pause]);
        });
    }
}

#[test]
fn a_create_without_a_mover_whose_psql_session_server_or_container_is_lost_says_so() {
    if docker_is_here() {
        create_is_hurt(PLAIN, &PLAIN_AT_ONCE);
    }
}

#[test]
fn a_restore_without_a_mover_whose_psql_session_server_or_container_is_lost_replaces_nothing() {
    if docker_is_here() {
        // A statement goes on to its own end where psql is killed.
        restore_is_hurt(PLAIN, 30, &PLAIN_AT_ONCE);
    }
}

#[test]
fn a_container_that_is_paused_for_long_fails_the_run_without_a_mover_too() {
    if docker_is_here() {
        thread::scope(|scope| {
            scope.spawn(|| create_is_hurt(PLAIN, &[Fault::Pause]));
            restore_is_hurt(PLAIN, 60, &[Fault::Pause]);
        });
    }
}
