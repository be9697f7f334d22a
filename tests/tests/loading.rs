//! How tables are loaded: rows as they were, and statistics before anybody is let in.

use pgbackup_tests::{
    Plugin, Server,
    command::docker_is_here,
    compare::{assert_same, portrait},
};

/// Tables of some megabytes, of every kind that may be loaded frozen, and one that may not: the
/// rows of its partitions go through their root, because an enum's values hash anew.
const CONTENT: &str = "CREATE TYPE mood AS ENUM ('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
    CREATE TABLE plain AS SELECT i AS id, md5(i::text) AS t FROM generate_series(1, 60000) i;
    CREATE UNLOGGED TABLE \"Un logged (a)\" AS SELECT * FROM plain;
    CREATE TABLE heir () INHERITS (plain); INSERT INTO heir SELECT -id, t FROM ONLY plain;
    CREATE TABLE parted (m mood, t text) PARTITION BY HASH (m);
    CREATE TABLE parted_0 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE parted_1 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    INSERT INTO parted SELECT (enum_range(NULL::mood))[1 + id % 8], t || t FROM ONLY plain;
    CREATE INDEX plain_lower ON plain (lower(t)); CREATE STATISTICS id_and_t ON id, t FROM plain;
    CREATE MATERIALIZED VIEW seen AS SELECT id FROM ONLY plain;";

/// A database, and what a restore made of it. Nobody but the restore can have looked at its rows:
/// autovacuum is off.
fn restored(major: u32) -> Option<Server> {
    if !docker_is_here() {
        return None;
    }
    let (plugin, server) = (Plugin::new(), Server::start_with(major, &[], &["-c", "autovacuum=off"]));
    server.sql("postgres", "CREATE DATABASE first");
    server.sql("first", CONTENT);

    plugin.must(&["create", &server.name, "-d", "first", "--name", "b"]);
    plugin.must(&["restore", "b", "-d", "first", "--into", "again", "--yes"]);

    assert_same("loading", &portrait(&server, "first"), &portrait(&server, "again"));
    Some(server)
}

#[test]
fn every_table_view_and_index_on_an_expression_has_statistics_after_a_restore() {
    let Some(server) = restored(13) else { return };
    let known = "SELECT string_agg(DISTINCT tablename, ', ' ORDER BY tablename) FROM pg_stats
        WHERE schemaname = 'public' AND tablename NOT LIKE 'parted\\_%'";
    let expected = "Un logged (a), heir, parted, plain, plain_lower, seen";
    assert_eq!(server.sql("again", known).trim(), expected);
    assert_eq!(server.sql("again", "SELECT statistics_name FROM pg_stats_ext").trim(), "id_and_t");
}
