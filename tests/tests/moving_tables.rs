//! F42: tables are emptied, rewritten and dropped while a backup is being made.
//!
//! A snapshot that is older than a TRUNCATE sees no rows and no error. So a backup made beside
//! such commands must be of one moment or fail; it may never be short.

use pgbackup_tests::{
    Plugin, Server,
    client::{Session, Worker},
    command::docker_is_here,
    faults,
};
use rand::Rng;
use std::{thread::sleep, time::Duration};

/// How many rows each table always has outside of a transaction.
const ROWS: u32 = 5_000;

fn server_with_tables(major: u32) -> Server {
    let server = Server::start(major);
    server.sql("postgres", "CREATE DATABASE moving");
    for table in ["first", "second", "third", "fourth"] {
        server.sql("moving", &format!("CREATE TABLE {table} AS SELECT i AS id, md5(i::text) AS what FROM generate_series(1, {ROWS}) i; ALTER TABLE {table} ADD PRIMARY KEY (id)"));
    }
    server
}

/// Runs one kind of command without rest beside backups and looks at every backup that was made.
fn never_short(major: u32, commands: &[&str]) {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server_with_tables(major));
    let mut session = Session::open(&server, "moving");
    session.run("SET synchronous_commit = off");
    let commands: Vec<String> = commands.iter().map(|&command| command.to_owned()).collect();
    let mut random = faults::random();
    let writer = Worker::start(move |step| {
        for command in &commands {
            let table = ["first", "second", "third", "fourth"][(step % 4) as usize];
            session.run(&command.replace("{t}", table));
        }
        // A backup needs a moment in which nobody queues between its locks and pg_dump's.
        sleep(Duration::from_micros(random.random_range(0..300_000)));
    });

    let rounds = faults::rounds(6);
    let mut made = 0;
    for round in 0..rounds {
        let name = format!("round-{round}");
        let outcome =
            plugin.run(&["create", &server.name, "-d", "moving", "--name", &name, "--lock-timeout", "5s"]);
        assert!(matches!(outcome.status, Some(0 | 1 | 3)), "{outcome:?}");
        if outcome.status != Some(0) {
            assert!(!plugin.backups().contains(&name));
            continue;
        }
        made += 1;
        let manifest = plugin.manifest(&name);
        let tables = manifest["databases"][0]["tables"].as_array().unwrap();
        assert_eq!(tables.len(), 4, "round {round}");
        for table in tables {
            assert_eq!(table["rows"], ROWS, "round {round}: {} is short", table["name"]);
        }
    }

    assert!(writer.steps() > u64::from(rounds), "the writer made only {} steps", writer.steps());
    drop(writer);
    assert!(made > 0, "every one of {rounds} backups failed");
    let last = plugin.backups().into_iter().next().unwrap();
    plugin.must(&["restore", &last, "-d", "moving", "--into", "again", "--yes"]);
    let sums = "SELECT sum(hashtext(t::text)::bigint), count(*) FROM (TABLE first UNION ALL TABLE second UNION ALL TABLE third UNION ALL TABLE fourth) t";
    let ids = sums.replace("hashtext(t::text)", "id");
    assert_eq!(server.sql("again", &ids), server.sql("moving", &ids));
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn a_table_that_is_truncated_and_filled_again_is_never_backed_up_short() {
    never_short(
        17,
        &[
            "BEGIN; CREATE TEMPORARY TABLE kept ON COMMIT DROP AS TABLE {t}; TRUNCATE {t}; INSERT INTO {t} TABLE kept; COMMIT",
        ],
    );
}

#[test]
fn a_table_that_is_rewritten_by_alter_table_is_never_backed_up_short() {
    never_short(17, &["ALTER TABLE {t} ALTER id TYPE bigint", "ALTER TABLE {t} ALTER id TYPE integer"]);
}

#[test]
fn a_table_that_is_rewritten_by_vacuum_full_and_cluster_is_never_backed_up_short() {
    never_short(13, &["VACUUM FULL {t}", "CLUSTER {t} USING {t}_pkey"]);
}

#[test]
fn a_table_that_is_dropped_and_made_again_is_never_backed_up_short() {
    never_short(
        17,
        &[
            "BEGIN; CREATE TEMPORARY TABLE kept ON COMMIT DROP AS TABLE {t}; DROP TABLE {t}; CREATE TABLE {t} AS TABLE kept; ALTER TABLE {t} ADD PRIMARY KEY (id); COMMIT",
        ],
    );
}

#[test]
fn a_table_that_stays_locked_fails_the_database_in_time_and_says_which() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server_with_tables(17));
    server.sql("postgres", "CREATE DATABASE other");
    let mut holder = Session::open(&server, "moving");
    holder.run("BEGIN; LOCK TABLE third IN ACCESS EXCLUSIVE MODE");

    let said = plugin.must_fail(3, &["create", &server.name, "--name", "b", "--lock-timeout", "500ms"]);

    assert!(said.contains("moving") && said.contains("lock"), "{said}");
    assert_eq!(plugin.backups(), Vec::<String>::new());
    drop(holder);
    plugin.must(&["create", &server.name, "--name", "b"]);
    assert_eq!(server.leftovers(), Vec::<String>::new());
}
