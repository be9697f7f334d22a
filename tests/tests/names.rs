//! F12 and F43: names that are taken for a path, an option, a pattern or a connection string.

use pgbackup_tests::{
    Plugin, Server,
    command::docker_is_here,
    repository::{assert_restic_is_content, files},
    zoo,
};
use std::path::Path;

#[test]
fn databases_with_names_that_are_easily_misread_come_back_under_their_names() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(17));
    let names = zoo::build_names(&server);
    assert!(names.contains(&"..".to_owned()) && names.len() > 20);

    plugin.must(&["create", &server.name, "--name", "names"]);
    for name in &names {
        server.sql(name, "DROP TABLE which");
    }
    plugin.must(&["restore", "names", "--yes"]);

    for name in &names {
        assert_eq!(&server.sql(name, "SELECT name FROM which").trim_end_matches('\n'), name);
        assert_eq!(server.sql(name, "SELECT nextval('counter')").trim(), "2");
    }
    assert_restic_is_content(&plugin);
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn an_export_of_such_names_stays_inside_its_folder_and_pg_restore_reads_it() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(17));
    let names = zoo::build_names(&server);
    plugin.must(&["create", &server.name, "--name", "names"]);
    let outside = files(plugin.home()).len();

    let export = plugin.home().join("export");
    plugin.must(&["export", "names", &export.display().to_string()]);

    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(export.join("manifest.json")).unwrap()).unwrap();
    let databases = manifest["databases"].as_array().unwrap();
    for name in &names {
        let record = databases.iter().find(|database| database["name"] == name.as_str()).unwrap();
        let folder = Path::new(record["folder"].as_str().unwrap()).to_path_buf();
        assert!(
            folder.components().all(|part| matches!(part, std::path::Component::Normal(_))),
            "{}",
            folder.display()
        );
        assert!(export.join(&folder).join("toc.dat").is_file(), "{name:?} is not in {}", folder.display());
    }
    let inside = files(&export).len();
    assert!(inside > names.len());
    assert_eq!(files(plugin.home()).len(), outside + inside);
}

#[test]
fn a_database_is_chosen_by_its_whole_name() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(17));
    for name in ["app", "app-2", "app_test", "apps"] {
        server.sql("postgres", &format!("CREATE DATABASE \"{name}\""));
        server.sql(name, "CREATE TABLE which AS SELECT current_database()::text AS name");
    }

    plugin.must(&["create", &server.name, "-d", "app", "--name", "app"]);
    plugin.must(&["create", &server.name, "-d", "app_test", "--name", "app_test"]);

    let of = |backup: &str| {
        plugin.manifest(backup)["databases"]
            .as_array()
            .unwrap()
            .iter()
            .map(|d| d["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("app"), ["app"]);
    assert_eq!(of("app_test"), ["app_test"]);
    plugin.must_fail(1, &["create", &server.name, "-d", "ap"]);
    plugin.must_fail(1, &["inspect", "ap"]);
}

#[test]
fn a_list_shows_no_escape_sequence_of_a_name() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(17));
    zoo::build_names(&server);
    plugin.must(&["create", &server.name, "--name", "names"]);

    for arguments in [
        vec!["inspect", "names"],
        vec!["targets"],
        vec!["list"],
        vec!["verify", "names"],
        vec!["restore", "names", "--dry-run"],
    ] {
        let outcome = plugin.run(&arguments);
        let said = outcome.stdout + &outcome.stderr;
        assert!(!said.contains('\u{1b}'), "{arguments:?} wrote an escape sequence: {said:?}");
    }
}
