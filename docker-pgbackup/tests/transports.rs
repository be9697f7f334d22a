//! The streams of programs over ports, TLS and ssh: whole, closed one way, and woken when they end.
//!
//! Without a Docker daemon they end early, except in CI, where that is a failure.

use docker_pgbackup::{endpoint, plugin::Globals, runtime::DockerRuntime};
use pgbackup_engine::{
    cancel::Cancel,
    target::{Runtime, Session, Target},
};
use pgbackup_tests::{
    command::{docker_is_here, must, output, text, wait_for},
    server::{Removed, image, unique},
    ways::{Certificates, Login, Port},
};
use std::{
    collections::BTreeMap,
    env,
    io::{ErrorKind, Read, Write},
    process::Command,
    thread,
    time::Duration,
};

const PATIENCE: Duration = Duration::from_mins(1);

/// More than every buffer on the way, and no multiple of any.
const BIG: usize = 50 * 1024 * 1024 + 7;

/// Set for the run of a test inside of a test, whose PATH has the `ssh` that knows the host.
const INSIDE: &str = "PGBACKUP_TEST_SSH_ADDRESS";

/// A container that does nothing.
fn idle() -> Removed {
    let name = unique("pgbackup-test");
    let run = ["run", "-d", "--init", "--label", "pgbackup-test=1", "--name", &name, "--entrypoint", "sleep"];
    must("docker", &[&run[..], &[&image(17), "600"]].concat());
    Removed(name)
}

fn open(variables: &[(&str, &str)]) -> DockerRuntime {
    let variables: BTreeMap<String, String> =
        variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let endpoint = endpoint::resolve(&Globals::default(), &variables).unwrap();
    DockerRuntime::open(&endpoint, &Cancel::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn target(runtime: &DockerRuntime, container: &Removed) -> Target {
    runtime.targets().unwrap().into_iter().find(|target| target.name == container.0).unwrap()
}

fn exec(runtime: &DockerRuntime, container: &Removed, script: &str) -> Session {
    runtime.exec(&target(runtime, container), &["sh", "-c", script].map(str::to_owned)).unwrap()
}

/// How many processes of the container are `cat`.
fn cats(container: &Removed) -> usize {
    must("docker", &["top", &container.0, "-eo", "pid,args"])
        .lines()
        .filter(|it| it.ends_with(" cat"))
        .count()
}

/// Every byte value, in an order that does not repeat at a power of two.
fn noise() -> Vec<u8> {
    let mut state = 1_u64;
    (0..BIG)
        .map(|index| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(index as u64 | 1);
            (state >> 56) as u8
        })
        .collect()
}

/// All that a way to the daemon has to do; `cut` breaks every connection that goes by it.
fn serves_streams(runtime: &DockerRuntime, cut: impl Fn()) {
    let container = idle();
    bytes_go_in_and_come_out_at_the_same_time(runtime, &container);
    the_end_of_the_input_is_seen_and_the_status_comes_back(runtime, &container);
    abort_wakes_a_read_and_ends_the_program(runtime, &container);
    a_broken_connection_wakes_a_read(runtime, &container, cut);
}

fn bytes_go_in_and_come_out_at_the_same_time(runtime: &DockerRuntime, container: &Removed) {
    let sent = noise();
    let Session { mut stdin, mut stdout, control, .. } = exec(runtime, container, "cat");

    let back = thread::scope(|scope| {
        let sent = &sent;
        scope.spawn(move || {
            stdin.write_all(sent).unwrap();
            stdin.flush().unwrap();
        });
        let mut back = Vec::new();
        stdout.read_to_end(&mut back).unwrap();
        back
    });

    assert_eq!(back.len(), sent.len());
    assert!(back == sent, "the bytes differ");
    assert_eq!(control.wait(PATIENCE).unwrap().status, Some(0));
}

fn the_end_of_the_input_is_seen_and_the_status_comes_back(runtime: &DockerRuntime, container: &Removed) {
    let Session { mut stdin, mut stdout, control, .. } = exec(runtime, container, "wc -c; echo more; exit 7");

    stdin.write_all(&vec![b'x'; BIG]).unwrap();
    drop(stdin);

    let mut said = String::new();
    stdout.read_to_string(&mut said).unwrap();
    assert_eq!(said.split_whitespace().collect::<Vec<_>>(), [&BIG.to_string(), "more"]);
    assert_eq!(control.wait(PATIENCE).unwrap().status, Some(7));
}

fn abort_wakes_a_read_and_ends_the_program(runtime: &DockerRuntime, container: &Removed) {
    let Session { stdin, mut stdout, control, .. } = exec(runtime, container, "echo up; exec cat");
    stdout.read_exact(&mut [0; 3]).unwrap();
    assert_eq!(cats(container), 1);
    let blocked = thread::spawn(move || stdout.read(&mut [0; 1]).unwrap_err().kind());

    control.abort();

    assert_eq!(blocked.join().unwrap(), ErrorKind::ConnectionAborted);
    wait_for("end of the program", || (cats(container) == 0).then_some(()));
    drop(stdin);
}

fn a_broken_connection_wakes_a_read(runtime: &DockerRuntime, container: &Removed, cut: impl Fn()) {
    let Session { stdin, mut stdout, control, .. } = exec(runtime, container, "echo up; exec cat");
    stdout.read_exact(&mut [0; 3]).unwrap();
    let blocked = thread::spawn(move || stdout.read(&mut [0; 1]));

    cut();

    // Over a plain port it looks as if the program had said all; who reads knows better.
    let end = blocked.join().unwrap();
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    wait_for("end of the program", || (cats(container) == 0).then_some(()));
    assert_ne!(control.wait(PATIENCE).ok().and_then(|finished| finished.status), Some(1));
    drop(stdin);
}

#[test]
fn a_plain_port_serves_streams() {
    if !docker_is_here() {
        return;
    }
    let port = Port::plain();
    let runtime = open(&[("DOCKER_HOST", &port.address())]);
    serves_streams(&runtime, || port.cut());
}

#[test]
fn tls_serves_streams() {
    if !docker_is_here() {
        return;
    }
    let certificates = Certificates::new();
    let port = Port::tls(&certificates);
    let folder = certificates.folder().display().to_string();
    let runtime =
        open(&[("DOCKER_HOST", &port.address()), ("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", &folder)]);
    serves_streams(&runtime, || port.cut());
}

#[test]
fn ssh_serves_streams() {
    // `ssh` is looked for on the PATH of the process, so the work is done by another one.
    if let Ok(address) = env::var(INSIDE) {
        let sshd = env::var("PGBACKUP_TEST_SSHD").unwrap();
        let runtime = open(&[("DOCKER_HOST", &address)]);
        return serves_streams(&runtime, || Login::cut_connections_of(&sshd));
    }
    if !docker_is_here() {
        return;
    }
    let Some(login) = Login::start() else { return };
    let inside = Command::new(env::current_exe().unwrap())
        .args(["--exact", "ssh_serves_streams", "--nocapture"])
        .env(INSIDE, login.address())
        .env("PGBACKUP_TEST_SSHD", login.process())
        .env("PATH", login.path())
        .output()
        .unwrap();
    assert!(inside.status.success(), "{}{}", text(&inside.stdout), text(&inside.stderr));
    assert!(login.logins() > 0);
    // Nothing of it goes on when it has ended.
    let of_ours = login.folder().join("ssh_config").display().to_string();
    wait_for("end of every ssh", || {
        (!output("pgrep", &["-f", &of_ours], b"").status.success()).then_some(())
    });
}
