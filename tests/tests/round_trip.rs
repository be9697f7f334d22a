//! A whole server goes into a backup and comes back as it was, on every version.

use pgbackup_tests::{
    Plugin, Server, archive,
    command::docker_is_here,
    compare::{assert_same, assert_same_text, assert_writes_alike, globals, portrait},
    repository::assert_restic_is_content,
    zoo::{self, Size},
};

/// Backs the zoo up, restores it into a second, empty server and over itself, and compares both.
fn the_zoo_comes_back(major: u32, size: Size) {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(major));
    zoo::build(&server, size);
    let before = portrait(&server, "zoo");
    let roles = globals(&server);

    let log = server.log().len();
    plugin.must(&["create", &server.name, "--name", "zoo", "--quiet"]);

    assert_eq!(server.leftovers(), Vec::<String>::new());
    assert_eq!(server.complaints(log), Vec::<String>::new());
    assert_same("the source after a backup", &before, &portrait(&server, "zoo"));
    plugin.must(&["verify", "zoo"]);
    assert_restic_is_content(&plugin);

    // Somewhere else, where nothing of it is known.
    let other = Server::start(major);
    zoo::prepare_for_restore(&other);
    plugin.must(&["restore", "zoo", "--to", &other.name, "--yes"]);
    assert_same("the zoo in another server", &before, &portrait(&other, "zoo"));
    assert_same_text("roles in another server", &roles, &globals(&other));
    assert_eq!(other.leftovers(), Vec::<String>::new());

    // Over itself, after damage.
    server.sql(
        "zoo",
        "DROP TABLE public.types CASCADE; DELETE FROM public.many_pages; SELECT lo_unlink(700001);",
    );
    plugin.must(&["restore", "zoo", "-d", "zoo", "--to", &server.name, "--yes"]);
    assert_same("the zoo over itself", &before, &portrait(&server, "zoo"));
    assert_eq!(server.leftovers(), Vec::<String>::new());
    assert_eq!(server.complaints(log), Vec::<String>::new());
    assert_writes_alike(&server, "zoo", &other, "zoo");
}

#[test]
fn the_zoo_of_postgresql_13_comes_back_as_it_was() {
    the_zoo_comes_back(13, Size::default());
}

#[test]
fn the_zoo_of_postgresql_15_comes_back_as_it_was() {
    the_zoo_comes_back(15, Size::default());
}

#[test]
fn the_zoo_of_postgresql_16_without_zstd_and_contrib_comes_back_as_it_was() {
    the_zoo_comes_back(16, Size::default());
}

#[test]
fn the_zoo_of_postgresql_17_with_a_row_of_100_mb_and_5000_tables_comes_back_as_it_was() {
    the_zoo_comes_back(17, Size { long: true, many: true });
}

#[test]
fn the_zoo_of_postgresql_18_comes_back_as_it_was() {
    the_zoo_comes_back(18, Size::default());
}

#[test]
fn the_archive_database_comes_back_as_it_was_and_undo_swaps_it_back() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), archive::start(17, 1));
    let before = portrait(&server, "archive");

    plugin.must(&["create", &server.name, "--name", "archive"]);
    server.sql("archive", "UPDATE archive.package SET name = name || ' damaged' WHERE id % 3 = 0; DROP TABLE archive.dependency; VACUUM ANALYZE;");
    let damaged = portrait(&server, "archive");
    plugin.must(&["restore", "archive", "-d", "archive", "--yes"]);

    assert_same("the archive after a restore", &before, &portrait(&server, "archive"));
    plugin.must(&["undo", &server.name, "--yes"]);
    assert_same("what the restore replaced, after undo", &damaged, &portrait(&server, "archive"));
    plugin.must(&["undo", &server.name, "--yes"]);
    assert_same("what was restored, after undoing the undo", &before, &portrait(&server, "archive"));
    plugin.must(&["undo", &server.name, "--discard", "--yes"]);
    assert_eq!(server.all_databases(), ["archive", "postgres", "template0", "template1"]);
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn the_database_postgres_itself_comes_back() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(17));
    server.sql("postgres", "CREATE TABLE kept AS SELECT generate_series(1, 10) AS i");
    let before = portrait(&server, "postgres");

    plugin.must(&["create", &server.name, "--name", "b"]);
    server.sql("postgres", "DROP TABLE kept");
    plugin.must(&["restore", "b", "-d", "postgres", "--yes"]);

    assert_same("postgres", &before, &portrait(&server, "postgres"));
}

#[test]
fn template1_is_in_a_backup_and_restored_only_by_name() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(17));
    server.sql("template1", "CREATE TABLE from_template (i int)");
    plugin.must(&["create", &server.name, "--name", "b"]);
    server.sql("template1", "DROP TABLE from_template");

    plugin.must(&["restore", "b", "--yes"]);
    let untouched = server.sql("template1", "SELECT to_regclass('from_template') IS NULL");
    plugin.must(&["restore", "b", "-d", "template1", "--yes"]);

    assert_eq!(untouched.trim(), "t");
    assert_eq!(server.sql("template1", "SELECT to_regclass('from_template')").trim(), "from_template");
    assert_eq!(
        server.sql("postgres", "SELECT datistemplate FROM pg_database WHERE datname = 'template1'").trim(),
        "t"
    );
}

#[test]
fn a_restore_into_another_name_leaves_the_database_alone() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(17));
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE t AS SELECT generate_series(1, 1000) AS i");
    plugin.must(&["create", &server.name, "--name", "b"]);
    server.sql("shop", "DELETE FROM t WHERE i > 5");

    plugin.must(&["restore", "b", "-d", "shop", "--into", "shop_copy", "--yes"]);

    assert_eq!(server.sql("shop", "SELECT count(*) FROM t").trim(), "5");
    assert_eq!(server.sql("shop_copy", "SELECT count(*) FROM t").trim(), "1000");
    assert_eq!(server.all_databases(), ["postgres", "shop", "shop_copy", "template0", "template1"]);
}
