//! Podman's compatible socket in place of Docker's: the same commands, the same results.

use pgbackup_tests::{Plugin, command::docker_is_here, plugin, ways::Podman};

#[test]
fn a_server_in_podman_is_backed_up_verified_and_restored_with_and_without_the_mover() {
    if !docker_is_here() {
        return;
    }
    let Some(podman) = Podman::start(17) else { return };
    podman.sql("postgres", "CREATE DATABASE shop");
    podman.sql(
        "shop",
        "CREATE TABLE orders AS SELECT i AS id, md5(i::text) AS what FROM generate_series(1, 100000) i",
    );
    let orders = "SELECT count(*), sum(hashtext(orders::text)::bigint) FROM orders";
    let before = podman.sql("shop", orders);
    let plugin = Plugin::new();
    let run = |arguments: &[&str]| {
        let mut command = plugin.command(arguments);
        command.env("DOCKER_HOST", podman.address());
        plugin::wait(command.spawn().unwrap())
    };

    for (backup, mover) in [("placed", "--mover=auto"), ("plain", "--mover=never")] {
        let create = run(&["create", &podman.name, "--name", backup, mover]);
        assert_eq!(create.status, Some(0), "{create:?}");
        let verify = run(&["verify", backup]);
        assert_eq!(verify.status, Some(0), "{verify:?}");
        podman.sql("shop", "DELETE FROM orders WHERE id % 3 = 0");
        let restore = run(&["restore", backup, "-d", "shop", "--yes", mover]);
        assert_eq!(restore.status, Some(0), "{restore:?}");
        assert_eq!(podman.sql("shop", orders), before);
        let discard = run(&["undo", &podman.name, "--discard", "--yes"]);
        assert_eq!(discard.status, Some(0), "{discard:?}");
    }

    let left =
        podman.must(&["exec", &podman.name, "sh", "-c", "ls -A /tmp /var/tmp /dev/shm | grep -v PostgreSQL"]);
    assert!(!left.contains("pgbackup"), "{left}");
    podman.must(&["stop", "--time", "5", &podman.name]);
    let stopped = run(&["create", &podman.name, "--name", "b"]);
    assert_eq!(stopped.status, Some(4), "{stopped:?}");
    assert!(stopped.stderr.contains("is not running"), "{stopped:?}");
}
