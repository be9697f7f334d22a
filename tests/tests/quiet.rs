//! A backup and a restore leave no word of theirs in the server's log.

use pgbackup_tests::{
    Plugin, Server,
    command::{docker_is_here, wait_for},
    server::PASSWORD,
};

/// How the server lets its own container in.
#[derive(Clone, Copy)]
enum Door {
    /// As the official images do.
    Trust,
    /// With a password on every way in, sockets too.
    Password,
}

/// Lines of the log that are not the server's own housekeeping: CREATE DATABASE begins a
/// checkpoint, and where `log_checkpoints` is on (from 15 on) that is told.
fn words(server: &Server, seen: usize) -> Vec<String> {
    let log = server.log();
    let lines = log.get(seen..).unwrap_or_default().lines();
    lines.filter(|line| !line.contains("LOG:  checkpoint ")).map(Into::into).collect()
}

fn nothing_is_logged(major: u32, door: Door) {
    if !docker_is_here() {
        return;
    }
    // psql of the test finds the password there.
    let for_psql = format!("PGPASSWORD={PASSWORD}");
    let (plugin, server) = (Plugin::new(), Server::start_with(major, &["--env", &for_psql], &[]));
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql(
        "shop",
        "CREATE TABLE orders AS SELECT i AS id, repeat(md5(i::text), 5) AS what FROM generate_series(1, 100000) i; CREATE INDEX ON orders (what); SELECT lo_from_bytea(7, 'large')",
    );
    if let Door::Password = door {
        // Before 14 a new password is kept for md5 only.
        let method = if major < 14 { "md5" } else { "scram-sha-256" };
        let rules =
            format!("printf 'local all all {method}\\nhost all all all {method}\\n' >$PGDATA/pg_hba.conf");
        server.exec(&["sh", "-c", &rules]);
        server.sql("postgres", "SELECT pg_reload_conf()");
        wait_for("password that is asked for", || {
            server.try_exec(&["env", "-u", "PGPASSWORD", "psql", "-wU", "postgres", "-c", "SELECT 1"]).err()
        });
    }
    let seen = server.log().len();

    plugin.must(&["create", &server.name, "--name", "b"]);
    plugin.must(&["restore", "b", "-d", "shop", "--yes"]);
    plugin.must(&["undo", &server.name, "--yes"]);

    assert_eq!(words(&server, seen), Vec::<String>::new());
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn a_server_that_trusts_its_container_logs_nothing_13() {
    nothing_is_logged(13, Door::Trust);
}

#[test]
fn a_server_that_asks_for_a_password_logs_nothing_13() {
    nothing_is_logged(13, Door::Password);
}

#[test]
fn a_server_that_trusts_its_container_logs_nothing_16() {
    nothing_is_logged(16, Door::Trust);
}

#[test]
fn a_server_that_asks_for_a_password_logs_nothing_15() {
    nothing_is_logged(15, Door::Password);
}

#[test]
fn a_server_that_trusts_its_container_logs_nothing_17() {
    nothing_is_logged(17, Door::Trust);
}

#[test]
fn a_server_that_asks_for_a_password_logs_nothing_18() {
    nothing_is_logged(18, Door::Password);
}
