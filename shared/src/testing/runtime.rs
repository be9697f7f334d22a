//! A platform whose containers are closures.

use super::pipe::{Pipe, PipeReader, PipeWriter, pipe};
use crate::{
    error::{Error, Result},
    target::{Finished, Runtime, Session, SessionControl, Target},
};
use std::{
    collections::BTreeSet,
    io::Read,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

/// What runs in a fake container: its command line and its three streams.
pub struct Program {
    /// The target it was started in.
    pub target: Target,
    /// Its command line.
    pub argv: Vec<String>,
    /// What it reads; ends when the session's `stdin` is dropped.
    pub stdin: PipeReader,
    /// What it writes; ends when dropped, with the closure at the latest.
    pub stdout: PipeWriter,
    /// Its trouble.
    pub stderr: PipeWriter,
}

impl Program {
    /// Reads its input to the end.
    pub fn read_all(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // An aborted session has no rest to read; what came before it is what the program saw.
        let _ = self.stdin.read_to_end(&mut bytes);
        bytes
    }
}

type Run = dyn Fn(Program) -> i64 + Send + Sync;

/// A platform for tests: the targets it was given, and one closure for all programs.
///
/// The closure runs in a thread of its own for each exec and returns the exit status.
pub struct FakeRuntime {
    targets: Vec<Target>,
    servers: BTreeSet<String>,
    run: Arc<Run>,
    cut_output: Option<usize>,
    executed: Mutex<Vec<Vec<String>>>,
}

impl FakeRuntime {
    /// A platform without targets, whose programs are `run`.
    pub fn new(run: impl Fn(Program) -> i64 + Send + Sync + 'static) -> Self {
        Self {
            targets: Vec::new(),
            servers: BTreeSet::new(),
            run: Arc::new(run),
            cut_output: None,
            executed: Mutex::default(),
        }
    }

    /// Adds a target in which PostgreSQL runs.
    #[must_use]
    pub fn with_server(mut self, target: Target) -> Self {
        self.servers.insert(target.id.clone());
        self.with_target(target)
    }

    /// Adds a target in which something else runs.
    #[must_use]
    pub fn with_target(mut self, target: Target) -> Self {
        self.targets.push(target);
        self
    }

    /// Ends every session's stdout after `bytes`, silently and with the program's own status:
    /// what exec streams do in the field (F1).
    #[must_use]
    pub fn cutting_output_after(mut self, bytes: usize) -> Self {
        self.cut_output = Some(bytes);
        self
    }

    /// The command lines that were run so far.
    pub fn executed(&self) -> Vec<Vec<String>> {
        self.executed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Runtime for FakeRuntime {
    fn describe(&self) -> String {
        "the fake platform".to_owned()
    }

    fn targets(&self) -> Result<Vec<Target>> {
        Ok(self.targets.clone())
    }

    fn stopped(&self, _: &str) -> Result<Option<Error>> {
        Ok(None)
    }

    fn runs_postgres(&self, targets: &[Target]) -> Result<Vec<bool>> {
        Ok(targets.iter().map(|target| self.servers.contains(&target.id)).collect())
    }

    fn exec(&self, target: &Target, argv: &[String]) -> Result<Session> {
        if !self.targets.iter().any(|known| known.id == target.id) {
            return Err(Error::failed(format!("no container `{}`", target.name)));
        }
        self.executed.lock().unwrap_or_else(PoisonError::into_inner).push(argv.to_vec());
        let (program_in, stdin) = pipe();
        let (stdout, program_out) = pipe();
        let (stderr, program_err) = pipe();
        if let Some(bytes) = self.cut_output {
            stdout.0.cut_after(bytes);
        }
        let control = Arc::new(Control {
            pipes: [Arc::clone(&stdin.0), Arc::clone(&stdout.0), Arc::clone(&stderr.0)],
            status: Mutex::new(None),
            ended: Condvar::new(),
        });
        let program = Program {
            target: target.clone(),
            argv: argv.to_vec(),
            stdin: program_in,
            stdout: program_out,
            stderr: program_err,
        };
        let (run, end) = (Arc::clone(&self.run), Arc::clone(&control));
        thread::spawn(move || {
            let status = run(program);
            *end.status.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
            end.ended.notify_all();
        });
        Ok(Session { stdin: Box::new(stdin), stdout: Box::new(stdout), stderr: Box::new(stderr), control })
    }
}

struct Control {
    pipes: [Arc<Pipe>; 3],
    status: Mutex<Option<i64>>,
    ended: Condvar,
}

impl SessionControl for Control {
    fn wait(&self, limit: Duration) -> Result<Finished> {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        let (status, _) = self
            .ended
            .wait_timeout_while(status, limit, |status| status.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        status.map_or_else(
            || Err(Error::failed("the program has not ended")),
            |status| Ok(Finished { status: Some(status) }),
        )
    }

    fn abort(&self) {
        for pipe in &self.pipes {
            pipe.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn target() -> Target {
        Target { id: "1".into(), name: "pg".into(), ..Target::default() }
    }

    fn session(runtime: FakeRuntime) -> Session {
        runtime.with_server(target()).exec(&target(), &["cat".to_owned()]).unwrap()
    }

    fn cat() -> FakeRuntime {
        FakeRuntime::new(|mut program| {
            let bytes = program.read_all();
            i64::from(program.stdout.write_all(&bytes).is_err())
        })
    }

    #[test]
    fn a_program_reads_until_stdin_is_dropped_and_its_status_is_kept() {
        let Session { mut stdin, mut stdout, control, .. } = session(cat());
        stdin.write_all(b"rows").unwrap();
        drop(stdin);
        let mut seen = String::new();
        stdout.read_to_string(&mut seen).unwrap();
        assert_eq!(seen, "rows");
        assert_eq!(control.wait(Duration::from_secs(5)).unwrap().status, Some(0));
    }

    #[test]
    fn a_cut_stream_ends_short_and_still_reports_success() {
        let Session { mut stdin, mut stdout, control, .. } = session(cat().cutting_output_after(2));
        stdin.write_all(b"rows").unwrap();
        drop(stdin);
        let mut seen = String::new();
        stdout.read_to_string(&mut seen).unwrap();
        assert_eq!(seen, "ro");
        assert_eq!(control.wait(Duration::from_secs(5)).unwrap().status, Some(0));
    }

    #[test]
    fn abort_wakes_a_blocked_read() {
        let Session { stdin, mut stdout, control, .. } = session(cat());
        let reader = thread::spawn(move || stdout.read(&mut [0; 1]).unwrap_err().kind());
        control.abort();
        assert_eq!(reader.join().unwrap(), std::io::ErrorKind::ConnectionAborted);
        drop(stdin);
    }
}
