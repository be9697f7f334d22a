//! What a restore does with roles, locales and several databases, as it was told.

use pgbackup_tests::{
    Plugin, Server,
    client::Session,
    command::{docker_is_here, must, wait_for},
};

const ROLES: &str = "SELECT rolcanlogin, rolconnlimit, rolcreatedb, rolpassword, rolvaliduntil FROM pg_authid WHERE rolname = 'app'";

/// A shop whose owner is `keeper`, with a role `app` of its own kind, in a backup `b`.
fn shop(plugin: &Plugin, major: u32) -> Server {
    let server = Server::start(major);
    server.sql("postgres", "CREATE ROLE keeper; CREATE ROLE app LOGIN CONNECTION LIMIT 3 PASSWORD 'first' VALID UNTIL '2031-01-01 00:00:00+00'; CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE orders AS SELECT generate_series(1, 1000) AS id; ALTER TABLE orders OWNER TO keeper; GRANT SELECT ON orders TO app");
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "b"]);
    server
}

/// Roles that exist with other attributes: kept and said, left alone, or replaced.
fn roles_are_as_told(major: u32) {
    if !docker_is_here() {
        return;
    }
    let plugin = Plugin::new();
    let (server, other) = (shop(&plugin, major), Server::start(major));
    other.sql("postgres", "CREATE ROLE app CREATEDB PASSWORD 'another'");
    let own = other.sql("postgres", ROLES);
    let restore = |more: &[&str]| {
        let mut all = vec!["restore", "b", "--to", &other.name, "--yes", "--discard-old"];
        all.extend(more);
        plugin.run(&all)
    };

    // Nothing is made: the owner lacks.
    let skipped = restore(&["--roles", "skip"]);
    assert_eq!(skipped.status, Some(1), "{skipped:?}");
    assert!(
        skipped.stderr.contains("role `keeper` owns something in `shop`, and is not here"),
        "{skipped:?}"
    );
    assert_eq!(other.all_databases(), ["postgres", "template0", "template1"]);

    // Kept, and said.
    let kept = restore(&[]);
    assert_eq!(kept.status, Some(0), "{kept:?}");
    assert!(
        kept.stderr
            .contains("role `app` stays as it is: CREATEDB here, NOCREATEDB in the backup; NOLOGIN here"),
        "{kept:?}"
    );
    assert_eq!(other.sql("postgres", ROLES), own);

    // With the roles there nothing has to be made.
    let skipped = restore(&["--roles", "skip"]);
    assert_eq!(skipped.status, Some(0), "{skipped:?}");
    assert_eq!(other.sql("postgres", ROLES), own);

    // A restore that fails changes no role.
    server.sql("shop", "CREATE FUNCTION here() RETURNS boolean LANGUAGE sql AS $$ SELECT current_database() = 'shop' $$; CREATE TABLE refused (i int CHECK (here())); INSERT INTO refused VALUES (1)");
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "bad"]);
    plugin.must_fail(1, &["restore", "bad", "--to", &other.name, "--yes", "--roles", "replace"]);
    assert_eq!(other.sql("postgres", ROLES), own);

    let replaced = restore(&["--roles", "replace"]);
    assert_eq!(replaced.status, Some(0), "{replaced:?}");
    assert!(
        replaced.stderr.contains("NOLOGIN here, LOGIN in the backup"),
        "the plan does not say it: {replaced:?}"
    );
    assert!(!replaced.stderr.contains("SCRAM") && !replaced.stderr.contains("md5"), "{replaced:?}");
    assert_eq!(other.sql("postgres", ROLES), server.sql("postgres", ROLES));
    assert_eq!(other.leftovers(), Vec::<String>::new());
}

#[test]
fn roles_are_kept_left_alone_or_replaced_as_it_is_said_13() {
    roles_are_as_told(13);
}

#[test]
fn roles_are_kept_left_alone_or_replaced_as_it_is_said_17() {
    roles_are_as_told(17);
}

#[test]
fn roles_are_kept_left_alone_or_replaced_as_it_is_said_18() {
    roles_are_as_told(18);
}

/// A locale that the server lacks is refused, and another is taken where that is said.
fn a_locale_is_chosen(major: u32) {
    if !docker_is_here() {
        return;
    }
    let (plugin, server, other) = (Plugin::new(), Server::start(major), Server::start(major));
    // A locale that no other server has.
    let copy = "cp -r /usr/lib/locale/C.utf8 /usr/lib/locale/xx_XX.utf8 2>/dev/null || cp -r /usr/lib/locale/C.UTF-8 /usr/lib/locale/xx_XX.utf8";
    must("docker", &["exec", "--user", "0", &server.name, "sh", "-c", copy]);
    server.sql(
        "postgres",
        "CREATE DATABASE shop TEMPLATE template0 LC_COLLATE 'xx_XX.utf8' LC_CTYPE 'xx_XX.utf8'",
    );
    server.sql("shop", "CREATE TABLE words AS SELECT chr(i) AS word FROM generate_series(65, 122) i; CREATE UNIQUE INDEX ON words (word)");
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "b"]);

    let said = plugin.must_fail(1, &["restore", "b", "--to", &other.name, "--yes"]);
    assert!(said.contains("xx_XX.utf8") && said.contains("--locale"), "{said}");
    let said = plugin.must_fail(1, &["restore", "b", "--to", &other.name, "--yes", "--locale", "yy_YY"]);
    assert!(said.contains("yy_YY"), "{said}");
    plugin.must_fail(125, &["restore", "b", "--to", &other.name, "--yes", "--locale", "glibc:C"]);
    assert_eq!(other.all_databases(), ["postgres", "template0", "template1"]);

    let outcome = plugin.run(&["restore", "b", "--to", &other.name, "--yes", "--locale", "C"]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert!(outcome.stderr.contains("libc xx_XX.utf8, and is made as UTF8, libc C"), "{outcome:?}");
    let locale = "SELECT datcollate, datctype FROM pg_database WHERE datname = 'shop'";
    assert_eq!(other.sql("shop", locale).trim(), "C|C");
    let words = "SELECT count(*), min(word), max(word) FROM words WHERE word >= 'A'";
    assert_eq!(other.sql("shop", words).trim(), "58|A|z");

    if major >= 17 {
        plugin.must(&[
            "restore",
            "b",
            "--to",
            &other.name,
            "--into",
            "icu",
            "--yes",
            "--locale",
            "icu:de-DE",
        ]);
        let locale = "SELECT datlocprovider, datlocale FROM pg_database WHERE datname = 'icu'";
        assert_eq!(other.sql("icu", locale).trim(), "i|de-DE");
    }
}

#[test]
fn a_locale_that_lacks_is_refused_and_another_is_taken_when_that_is_said_13() {
    a_locale_is_chosen(13);
}

#[test]
fn a_locale_that_lacks_is_refused_and_another_is_taken_when_that_is_said_17() {
    a_locale_is_chosen(17);
}

#[test]
fn of_several_databases_each_is_swapped_by_itself_and_a_part_that_fails_is_told_with_3() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(17));
    for name in ["alpha", "beta"] {
        server.sql("postgres", &format!("CREATE DATABASE {name}"));
        server.sql(name, "CREATE TABLE t AS SELECT i, md5(i::text) AS what FROM generate_series(1, 200000) i; CREATE INDEX ON t (what)");
    }
    plugin.must(&["create", &server.name, "-d", "alpha", "-d", "beta", "--name", "b"]);
    for name in ["alpha", "beta"] {
        server.sql(name, "DELETE FROM t WHERE i > 10");
    }

    // Somebody comes into the second one when the plan has been made.
    let restore = plugin.start(&["restore", "b", "--yes"]);
    wait_for("second database that is loaded", || {
        let loading = server
            .sql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE 'pgbackup\\_new\\_%\\_1'");
        (loading.trim() == "1").then_some(())
    });
    let somebody = Session::open(&server, "beta");
    let outcome = pgbackup_tests::plugin::wait(restore);

    assert_eq!(outcome.status, Some(3), "{outcome:?}");
    assert!(outcome.stderr.contains("restored and in service: alpha"), "{outcome:?}");
    assert_eq!(server.sql("alpha", "SELECT count(*) FROM t").trim(), "200000");
    assert_eq!(server.sql("beta", "SELECT count(*) FROM t").trim(), "10");
    drop(somebody);
    assert!(!server.all_databases().iter().any(|name| name.starts_with("pgbackup_new")), "{outcome:?}");
    assert_eq!(server.leftovers(), Vec::<String>::new());
    plugin.must(&["undo", &server.name, "--yes"]);
    assert_eq!(server.sql("alpha", "SELECT count(*) FROM t").trim(), "10");
}
