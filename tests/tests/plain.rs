//! The plain path: the server's own tools and a shell in place of the mover.

use pgbackup_tests::{
    Plugin, Server,
    command::{docker_is_here, wait_for},
    compare::{assert_same, assert_same_text, assert_writes_alike, globals, portrait},
    plugin,
    repository::{assert_restic_is_content, files, restic_restore, restic_snapshots},
    zoo::{self, Size},
};
use std::{collections::BTreeMap, fs, path::Path};

const NEVER: &str = "--mover=never";

/// Backs the zoo up in one way, restores it into an empty server in another, and compares both.
fn the_zoo_comes_back(major: u32, create: &str, restore: &str) {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(major));
    zoo::build(&server, Size::default());
    let before = portrait(&server, "zoo");
    let roles = globals(&server);
    let log = server.log().len();

    plugin.must(&["create", &server.name, "--name", "zoo", "--quiet", create]);

    assert_eq!(server.leftovers(), Vec::<String>::new());
    assert_eq!(server.complaints(log), Vec::<String>::new());
    plugin.must(&["verify", "zoo"]);
    let other = Server::start(major);
    zoo::prepare_for_restore(&other);
    plugin.must(&["restore", "zoo", "--to", &other.name, "--yes", restore]);
    assert_same("the zoo in another server", &before, &portrait(&other, "zoo"));
    assert_same_text("roles in another server", &roles, &globals(&other));
    assert_eq!(other.leftovers(), Vec::<String>::new());
    plugin.must(&["restore", "zoo", "-d", "zoo", "--to", &server.name, "--yes", restore]);
    assert_same("the zoo over itself", &before, &portrait(&server, "zoo"));
    assert_writes_alike(&server, "zoo", &other, "zoo");
    plugin.must(&["undo", &server.name, "--yes", restore]);
    assert_same("the zoo after undo", &before, &portrait(&server, "zoo"));
    assert_eq!(server.leftovers(), Vec::<String>::new());
    assert_eq!(server.complaints(log), Vec::<String>::new());
}

#[test]
fn the_zoo_of_postgresql_13_comes_back_without_a_mover() {
    the_zoo_comes_back(13, NEVER, NEVER);
}

#[test]
fn the_zoo_of_postgresql_16_without_zstd_comes_back_without_a_mover() {
    the_zoo_comes_back(16, NEVER, NEVER);
}

#[test]
fn the_zoo_of_postgresql_17_made_without_a_mover_is_restored_by_it() {
    the_zoo_comes_back(17, NEVER, "--mover=auto");
}

#[test]
fn the_zoo_of_postgresql_18_made_by_the_mover_is_restored_without_it() {
    the_zoo_comes_back(18, "--mover=auto", NEVER);
}

fn names_with_line_breaks_come_back(major: u32) {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(major));
    server.sql("postgres", "CREATE DATABASE odd");
    // What a COPY gives to columns that the server fills by itself, children, partitions, values that
    // are NULL, long or of a type of the database's own.
    server.sql(
        "odd",
        "CREATE DOMAIN \"do\nmain\" AS text NOT NULL CHECK (value <> ''); CREATE TYPE \"mo\nod\" AS ENUM ('a\nb', 'c');
         CREATE TABLE \"li\nne\" (\"i\nd\" int GENERATED ALWAYS AS IDENTITY, \"d\r\nd\" \"do\nmain\", \"e\" \"mo\nod\", \"twi\nce\" int GENERATED ALWAYS AS (\"i\nd\" * 2) STORED, n numeric(5, 2), long text);
         INSERT INTO \"li\nne\" (\"d\r\nd\", e, n, long) SELECT 'x\n' || i, CASE WHEN i % 2 = 0 THEN 'a\nb' END::\"mo\nod\", i / 3.0, CASE WHEN i = 7 THEN repeat(md5(i::text), 40000) END FROM generate_series(1, 900) i;
         DELETE FROM \"li\nne\" WHERE \"i\nd\" = 5;
         CREATE TABLE \"par\nent\" (\"a\na\" int, b text); CREATE TABLE \"chi\nld\" (c int) INHERITS (\"par\nent\");
         INSERT INTO \"chi\nld\" SELECT i, 'b' || i, -i FROM generate_series(1, 40) i; INSERT INTO \"par\nent\" VALUES (1, 'one');
         CREATE TABLE parts (\"k\ney\" int, v text) PARTITION BY LIST (\"k\ney\"); CREATE TABLE \"part\n1\" PARTITION OF parts FOR VALUES IN (1); CREATE TABLE part2 PARTITION OF parts FOR VALUES IN (2);
         INSERT INTO parts SELECT 1 + i % 2, 'v' || i FROM generate_series(1, 50) i;
         CREATE TABLE \"no\nthing\" (); INSERT INTO \"no\nthing\" DEFAULT VALUES; INSERT INTO \"no\nthing\" DEFAULT VALUES;
         CREATE TABLE \"\r\" (\"\n\" int, \"a,\"\"(\n)\" int); INSERT INTO \"\r\" VALUES (1, 2)",
    );
    let before = portrait(&server, "odd");
    plugin.must(&["create", &server.name, "-d", "odd", "--name", "b", NEVER]);

    plugin.must(&["restore", "b", "--into", "copy", "-d", "odd", "--yes", NEVER]);

    assert_same("the copy", &before, &portrait(&server, "copy"));
    assert_writes_alike(&server, "odd", &server, "copy");
    let temporary = "SELECT count(*) FROM pg_class WHERE relname LIKE 'pgbackup%'";
    assert_eq!(server.sql("copy", temporary).trim(), "0");
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn names_with_line_breaks_come_back_without_a_mover_17() {
    names_with_line_breaks_come_back(17);
}

#[test]
fn names_with_line_breaks_come_back_without_a_mover_13() {
    names_with_line_breaks_come_back(13);
}

/// Every file of a restored snapshot's databases, by its path; contents name the time they were
/// made at, and so are left out.
fn stored(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let databases = files(folder).into_iter().filter(|path| path.extension().is_some_and(|it| it == "dat"));
    databases
        .filter(|path| !path.ends_with("toc.dat"))
        .map(|path| {
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            (name, fs::read(&path).unwrap())
        })
        .collect()
}

#[test]
fn both_ways_store_the_same_bytes_and_little_that_the_other_has_not() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(17));
    server.sql("postgres", "CREATE DATABASE shop");
    // More than one page range of the mover's, so that borders between them are in the way.
    server.sql(
        "shop",
        "CREATE TABLE orders AS SELECT i AS id, md5(i::text) || md5((i + 1)::text) AS what FROM generate_series(1, 1200000) i;
         CREATE TABLE words AS SELECT md5(i::text) AS word, NULLIF(i % 7, 0) AS n FROM generate_series(1, 50000) i;
         CREATE TABLE nothing (); CREATE TABLE empty (i int); SELECT lo_from_bytea(7, decode(repeat(md5('x'), 100000), 'hex'));",
    );
    let mut manifests = Vec::new();
    for (first, second) in [("--mover=auto", NEVER), (NEVER, "--mover=auto")] {
        let plugin = Plugin::new();
        for (name, way) in [("first", first), ("second", second)] {
            plugin.must(&["create", &server.name, "-d", "shop", "--name", name, way]);
        }
        let info = |name: &str| plugin.manifest(name);
        manifests.push((info("first"), info("second")));
        let restored: Vec<BTreeMap<String, Vec<u8>>> = restic_snapshots(&plugin)
            .iter()
            .map(|snapshot| {
                let folder = tempfile::tempdir().unwrap();
                restic_restore(&plugin, snapshot, folder.path());
                stored(folder.path())
            })
            .collect();
        assert_eq!(restored[0].keys().collect::<Vec<_>>(), restored[1].keys().collect::<Vec<_>>());
        assert!(restored[0].len() >= 5, "{:?}", restored[0].keys());
        assert!(restored[0] == restored[1], "{first} then {second}: the files differ");
        assert_restic_is_content(&plugin);
        let list = plugin.must(&["list", "--format", "json"]);
        let backups: Vec<serde_json::Value> =
            list.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let size = |name: &str, what: &str| {
            let backup = backups.iter().find(|backup| backup["name"] == name).unwrap();
            backup[what].as_u64().unwrap_or_else(|| panic!("{backup}"))
        };
        let (all, new) = (size("first", "new_bytes"), size("second", "new_bytes"));
        assert!(new * 50 < all, "{second} after {first} added {new} of {all} bytes");
    }
    drop(plugin);
    for (mover, plain) in [(&manifests[0].0, &manifests[0].1), (&manifests[1].1, &manifests[1].0)] {
        assert_eq!(
            (&mover["server"]["read_by"], &plain["server"]["read_by"]),
            (&"mover".into(), &"plain".into())
        );
        // Rows, bytes and the hash over the chunks of every table.
        assert_eq!(mover["databases"][0]["tables"], plain["databases"][0]["tables"]);
    }
}

#[test]
fn a_backup_without_a_mover_that_is_cancelled_leaves_nothing() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(17));
    server.sql("postgres", "CREATE TABLE big AS SELECT i, md5(i::text) FROM generate_series(1, 2000000) i");
    let log = server.log().len();
    let running = plugin.start(&["create", &server.name, "-d", "postgres", "--name", "b", NEVER]);

    let copies = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgbackup/%' AND query LIKE 'COPY%' AND state = 'active'";
    wait_for("session that copies", || (server.sql("template1", copies).trim() != "0").then_some(()));
    pgbackup_tests::command::must("kill", &["-INT", &running.id().to_string()]);
    let outcome = plugin::wait(running);

    assert_eq!(outcome.status, Some(130), "{}", outcome.stderr);
    assert_eq!(server.leftovers(), Vec::<String>::new());
    assert_eq!(server.complaints(log), Vec::<String>::new());
    assert_eq!(plugin.backups(), Vec::<String>::new());
}

#[test]
fn a_session_that_is_ended_fails_the_backup_without_a_mover_and_says_why() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(17));
    server.sql("postgres", "CREATE TABLE big AS SELECT i, md5(i::text) FROM generate_series(1, 2000000) i");
    let running = plugin.start(&["create", &server.name, "-d", "postgres", "--name", "b", NEVER]);

    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'pgbackup/%' AND application_name NOT LIKE 'pgbackup/%/%' AND query LIKE 'COPY%' AND state = 'active'";
    // What is named in three parts is pg_dump, which has told the contents by then.
    wait_for("session that copies", || (server.sql("template1", end).trim() != "0").then_some(()));
    let outcome = plugin::wait(running);

    assert_eq!(outcome.status, Some(1), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("terminating connection"), "{}", outcome.stderr);
    assert_eq!(plugin.backups(), Vec::<String>::new());
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn where_the_mover_cannot_run_auto_works_without_it_and_says_so_when_asked() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(16));
    server.sql("postgres", "CREATE TABLE kept AS SELECT generate_series(1, 10) AS i");

    let outcome = plugin.run(&["create", &server.name, "--name", "b", "--mover-dir", "/proc", "--verbose"]);

    assert_eq!(outcome.status, Some(0), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("/proc: cannot be written"), "{}", outcome.stderr);
    assert_eq!(plugin.manifest("b")["server"]["read_by"], "plain");
    assert!(plugin.must(&["inspect", "b"]).contains("the server's own tools"));
}
