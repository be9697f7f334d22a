//! Programs that use a server while the plugin works: sessions that hold, write, or come back.
//!
//! Each is a process or thread of its own that ends when it is dropped.

use crate::server::Server;
use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

/// A psql session that stays open; statements are sent one after the other.
pub struct Session {
    child: Child,
    stdin: Option<ChildStdin>,
    answers: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Session {
    /// Opens a session in a database.
    pub fn open(server: &Server, database: &str) -> Self {
        let mut child = Command::new("docker")
            .args(["exec", "-i", &server.name, "psql", "-XqAt", "-U", &server.user, "-d", database])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker can be started");
        let stdin = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut session = Self { child, stdin, answers };
        session.run("SELECT 1");
        session
    }

    /// Runs statements and returns when the server has done them.
    pub fn run(&mut self, sql: &str) -> Vec<String> {
        const END: &str = "--end of the statements--";
        let stdin = self.stdin.as_mut().expect("the session is open");
        writeln!(stdin, "{sql};\n\\echo {END}").and_then(|()| stdin.flush()).expect("psql reads");
        let mut lines = Vec::new();
        for line in self.answers.by_ref() {
            let line = line.expect("psql writes text");
            if line == END {
                return lines;
            }
            lines.push(line);
        }
        lines
    }

    /// Sends statements without waiting for them.
    pub fn send(&mut self, sql: &str) {
        let stdin = self.stdin.as_mut().expect("the session is open");
        writeln!(stdin, "{sql};").and_then(|()| stdin.flush()).expect("psql reads");
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The end of its input ends psql, and the session with it; killing `docker exec` would not.
        drop(self.stdin.take());
        drop(self.child.wait());
    }
}

/// A shell loop in the container that runs a command for ever, and is ended from outside.
pub struct Loop {
    child: Option<Child>,
    stop: String,
    container: String,
}

impl Loop {
    /// Runs `script` again and again in the container, as fast as it ends.
    pub fn start(server: &Server, script: &str) -> Self {
        let stop = format!("/tmp/stop-{}", crate::server::unique("loop"));
        let script = format!("while [ ! -e {stop} ]; do {script}; done; rm -f {stop}");
        let child = Command::new("docker")
            .args(["exec", &server.name, "sh", "-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker can be started");
        Self { child: Some(child), stop, container: server.name.clone() }
    }

    /// Ends the loop and returns all lines that it wrote; few enough for the pipe to hold.
    pub fn finish(mut self) -> Vec<String> {
        let output = self.end().expect("it was not ended before");
        crate::command::text(&output.stdout).lines().map(Into::into).collect()
    }

    fn end(&mut self) -> Option<Output> {
        let child = self.child.take()?;
        crate::command::output("docker", &["exec", &self.container, "touch", &self.stop], b"");
        child.wait_with_output().ok()
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        self.end();
    }
}

/// A thread that does something until it is dropped, and counts how often it did.
pub struct Worker {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts a thread that calls `step` with 0, 1, 2 ... until it is stopped.
    pub fn start(mut step: impl FnMut(u64) + Send + 'static) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&done));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                step(count.load(Ordering::Relaxed));
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { stop, done, thread: Some(thread) }
    }

    /// Returns how many steps have been done.
    pub fn steps(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
