//! Backups of servers on which something is wrong: they fail, say what, and list nothing.

use pgbackup_tests::{
    Plugin, Server,
    command::{docker_is_here, must, text},
    compare::{assert_same, portrait},
    server::PASSWORD,
    server::ask_for_passwords,
    zoo::{self, Size},
};
use std::process::Command;

fn server_with_a_shop(major: u32, docker: &[&str]) -> Server {
    let server = Server::start_with(major, docker, &[]);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE orders AS SELECT i AS id, md5(i::text) AS what FROM generate_series(1, 20000) i; CREATE TABLE invoices AS TABLE orders");
    server
}

/// Puts a script in the place of one of the server's programs; `$REAL` is the program itself.
fn replace_program(server: &Server, program: &str, script: &str) {
    let path = format!("/usr/lib/postgresql/{}/bin/{program}", server.major);
    let script = format!("#!/bin/sh\nREAL={path}.real\n{script}\n");
    let install = format!("mv {path} {path}.real && cat > {path} && chmod 755 {path}");
    let done = pgbackup_tests::command::output(
        "docker",
        &["exec", "-i", "--user", "0", &server.name, "sh", "-c", &install],
        script.as_bytes(),
    );
    assert!(done.status.success(), "{}", text(&done.stderr));
}

#[test]
fn noise_on_standard_error_gets_into_no_backup() {
    if !docker_is_here() {
        return;
    }
    // F5: every session of the plugin's is told to send debug messages, and pg_dump prints some.
    let (plugin, server) = (Plugin::new(), Server::start(17));
    zoo::build(&server, Size::default());
    let before = portrait(&server, "zoo");
    server.sql("postgres", "ALTER ROLE postgres SET client_min_messages = debug2");
    replace_program(&server, "pg_dump", "echo 'pg_dump: warning: noise' >&2; exec $REAL \"$@\"");

    plugin.must(&["create", &server.name, "-d", "zoo", "--name", "b"]);
    plugin.must(&["restore", "b", "-d", "zoo", "--yes"]);

    server.sql("postgres", "ALTER ROLE postgres RESET client_min_messages");
    assert_same("the zoo", &before, &portrait(&server, "zoo"));
}

#[test]
fn a_pg_dump_that_ends_early_and_says_success_leaves_no_backup() {
    if !docker_is_here() {
        return;
    }
    // F1 and F7: a stream that was cut and a status of 0.
    let (plugin, server) = (Plugin::new(), server_with_a_shop(17, &[]));
    replace_program(&server, "pg_dump", "trap '' PIPE; $REAL \"$@\" | head -c 900; exit 0");

    plugin.must_fail(1, &["create", &server.name, "-d", "shop", "--name", "b"]);

    assert_eq!(plugin.backups(), Vec::<String>::new());
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn a_pg_dump_that_fails_is_quoted_and_leaves_no_backup() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server_with_a_shop(17, &[]));
    replace_program(&server, "pg_dump", "echo 'pg_dump: error: the moon is full' >&2; exit 1");

    let said = plugin.must_fail(1, &["create", &server.name, "-d", "shop", "--name", "b"]);

    assert!(said.contains("the moon is full") && said.contains("pg_dump"), "{said}");
    assert_eq!(plugin.backups(), Vec::<String>::new());
}

#[test]
fn a_pg_dumpall_that_fails_in_its_middle_leaves_no_backup() {
    if !docker_is_here() {
        return;
    }
    // F7: what it wrote is text that looks whole, and only its status says that it is not.
    let (plugin, server) = (Plugin::new(), server_with_a_shop(17, &[]));
    replace_program(
        &server,
        "pg_dumpall",
        "$REAL \"$@\" | head -n 12; echo 'pg_dumpall: error: the sun is full' >&2; exit 1",
    );

    let said = plugin.must_fail(1, &["create", &server.name, "-d", "shop", "--name", "b"]);

    assert!(said.contains("the sun is full") && said.contains("pg_dumpall"), "{said}");
    assert_eq!(plugin.backups(), Vec::<String>::new());
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn a_wrong_password_leaves_no_backup_and_is_not_printed() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(17));
    server.sql("postgres", "ALTER ROLE postgres PASSWORD 'another-one'");
    ask_for_passwords(&server.name, "psql -XAtqw -U postgres");

    let said = plugin.must_fail(1, &["create", &server.name, "--name", "b", "-v"]);

    assert!(said.contains("password"), "{said}");
    assert!(!said.contains(PASSWORD), "{said}");
    assert_eq!(plugin.backups(), Vec::<String>::new());
}

#[test]
fn a_table_that_may_not_be_read_fails_its_database_and_is_named() {
    if !docker_is_here() {
        return;
    }
    // From 16 on the first superuser cannot lose its rights.
    let (plugin, server) = (Plugin::new(), server_with_a_shop(15, &[]));
    server.sql("shop", "CREATE ROLE boss SUPERUSER LOGIN; ALTER TABLE invoices OWNER TO boss; ALTER ROLE postgres NOSUPERUSER");

    let said = plugin.must_fail(3, &["create", &server.name, "--name", "b"]);

    assert!(
        said.contains("invoices") && said.contains("permission denied") && said.contains("shop"),
        "{said}"
    );
    assert_eq!(plugin.backups(), Vec::<String>::new());
}

#[test]
fn without_the_right_to_read_hashes_the_backup_is_made_and_says_so() {
    if !docker_is_here() {
        return;
    }
    // The first superuser owns the hashes, so it gives its name to a role that may only read tables.
    let (plugin, server) = (Plugin::new(), server_with_a_shop(15, &[]));
    server.sql("shop", "CREATE ROLE boss SUPERUSER LOGIN; CREATE ROLE clerk LOGIN PASSWORD 'x'");
    let change = "ALTER ROLE postgres RENAME TO founder; CREATE ROLE postgres LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO postgres; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO postgres";
    server.exec(&["psql", "-XqU", "boss", "-d", "shop", "-v", "ON_ERROR_STOP=1", "-c", change]);

    let outcome = plugin.run(&["create", &server.name, "-d", "shop", "--name", "b"]);

    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert!(outcome.stderr.contains("password"), "{outcome:?}");
    assert_eq!(plugin.manifest("b")["globals"]["with_passwords"], false);
}

#[test]
fn a_database_that_cannot_be_read_does_not_spoil_the_others_and_the_whole_is_not_listed() {
    if !docker_is_here() {
        return;
    }
    // F11.
    let (plugin, server) = (Plugin::new(), server_with_a_shop(17, &[]));
    for name in ["aaa", "zzz"] {
        server.sql("postgres", &format!("CREATE DATABASE {name}"));
        server.sql(name, "CREATE TABLE t AS SELECT generate_series(1, 10) AS i");
    }
    let file = server.sql(
        "shop",
        "CHECKPOINT; SELECT current_setting('data_directory') || '/' || pg_relation_filepath('orders')",
    );
    server.exec(&["sh", "-c", &format!("mv {0} {0}.gone", file.trim())]);
    must("docker", &["restart", "--time", "30", &server.name]);
    server.wait_until_it_answers();

    let outcome = plugin.run(&["create", &server.name, "--name", "b"]);

    assert_eq!(outcome.status, Some(3), "{outcome:?}");
    let said = outcome.stdout.clone() + &outcome.stderr;
    assert!(said.contains("shop") && said.contains("orders"), "{said}");
    assert!(said.contains("aaa") && said.contains("zzz"), "{said}");
    assert_eq!(plugin.backups(), Vec::<String>::new());
    plugin.must(&["create", &server.name, "-d", "aaa", "-d", "zzz", "--name", "others"]);
}

#[test]
fn a_repository_that_takes_no_more_bytes_gets_no_backup() {
    if !docker_is_here() {
        return;
    }
    // A full disk on this side: a limit on the size of files fails each write of a pack alike.
    let (plugin, server) = (Plugin::new(), server_with_a_shop(17, &[]));
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "good"]);
    server.sql("shop", "CREATE TABLE more AS SELECT i, md5(i::text) || md5((i + 1)::text) AS what FROM generate_series(1, 200000) i");
    let limited = plugin.command(&["create", &server.name, "-d", "shop", "--name", "bad"]);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$0\" \"$@\""])
        .arg(limited.get_program())
        .args(limited.get_args());
    for (name, value) in limited.get_envs() {
        if let Some(value) = value {
            shell.env(name, value);
        }
    }

    let output = shell.output().unwrap();

    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert_eq!(plugin.backups(), ["good"]);
    assert_eq!(server.leftovers(), Vec::<String>::new());
    plugin.must(&["verify", "good"]);
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "better"]);
    plugin.must(&["verify", "better"]);
}

#[test]
fn a_container_that_is_restarted_in_a_backup_leaves_no_backup() {
    if !docker_is_here() {
        return;
    }
    // F6. A lock that is held keeps the backup in its middle until the server goes.
    let (plugin, server) = (Plugin::new(), server_with_a_shop(17, &[]));
    let mut holder = pgbackup_tests::client::Session::open(&server, "shop");
    holder.run("BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE");
    let running =
        plugin.start(&["create", &server.name, "-d", "shop", "--name", "b", "--lock-timeout", "60s"]);
    pgbackup_tests::command::wait_for("waiting backup", || {
        let waiting = server.sql("postgres", "SELECT count(*) FROM pg_locks WHERE NOT granted");
        (waiting.trim() != "0").then_some(())
    });

    must("docker", &["restart", "--time", "0", &server.name]);
    let outcome = pgbackup_tests::plugin::wait(running);

    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    assert_eq!(plugin.backups(), Vec::<String>::new());
    server.wait_until_it_answers();
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "b"]);
    assert_eq!(server.leftovers(), Vec::<String>::new());
}
