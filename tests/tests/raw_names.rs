//! Names that are not UTF-8: in databases without an encoding, and names of databases and roles
//! that a session in another encoding made.

use pgbackup_tests::{
    Plugin, Server,
    command::{docker_is_here, output, text},
    compare::assert_same_text,
};
use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

/// Runs a script of any bytes, in an encoding that turns nothing.
fn raw(server: &Server, database: &[u8], encoding: &str, script: &[u8]) -> Vec<u8> {
    let file = format!("PGCLIENTENCODING={encoding}");
    // The database's name goes in by standard input too, for arguments here are text.
    let mut input = [b"\\c \"", database, b"\"\n"].concat();
    input.extend_from_slice(script);
    let command =
        ["exec", "-i", "-e", &file, &server.name, "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "postgres"];
    let done = output("docker", &command, &input);
    assert!(done.status.success(), "{}", text(&done.stderr));
    done.stdout
}

/// What pg_dump writes of a database, each byte as a letter of Latin-1, without its random word.
fn dump(server: &Server, database: &str) -> String {
    let bytes = server.exec_bytes(&["pg_dump", "-U", "postgres", "-d", database]);
    let text: String = bytes.into_iter().map(char::from).collect();
    text.lines().filter(|line| !line.contains("restrict")).collect::<Vec<_>>().join("\n")
}

fn a_database_without_an_encoding_comes_back(major: u32, way: &str) {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(major));
    server.sql(
        "postgres",
        "CREATE DATABASE bytes ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
    );
    // LATIN1 and UTF-8 side by side, and a byte that is neither's.
    raw(
        &server,
        b"bytes",
        "SQL_ASCII",
        b"CREATE SCHEMA \"sch\xf6n\"; CREATE TABLE \"sch\xf6n\".\"gr\xf6\xdfe\" (\"n\xfcmmer\" serial, \"f\xc3\xbcnf\" text DEFAULT '\xfc', \"\xff'\\\" text);
        INSERT INTO \"sch\xf6n\".\"gr\xf6\xdfe\" (\"f\xc3\xbcnf\") SELECT '\xe4\xc3\xa4 ' || i FROM generate_series(1, 1000) i;
        CREATE TABLE \"sch\xf6n\".\"gr\xfc\xdfe\" AS TABLE \"sch\xf6n\".\"gr\xf6\xdfe\"; CREATE INDEX \"\xefdx\" ON \"sch\xf6n\".\"gr\xf6\xdfe\" (\"f\xc3\xbcnf\");
        CREATE SEQUENCE \"sch\xf6n\".\"z\xe4hler's\" START 5; SELECT nextval('\"sch\xf6n\".\"z\xe4hler''s\"'); COMMENT ON TABLE \"sch\xf6n\".\"gr\xf6\xdfe\" IS '\xe9';
        CREATE FUNCTION \"sch\xf6n\".\"f\xfcnf\"() RETURNS text LANGUAGE sql AS $$ SELECT 'f\xfcnf'::text $$;",
    );
    let before = dump(&server, "bytes");
    assert!(before.contains("gr\u{f6}\u{df}e"));

    plugin.must(&["create", &server.name, "-d", "bytes", "--name", "b", way]);
    plugin.must(&["create", &server.name, "-d", "bytes", "--name", "again"]);
    plugin.must(&["verify", "b"]);
    assert!(plugin.must(&["inspect", "b"]).contains(r"sch\xf6n.gr\xf6\xdfe"));
    plugin.must(&["restore", "b", "-d", "bytes", "--yes", way]);

    assert_same_text("bytes", &before, &dump(&server, "bytes"));
    let next = raw(&server, b"bytes", "SQL_ASCII", b"SELECT nextval('\"sch\xf6n\".\"z\xe4hler''s\"'), nextval('\"sch\xf6n\".\"gr\xf6\xdfe_n\xfcmmer_seq\"')");
    assert_eq!(text(&next).trim().lines().last(), Some("6|1001"));
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn names_of_any_bytes_in_a_database_without_an_encoding_come_back_17() {
    a_database_without_an_encoding_comes_back(17, "--mover=auto");
}

#[test]
fn names_of_any_bytes_in_a_database_without_an_encoding_come_back_13() {
    a_database_without_an_encoding_comes_back(13, "--mover=auto");
}

#[test]
fn names_of_any_bytes_in_a_database_without_an_encoding_come_back_without_a_mover() {
    a_database_without_an_encoding_comes_back(17, "--mover=never");
}

#[test]
fn a_database_and_a_role_named_in_another_encoding_are_backed_up_and_spoil_no_other() {
    names_in_another_encoding_spoil_nothing("--mover=auto");
}

#[test]
fn a_database_and_a_role_named_in_another_encoding_are_backed_up_without_a_mover() {
    names_in_another_encoding_spoil_nothing("--mover=never");
}

fn names_in_another_encoding_spoil_nothing(way: &str) {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(17));
    for (name, encoding) in [("latin", "LATIN1"), ("plain", "UTF8")] {
        server.sql(
            "postgres",
            &format!(
                "CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
            ),
        );
    }
    raw(&server, b"latin", "LATIN1", b"CREATE DATABASE \"gr\xfcn\"; CREATE ROLE \"m\xfcller\" LOGIN; CREATE TABLE t AS SELECT 1 AS i; ALTER TABLE t OWNER TO \"m\xfcller\"; GRANT CONNECT ON DATABASE plain TO \"m\xfcller\"");
    raw(&server, b"gr\xfcn", "SQL_ASCII", b"CREATE TABLE which AS SELECT 'green' AS it");
    server.sql("plain", "CREATE TABLE t AS SELECT 2 AS i");
    let before = dump(&server, "latin");

    plugin.must(&["create", &server.name, "--name", "all", way]);
    plugin.must(&["verify", "all"]);
    assert!(plugin.must(&["inspect", "all"]).contains(r"gr\xfcn"));
    assert!(plugin.must(&["targets"]).contains(&server.name));

    // Its own name cannot be said in UTF-8, another can; nothing is in the way of the others.
    let mut command = plugin.command(&["restore", "all", "--yes", way, "-d"]);
    command.arg(OsStr::from_bytes(b"gr\xfcn"));
    let refused = command.output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let said = text(&refused.stdout) + &text(&refused.stderr);
    assert!(said.contains(r"gr\xfcn") && said.contains("--into"), "{said}");
    command.args(["--into", "green"]);
    let restored = command.output().unwrap();
    assert_eq!(restored.status.code(), Some(0), "{restored:?}");
    assert_eq!(server.sql("green", "SELECT it FROM which").trim(), "green");
    plugin.must(&["restore", "all", "-d", "latin", "--yes", way]);
    assert_same_text("latin", &before, &dump(&server, "latin"));
    assert_eq!(server.leftovers(), Vec::<String>::new());
}
