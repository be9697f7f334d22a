//! What a person sees of the command: which server is meant, and how it exits.

use pgbackup_tests::{Plugin, Server, command::docker_is_here, server::unique};

#[test]
fn a_server_is_found_by_what_runs_in_it_and_chosen_by_name_id_or_label() {
    if !docker_is_here() {
        return;
    }
    let mark = unique("mark");
    let label = format!("marked={mark}");
    let (plugin, one, _two) =
        (Plugin::new(), Server::start_with(17, &["--label", &label], &[]), Server::start(13));

    let list = plugin.must(&["targets"]);
    let several = plugin.must_fail(4, &["create", "--name", "b"]);
    let none = plugin.must_fail(4, &["create", "no-such-container", "--name", "b"]);
    plugin.must(&["create", "--filter", &format!("label={label}"), "--name", "by-label"]);
    let id = pgbackup_tests::command::must("docker", &["inspect", "-f", "{{.Id}}", &one.name]);
    plugin.must(&["create", &id[..12], "--name", "by-id"]);
    let nothing = plugin.must_fail(4, &["create", "--filter", "label=nobody-has-this", "--name", "b"]);

    assert!(list.contains(&one.name), "{list}");
    assert!(several.contains(&one.name), "{several}");
    assert!(none.contains("no-such-container"), "{none}");
    assert!(nothing.contains("nobody-has-this"), "{nothing}");
    assert_eq!(plugin.manifest("by-label")["target"]["name"], one.name.as_str());
    assert_eq!(plugin.manifest("by-id")["target"]["id"], id.trim());
}

#[test]
fn lists_are_filtered_and_written_as_it_was_asked_for() {
    if !docker_is_here() {
        return;
    }
    let (plugin, mark) = (Plugin::new(), unique("mark"));
    let (one, two) = (
        Server::start_with(17, &["--label", &format!("{mark}=one")], &[]),
        Server::start_with(17, &["--label", &format!("{mark}=two")], &[]),
    );
    one.sql("postgres", "CREATE DATABASE shop");
    plugin.must(&["create", &one.name, "--name", "gold", "--label", "tier=gold"]);
    plugin.must(&["create", &two.name, "--name", "plain", "-d", "postgres"]);

    let label = format!("label={mark}");
    let targets = |more: &[&str]| plugin.must(&[&["targets", "--filter", &label], more].concat());
    let list = |filter: &str| plugin.must(&["list", "--quiet", "--filter", filter]);

    let line = format!("{} primary 17\n", one.name);
    let form = "{{.Container}} {{.Status}} {{slice .PostgreSQL 0 2}}";
    assert_eq!(targets(&["--filter", "database=shop", "--format", form]), line);
    assert_eq!(targets(&["--filter", &format!("{label}=two"), "--quiet"]), format!("{}\n", two.name));
    assert_eq!(targets(&["--filter", "status=standby", "--quiet"]), "");
    assert_eq!(list("label=tier"), "gold\n");
    assert_eq!(list("label=tier=silver"), "");
    assert_eq!(list("database=shop"), "gold\n");
    assert_eq!(list(&format!("target={}", two.name)), "plain\n");
    assert_eq!(list("since=gold"), "plain\n");
    assert_eq!(list("since=1h"), "plain\ngold\n");
    assert_eq!(plugin.must(&["inspect", "-f", "{{.labels.tier}} {{len .databases}}", "go"]), "gold 3\n");
}

#[test]
fn a_default_name_is_the_container_s_and_the_time() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(17));
    plugin.must(&["create", &server.name]);
    let names = plugin.backups();
    assert_eq!(names.len(), 1);
    assert!(names[0].starts_with(&format!("{}-20", server.name)), "{names:?}");
}

#[test]
fn other_users_databases_ports_and_secret_files_are_found_without_being_told() {
    if !docker_is_here() {
        return;
    }
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "from a file").unwrap();
    let mount = format!("{}:/run/secrets/password:ro", secret.path().display());
    let name = unique("pgbackup-test");
    let docker = [
        "--env",
        "POSTGRES_PASSWORD_FILE=/run/secrets/password",
        "--env",
        "POSTGRES_USER=boss",
        "--env",
        "POSTGRES_DB=shop",
    ];
    std::fs::set_permissions(secret.path(), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let mut arguments = vec!["run", "--detach", "--name", &name, "--volume", &mount];
    arguments.extend(docker);
    let image = pgbackup_tests::server::image(17);
    arguments.extend([&image, "-c", "unix_socket_directories=/var/lib/postgresql", "-c", "port=6543"]);
    pgbackup_tests::command::must("docker", &arguments);
    let _server = pgbackup_tests::server::Removed(name.clone());
    pgbackup_tests::command::wait_for("server that answers", || {
        let ask = "psql -XAtq -h 127.0.0.1 -p 6543 -U boss -d shop -c 'CREATE TABLE IF NOT EXISTS t (i int)'";
        pgbackup_tests::command::output("docker", &["exec", &name, "sh", "-c", ask], b"")
            .status
            .success()
            .then_some(())
    });
    pgbackup_tests::server::ask_for_passwords(&name, "psql -XAtqw -h 127.0.0.1 -p 6543 -U boss -d shop");
    let plugin = Plugin::new();

    plugin.must(&["create", &name, "--name", "b"]);
    plugin.must(&["restore", "b", "-d", "shop", "--yes"]);

    let manifest = plugin.manifest("b");
    assert_eq!(manifest["server"]["user"], "boss");
    let tables =
        manifest["databases"].as_array().unwrap().iter().find(|it| it["name"] == "shop").unwrap()["tables"]
            .as_array()
            .unwrap();
    assert_eq!(tables.len(), 1);
}

#[test]
fn a_wrong_command_line_exits_with_125_and_a_missing_backup_with_1() {
    let plugin = Plugin::new();
    for wrong in [
        vec!["create", "--no-such-option"],
        vec!["restore"],
        vec!["no-such-command"],
        vec!["create", "--jobs", "0"],
        vec!["list", "--format", "xml"],
    ] {
        plugin.must_fail(125, &wrong);
    }
    assert!(!plugin.repository().exists());
    plugin.must_fail(1, &["inspect", "nothing"]);
    assert!(!plugin.repository().exists(), "looking made a repository");
}

#[test]
fn help_is_written_to_standard_output_and_exits_with_0() {
    let plugin = Plugin::new();
    for arguments in [vec!["--help"], vec!["create", "--help"], vec!["repo", "key", "export", "--help"]] {
        // Run as a program of its own, it calls itself as it was called.
        assert!(plugin.must(&arguments).contains("docker-pgbackup"));
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(17));
    plugin.must(&["create", &server.name, "--name", "b"]);
    let mut child = plugin.start(&["inspect", "b", "--format", "json"]);
    drop(child.stdout.take());
    let outcome = pgbackup_tests::plugin::wait(child);
    assert!(!outcome.stderr.contains("panicked") && outcome.stderr.is_empty(), "{outcome:?}");
}

#[test]
fn progress_as_json_is_one_event_a_line_and_quiet_is_quiet() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(17));
    plugin.must(&["create", &server.name, "--name", "first"]);

    let events = plugin.run(&["create", &server.name, "--name", "json", "--progress", "json"]);
    let quiet = plugin.run(&["create", &server.name, "--name", "quiet", "--quiet"]);

    assert_eq!((events.status, quiet.status), (Some(0), Some(0)), "{events:?} {quiet:?}");
    assert!(events.stderr.lines().count() > 2, "{}", events.stderr);
    for line in events.stderr.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
    assert_eq!(quiet.stderr, "");
}
