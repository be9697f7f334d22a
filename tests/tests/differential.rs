//! The stored bytes of every table against pg_dump's own, on every version.

use pgbackup_tests::{
    Plugin, Server,
    client::{Session, Worker},
    command::docker_is_here,
    repository::files,
    zoo::{self, Size},
};
use std::{collections::BTreeMap, fs, path::Path};

/// Exports a backup of a quiet server and compares each table's file with `pg_dump -Fd`'s.
fn export_equals_pg_dump(major: u32) {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(major));
    zoo::build(&server, Size::default());
    plugin.must(&["create", &server.name, "-d", "zoo", "--name", "zoo"]);
    let (ours, theirs) = (plugin.home().join("ours"), plugin.home().join("theirs"));
    plugin.must(&["export", "zoo", &ours.display().to_string()]);

    server.exec(&["pg_dump", "-U", "postgres", "-Fd", "-Z0", "-f", "/tmp/theirs", "-d", "zoo"]);
    server.copy_out("/tmp/theirs", &theirs.display().to_string());

    let ours = by_entry(&server, &ours.join("databases/zoo"));
    let theirs = by_entry(&server, &theirs);
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    assert!(theirs.len() > 60, "only {} entries have data", theirs.len());
    for (entry, bytes) in &theirs {
        assert!(
            ours[entry] == *bytes,
            "{entry}: ours {} bytes, pg_dump's {}",
            ours[entry].len(),
            bytes.len()
        );
    }
}

/// Returns the data of each entry of a directory-format dump by the entry's name.
fn by_entry(server: &Server, folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let inside = format!("/tmp/{}", pgbackup_tests::server::unique("dump"));
    server.copy_in(&folder.display().to_string(), &inside);
    let list = server.exec(&["pg_restore", "-l", &inside]);
    let mut entries = BTreeMap::new();
    for line in list.lines().filter(|line| !line.starts_with(';')) {
        // `215; 1259 16390 TABLE public parent zoo_owner`: dump id, catalogue, oid, what it is.
        let Some((dump_id, rest)) = line.split_once("; ") else { continue };
        let name = rest.splitn(3, ' ').nth(2).unwrap_or(rest);
        if !name.starts_with("TABLE DATA") {
            continue;
        }
        let file = folder.join(format!("{dump_id}.dat"));
        entries.insert(
            name.to_owned(),
            fs::read(&file).unwrap_or_else(|error| panic!("{name}: {}: {error}", file.display())),
        );
    }
    for file in files(folder)
        .into_iter()
        .filter(|file| file.file_name().unwrap().to_string_lossy().starts_with("blob_"))
    {
        entries.insert(file.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&file).unwrap());
    }
    entries
}

#[test]
fn an_export_of_postgresql_13_has_pg_dump_s_bytes_for_every_table() {
    export_equals_pg_dump(13);
}

#[test]
fn an_export_of_postgresql_15_has_pg_dump_s_bytes_for_every_table() {
    export_equals_pg_dump(15);
}

#[test]
fn an_export_of_postgresql_16_has_pg_dump_s_bytes_for_every_table() {
    export_equals_pg_dump(16);
}

#[test]
fn an_export_of_postgresql_17_has_pg_dump_s_bytes_for_every_table() {
    export_equals_pg_dump(17);
}

#[test]
fn an_export_of_postgresql_18_has_pg_dump_s_bytes_for_every_table() {
    export_equals_pg_dump(18);
}

/// Money moves between accounts in several tables while the backup reads them side by side.
///
/// Every transaction keeps the sum over both tables, and writes its number into a third; a
/// backup of one moment has the right sum and the number's row for each move it shows.
fn a_backup_beside_writers_is_of_one_moment(major: u32) {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(major));
    server.sql("postgres", "CREATE DATABASE bank");
    server.sql(
        "bank",
        "CREATE TABLE a AS SELECT i AS id, 1000::bigint AS money, repeat(md5(i::text), 4) AS pad FROM generate_series(1, 60000) i; ALTER TABLE a ADD PRIMARY KEY (id);
         CREATE TABLE b AS TABLE a; ALTER TABLE b ADD PRIMARY KEY (id); CREATE TABLE moves (n bigint PRIMARY KEY, amount bigint);
         CREATE SEQUENCE number;
         CREATE PROCEDURE move() LANGUAGE plpgsql AS $$ DECLARE n bigint := nextval('number'); m bigint := n % 50; BEGIN
           UPDATE a SET money = money - m WHERE id = 1 + (n * 7919) % 60000; UPDATE b SET money = money + m WHERE id = 1 + (n * 104729) % 60000;
           INSERT INTO moves VALUES (n, m); COMMIT; END $$;",
    );
    let writers: Vec<_> = (0..2)
        .map(|_| {
            let mut session = Session::open(&server, "bank");
            session.run("SET synchronous_commit = off; SET client_min_messages = error");
            Worker::start(move |_| drop(session.run("CALL move()")))
        })
        .collect();

    for round in 0..3 {
        plugin.must(&[
            "create",
            &server.name,
            "-d",
            "bank",
            "--name",
            &format!("round-{round}"),
            "--jobs",
            "3",
        ]);
    }
    let moved: u64 = writers.iter().map(Worker::steps).sum();
    drop(writers);

    assert!(moved > 20, "only {moved} moves were made beside the backups");
    for round in 0..3 {
        let copy = format!("bank_{round}");
        plugin.must(&["restore", &format!("round-{round}"), "-d", "bank", "--into", &copy, "--yes"]);
        let sums = server.sql(&copy, "SELECT (SELECT sum(money) FROM a) + (SELECT sum(money) FROM b), (SELECT count(*) FROM a), (SELECT sum(money) FROM b) - 60000000 = (SELECT coalesce(sum(amount), 0) FROM moves)");
        assert_eq!(sums.trim(), "120000000|60000|t", "round {round} is not of one moment");
    }
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn a_backup_of_13_beside_writers_is_of_one_moment() {
    a_backup_beside_writers_is_of_one_moment(13);
}

#[test]
fn a_backup_of_17_beside_writers_is_of_one_moment() {
    a_backup_beside_writers_is_of_one_moment(17);
}

#[test]
fn page_ranges_put_together_are_what_one_copy_gives() {
    if !docker_is_here() {
        return;
    }
    // Holes, dead rows and a table that is larger than one range.
    let (plugin, server) = (Plugin::new(), Server::start(17));
    server.sql("postgres", "CREATE DATABASE pages");
    server.sql(
        "pages",
        "CREATE TABLE t (id int, a text) WITH (autovacuum_enabled = false); INSERT INTO t SELECT i, repeat(md5(i::text), 10) FROM generate_series(1, 400000) i;
         DELETE FROM t WHERE id BETWEEN 50000 AND 120000 OR id % 11 = 0; UPDATE t SET a = 'moved ' || a WHERE id % 13 = 0",
    );

    plugin.must(&["create", &server.name, "-d", "pages", "--name", "b", "--jobs", "4"]);
    let export = plugin.home().join("export");
    plugin.must(&["export", "b", &export.display().to_string()]);

    let copied = server.exec_bytes(&["psql", "-XqU", "postgres", "-d", "pages", "-c", "COPY t TO STDOUT"]);
    let table = files(&export)
        .into_iter()
        .filter(|file| file.extension().is_some_and(|it| it == "dat"))
        .max_by_key(|file| fs::metadata(file).unwrap().len())
        .unwrap();
    let stored = fs::read(table).unwrap();
    // The directory format ends a table's file by the line that ends COPY's input, and empty lines.
    let end = stored.windows(4).rposition(|four| four == b"\n\\.\n").map_or(stored.len(), |at| at + 1);
    assert!(stored[..end] == copied[..], "stored {} bytes, COPY gives {}", end, copied.len());
}
