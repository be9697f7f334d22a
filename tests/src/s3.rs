//! A real S3 server of the test's own, and a proxy in front of it that fails on purpose.
//!
//! The server is the Versity S3 Gateway over a temporary folder; `tests/s3/server.sh` finds or
//! makes its program. Everything speaks plain HTTP and on this machine only.

use crate::{
    command::{output, say, text, wait_for},
    plugin::{Outcome, Plugin, wait},
};
use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// The key of every test server.
pub const KEY: &str = "backup";
/// Its secret, which nothing may ever print.
pub const SECRET: &str = "backup-secret-hush";
/// The bucket that it has.
pub const BUCKET: &str = "backups";

/// A running server. It ends, with all it holds, when this is dropped.
pub struct S3Server {
    program: PathBuf,
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl S3Server {
    /// Starts a server with one empty bucket.
    ///
    /// Returns none where there is no server's program, which CI does not allow.
    pub fn start() -> Option<Self> {
        let program = program()?;
        let folder = tempfile::Builder::new().prefix("pgbackup-s3-").tempdir().expect("a folder can be made");
        fs::create_dir_all(folder.path().join("data").join(BUCKET)).expect("a folder can be made");
        // Bound and given back: nothing else takes it in between but by bad luck.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.expect("a port is free").port();
        let mut server = Self { program, folder, port, child: None };
        server.start_again();
        Some(server)
    }

    /// Starts the server that was killed, at the same address and with what it held.
    pub fn start_again(&mut self) {
        let child = Command::new(&self.program)
            .args(["--port", &format!("127.0.0.1:{}", self.port), "--quiet", "posix"])
            .arg(self.folder.path().join("data"))
            .env("ROOT_ACCESS_KEY", KEY)
            .env("ROOT_SECRET_KEY", SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the S3 server can be started");
        self.child = Some(child);
        wait_for("S3 server that answers", || TcpStream::connect(self.address()).ok());
    }

    /// Kills the server in the middle of whatever it does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Returns the server's address: host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Returns the folder that holds the bucket's objects as files.
    pub fn bucket(&self) -> PathBuf {
        self.folder.path().join("data").join(BUCKET)
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A person's machine whose repository is in a bucket.
pub struct InBucket {
    /// Home, keys, and what is remembered.
    pub plugin: Plugin,
    /// The place, as people write it.
    pub place: String,
}

impl InBucket {
    /// A home without a repository; `address` is the server's or a proxy's.
    pub fn new(address: &str, prefix: &str) -> Self {
        Self { plugin: Plugin::new(), place: place(address, prefix) }
    }

    /// The same machine, by another way to the server.
    pub fn by(&mut self, address: &str, prefix: &str) {
        self.place = place(address, prefix);
    }

    /// Returns the command for these arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.plugin.command(arguments);
        command.envs(variables()).env("PGBACKUP_REPOSITORY", &self.place);
        command
    }

    /// Starts the plugin.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().expect("the plugin can be started")
    }

    /// Runs the plugin to its end. What it says never holds the secret.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        let outcome = wait(self.start(arguments));
        assert_says_no_secret(&outcome);
        outcome
    }

    /// Runs the plugin and panics unless it exits with 0; returns standard output.
    pub fn must(&self, arguments: &[&str]) -> String {
        let outcome = self.run(arguments);
        assert_eq!(outcome.status, Some(0), "{arguments:?}: {}{}", outcome.stdout, outcome.stderr);
        outcome.stdout
    }

    /// Returns the names of all backups.
    pub fn backups(&self) -> Vec<String> {
        self.must(&["list", "--quiet"]).lines().map(Into::into).collect()
    }

    /// Panics unless restic itself, reading every byte, finds nothing wrong.
    pub fn assert_restic_is_content(&self) {
        let password = self.plugin.home().join("restic-password");
        if !password.exists() {
            fs::write(&password, "for restic\n").expect("the home can be written");
            self.must(&["repo", "key", "export", "--password-file", &password.display().to_string()]);
        }
        let output = Command::new("restic")
            .args([
                "--repo",
                &self.place,
                "--no-cache",
                "--no-lock",
                "check",
                "--read-data",
                "--password-file",
            ])
            .arg(password)
            .envs(variables())
            .output()
            .expect("restic is installed");
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(output.status.success() && said.contains("no errors were found"), "restic says: {said}");
    }
}

/// Panics if a run printed the server's secret, or a signature that it made with it.
pub fn assert_says_no_secret(outcome: &Outcome) {
    for said in [&outcome.stdout, &outcome.stderr] {
        assert!(!said.contains(SECRET) && !said.contains("X-Amz-"), "{said}");
    }
}

/// Returns a place in the bucket as people write it.
pub fn place(address: &str, prefix: &str) -> String {
    format!("s3:http://{address}/{BUCKET}/{prefix}")
}

/// The variables that give a program the server's key.
pub fn variables() -> [(&'static str, &'static str); 2] {
    [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)]
}

/// Returns the program of the server, found or made by the script that also sets up CI.
fn program() -> Option<PathBuf> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/s3/server.sh");
    let found = output(script, &[], b"");
    if found.status.success() {
        return Some(text(&found.stdout).trim().into());
    }
    let why = text(&found.stderr);
    assert!(std::env::var_os("CI").is_none(), "tests on S3 need a server: {why}");
    say(&format!("skipped: {}", why.lines().next().unwrap_or("there is no S3 server")));
    None
}
