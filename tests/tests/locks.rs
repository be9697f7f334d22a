//! F32: somebody has a lock that a backup needs. It waits without standing in anybody's way, says
//! who it was, and leaves nothing.

use pgbackup_tests::{
    Plugin, Server,
    client::Session,
    command::{docker_is_here, wait_for},
    faults::interrupt,
    plugin::wait,
};

/// Tables `a` and `b`, made in this order, and a view on the first.
fn server(postgres: &[&str]) -> Server {
    let server = Server::start_with(17, &[], postgres);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql(
        "shop",
        "CREATE TABLE a AS SELECT 1 AS id; CREATE TABLE b AS SELECT 2 AS id; CREATE VIEW v AS TABLE a",
    );
    server
}

/// Waits until a session of the plugin's is in the database.
fn wait_for_its_session(server: &Server) {
    wait_for("session of the plugin's", || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgbackup/%' AND datname = 'shop'";
        (server.sql("template1", sql).trim() != "0").then_some(())
    });
}

fn create<'a>(server: &'a Server, timeout: &'a str, extra: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["create", &server.name, "-d", "shop", "--name", "b", "--lock-timeout", timeout];
    arguments.extend(extra);
    arguments
}

fn says_who_has_the_lock(extra: &[&str]) {
    let (plugin, server) = (Plugin::new(), server(&["-c", "max_prepared_transactions=2"]));
    let mut holder = Session::open(&server, "shop");
    holder.run("SET application_name = 'billing'");
    let pid = holder.run("SELECT pg_backend_pid()").concat();
    holder.run("BEGIN; LOCK TABLE b IN ACCESS EXCLUSIVE MODE");

    let said = plugin.must_fail(1, &create(&server, "1s", extra));

    for word in
        ["table `public.b`", "1 s", &pid, "`postgres`", "`billing`", "idle in transaction", "LOCK TABLE b"]
    {
        assert!(said.contains(word), "{word} is not in: {said}");
    }
    assert_eq!(server.leftovers(), Vec::<String>::new());

    holder.run("PREPARE TRANSACTION 'forgotten'");
    let said = plugin.must_fail(1, &create(&server, "1s", extra));
    assert!(said.contains("`public.b`") && said.contains("`forgotten`"), "{said}");
    assert_eq!(plugin.backups(), Vec::<String>::new());
    assert_eq!(server.leftovers(), Vec::<String>::new());

    holder.run("ROLLBACK PREPARED 'forgotten'");
    plugin.must(&create(&server, "1s", extra));
}

#[test]
fn a_table_that_is_locked_is_named_with_who_has_it_and_what_he_ran() {
    if docker_is_here() {
        says_who_has_the_lock(&[]);
    }
}

#[test]
fn a_table_that_is_locked_is_named_with_who_has_it_without_a_mover_too() {
    if docker_is_here() {
        says_who_has_the_lock(&["--mover=never"]);
    }
}

/// Whoever waits with other locks in his hand makes a deadlock of what the holder does next, and
/// the server ends one of the two: its user's work.
fn harms_nobody(extra: &[&str]) {
    let (plugin, server) = (Plugin::new(), server(&[]));
    let mut holder = Session::open(&server, "shop");
    holder.run("BEGIN; LOCK TABLE b IN ACCESS EXCLUSIVE MODE");
    let run = plugin.start(&create(&server, "5m", extra));
    wait_for_its_session(&server);

    for round in 0..8 {
        let lines = holder.run(
            "SAVEPOINT s;\nLOCK TABLE a IN ACCESS EXCLUSIVE MODE;\nSELECT 'locked';\nROLLBACK TO s;\nSELECT pg_sleep(0.3)",
        );
        assert!(lines.contains(&"locked".to_owned()), "round {round}: the holder's own work was ended");
    }
    holder.run("COMMIT");

    let outcome = wait(run);
    assert_eq!(outcome.status, Some(0), "{}", outcome.stderr);
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn a_backup_that_waits_for_one_table_holds_no_lock_on_another() {
    if docker_is_here() {
        harms_nobody(&[]);
    }
}

#[test]
fn a_backup_that_waits_for_one_table_without_a_mover_holds_no_lock_on_another() {
    if docker_is_here() {
        harms_nobody(&["--mover=never"]);
    }
}

#[test]
fn a_view_that_is_locked_ends_the_wait_in_time_and_is_named() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server(&[]));
    let mut holder = Session::open(&server, "shop");
    holder.run("BEGIN; ALTER VIEW v SET (security_barrier)");

    let said = plugin.must_fail(1, &create(&server, "2s", &[]));

    assert!(said.contains("view `public.v`") && said.contains("ALTER VIEW v"), "{said}");
    assert_eq!(server.leftovers(), Vec::<String>::new());
    holder.run("COMMIT");
    plugin.must(&create(&server, "2s", &[]));
    assert_eq!(server.complaints(0), Vec::<String>::new());
}

#[test]
fn a_backup_that_is_cancelled_while_it_waits_leaves_no_session() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server(&[]));
    let mut holder = Session::open(&server, "shop");
    holder.run("BEGIN; LOCK TABLE b IN ACCESS EXCLUSIVE MODE");
    let run = plugin.start(&create(&server, "10m", &[]));
    wait_for_its_session(&server);

    interrupt(&run);

    let outcome = wait(run);
    assert_eq!(outcome.status, Some(130), "{}", outcome.stderr);
    assert_eq!(server.leftovers(), Vec::<String>::new());
    assert_eq!(plugin.backups(), Vec::<String>::new());
    assert_eq!(holder.run("SELECT 'still here'"), ["still here"]);
}
