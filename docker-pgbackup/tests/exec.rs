//! Programs run in a real container: what goes in and comes out, and how it ends.
//!
//! One container for all tests; its image is that of the live tests. Without a Docker daemon
//! they end early, except in CI, where that is a failure.

use docker_pgbackup::{
    endpoint::{self, Endpoint},
    plugin::Globals,
    runtime::DockerRuntime,
};
use pgbackup_engine::{
    cancel::Cancel,
    target::{Runtime, Session, Target},
};
use std::{
    env,
    io::{ErrorKind, Read, Write},
    process::{self, Command},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_mins(1);

/// More than every buffer on the way, and no multiple of any.
const BIG: usize = 50 * 1024 * 1024 + 7;

/// A container that does nothing, removed when dropped.
struct Container {
    name: String,
}

impl Container {
    fn start(command: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let prefix = env::var("PGBACKUP_TEST_PREFIX").unwrap_or_else(|_| "pgbackup-test".into());
        let name = format!("{prefix}-exec-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let image = env::var("PGBACKUP_TEST_IMAGE_17").unwrap_or_else(|_| "postgres:17".into());
        let (program, arguments) = command.split_first().unwrap();
        let run =
            ["run", "-d", "--init", "--label", "pgbackup-test=1", "--name", &name, "--entrypoint", program];
        let started = Self { name: name.clone() };
        docker(&[&run[..], &[&image], arguments].concat());
        started
    }

    fn target(&self, runtime: &DockerRuntime) -> Target {
        runtime.targets().unwrap().into_iter().find(|target| target.name == self.name).unwrap()
    }

    /// How many processes have `word` in their command line.
    fn count(&self, word: &str) -> usize {
        docker(&["top", &self.name, "-eo", "pid,args"]).lines().filter(|line| line.contains(word)).count()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rm", "-fv", &self.name]).output();
    }
}

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    assert!(output.status.success(), "docker {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn endpoint() -> Endpoint {
    let variables = env::vars().filter(|(name, _)| name.starts_with("DOCKER_") || name == "HOME").collect();
    endpoint::resolve(&Globals::default(), &variables).unwrap()
}

/// The daemon and an idle container, or nothing where tests on containers cannot run.
fn idle() -> Option<(DockerRuntime, Container)> {
    match DockerRuntime::open(&endpoint(), &Cancel::default()) {
        Ok(runtime) => Some((runtime, Container::start(&["sleep", "600"]))),
        Err(error) => {
            assert!(env::var("CI").as_deref() != Ok("true"), "these tests need Docker: {error}");
            say_skipped();
            None
        }
    }
}

#[expect(clippy::print_stderr, reason = "a test that is skipped must say so")]
fn say_skipped() {
    static SAID: OnceLock<()> = OnceLock::new();
    SAID.get_or_init(|| eprintln!("skipped: no Docker daemon answers"));
}

fn exec(runtime: &DockerRuntime, container: &Container, script: &str) -> Session {
    let argv = ["sh", "-c", script].map(str::to_owned);
    runtime.exec(&container.target(runtime), &argv).unwrap()
}

fn read_all(mut stream: Box<dyn Read + Send>) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
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

fn wait_until(what: &str, mut state: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !state() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn fifty_mebibytes_of_all_byte_values_go_in_and_come_out_unchanged() {
    let Some((runtime, container)) = idle() else { return };
    let sent = noise();
    assert!((0..=u8::MAX).all(|value| sent.contains(&value)));
    let Session { mut stdin, stdout, control, .. } = exec(&runtime, &container, "cat");

    let back = thread::scope(|scope| {
        let sent = &sent;
        scope.spawn(move || {
            stdin.write_all(sent).unwrap();
            stdin.flush().unwrap();
        });
        read_all(stdout)
    });

    assert_eq!(back.len(), sent.len());
    assert!(back == sent, "the bytes differ");
    assert_eq!(control.wait(PATIENCE).unwrap().status, Some(0));
}

#[test]
fn the_program_sees_the_end_of_its_input_and_its_status_comes_back() {
    let Some((runtime, container)) = idle() else { return };
    let Session { mut stdin, stdout, control, .. } = exec(&runtime, &container, "wc -c; exit 7");

    stdin.write_all(&vec![b'x'; BIG]).unwrap();
    drop(stdin);

    assert_eq!(String::from_utf8(read_all(stdout)).unwrap().trim(), BIG.to_string());
    assert_eq!(control.wait(PATIENCE).unwrap().status, Some(7));
}

#[test]
fn standard_error_is_kept_apart_from_data() {
    let Some((runtime, container)) = idle() else { return };
    let script = "i=0; while [ $i -lt 2000 ]; do echo data; echo NOTICE >&2; i=$((i+1)); done";
    let Session { stdin, stdout, stderr, control } = exec(&runtime, &container, script);
    drop(stdin);

    let (data, notices) = thread::scope(|scope| {
        let notices = scope.spawn(move || read_all(stderr));
        (read_all(stdout), notices.join().unwrap())
    });

    assert_eq!(data, b"data\n".repeat(2000));
    assert_eq!(notices, b"NOTICE\n".repeat(2000));
    assert_eq!(control.wait(PATIENCE).unwrap().status, Some(0));
}

#[test]
fn a_stream_that_nobody_reads_any_more_holds_nothing_up() {
    let Some((runtime, container)) = idle() else { return };
    let script = "head -c 20000000 /dev/zero >&2; echo done";
    let Session { stdin, stdout, stderr, control } = exec(&runtime, &container, script);
    drop((stdin, stderr));
    assert_eq!(read_all(stdout), b"done\n");
    assert_eq!(control.wait(PATIENCE).unwrap().status, Some(0));
}

#[test]
fn abort_wakes_a_blocked_read_and_ends_the_input_of_the_program() {
    let Some((runtime, container)) = idle() else { return };
    let Session { stdin, mut stdout, control, .. } = exec(&runtime, &container, "echo up; exec cat");
    stdout.read_exact(&mut [0; 3]).unwrap();
    assert_eq!(container.count(" cat"), 1);
    let blocked = thread::spawn(move || stdout.read(&mut [0; 1]).unwrap_err().kind());

    control.abort();

    assert_eq!(blocked.join().unwrap(), ErrorKind::ConnectionAborted);
    wait_until("the program has ended", || container.count(" cat") == 0);
    drop(stdin);
}

#[test]
fn abort_wakes_a_blocked_write() {
    let Some((runtime, container)) = idle() else { return };
    let Session { mut stdin, control, .. } = exec(&runtime, &container, "exec sleep 300");
    let written = Mutex::new(Instant::now());
    let idle_for = || written.lock().unwrap_or_else(PoisonError::into_inner).elapsed();

    let kind = thread::scope(|scope| {
        let blocked = scope.spawn(|| {
            let piece = vec![0; 65536];
            loop {
                match stdin.write_all(&piece) {
                    Ok(()) => *written.lock().unwrap() = Instant::now(),
                    Err(error) => return error.kind(),
                }
            }
        });
        // Nothing reads, so every buffer on the way is full after a while.
        wait_until("the write blocks", || idle_for() > Duration::from_secs(1));
        control.abort();
        blocked.join().unwrap()
    });

    assert_eq!(kind, ErrorKind::ConnectionAborted);
}

#[test]
fn a_program_that_still_runs_is_said_to_after_the_time_given() {
    let Some((runtime, container)) = idle() else { return };
    let session = exec(&runtime, &container, "exec sleep 300");
    let error = session.control.wait(Duration::from_millis(300)).unwrap_err();
    assert!(error.what.contains("still runs"), "{error}");
}

#[test]
fn a_program_that_is_not_there_ends_with_status_127_or_126() {
    let Some((runtime, container)) = idle() else { return };
    let target = container.target(&runtime);
    match runtime.exec(&target, &["/nowhere/program".to_owned()]) {
        Ok(session) => {
            let status = session.control.wait(PATIENCE).unwrap().status;
            assert!(matches!(status, Some(126 | 127)), "{status:?}");
        }
        Err(error) => assert!(error.to_string().contains("program"), "{error}"),
    }
}

#[test]
fn a_paused_container_is_refused_with_the_command_that_helps() {
    let Some((runtime, container)) = idle() else { return };
    let target = container.target(&runtime);
    docker(&["pause", &container.name]);
    let error = runtime.exec(&target, &["true".to_owned()]).err().unwrap();
    docker(&["unpause", &container.name]);
    assert_eq!(error.hints, [format!("go on with `docker unpause {}`", container.name)]);
}

#[test]
fn a_container_that_stops_under_a_program_ends_its_streams() {
    let Some((runtime, container)) = idle() else { return };
    let Session { mut stdout, control, stdin, .. } = exec(&runtime, &container, "echo up; exec sleep 300");
    stdout.read_exact(&mut [0; 3]).unwrap();

    docker(&["kill", &container.name]);

    // An end or an error, but not a read that waits for ever; and no status of success.
    let _ = stdout.read(&mut [0; 1]);
    assert_ne!(control.wait(PATIENCE).ok().and_then(|finished| finished.status), Some(0));
    drop(stdin);
}

#[test]
fn servers_are_told_from_other_containers_by_their_processes() {
    let Some((runtime, container)) = idle() else { return };
    // A process that is titled like a server, whatever the image: what a server is judged by.
    let server = Container::start(&["bash", "-c", "exec -a postgres sleep 600"]);
    let targets = [container.target(&runtime), server.target(&runtime)];
    wait_until("bash has become a server", || runtime.runs_postgres(&targets).unwrap()[1]);
    assert_eq!(runtime.runs_postgres(&targets).unwrap(), [false, true]);
    assert!(!targets[0].started.is_empty());
    assert_eq!(targets[0].state, "running");
}

#[test]
fn a_container_that_is_gone_holds_no_server() {
    let Some((runtime, container)) = idle() else { return };
    let target = container.target(&runtime);
    drop(container);
    assert_eq!(runtime.runs_postgres(&[target]).unwrap(), [false]);
}
