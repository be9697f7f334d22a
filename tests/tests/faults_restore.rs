//! Restores in which something is wrong or in the way: the old database serves on.

use pgbackup_tests::{
    Plugin, Server,
    client::{Loop, Session},
    command::{docker_is_here, must},
    compare::{assert_same, portrait},
};

const ONLY_THE_USUAL: [&str; 4] = ["postgres", "shop", "template0", "template1"];

fn server_with_a_shop(postgres: &[&str]) -> Server {
    let server = Server::start_with(17, &[], postgres);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE orders AS SELECT i AS id, md5(i::text) AS what FROM generate_series(1, 20000) i; CREATE INDEX ON orders (what)");
    server
}

/// A restore must fail, name the thing, and leave everything as it was.
fn fails_and_names(plugin: &Plugin, server: &Server, named: &str) {
    let before = portrait(server, "shop");

    let said = plugin.must_fail(1, &["restore", "b", "-d", "shop", "--yes"]);

    assert!(said.contains(named), "{named} is not in: {said}");
    assert_same("the old database", &before, &portrait(server, "shop"));
    assert_eq!(server.all_databases(), ONLY_THE_USUAL);
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn a_row_that_the_server_refuses_fails_the_restore_and_names_the_table() {
    if !docker_is_here() {
        return;
    }
    // F10. The check holds in a database of this name only, and a restore loads beside it.
    let (plugin, server) = (Plugin::new(), server_with_a_shop(&[]));
    server.sql("shop", "CREATE FUNCTION here() RETURNS boolean LANGUAGE sql AS $$ SELECT current_database() = 'shop' $$; CREATE TABLE refused (i int CHECK (here())); INSERT INTO refused VALUES (1)");
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "b"]);

    fails_and_names(&plugin, &server, "refused");
}

#[test]
fn an_index_that_cannot_be_built_fails_the_restore_and_is_named() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server_with_a_shop(&[]));
    server.sql(
        "shop",
        "CREATE FUNCTION one_here(int) RETURNS int IMMUTABLE LANGUAGE sql AS $$ SELECT CASE current_database() WHEN 'shop' THEN $1 ELSE 1 END $$;
         CREATE TABLE numbers AS SELECT generate_series(1, 10) AS i; CREATE UNIQUE INDEX only_in_shop ON numbers (one_here(i))",
    );
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "b"]);

    fails_and_names(&plugin, &server, "only_in_shop");
}

#[test]
fn an_object_that_cannot_be_made_fails_the_restore_and_is_named() {
    if !docker_is_here() {
        return;
    }
    // A library that the server no longer has.
    let (plugin, server) = (Plugin::new(), server_with_a_shop(&[]));
    server.sql(
        "shop",
        "CREATE FUNCTION from_library() RETURNS trigger LANGUAGE c AS '$libdir/refint', 'check_primary_key'",
    );
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "b"]);
    server.exec(&["true"]);
    must(
        "docker",
        &[
            "exec",
            "--user",
            "0",
            &server.name,
            "sh",
            "-c",
            "rm $(pg_config --pkglibdir)/refint.so 2>/dev/null || rm /usr/lib/postgresql/17/lib/refint.so",
        ],
    );

    fails_and_names(&plugin, &server, "from_library");
}

#[test]
fn connected_sessions_stop_the_swap_with_a_hint_and_disconnect_ends_them() {
    if !docker_is_here() {
        return;
    }
    // F15: somebody works in the database that is to be replaced.
    let (plugin, server) = (Plugin::new(), server_with_a_shop(&[]));
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "b"]);
    let mut somebody = Session::open(&server, "shop");
    somebody.run("BEGIN; INSERT INTO orders VALUES (0, 'mine')");

    let said = plugin.must_fail(1, &["restore", "b", "-d", "shop", "--yes"]);
    assert!(said.contains("--disconnect"), "{said}");
    assert_eq!(server.all_databases(), ONLY_THE_USUAL);
    assert_eq!(somebody.run("COMMIT; SELECT count(*) FROM orders"), ["20001"]);

    plugin.must(&["restore", "b", "-d", "shop", "--yes", "--disconnect"]);
    assert_eq!(server.sql("shop", "SELECT count(*) FROM orders").trim(), "20000");
    assert_eq!(server.all_databases().len(), 5);
}

#[test]
fn a_client_that_reconnects_without_rest_sees_the_old_or_the_new_database_and_no_half() {
    if !docker_is_here() {
        return;
    }
    // F44.
    let (plugin, server) = (Plugin::new(), server_with_a_shop(&[]));
    server.sql("postgres", "CREATE ROLE application LOGIN");
    server.sql("shop", "GRANT SELECT ON orders TO application");
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "b"]);
    server.sql("shop", "DELETE FROM orders WHERE id > 5");
    // Every database it may connect to is asked, also those the restore loads into.
    let ask = "for d in $(psql -XAtqU postgres -d template1 -c \"SELECT quote_ident(datname) FROM pg_database WHERE datname LIKE '%shop%' OR datname LIKE '%pgbackup%'\" 2>/dev/null); do \
               psql -XAtqU application -d \"$d\" -c 'SELECT count(*) FROM orders' 2>&1 | grep -v -e FATAL -e connection -e 'server closed' -e 'This probably' -e 'before or while' -e 'just been dropped or renamed'; done; sleep 0.01";
    let client = Loop::start(&server, ask);

    for _ in 0..3 {
        plugin.must(&["restore", "b", "-d", "shop", "--yes", "--disconnect", "--discard-old"]);
        assert_eq!(server.sql("shop", "SELECT count(*) FROM orders").trim(), "20000");
    }

    let mut seen = client.finish();
    seen.sort();
    seen.dedup();
    assert!(seen.iter().all(|answer| answer == "5" || answer == "20000"), "the client saw {seen:?}");
    assert!(seen.contains(&"20000".to_owned()));
    assert_eq!(server.all_databases(), ONLY_THE_USUAL);
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn a_dry_run_shows_the_plan_and_changes_nothing() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server_with_a_shop(&[]));
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "b"]);
    let before = portrait(&server, "shop");

    let outcome = plugin.run(&["restore", "b", "-d", "shop", "--dry-run"]);
    let unasked = plugin.run(&["restore", "b", "-d", "shop"]);

    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert!((outcome.stdout + &outcome.stderr).contains("shop"));
    assert_eq!(unasked.status, Some(1), "without a terminal nobody said yes: {unasked:?}");
    assert_same("the database", &before, &portrait(&server, "shop"));
    assert_eq!(server.all_databases(), ONLY_THE_USUAL);
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn a_logical_slot_and_a_prepared_transaction_are_in_the_way_and_named() {
    if !docker_is_here() {
        return;
    }
    let settings = ["-c", "wal_level=logical", "-c", "max_prepared_transactions=5"];
    let (plugin, server) = (Plugin::new(), server_with_a_shop(&settings));
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "b"]);
    server.sql("shop", "SELECT pg_create_logical_replication_slot('follower', 'pgoutput')");
    server.sql("shop", "BEGIN; DELETE FROM orders WHERE id = 1; PREPARE TRANSACTION 'half done'");

    let said = plugin.must_fail(1, &["restore", "b", "-d", "shop", "--yes", "--disconnect"]);

    assert!(said.contains("follower") && said.contains("half done"), "{said}");
    assert_eq!(server.all_databases(), ONLY_THE_USUAL);
}

#[test]
fn a_standby_is_refused() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server_with_a_shop(&[]));
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "b"]);
    server.exec(&["sh", "-c", "touch $PGDATA/standby.signal"]);
    must("docker", &["restart", "--time", "30", &server.name]);
    server.wait_until_it_answers();

    let said = plugin.must_fail(1, &["restore", "b", "-d", "shop", "--yes"]);

    assert!(said.contains("standby") || said.contains("recovery"), "{said}");
}

#[test]
fn a_server_without_room_is_refused_and_keeps_what_it_has() {
    if !docker_is_here() {
        return;
    }
    // A full disk in the container (F7): the data folder is a small file system in memory.
    let (plugin, server) = (Plugin::new(), server_with_a_shop(&[]));
    server.sql(
        "shop",
        "CREATE TABLE large AS SELECT i, repeat(md5(i::text), 20) AS what FROM generate_series(1, 200000) i",
    );
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "b"]);
    let small = Server::start_with(
        17,
        &["--tmpfs", "/var/lib/postgresql/data:size=128m"],
        &["-c", "max_wal_size=32MB", "-c", "min_wal_size=32MB"],
    );

    plugin.must_fail(1, &["restore", "b", "-d", "shop", "--to", &small.name, "--yes"]);

    assert_eq!(small.all_databases(), ["postgres", "template0", "template1"]);
    assert_eq!(small.leftovers(), Vec::<String>::new());
}

#[test]
fn several_kept_databases_stand_side_by_side_and_undo_takes_the_newest() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server_with_a_shop(&[]));
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "b"]);
    for mark in ["one", "two"] {
        server.sql("shop", &format!("CREATE TABLE {mark} (i int)"));
        plugin.must(&["restore", "b", "-d", "shop", "--yes"]);
    }
    assert_eq!(server.all_databases().len(), 6);

    plugin.must(&["create", &server.name, "--name", "without"]);
    plugin.must(&["undo", &server.name, "--yes"]);

    assert_eq!(server.sql("shop", "SELECT to_regclass('two'), to_regclass('one') IS NULL").trim(), "two|t");
    let names: Vec<_> = plugin.manifest("without")["databases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["postgres", "shop", "template1"], "databases that restores keep are in a backup");
    plugin.must(&["undo", &server.name, "--discard", "--yes"]);
    assert_eq!(server.all_databases(), ONLY_THE_USUAL);
}

#[test]
fn roles_are_made_where_they_are_missing_and_left_alone_where_they_are() {
    if !docker_is_here() {
        return;
    }
    // F13.
    let (plugin, server, other) = (Plugin::new(), server_with_a_shop(&[]), Server::start(17));
    server.sql("shop", "CREATE ROLE owner LOGIN PASSWORD 'x' CONNECTION LIMIT 3; CREATE ROLE reader; GRANT reader TO owner; ALTER TABLE orders OWNER TO owner; GRANT SELECT ON orders TO reader");
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "b"]);
    other.sql("postgres", "CREATE ROLE reader LOGIN CONNECTION LIMIT 9");

    plugin.must(&["restore", "b", "-d", "shop", "--to", &other.name, "--yes"]);

    let roles =
        "SELECT rolname, rolcanlogin, rolconnlimit, rolpassword FROM pg_authid WHERE rolname = 'owner'";
    assert_eq!(server.sql("postgres", roles), other.sql("postgres", roles));
    assert_eq!(
        other
            .sql("postgres", "SELECT rolcanlogin, rolconnlimit FROM pg_roles WHERE rolname = 'reader'")
            .trim(),
        "t|9"
    );
    assert_eq!(other.sql("postgres", "SELECT pg_has_role('owner', 'reader', 'MEMBER')").trim(), "t");
    assert_eq!(
        other.sql("shop", "SELECT tableowner FROM pg_tables WHERE tablename = 'orders'").trim(),
        "owner"
    );
}

#[test]
fn sequences_go_on_where_they_were() {
    if !docker_is_here() {
        return;
    }
    // F14: a program writes after the restore, and must not meet a key that is there already.
    let (plugin, server) = (Plugin::new(), server_with_a_shop(&[]));
    server.sql("shop", "CREATE TABLE bills (id serial PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY, what text); INSERT INTO bills (what) SELECT 'x' FROM generate_series(1, 500)");
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "b"]);

    plugin.must(&["restore", "b", "-d", "shop", "--yes"]);

    assert_eq!(
        server.sql("shop", "INSERT INTO bills (what) VALUES ('next') RETURNING id, n").trim(),
        "501|501"
    );
}

#[test]
fn large_objects_come_back_with_owners_privileges_and_comments() {
    if !docker_is_here() {
        return;
    }
    // F21.
    let (plugin, server) = (Plugin::new(), server_with_a_shop(&[]));
    server.sql(
        "shop",
        "CREATE ROLE painter; SELECT lo_from_bytea(4711, decode(repeat('00ff5c4e', 100000), 'hex')), lo_create(4712);
         ALTER LARGE OBJECT 4711 OWNER TO painter; GRANT SELECT ON LARGE OBJECT 4711 TO PUBLIC; COMMENT ON LARGE OBJECT 4711 IS 'a picture'",
    );
    let before = portrait(&server, "shop");
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "b"]);
    server.sql("shop", "SELECT lo_unlink(4711)");

    plugin.must(&["restore", "b", "-d", "shop", "--yes"]);

    assert_same("large objects", &before, &portrait(&server, "shop"));
}
