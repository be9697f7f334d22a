//! Trouble on this side: the repository's disk and its key.

use pgbackup_tests::{
    Plugin, Server,
    command::docker_is_here,
    disk::Disk,
    faults,
    repository::{assert_restic_is_content, files, packs},
};
use rand::Rng;
use std::{fs, os::unix::fs::PermissionsExt};

/// What one path through the plugin adds to each command that works on a server.
type More<'a> = &'a [&'a str];

fn server_with_a_shop() -> Server {
    let server = Server::start(17);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE orders AS SELECT i AS id, md5(i::text) AS what FROM generate_series(1, 20000) i; CREATE TABLE invoices AS SELECT * FROM orders;");
    server
}

fn with<'a>(arguments: &[&'a str], more: More<'a>) -> Vec<&'a str> {
    [arguments, more].concat()
}

fn orders(server: &Server) -> String {
    server.sql("shop", "SELECT count(*), md5(string_agg(what, '' ORDER BY id)) FROM orders")
}

#[test]
fn a_disk_that_is_full_gets_no_backup_and_the_ones_on_it_are_restored() {
    a_full_disk(&[]);
}

fn a_full_disk(more: More<'_>) {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server_with_a_shop());
    let Some(disk) = Disk::at(&plugin.repository(), 16 << 10) else { return };
    plugin.must(&with(&["create", &server.name, "-d", "shop", "--name", "good"], more));
    let before = orders(&server);
    let mut random = faults::random();
    for round in 0..faults::rounds(4) {
        server.sql("shop", &format!("UPDATE orders SET what = md5(what || {round})"));
        // The first round has no room for a lock, the last ones half of what it needs.
        disk.fill(if round == 0 { 0 } else { random.random_range(1..80) });

        let said = plugin.must_fail(1, &with(&["create", &server.name, "-d", "shop", "--name", "bad"], more));

        assert!(said.contains("No space left"), "{said}");
        assert_eq!(plugin.backups(), ["good"]);
        if round > 0 {
            disk.free();
        }
        if round == 0 {
            let restored = plugin.run(&with(&["restore", "good", "-d", "shop", "--yes"], more));
            assert_eq!(restored.status, Some(0), "{restored:?}");
            assert!(restored.stderr.contains("without a lock"), "{restored:?}");
            assert_eq!(orders(&server), before);
            plugin.must(&["verify", "good"]);
            disk.free();
        }
    }
    plugin.must(&with(&["create", &server.name, "-d", "shop", "--name", "better"], more));
    plugin.must(&["delete", "good", "--yes"]);
    plugin.must(&["repo", "prune", "--yes"]);
    plugin.must(&["verify", "better"]);
    assert_restic_is_content(&plugin);
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn a_disk_that_cannot_be_written_is_read_and_one_that_is_gone_is_an_error() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server_with_a_shop());
    let Some(disk) = Disk::at(&plugin.repository(), 16 << 10) else { return };
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "good"]);
    let before = orders(&server);
    disk.write_protect(true);

    let said = plugin.must_fail(1, &["create", &server.name, "-d", "shop", "--name", "bad"]);
    assert!(said.contains("Read-only file system"), "{said}");
    plugin.must_fail(1, &["delete", "good", "--yes"]);
    plugin.must_fail(1, &["repo", "prune", "--yes"]);
    assert_eq!(plugin.backups(), ["good"]);
    plugin.must(&["verify", "good"]);
    plugin.must(&["repo", "check", "--read-data"]);
    server.sql("shop", "DROP TABLE orders");
    plugin.must(&["restore", "good", "-d", "shop", "--yes"]);
    assert_eq!(orders(&server), before);

    // F37, with a disk that is really not mounted.
    disk.unmount();
    for command in [&["create", &server.name, "--name", "b"][..], &["list"], &["restore", "good", "--yes"]] {
        let said = plugin.must_fail(1, command);
        assert!(said.contains("is not there") && said.contains("mounted"), "{said}");
    }
    assert_eq!(files(&plugin.repository()), Vec::<std::path::PathBuf>::new());
    assert_eq!(orders(&server), before);
}

#[test]
fn a_key_that_is_missing_wrong_or_open_to_others_stops_every_command() {
    if !docker_is_here() {
        return;
    }
    // F36.
    let (plugin, other, server) = (Plugin::new(), Plugin::new(), server_with_a_shop());
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "good"]);
    other.must(&["create", &server.name, "-d", "postgres", "--name", "other"]);
    let key_of = |plugin: &Plugin| plugin.repo_info()["key_file"].as_str().unwrap().to_owned();
    let (key, wrong) = (key_of(&plugin), fs::read(key_of(&other)).unwrap());
    let right = fs::read(&key).unwrap();
    let stored = packs(&plugin);
    let refused = |hint: &str| {
        let create = ["create", &server.name, "-d", "shop", "--name", "bad"];
        for command in [&create[..], &["list"], &["restore", "good", "--yes"], &["repo", "check"]] {
            let said = plugin.must_fail(1, command);
            assert!(said.contains(&key) && said.contains(hint), "{command:?}: {said}");
        }
    };

    fs::remove_file(&key).unwrap();
    refused("repo key import");
    fs::write(&key, &right).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    refused("chmod 600");
    fs::write(&key, wrong).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    refused("key of this repository");

    fs::write(&key, right).unwrap();
    assert_eq!(packs(&plugin), stored);
    assert_eq!(plugin.backups(), ["good"]);
    plugin.must(&["verify", "good"]);
}

#[test]
fn a_lost_index_is_told_and_made_anew_and_the_backups_restore() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server_with_a_shop());
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "good"]);
    let before = orders(&server);
    for file in files(&plugin.repository().join("index")) {
        fs::remove_file(file).unwrap();
    }

    for command in [&["repo", "check"][..], &["repo", "prune", "--yes"]] {
        let said = plugin.must_fail(5, command);
        assert!(said.contains("pgbackup repo repair"), "{said}");
    }
    plugin.must_fail(5, &["restore", "good", "-d", "shop", "--yes"]);
    assert_eq!(plugin.run(&["repo", "repair"]).status, Some(1), "nobody said yes");
    plugin.must(&["repo", "repair", "--yes"]);

    plugin.must(&["repo", "check", "--read-data"]);
    server.sql("shop", "DROP TABLE orders");
    plugin.must(&["restore", "good", "-d", "shop", "--yes"]);
    assert_eq!(orders(&server), before);
    assert_restic_is_content(&plugin);
}
