//! Running the machine's own programs and waiting for states.
//!
//! In: a program and its arguments. Out: its standard output, or a panic with all it said, which
//! is what a test wants of a step that must work. Absent on purpose: the plugin itself, whose
//! failures are what tests look at; see [`crate::plugin`].

use std::{
    io::Write,
    process::{Command, Output, Stdio},
    sync::OnceLock,
    thread::sleep,
    time::{Duration, Instant},
};

/// Returns whether live tests can run here, which needs a Docker daemon.
///
/// With `CI` set a missing daemon is a failure; elsewhere one line says that the test is skipped.
pub fn docker_is_here() -> bool {
    static HERE: OnceLock<bool> = OnceLock::new();
    *HERE.get_or_init(|| {
        let answers =
            Command::new("docker").arg("version").output().is_ok_and(|output| output.status.success());
        assert!(
            answers || std::env::var_os("CI").is_none(),
            "live tests need a Docker daemon, and none answers"
        );
        if !answers {
            say("skipped: no Docker daemon answers");
        }
        answers
    })
}

/// Writes a line for the person who runs the tests.
#[expect(clippy::print_stderr, reason = "a test has no other way to speak to the one who runs it")]
pub fn say(line: &str) {
    eprintln!("{line}");
}

/// Runs a program that must succeed and returns what it wrote to standard output.
pub fn must(program: &str, arguments: &[&str]) -> String {
    let output = output(program, arguments, b"");
    assert!(output.status.success(), "{program} {arguments:?} failed: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Runs a program that may fail, with `input` on its standard input.
pub fn output(program: &str, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} could not be started: {error}"));
    let mut stdin = child.stdin.take().expect("it is piped");
    std::thread::scope(|scope| {
        // A program that does not read all of it says so by its status.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().unwrap_or_else(|error| panic!("{program} was lost: {error}"))
    })
}

/// Waits until `state` answers, asking every 20 ms, and panics with `what` after three minutes.
pub fn wait_for<T>(what: &str, mut state: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(answer) = state() {
            return answer;
        }
        assert!(since.elapsed() < Duration::from_mins(3), "after three minutes there was still no {what}");
        sleep(Duration::from_millis(20));
    }
}

/// Returns bytes as text, with what is not UTF-8 replaced.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns the path of a file of the tests' own data.
pub fn data(name: &str) -> String {
    format!("{}/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Reads a file of the tests' own data.
pub fn data_text(name: &str) -> String {
    std::fs::read_to_string(data(name)).unwrap_or_else(|error| panic!("{name} could not be read: {error}"))
}
