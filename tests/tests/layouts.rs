//! Images that are laid out otherwise than the official ones.

use pgbackup_tests::{
    Plugin,
    command::{docker_is_here, must, output, say, wait_for},
    server::{Removed, unique},
};

/// Starts one of the images that `tests/images/layouts/build.sh` makes.
fn start(layout: &str, options: &[&str]) -> Option<Removed> {
    if !docker_is_here() {
        return None;
    }
    let image = format!("pgbackup-layout:{layout}");
    if !output("docker", &["image", "inspect", &image], b"").status.success() {
        assert!(std::env::var_os("CI").is_none(), "{image} is missing: tests/images/layouts/build.sh");
        say(&format!("skipped: {image} is missing, tests/images/layouts/build.sh makes it"));
        return None;
    }
    let name = unique("pgbackup-test");
    let mut arguments = vec!["run", "--detach", "--name", &name];
    arguments.extend(options);
    arguments.push(&image);
    must("docker", &arguments);
    Some(Removed(name))
}

/// Fills a database; backs it up, damages it and restores it, by the mover and then without it.
fn comes_back(server: &Removed, psql: &str) {
    let sql = |database: &str, sql: &str| {
        let script = format!("{psql} -XAtq -v ON_ERROR_STOP=1 -U postgres -h 127.0.0.1 -d {database}");
        let answer = output("docker", &["exec", "-i", &server.0, "sh", "-c", &script], sql.as_bytes());
        answer.status.success().then(|| String::from_utf8_lossy(&answer.stdout).trim().to_owned())
    };
    wait_for("server that answers", || sql("postgres", "SELECT 1"));
    sql("postgres", "CREATE DATABASE shop").unwrap();
    sql("shop", "CREATE TABLE orders AS SELECT i AS id, md5(i::text) AS what FROM generate_series(1, 50000) i; CREATE INDEX ON orders (what); SELECT lo_from_bytea(7, 'large')").unwrap();
    let sum = "SELECT count(*), sum(hashtext(o::text)::bigint), (SELECT convert_from(lo_get(7), 'UTF8')) FROM orders o";
    let before = sql("shop", sum).unwrap();
    let plugin = Plugin::new();

    for (name, way, read_by) in [("b", "--mover=auto", "mover"), ("c", "--mover=never", "plain")] {
        plugin.must(&["create", &server.0, "--name", name, way]);
        sql("shop", "DELETE FROM orders; SELECT lo_unlink(7)").unwrap();
        plugin.must(&["restore", name, "-d", "shop", "--yes", way]);

        assert_eq!(sql("shop", sum).unwrap(), before);
        assert_eq!(plugin.manifest(name)["server"]["read_by"], read_by);
        plugin.must(&["verify", name]);
    }
    let processes = must("docker", &["top", &server.0, "-eo", "pid,args"]);
    assert!(!processes.contains("pgbackup"), "{processes}");
}

#[test]
fn a_server_whose_only_tools_are_busybox_comes_back() {
    if let Some(server) = start("busybox", &["--env", "POSTGRES_PASSWORD=secret"]) {
        comes_back(&server, "PGPASSWORD=secret psql");
    }
}

#[test]
fn a_server_of_a_user_without_passwd_entry_and_with_scram_on_its_socket_comes_back() {
    if let Some(server) = start("bitnami", &["--env", "POSTGRESQL_PASSWORD=secret"]) {
        comes_back(&server, "PGPASSWORD=secret /opt/bitnami/postgresql/bin/psql");
    }
}

#[test]
fn a_server_on_a_read_only_root_without_programs_in_tmp_comes_back() {
    let options =
        std::fs::read_to_string(pgbackup_tests::command::data("../images/layouts/readonly/run-options"))
            .unwrap();
    let mut arguments = vec!["--env", "POSTGRES_PASSWORD=secret"];
    arguments.extend(options.split_whitespace());
    if let Some(server) = start("readonly", &arguments) {
        comes_back(&server, "PGPASSWORD=secret psql");
    }
}
