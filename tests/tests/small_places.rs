//! F33: containers with little memory, disk, processes, connections or locks. The work is done
//! with less, or refused before it begins with what it needs; the server lives on.

use pgbackup_tests::{
    Plugin, Server,
    client::Session,
    command::{docker_is_here, must, wait_for},
    compare::{assert_same, portrait},
    faults::{self, Victim},
};

/// A table with so many rows of about 100 bytes, and an index that has to be sorted.
fn fill(server: &Server, rows: u32) {
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql(
        "shop",
        &format!(
            "SET maintenance_work_mem = '2MB'; SET max_parallel_maintenance_workers = 0; \
             CREATE TABLE orders AS SELECT i AS id, md5(i::text) || md5((-i)::text) AS what FROM generate_series(1, {rows}) i; \
             CREATE INDEX ON orders (what)"
        ),
    );
}

fn create(plugin: &Plugin, server: &Server, extra: &[&str]) {
    let mut arguments = vec!["create", &server.name, "-d", "shop", "--name", "b"];
    arguments.extend(extra);
    plugin.must(&arguments);
}

/// A command line and more words.
fn with<'a>(words: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    words.iter().chain(more).copied().collect()
}

/// Backs up, damages, restores and compares.
fn comes_back(plugin: &Plugin, server: &Server, extra: &[&str]) {
    let before = portrait(server, "shop");
    create(plugin, server, extra);
    server.sql("shop", "TRUNCATE orders");
    let mut arguments = vec!["restore", "b", "-d", "shop", "--discard-old", "--yes"];
    arguments.extend(extra);
    plugin.must(&arguments);
    assert_same("what was restored", &before, &portrait(server, "shop"));
    nothing_is_left(server);
}

fn nothing_is_left(server: &Server) {
    assert_eq!(server.leftovers(), Vec::<String>::new());
    assert_eq!(server.complaints(0), Vec::<String>::new());
}

/// What says on a command line that no mover is to be used.
const NEVER: &[&str] = &["--mover=never"];

#[test]
fn a_container_of_64_mib_is_backed_up_and_restored_with_smaller_buffers() {
    in_64_mib(&[]);
}

#[test]
fn a_container_of_64_mib_is_backed_up_and_restored_without_a_mover() {
    in_64_mib(NEVER);
}

fn in_64_mib(way: &[&str]) {
    if !docker_is_here() {
        return;
    }
    let docker = ["--memory", "64m", "--memory-swap", "64m"];
    let server = Server::start_with(17, &docker, &["-c", "shared_buffers=16MB", "-c", "fsync=off"]);
    // Sorted in the 64 MB that the server would take, this index fills the container.
    fill(&server, 500_000);

    comes_back(&Plugin::new(), &server, way);

    let killed = server.exec(&[
        "sh",
        "-c",
        "cat /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control 2>/dev/null; true",
    ]);
    let kills = killed.lines().filter(|line| line.starts_with("oom_kill ")).collect::<String>();
    assert_eq!(kills, "oom_kill 0");
}

#[test]
fn buffers_that_the_container_cannot_hold_are_refused_with_the_memory_that_is_needed() {
    if !docker_is_here() {
        return;
    }
    let server = Server::start_with(17, &["--memory", "512m", "--memory-swap", "512m"], &["-c", "fsync=off"]);
    fill(&server, 400_000);
    // What it has claimed so far is given back; filling its 128 MB again does not fit in 64.
    must("docker", &["restart", "--time", "60", &server.name]);
    server.wait_until_it_answers();
    must("docker", &["update", "--memory", "64m", "--memory-swap", "64m", &server.name]);
    let plugin = Plugin::new();

    let said = plugin.must_fail(1, &["create", &server.name, "-d", "shop"]);

    for word in ["has no room", "MB of memory are needed", "67 MB", "`shared_buffers`"] {
        assert!(said.contains(word), "{word} is not in: {said}");
    }
    assert_eq!(plugin.backups(), Vec::<String>::new());
    nothing_is_left(&server);
}

#[test]
fn thirty_two_processes_and_a_tmp_without_room_are_enough_and_too_few_are_refused() {
    with_32_processes(&[]);
}

#[test]
fn thirty_two_processes_are_enough_without_a_mover_and_too_few_are_refused() {
    with_32_processes(NEVER);
}

fn with_32_processes(way: &[&str]) {
    if !docker_is_here() {
        return;
    }
    let docker = ["--pids-limit", "32", "--tmpfs", "/tmp:size=1m,exec,mode=1777"];
    let server = Server::start_with(17, &docker, &["-c", "fsync=off"]);
    fill(&server, 20_000);
    let plugin = Plugin::new();

    comes_back(&plugin, &server, &with(&["--jobs", "8"], way));

    let others: Vec<Session> = (0..5).map(|_| Session::open(&server, "postgres")).collect();
    let said = plugin.must_fail(1, &with(&["create", &server.name, "--name", "c"], way));
    assert!(said.contains("processes are needed") && said.contains("32"), "{said}");
    let said = plugin.must_fail(1, &with(&["restore", "b", "-d", "shop", "--yes"], way));
    assert!(said.contains("processes are needed"), "{said}");
    drop(others);
    nothing_is_left(&server);
}

#[test]
fn three_connections_of_a_hundred_are_enough_and_two_are_refused() {
    with_few_connections(&[]);
}

#[test]
fn three_connections_of_a_hundred_are_enough_without_a_mover_and_two_are_refused() {
    with_few_connections(NEVER);
}

fn with_few_connections(way: &[&str]) {
    if !docker_is_here() {
        return;
    }
    let server = Server::start_with(17, &[], &["-c", "fsync=off", "-c", "max_connections=100"]);
    fill(&server, 20_000);
    let plugin = Plugin::new();
    server.sql("template1", "CREATE EXTENSION dblink");
    let mut others = Session::open(&server, "template1");
    let before = portrait(&server, "shop");
    let more = |from, to| {
        format!(
            "SELECT count(dblink_connect('c' || i, 'dbname=template1 user=postgres')) FROM generate_series({from}, {to}) i"
        )
    };
    assert_eq!(others.run(&more(1, 96)), ["96"]);

    create(&plugin, &server, way);
    plugin.must(&with(&["restore", "b", "-d", "shop", "--discard-old", "--yes"], way));

    assert_same("what was restored", &before, &portrait(&server, "shop"));
    assert_eq!(others.run(&more(97, 97)), ["1"]);
    let said = plugin.must_fail(1, &with(&["create", &server.name, "--name", "c"], way));
    assert!(said.contains("3 connections are needed, and 2"), "{said}");
    drop(others);
    nothing_is_left(&server);
}

#[test]
fn more_tables_than_the_server_can_lock_are_refused_with_the_setting_that_is_needed() {
    if !docker_is_here() {
        return;
    }
    let settings = ["-c", "max_locks_per_transaction=10", "-c", "max_connections=20", "-c", "fsync=off"];
    let server = Server::start_with(17, &[], &settings);
    server.sql("postgres", "CREATE DATABASE shop");
    let tables = |from, to| {
        // Each in a transaction of its own, because of the locks.
        format!("SELECT format('CREATE TABLE t%s (i int)', i) FROM generate_series({from}, {to}) i \\gexec")
    };
    server.sql("shop", &tables(1, 190));
    let plugin = Plugin::new();
    create(&plugin, &server, &[]);
    server.sql("shop", &tables(191, 260));

    let said = plugin.must_fail(1, &["create", &server.name, "-d", "shop", "--name", "c"]);

    for word in ["260 tables", "`max_locks_per_transaction` is 10", "200 locks", "to 26 or more"] {
        assert!(said.contains(word), "{word} is not in: {said}");
    }
    nothing_is_left(&server);
}

const DATA: &str = "/var/lib/postgresql/data";

/// Leaves so many MiB of the disk that holds the data.
fn leave_free(server: &Server, mebibytes: u32) {
    let script = format!(
        "free=$(df -Pk {DATA} | awk 'NR == 2 {{ print $4 }}'); \
         head -c $(( (free - {mebibytes} * 1024) * 1024 )) /dev/zero > {DATA}/filler"
    );
    server.exec(&["sh", "-c", &script]);
}

#[test]
fn sixteen_mib_of_disk_are_enough_for_a_backup_and_a_restore_says_what_it_needs() {
    if !docker_is_here() {
        return;
    }
    let disk = format!("{DATA}:size=400m,mode=0700");
    let server = Server::start_with(17, &["--tmpfs", &disk], &["-c", "max_wal_size=64MB"]);
    fill(&server, 50_000);
    let (plugin, before) = (Plugin::new(), portrait(&server, "shop"));
    leave_free(&server, 16);

    create(&plugin, &server, &[]);
    let said = plugin.must_fail(1, &["restore", "b", "-d", "shop", "--yes"]);

    assert!(said.contains("MB are free where the server keeps its data"), "{said}");
    assert_same("what serves", &before, &portrait(&server, "shop"));
    nothing_is_left(&server);
    server.exec(&["rm", &format!("{DATA}/filler")]);
    plugin.must(&["restore", "b", "-d", "shop", "--discard-old", "--yes"]);
    assert_same("what was restored", &before, &portrait(&server, "shop"));
}

#[test]
fn a_disk_that_others_fill_during_a_restore_ends_it_before_the_server_stops() {
    if !docker_is_here() {
        return;
    }
    let disk = format!("{DATA}:size=400m,mode=0700");
    let server = Server::start_with(17, &["--tmpfs", &disk], &["-c", "max_wal_size=64MB"]);
    fill(&server, 20_000);
    // In the restored database the index asks a function that takes its time.
    server.sql(
        "shop",
        "CREATE FUNCTION slow(i int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT i'; \
         CREATE INDEX ON orders (slow(id)) WHERE id = 1; \
         CREATE OR REPLACE FUNCTION slow(i int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM pg_sleep(300); RETURN i; END'",
    );
    let (plugin, before) = (Plugin::new(), portrait(&server, "shop"));
    create(&plugin, &server, &[]);
    let run = plugin.start(&["restore", "b", "-d", "shop", "--yes"]);
    wait_for("index that is being built", || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgbackup/%' AND query LIKE '%slow(%'";
        (server.sql("template1", sql).trim() != "0").then_some(())
    });

    // Memory that runs out must not take one of the server's processes: the kernel takes what has
    // the highest score, and the mover must outlive its own child to wait for it (F41).
    let score = |victim| {
        let pid = faults::processes(&server, victim).into_iter().next().expect("it runs");
        std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap().trim().to_owned()
    };
    assert_eq!([score(Victim::PgRestore), score(Victim::Mover)], ["1000", "950"]);
    leave_free(&server, 10);

    let outcome = pgbackup_tests::plugin::wait(run);
    assert_eq!(outcome.status, Some(1), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("disk of the server is nearly full"), "{}", outcome.stderr);
    assert_same("what serves", &before, &portrait(&server, "shop"));
    assert!(!server.all_databases().iter().any(|name| name.starts_with("pgbackup_")));
    nothing_is_left(&server);
}
