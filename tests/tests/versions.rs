//! Between versions: a newer server takes an older backup, an older one refuses in the plan (F16).

use pgbackup_tests::{
    Plugin, Server,
    command::{data_text, docker_is_here},
    compare::assert_same_text,
    zoo::{self, Size},
};

#[test]
fn a_backup_of_15_restores_into_17_as_pg_restore_would() {
    if !docker_is_here() {
        return;
    }
    let (plugin, old, new) = (Plugin::new(), Server::start(15), Server::start(17));
    zoo::build(&old, Size::default());
    zoo::prepare_for_restore(&new);
    // Properties of the database are compared within one version: their words change between two.
    let content = |server: &Server| server.sql("zoo", &data_text("fingerprint.sql"));
    let before = content(&old);

    plugin.must(&["create", &old.name, "--name", "zoo"]);
    plugin.must(&["restore", "zoo", "--to", &new.name, "--yes"]);

    let of_zoo = |text: &str| {
        text.lines().filter(|line| !line.starts_with("extension")).collect::<Vec<_>>().join("\n")
    };
    assert_same_text("the zoo of 15 in 17", &of_zoo(&before), &of_zoo(&content(&new)));
    assert_eq!(new.leftovers(), Vec::<String>::new());
}

fn an_older_server_is_refused(from: u32, to: u32) {
    if !docker_is_here() {
        return;
    }
    let (plugin, newer, older) = (Plugin::new(), Server::start(from), Server::start(to));
    newer.sql("postgres", "CREATE DATABASE shop");
    plugin.must(&["create", &newer.name, "--name", "b"]);

    let said = plugin.must_fail(1, &["restore", "b", "-d", "shop", "--to", &older.name, "--yes"]);
    let planned = plugin.run(&["restore", "b", "-d", "shop", "--to", &older.name, "--dry-run"]);

    assert!(said.contains(&from.to_string()) && said.contains(&to.to_string()), "{said}");
    assert!((planned.stdout.clone() + &planned.stderr).contains(&from.to_string()), "{planned:?}");
    assert_eq!(older.all_databases(), ["postgres", "template0", "template1"]);
    assert_eq!(older.leftovers(), Vec::<String>::new());
}

#[test]
fn a_backup_of_17_is_refused_by_15_in_the_plan() {
    an_older_server_is_refused(17, 15);
}

#[test]
fn a_backup_of_18_is_refused_by_17_in_the_plan() {
    an_older_server_is_refused(18, 17);
}
