//! Content that is hostile or broken: names that would steer a terminal or a shell, and objects
//! that cannot be read or made again.

use pgbackup_tests::{
    Plugin, Server,
    client::Session,
    command::{docker_is_here, must},
    compare::{assert_same, globals, portrait},
};

/// Names of things in one database: escape sequences of seven and eight bits, a terminal's title,
/// a text that runs backwards, ends of lines, quotes, and what shells and psql would run.
const NAMES: [&str; 8] = [
    "red\u{1b}[31m\u{1b}[2J",
    "title\u{1b}]0;gotcha\u{7}",
    "eight\u{9b}31m\u{85}",
    "back\u{202e}txt",
    "line\n\\! touch /tmp/gotcha\r\nDROP",
    "$(touch /tmp/gotcha)`touch /tmp/gotcha`",
    "'; DROP TABLE orders; --\"",
    "%s%n{}\\",
];

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Panics if a text would do anything to a terminal but begin new lines.
fn assert_harmless(what: &str, text: &str) {
    let harmful = |letter: char| letter != '\n' && (letter.is_control() || letter == '\u{202e}');
    assert!(!text.contains(harmful), "{what} wrote {text:?}");
}

#[test]
fn no_name_of_a_database_a_role_or_a_table_steers_a_terminal_or_a_shell() {
    no_name_steers_anything(&[]);
}

#[test]
fn no_name_steers_a_terminal_a_shell_or_psql_without_a_mover_and_all_come_back() {
    no_name_steers_anything(&["--mover=never"]);
}

fn no_name_steers_anything(way: &[&str]) {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(17));
    let database = format!("all{}", NAMES[0]);
    server.sql("postgres", &format!("CREATE DATABASE {}", quoted(&database)));
    for name in NAMES {
        let (name, literal) = (quoted(name), name.replace('\'', "''"));
        // psql would take a backslash for a command of its own, so the server runs the text.
        let sql = format!(
            "CREATE ROLE {name}; CREATE SCHEMA {name}; CREATE TABLE {name}.{name} ({name} int); INSERT INTO {name}.{name} VALUES (1);
             CREATE INDEX ON {name}.{name} ({name}); ALTER TABLE {name}.{name} OWNER TO {name}; COMMENT ON TABLE {name}.{name} IS '{literal}'"
        );
        server.sql(&database, &sql);
    }
    let before = portrait(&server, &database);
    let roles = globals(&server);
    let said = |what: &[&str], status: i32| {
        let goes_there = matches!(what[0], "create" | "restore");
        let line: Vec<&str> = what.iter().chain(way.iter().filter(|_| goes_there)).copied().collect();
        let outcome = plugin.run(&line);
        assert_eq!(outcome.status, Some(status), "{what:?}: {outcome:?}");
        assert_harmless(&format!("{what:?}"), &(outcome.stdout.clone() + &outcome.stderr));
        outcome
    };

    said(&["create", &server.name, "--name", "b", "-v"], 0);
    said(&["create", &server.name, "--name", "c", "--progress", "json"], 0);
    for what in ["list", "targets"] {
        said(&[what], 0);
        said(&[what, "--format", "json"], 0);
    }
    said(&["inspect", "b"], 0);
    said(&["inspect", "b", "--format", "json"], 0);
    said(&["verify", "b"], 0);
    said(&["restore", "b", "-d", &database, "--dry-run"], 0);

    // Errors quote the server, which quotes names and other people's statements.
    let table = format!("{0}.{0}", quoted(NAMES[0]));
    let mut holder = Session::open(&server, &database);
    holder.run(&format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"));
    let failed = said(&["create", &server.name, "-d", &database, "--lock-timeout", "1s"], 1);
    assert!(failed.stderr.contains("\\x1b[2J"), "the table is not named: {failed:?}");
    holder.run("ROLLBACK");
    drop(holder);
    said(&["create", &server.name, "-d", NAMES[1]], 1);

    said(&["restore", "b", "-d", &database, "--yes", "-v"], 0);
    assert_same("the database", &before, &portrait(&server, &database));
    assert_eq!(roles, globals(&server));
    said(&["targets"], 0);
    said(&["undo", &server.name, "--discard", "--yes"], 0);
    assert_eq!(server.exec(&["sh", "-c", "ls /tmp"]).matches("gotcha").count(), 0);
    assert!(!std::path::Path::new("/tmp/gotcha").exists());
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn a_role_that_is_named_like_an_option_is_no_option_to_any_of_the_servers_tools() {
    if !docker_is_here() {
        return;
    }
    let (plugin, first, other) = (Plugin::new(), Server::start(17), Server::start(17));
    first.sql(
        "postgres",
        "CREATE ROLE \"--help\" SUPERUSER LOGIN; CREATE ROLE \"-U\" LOGIN PASSWORD 'x'; CREATE ROLE \"--no-owner\"; GRANT \"-U\" TO \"--no-owner\"; CREATE DATABASE \"--version\" OWNER \"-U\"",
    );
    first.sql("--version", "CREATE TABLE \"-t\" AS SELECT 1 AS \"-a\"; ALTER TABLE \"-t\" OWNER TO \"--no-owner\"; GRANT SELECT ON \"-t\" TO \"--help\"");
    let before = portrait(&first, "--version");
    // The server again, with the role as the only way in through its socket.
    first.exec(&["sh", "-c", "sed -i '1i local all postgres reject' $PGDATA/pg_hba.conf"]);
    must("docker", &["stop", "--time", "30", &first.name]);
    let volumes = format!("--volumes-from={}", first.name);
    let mut server = Server::start_with(17, &[&volumes, "--env", "POSTGRES_USER=--help"], &[]);
    "--help".clone_into(&mut server.user);

    plugin.must(&["create", &server.name, "--name", "b"]);
    plugin.must(&["restore", "b", "--database=--version", "--yes"]);
    plugin.must(&["restore", "b", "--database=--version", "--to", &other.name, "--yes"]);

    assert_same("the database", &before, &portrait(&server, "--version"));
    assert_same("the other server's", &before, &portrait(&other, "--version"));
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn what_cannot_be_read_fails_its_database_and_is_named_and_the_others_are_backed_up() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(17));
    for name in ["last", "broken", "good"] {
        server.sql("postgres", &format!("CREATE DATABASE {name}"));
    }
    server.sql("good", "CREATE TABLE t AS SELECT generate_series(1, 10) AS i");
    // The value of the last row has no name any more: COPY fails when all others are out.
    server.sql(
        "last",
        "CREATE TYPE mood AS ENUM ('fine', 'gone'); CREATE TABLE moods AS SELECT i, CASE i WHEN 100000 THEN 'gone'::mood ELSE 'fine' END AS mood FROM generate_series(1, 100000) i;
         DELETE FROM pg_enum WHERE enumlabel = 'gone'",
    );
    // A view whose function is gone cannot be written down.
    server.sql("broken", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE VIEW no_longer AS SELECT f(); DELETE FROM pg_proc WHERE proname = 'f'");

    let said = plugin.must_fail(3, &["create", &server.name, "--name", "all"]);
    assert!(said.contains("moods") && said.contains("enum"), "{said}");
    assert!(said.contains("broken") && said.contains("cache lookup failed"), "{said}");
    assert!(said.contains("2 of 5 databases"), "{said}");
    assert_eq!(plugin.backups(), Vec::<String>::new());
    plugin.must_fail(1, &["create", &server.name, "-d", "last"]);
    plugin.must_fail(1, &["create", &server.name, "-d", "broken"]);
    assert_eq!(plugin.backups(), Vec::<String>::new());
    plugin.must(&["create", &server.name, "-d", "good", "--name", "good"]);
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn what_cannot_be_made_again_fails_the_restore_and_is_named() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(17));
    let here = "CREATE FUNCTION here(int) RETURNS boolean LANGUAGE sql AS $$ SELECT current_database() IN ('row', 'view') OR $1 < 100000 $$;";
    for name in ["row", "view"] {
        server.sql("postgres", &format!("CREATE DATABASE \"{name}\""));
        server.sql(name, here);
    }
    // The server refuses the last row when all others are in.
    server.sql(
        "row",
        "CREATE TABLE refused (i int CHECK (here(i))); INSERT INTO refused SELECT generate_series(1, 100000)",
    );
    // A view that is kept filled cannot be filled any more.
    server.sql("view", "CREATE TABLE t AS SELECT generate_series(1, 100000) AS i; CREATE MATERIALIZED VIEW no_longer AS SELECT i, 1 / here(i)::int AS one FROM t");
    let before = ["row", "view"].map(|name| portrait(&server, name));
    plugin.must(&["create", &server.name, "--name", "b"]);

    for (name, named, why) in
        [("row", "refused", "violates check"), ("view", "no_longer", "division by zero")]
    {
        let said = plugin.must_fail(1, &["restore", "b", "-d", name, "--yes"]);
        assert!(said.contains(named) && said.contains(why), "{said}");
    }

    assert_eq!(["row", "view"].map(|name| portrait(&server, name)), before);
    assert_eq!(server.all_databases(), ["postgres", "row", "template0", "template1", "view"]);
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn an_invalid_index_is_left_out_as_pg_dump_does_and_all_else_comes_back() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(17));
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE orders AS SELECT i % 500 AS id FROM generate_series(1, 1000) i; CREATE INDEX good ON orders (id)");
    server.try_sql("shop", "CREATE UNIQUE INDEX CONCURRENTLY bad ON orders (id)").unwrap_err();
    let invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    assert_eq!(server.sql("shop", invalid).trim(), "1");
    let mut before = portrait(&server, "shop");

    plugin.must(&["create", &server.name, "-d", "shop", "--name", "b"]);
    plugin.must(&["restore", "b", "-d", "shop", "--yes"]);

    let rest: Vec<&str> = before.content.lines().filter(|line| *line != "invalid index public.bad").collect();
    before.content = rest.join("\n") + "\n";
    assert_same("the shop", &before, &portrait(&server, "shop"));
    assert_eq!(server.sql("shop", invalid).trim(), "0");
}

/// Triggers that forbid every change of a schema.
const FORBID: &str = "CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'nothing may change here'; END $$;
    CREATE EVENT TRIGGER a ON ddl_command_start EXECUTE FUNCTION no(); CREATE EVENT TRIGGER b ON ddl_command_end EXECUTE FUNCTION no(); CREATE EVENT TRIGGER c ON sql_drop EXECUTE FUNCTION no()";

fn server_with_a_kept_view(major: u32) -> Server {
    let server = Server::start(major);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE orders AS SELECT generate_series(1, 1000) AS id; CREATE INDEX ON orders (id); CREATE MATERIALIZED VIEW kept AS SELECT * FROM orders");
    server
}

#[test]
fn event_triggers_that_forbid_what_a_restore_does_come_back_with_all_else() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server_with_a_kept_view(17));
    let login = "CREATE FUNCTION keep_out() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN IF current_database() <> 'shop' THEN RAISE EXCEPTION 'nobody may enter'; END IF; END $$; CREATE EVENT TRIGGER d ON login EXECUTE FUNCTION keep_out(); ALTER EVENT TRIGGER d ENABLE ALWAYS;";
    server.sql("shop", &format!("{login} {FORBID}"));
    let before = portrait(&server, "shop");

    plugin.must(&["create", &server.name, "-d", "shop", "--name", "b"]);
    plugin.must(&["restore", "b", "-d", "shop", "--yes"]);

    assert_same("the shop", &before, &portrait(&server, "shop"));
    server.try_sql("shop", "CREATE TABLE t ()").unwrap_err();
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn event_triggers_that_forbid_what_a_restore_does_fail_it_where_the_server_cannot_leave_them_out() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server_with_a_kept_view(15));
    server.sql("shop", FORBID);
    let before = portrait(&server, "shop");
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "b"]);

    let said = plugin.must_fail(1, &["restore", "b", "-d", "shop", "--yes"]);

    assert!(said.contains("nothing may change here") && said.contains("kept"), "{said}");
    assert_same("the shop", &before, &portrait(&server, "shop"));
    assert_eq!(server.all_databases(), ["postgres", "shop", "template0", "template1"]);
    assert_eq!(server.leftovers(), Vec::<String>::new());
}
