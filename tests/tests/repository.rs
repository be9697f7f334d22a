//! The repository on its own: places that lie, damage, locks, names, space, other people's tools.

use pgbackup_tests::{
    Plugin, Server,
    command::{docker_is_here, output},
    compare::{assert_same_text, portrait},
    faults,
    repository::{assert_restic_is_content, copy_folder, packs, restic_restore, restic_snapshots},
    zoo::{self, Size},
};
use rand::Rng;
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

fn server_with_a_shop() -> Server {
    let server = Server::start(17);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE orders AS SELECT i AS id, md5(i::text) AS what FROM generate_series(1, 20000) i; CREATE TABLE invoices AS SELECT * FROM orders;");
    server
}

#[test]
fn the_first_backup_makes_a_repository_and_says_where_its_key_is_once() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server_with_a_shop());

    let first = plugin.run(&["create", &server.name, "--name", "one"]);
    let second = plugin.run(&["create", &server.name, "--name", "two"]);

    assert_eq!((first.status, second.status), (Some(0), Some(0)), "{first:?} {second:?}");
    assert!(first.stderr.contains("repo key export"), "{}", first.stderr);
    assert!(!second.stderr.contains("repo key export"), "{}", second.stderr);
    let info = plugin.repo_info();
    let key = info["key_file"].as_str().unwrap();
    assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(info["backups"], 2);
    assert_eq!(info["path"].as_str().unwrap(), plugin.repository().display().to_string());
    assert!(info["stored_bytes"].as_u64().unwrap() > 0);
}

#[test]
fn a_known_place_that_is_empty_is_an_error_and_not_a_new_repository() {
    if !docker_is_here() {
        return;
    }
    // F37: the disk that should be mounted there is not.
    let (plugin, server) = (Plugin::new(), server_with_a_shop());
    plugin.must(&["create", &server.name, "--name", "one"]);
    fs::rename(plugin.repository(), plugin.home().join("elsewhere")).unwrap();
    fs::create_dir(plugin.repository()).unwrap();

    let said = plugin.must_fail(1, &["create", &server.name, "--name", "two"]);

    assert!(said.contains(&plugin.repository().display().to_string()), "{said}");
    assert_eq!(fs::read_dir(plugin.repository()).unwrap().count(), 0);
    fs::remove_dir(plugin.repository()).unwrap();
    plugin.must_fail(1, &["create", &server.name, "--name", "two"]);
    assert!(!plugin.repository().exists());
    fs::rename(plugin.home().join("elsewhere"), plugin.repository()).unwrap();
    plugin.must(&["create", &server.name, "--name", "two"]);
}

#[test]
fn restic_and_pg_restore_bring_a_backup_back_without_this_program() {
    if !docker_is_here() {
        return;
    }
    // F45.
    let (plugin, server) = (Plugin::new(), Server::start(17));
    zoo::build(&server, Size::default());
    let before = portrait(&server, "zoo");
    plugin.must(&["create", &server.name, "--name", "zoo"]);

    let (by_restic, by_us) = (plugin.home().join("by-restic"), plugin.home().join("by-us"));
    restic_restore(&plugin, &restic_snapshots(&plugin)[0], &by_restic);
    plugin.must(&["export", "zoo", &by_us.display().to_string()]);

    let difference =
        output("diff", &["-r", &by_restic.display().to_string(), &by_us.display().to_string()], b"");
    assert!(
        difference.status.success(),
        "restic and export differ: {}",
        String::from_utf8_lossy(&difference.stdout)
    );
    server.copy_in(&by_restic.join("databases/zoo").display().to_string(), "/tmp/zoo");
    server.sql(
        "postgres",
        "CREATE DATABASE zoo2 TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'",
    );
    server.exec(&["pg_restore", "-U", "postgres", "-d", "zoo2", "-j2", "--exit-on-error", "/tmp/zoo"]);
    let after = portrait(&server, "zoo2");
    // Properties of the database are not in pg_dump's directory format.
    let rows = |text: &str| {
        text.lines()
            .filter(|line| !line.starts_with("database|") && !line.starts_with("setting|"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_same_text("content by pg_restore", &rows(&before.content), &rows(&after.content));
    assert_same_text("schema by pg_restore", &before.schema, &after.schema);
}

#[test]
fn verify_finds_a_flipped_byte_anywhere_and_names_the_table() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server_with_a_shop());
    server.sql("shop", "DROP TABLE invoices; CREATE TABLE invoices AS SELECT i AS id, md5((i * 3)::text) || md5((i * 7)::text) AS what FROM generate_series(1, 40000) i");
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "b"]);
    plugin.must(&["verify", "b"]);
    let mut random = faults::random();
    let mut named = 0;

    let packs = packs(&plugin);
    let rounds = faults::rounds(200);
    for round in 0..rounds {
        let pack = &packs[random.random_range(0..packs.len())];
        let good = fs::read(pack).unwrap();
        let mut bad = good.clone();
        let at = random.random_range(0..bad.len());
        bad[at] ^= 1 << random.random_range(0..8);
        overwrite(pack, &bad);

        let outcome = plugin.run(&["verify", "b"]);

        assert_eq!(outcome.status, Some(5), "round {round}: byte {at} of {}: {outcome:?}", pack.display());
        let said = outcome.stdout + &outcome.stderr;
        named += u32::from(said.contains("orders") || said.contains("invoices"));
        overwrite(pack, &good);
    }

    plugin.must(&["verify", "b"]);
    // A byte of a table of contents, a tree or a pack's header belongs to no table; most bytes do.
    assert!(named > rounds / 2, "only {named} of {rounds} named a table");
}

/// Writes a file that the repository made read-only.
fn overwrite(path: &Path, bytes: &[u8]) {
    let mut permissions = fs::metadata(path).unwrap().permissions();
    permissions.set_mode(0o600);
    fs::set_permissions(path, permissions).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_pack_that_is_gone_is_damage_for_verify_check_restore_and_export() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server_with_a_shop());
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "b"]);
    let largest = packs(&plugin).into_iter().max_by_key(|pack| fs::metadata(pack).unwrap().len()).unwrap();
    fs::remove_file(largest).unwrap();

    let export = plugin.home().join("export");
    plugin.must_fail(5, &["verify", "b"]);
    plugin.must_fail(5, &["repo", "check"]);
    plugin.must_fail(5, &["export", "b", &export.display().to_string()]);
    plugin.must_fail(5, &["restore", "b", "-d", "shop", "--yes"]);

    assert!(!export.exists());
    assert_eq!(server.sql("shop", "SELECT count(*) FROM orders").trim(), "20000");
    assert_eq!(server.all_databases(), ["postgres", "shop", "template0", "template1"]);
}

#[test]
fn an_unchanged_server_stores_next_to_nothing_again() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server_with_a_shop());
    plugin.must(&["create", &server.name, "--name", "one"]);
    let first = plugin.repo_info()["stored_bytes"].as_u64().unwrap();

    plugin.must(&["create", &server.name, "--name", "two"]);

    let second = plugin.repo_info()["stored_bytes"].as_u64().unwrap() - first;
    assert!(second < first / 10, "first {first}, unchanged {second}");
    assert_restic_is_content(&plugin);
}

#[test]
fn a_name_in_use_is_refused_before_anything_is_read() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server_with_a_shop());
    plugin.must(&["create", &server.name, "--name", "one"]);
    let before = plugin.repo_info();

    let said = plugin.must_fail(1, &["create", &server.name, "--name", "one"]);

    assert!(said.contains("one"), "{said}");
    assert_eq!(before, plugin.repo_info());
}

#[test]
fn deleted_backups_are_gone_and_prune_frees_their_space_at_once() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server_with_a_shop());
    plugin.must(&["create", &server.name, "--name", "one"]);
    server.sql("shop", "UPDATE orders SET what = md5(what)");
    plugin.must(&["create", &server.name, "--name", "two"]);
    let both = plugin.repo_info()["stored_bytes"].as_u64().unwrap();

    plugin.must_fail(125, &["delete"]);
    assert_eq!(plugin.run(&["delete", "one"]).status, Some(1), "without a terminal nobody said yes");
    plugin.must(&["delete", "one", "--yes"]);
    plugin.must(&["repo", "prune", "--yes"]);

    assert_eq!(plugin.backups(), ["two"]);
    let left = plugin.repo_info()["stored_bytes"].as_u64().unwrap();
    assert!(left < both, "{both} before, {left} after");
    plugin.must(&["verify", "two"]);
    plugin.must(&["repo", "check", "--read-data"]);
    assert_restic_is_content(&plugin);
}

#[test]
fn while_another_backup_runs_prune_is_refused_as_locked() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server_with_a_shop());
    plugin.must(&["create", &server.name, "--name", "one"]);
    // A table that somebody has locked holds the second backup up as long as we like.
    let mut holder = pgbackup_tests::client::Session::open(&server, "shop");
    holder.run("BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE");
    let running = plugin.start(&["create", &server.name, "--name", "two", "--lock-timeout", "60s"]);
    pgbackup_tests::command::wait_for("waiting backup", || {
        let waiting = server.sql("postgres", "SELECT count(*) FROM pg_locks WHERE NOT granted");
        (waiting.trim() != "0").then_some(())
    });

    let said = plugin.must_fail(6, &["repo", "prune", "--yes"]);
    plugin.must_fail(1, &["create", &server.name, "--name", "one"]);
    let twin = plugin.must_fail(6, &["create", &server.name, "--name", "two"]);

    drop(holder);
    let outcome = pgbackup_tests::plugin::wait(running);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert!(said.contains("lock") && twin.contains("two"), "{said} {twin}");
    plugin.must(&["repo", "prune", "--yes"]);
    assert_eq!(plugin.backups().len(), 2);
}

#[test]
fn the_recovery_sheet_alone_opens_the_repository_elsewhere() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), server_with_a_shop());
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "b"]);
    let sheet = plugin.must(&["repo", "key", "export"]);

    let elsewhere = Plugin::new();
    let place = elsewhere.home().join("copied");
    copy_folder(&plugin.repository(), &place);
    fs::write(elsewhere.home().join("sheet"), sheet).unwrap();
    let place = place.display().to_string();
    elsewhere.must_fail(1, &["list", "--repository", &place]);
    elsewhere.must(&[
        "repo",
        "key",
        "import",
        &elsewhere.home().join("sheet").display().to_string(),
        "--repository",
        &place,
    ]);

    assert_eq!(elsewhere.must(&["list", "--quiet", "--repository", &place]).trim(), "b");
    elsewhere.must(&["verify", "b", "--repository", &place]);
}
