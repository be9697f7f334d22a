//! A repository in a bucket of a real S3 server: a whole life, and a server that is killed, slow
//! or busy in the middle of it.

use pgbackup_tests::{
    Server,
    command::{docker_is_here, wait_for},
    compare::{assert_same, portrait},
    faults,
    plugin::wait,
    repository::files,
    s3::{InBucket, S3Server, assert_says_no_secret, variables},
    s3_proxy::{Asked, Fault, S3Proxy},
};
use rand::Rng;
use std::{fs, time::Duration};

/// The orders of a shop, enough for several packs.
fn server_with_a_shop() -> Server {
    let server = Server::start(17);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql("shop", "CREATE TABLE orders AS SELECT i AS id, md5(i::text) || md5((i * 7)::text) || md5((i * 11)::text) AS what FROM generate_series(1, 300000) i; CREATE TABLE invoices AS SELECT * FROM orders WHERE id <= 1000;");
    server
}

/// Panics if anything of ours is left in the bucket that no running command needs.
fn assert_no_locks(bucket: &S3Server) {
    let left = files(&bucket.bucket().join("pg/pgbackup/locks"));
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_whole_life_in_a_bucket() {
    if !docker_is_here() {
        return;
    }
    let Some(bucket) = S3Server::start() else { return };
    let (server, machine) = (server_with_a_shop(), InBucket::new(&bucket.address(), "pg"));
    let before = portrait(&server, "shop");

    let first = machine.run(&["create", &server.name, "--name", "one"]);

    assert_eq!(first.status, Some(0), "{first:?}");
    assert!(first.stderr.contains(&machine.place), "{}", first.stderr);
    server.sql("shop", "DELETE FROM orders WHERE id % 2 = 0; UPDATE invoices SET what = 'paid'");
    machine.must(&["create", &server.name, "--name", "two"]);
    assert_eq!(machine.backups().len(), 2);
    machine.must(&["verify", "one", "two"]);
    machine.must(&["restore", "one", "-d", "shop", "--into", "shop_of_one", "--yes"]);
    assert_same("the shop out of a bucket", &before, &portrait(&server, "shop_of_one"));
    machine.assert_restic_is_content();
    machine.must(&["delete", "one", "--yes"]);
    let stored = || -> u64 {
        files(&bucket.bucket().join("pg/data")).iter().map(|file| fs::metadata(file).unwrap().len()).sum()
    };
    let before = stored();
    machine.must(&["repo", "prune", "--yes"]);
    assert!(stored() < before, "{} bytes, {before} before", stored());
    machine.must(&["repo", "check", "--read-data"]);
    machine.must(&["verify", "two"]);
    machine.assert_restic_is_content();
    assert_eq!(machine.backups(), ["two"]);
    assert_no_locks(&bucket);
    let sheet = machine.must(&["repo", "key", "export"]);
    assert!(
        sheet.contains(&format!("restic -r {} --no-lock", machine.place)),
        "it must be restic's own form"
    );
}

#[test]
fn a_server_that_is_busy_slow_cut_off_or_flips_bits_is_waited_for() {
    if !docker_is_here() {
        return;
    }
    let Some(bucket) = S3Server::start() else { return };
    let mut random = faults::random();
    let mut since_the_last = 0;
    let proxy = S3Proxy::start(bucket.address(), move |asked: &Asked| {
        since_the_last += 1;
        // Every third request at most, so that each gets through in the end.
        if since_the_last < 3 || random.random_bool(0.3) {
            return Fault::None;
        }
        since_the_last = 0;
        match random.random_range(0..5) {
            0 => Fault::Busy,
            1 => Fault::Late(Duration::from_millis(300)),
            2 => Fault::CutRequest(random.random_range(0..=asked.length)),
            3 => Fault::CutAnswer(random.random_range(0..400)),
            // Only what is written carries a checksum that the server compares.
            _ if asked.method == "PUT" && asked.length > 0 => Fault::Flip,
            _ => Fault::Busy,
        }
    });
    let (server, mut machine) = (server_with_a_shop(), InBucket::new(proxy.address(), "pg"));

    machine.must(&["create", &server.name, "--name", "one"]);
    server.sql("shop", "DELETE FROM orders WHERE id % 2 = 0");
    machine.must(&["create", &server.name, "--name", "two"]);
    machine.must(&["verify", "two"]);
    machine.must(&["delete", "one", "--yes"]);
    machine.must(&["repo", "prune", "--yes"]);
    machine.must(&["restore", "two", "-d", "shop", "--into", "shop_of_two", "--yes"]);

    assert!(proxy.faults() >= 15, "there were {} faults only", proxy.faults());
    machine.by(&bucket.address(), "pg");
    assert_eq!(machine.backups(), ["two"]);
    assert_same("the shop", &portrait(&server, "shop"), &portrait(&server, "shop_of_two"));
    machine.must(&["repo", "check", "--read-data"]);
    machine.assert_restic_is_content();
    assert_no_locks(&bucket);
}

#[test]
fn a_server_that_is_killed_in_the_middle_and_comes_back_costs_only_time() {
    if !docker_is_here() {
        return;
    }
    let Some(mut bucket) = S3Server::start() else { return };
    let proxy = S3Proxy::start(bucket.address(), |_| Fault::None);
    let (server, machine) = (server_with_a_shop(), InBucket::new(proxy.address(), "pg"));
    machine.must(&["create", &server.name, "-d", "postgres", "--name", "first"]);
    let before = proxy.writes();

    let mut create = machine.start(&["create", &server.name, "--name", "one"]);
    wait_for("create that writes", || (proxy.writes() > before + 2 || ended(&mut create)).then_some(()));
    bucket.kill();
    let asked = proxy.requests();
    wait_for("second try", || (proxy.requests() > asked + 2).then_some(()));
    bucket.start_again();

    let created = wait(create);
    assert_eq!(created.status, Some(0), "{created:?}");
    assert_says_no_secret(&created);
    machine.must(&["verify", "one"]);
    machine.must(&["repo", "check", "--read-data"]);
    machine.assert_restic_is_content();
    assert_no_locks(&bucket);
}

#[test]
fn a_wait_for_a_dead_server_ends_with_ctrl_c_and_the_next_prune_takes_what_is_left() {
    if !docker_is_here() {
        return;
    }
    let Some(mut bucket) = S3Server::start() else { return };
    let proxy = S3Proxy::start(bucket.address(), |_| Fault::None);
    let (server, machine) = (server_with_a_shop(), InBucket::new(proxy.address(), "pg"));
    machine.must(&["create", &server.name, "-d", "postgres", "--name", "first"]);
    let packs = || files(&bucket.bucket().join("pg/data")).len();
    let before = packs();
    let mut create = machine.start(&["create", &server.name, "--name", "one"]);
    wait_for("pack of the new backup", || (packs() > before || ended(&mut create)).then_some(()));
    bucket.kill();
    let asked = proxy.requests();
    wait_for("second try", || (proxy.requests() > asked + 2 || ended(&mut create)).then_some(()));

    faults::interrupt(&create);

    let outcome = wait(create);
    assert_eq!(outcome.status, Some(130), "{outcome:?}");
    assert_says_no_secret(&outcome);
    bucket.start_again();
    assert_eq!(machine.backups(), ["first"]);
    machine.must(&["repo", "prune", "--yes"]);
    assert_eq!(files(&bucket.bucket().join("pg/data")).len(), before);
    assert_no_locks(&bucket);
    machine.assert_restic_is_content();
}

#[test]
fn what_a_server_does_not_give_out_is_not_called_damaged() {
    if !docker_is_here() {
        return;
    }
    let Some(bucket) = S3Server::start() else { return };
    let proxy = S3Proxy::start(bucket.address(), |asked| {
        if asked.method == "GET" && asked.path.contains("/data/") { Fault::Refused } else { Fault::None }
    });
    let (server, mut machine) = (server_with_a_shop(), InBucket::new(&bucket.address(), "pg"));
    machine.must(&["create", &server.name, "-d", "shop", "--name", "one"]);
    machine.by(proxy.address(), "pg");

    for arguments in [&["verify", "one"][..], &["repo", "check"], &["repo", "check", "--read-data"]] {
        let outcome = machine.run(arguments);

        assert_eq!(outcome.status, Some(1), "{outcome:?}");
        assert!(outcome.stderr.contains("AccessDenied"), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("damaged"), "{}", outcome.stderr);
    }
    assert!(proxy.faults() > 0);
}

#[test]
fn of_two_creates_with_one_name_one_is_refused() {
    if !docker_is_here() {
        return;
    }
    let Some(bucket) = S3Server::start() else { return };
    let (server, machine) = (server_with_a_shop(), InBucket::new(&bucket.address(), "pg"));
    machine.must(&["create", &server.name, "-d", "postgres", "--name", "first"]);

    let both = [0, 1].map(|_| machine.start(&["create", &server.name, "--name", "one"]));
    let mut statuses = both.map(|create| wait(create).status);

    statuses.sort_unstable();
    // Whether the other is still at it, or has recorded its backup: refused is refused.
    assert!(matches!(statuses, [Some(0), Some(1 | 6)]), "{statuses:?}");
    assert_eq!(machine.backups().iter().filter(|name| *name == "one").count(), 1);
}

#[test]
fn a_known_place_in_a_bucket_that_is_empty_is_an_error_and_not_a_new_repository() {
    if !docker_is_here() {
        return;
    }
    // F37.
    let Some(bucket) = S3Server::start() else { return };
    let (server, machine) = (server_with_a_shop(), InBucket::new(&bucket.address(), "pg"));
    machine.must(&["create", &server.name, "-d", "postgres", "--name", "one"]);
    fs::rename(bucket.bucket().join("pg"), bucket.bucket().join("elsewhere")).unwrap();

    let refused = machine.run(&["create", &server.name, "--name", "two"]);

    assert_eq!(refused.status, Some(1), "{refused:?}");
    assert!(
        refused.stderr.contains(&machine.place) && refused.stderr.contains("bucket"),
        "{}",
        refused.stderr
    );
    assert!(!bucket.bucket().join("pg").exists());
}

#[test]
fn what_is_wrong_with_place_or_key_is_said_at_once_and_without_the_secret() {
    let Some(bucket) = S3Server::start() else { return };
    let machine = InBucket::new(&bucket.address(), "pg");
    let info = |change: &dyn Fn(&mut std::process::Command)| {
        let mut command = machine.command(&["repo", "info"]);
        change(&mut command);
        let outcome = wait(command.spawn().unwrap());
        assert_says_no_secret(&outcome);
        outcome
    };

    let absent = info(&|_| {});
    let no_key = info(&|command| _ = command.env_remove(variables()[0].0));
    let wrong_key = info(&|command| _ = command.env("AWS_SECRET_ACCESS_KEY", "wrong"));
    let no_bucket = info(&|command| {
        _ = command.env("PGBACKUP_REPOSITORY", format!("s3:http://{}/nothing/pg", bucket.address()));
    });
    let nobody = info(&|command| _ = command.env("PGBACKUP_REPOSITORY", "s3:http://127.0.0.1:9/backups"));
    let no_form = info(&|command| _ = command.env("PGBACKUP_REPOSITORY", "s3:backups"));

    for (outcome, status, says) in [
        (absent, 1, "there is no repository at"),
        (no_key, 1, "AWS_ACCESS_KEY_ID"),
        (wrong_key, 1, "AWS_SECRET_ACCESS_KEY"),
        (no_bucket, 1, "bucket `nothing`"),
        (nobody, 1, "does `http://127.0.0.1:9` answer?"),
        (no_form, 125, "s3:https://HOST/BUCKET/PREFIX"),
    ] {
        assert_eq!(outcome.status, Some(status), "{outcome:?}");
        assert!(outcome.stderr.contains(says), "{says}: {}", outcome.stderr);
    }
}

#[test]
fn key_and_endpoint_are_taken_from_a_profile_as_aws_tools_write_it() {
    let Some(bucket) = S3Server::start() else { return };
    let machine = InBucket::new(&bucket.address(), "pg");
    let [(_, key), (_, secret)] = variables();
    let folder = machine.plugin.home().join(".aws");
    fs::create_dir(&folder).unwrap();
    fs::write(
        folder.join("credentials"),
        format!("[ops]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"),
    )
    .unwrap();
    fs::write(folder.join("config"), format!("[profile ops]\nendpoint_url = http://{}\n", bucket.address()))
        .unwrap();
    let mut command = machine.plugin.command(&["repo", "info"]);
    command.env("AWS_PROFILE", "ops").env("PGBACKUP_REPOSITORY", "s3://backups/pg");

    let outcome = wait(command.spawn().unwrap());

    // The server took the key: it says what is there, which is nothing.
    assert!(
        outcome.stderr.contains(&format!("there is no repository at `{}`", machine.place)),
        "{outcome:?}"
    );
    assert_says_no_secret(&outcome);
}

fn ended(child: &mut std::process::Child) -> bool {
    child.try_wait().expect("the plugin can be waited for").is_some()
}
