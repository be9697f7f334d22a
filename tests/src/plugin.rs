//! Runs of the plugin: a home of its own, the command line of a person, and what came of it.
//!
//! The program is `docker-pgbackup` from the folder this test was built in, or the one that
//! `PGBACKUP_TEST_PLUGIN` names. Home, key and repository are in a temporary folder, so nothing
//! of the person who runs the tests is read or touched.

use crate::command::text;
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// A person's machine as far as the plugin sees it.
pub struct Plugin {
    home: TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub struct Outcome {
    /// The exit status; `None` after a signal.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Default for Plugin {
    fn default() -> Self {
        Self::new()
    }
}

impl Plugin {
    /// Makes a home without a repository.
    pub fn new() -> Self {
        Self {
            home: tempfile::Builder::new().prefix("pgbackup-home-").tempdir().expect("a folder can be made"),
        }
    }

    /// Returns the home folder.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Returns the folder of the default repository.
    pub fn repository(&self) -> PathBuf {
        self.home().join("data/pgbackup/repository")
    }

    /// Returns the command for these arguments, for tests that need to look at the process.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(arguments);
        self.at_home(command)
    }

    /// Returns the command that runs the plugin in a terminal of its own; what it reads from its
    /// standard input is typed there, and what the terminal shows it writes.
    pub fn terminal(&self, arguments: &[&str]) -> Command {
        let quoted = |word: &str| format!("'{}'", word.replace('\'', r"'\''"));
        let program = quoted(&program().to_string_lossy());
        let words: Vec<String> = arguments.iter().map(|word| quoted(word)).collect();
        let mut command = Command::new("script");
        command.args(["-q", "-e", "-f", "-c", &format!("{program} {}", words.join(" ")), "/dev/null"]);
        let mut command = self.at_home(command);
        command.env("TERM", "xterm").env("SHELL", "/bin/sh").env("COLUMNS", "120");
        command
    }

    /// Runs the plugin under strace, which kills it (SIGKILL) as one of its threads begins the
    /// system call `call` for the `nth` time. No status means that it was killed.
    pub fn run_killed_at(&self, call: &str, nth: u32, arguments: &[&str]) -> Outcome {
        let mut command = Command::new("strace");
        command
            .args(["-f", "-qq", "-o", "/dev/null", "-e"])
            .arg(format!("inject={call}:signal=KILL:when={nth}"))
            .arg(program())
            .args(arguments);
        wait(self.at_home(command).spawn().expect("strace can be started"))
    }

    fn at_home(&self, mut command: Command) -> Command {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home())
            .env("XDG_DATA_HOME", self.home().join("data"))
            .env("XDG_CONFIG_HOME", self.home().join("config"))
            .current_dir(self.home())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for name in ["DOCKER_HOST", "LLVM_PROFILE_FILE", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }

    /// Runs the plugin to its end.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        wait(self.start(arguments))
    }

    /// Starts the plugin.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap_or_else(|error| {
            panic!(
                "{} could not be started, build it with `cargo build -p docker-pgbackup`: {error}",
                program().display()
            )
        })
    }

    /// Runs the plugin and panics unless it exits with 0; returns standard output.
    pub fn must(&self, arguments: &[&str]) -> String {
        let outcome = self.run(arguments);
        assert_eq!(
            outcome.status,
            Some(0),
            "{arguments:?} failed\nstdout: {}\nstderr: {}",
            outcome.stdout,
            outcome.stderr
        );
        outcome.stdout
    }

    /// Runs the plugin and panics unless it exits with `status`; returns standard error.
    pub fn must_fail(&self, status: i32, arguments: &[&str]) -> String {
        let outcome = self.run(arguments);
        assert_eq!(
            outcome.status,
            Some(status),
            "{arguments:?} ended otherwise\nstdout: {}\nstderr: {}",
            outcome.stdout,
            outcome.stderr
        );
        outcome.stderr
    }

    /// Returns the names of all backups.
    pub fn backups(&self) -> Vec<String> {
        if !self.repository().exists() {
            return Vec::new();
        }
        self.must(&["list", "--quiet"]).lines().map(Into::into).collect()
    }

    /// Returns the manifest of a backup as JSON.
    pub fn manifest(&self, backup: &str) -> serde_json::Value {
        let json = self.must(&["inspect", backup, "--format", "json"]);
        let list: serde_json::Value = serde_json::from_str(&json).expect("inspect writes JSON");
        list[0].clone()
    }

    /// Returns `repo info` as JSON.
    pub fn repo_info(&self) -> serde_json::Value {
        serde_json::from_str(&self.must(&["repo", "info", "--format", "json"]))
            .expect("repo info writes JSON")
    }
}

/// Waits for a plugin that was started.
pub fn wait(child: Child) -> Outcome {
    let output = child.wait_with_output().expect("the plugin can be waited for");
    Outcome { status: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// Returns the path of the program under test.
pub fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("PGBACKUP_TEST_PLUGIN") {
        return path.into();
    }
    // Tests are built into `target/PROFILE/deps`, programs into `target/PROFILE`.
    let test = std::env::current_exe().expect("a test knows where it is");
    test.ancestors().nth(2).expect("a test is in target/PROFILE/deps").join("docker-pgbackup")
}
