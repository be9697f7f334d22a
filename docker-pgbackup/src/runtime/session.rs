//! One program in a container, from attached streams to its exit status.

use super::{
    docker::Core,
    streams::{Fate, Inlet, Outlet, feed, inlet, outlet, sort},
    trouble,
};
use bollard::{container::LogOutput, errors::Error as DockerError};
use futures_util::Stream;
use pgbackup_engine::{
    error::{Error, Result},
    target::{Finished, Session, SessionControl, Target},
};
use std::{
    io::{self, Read, Write},
    pin::Pin,
    sync::Arc,
    time::Duration,
};
use tokio::{io::AsyncWrite, task::AbortHandle};

/// The first pause between two questions whether the program has ended; each is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// What bollard gives to read.
pub type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, DockerError>> + Send>>;

/// What bollard gives to write to.
pub type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// The connection behind a session: cut when the last of its four parts is dropped.
struct Life {
    core: Arc<Core>,
    exec: String,
    target: Target,
    fate: Arc<Fate>,
    work: [AbortHandle; 2],
}

/// Makes blocking streams of the asynchronous ones.
///
/// All four parts keep the connection. When the last is dropped, it is cut, and what was written
/// and not flushed may be lost with it.
pub fn attach(core: &Arc<Core>, target: &Target, exec: String, output: Output, input: Input) -> Session {
    let fate = Arc::new(Fate::default());
    let (inlet, queue) = inlet(&fate);
    let (stdout, to_stdout) = outlet(&fate);
    let (stderr, to_stderr) = outlet(&fate);
    let work = [
        core.spawn(sort(output, to_stdout, to_stderr, Arc::clone(&fate))),
        core.spawn(feed(input, queue, Arc::clone(&fate))),
    ];
    let life = Arc::new(Life { core: Arc::clone(core), exec, target: target.clone(), fate, work });
    Session {
        stdin: Box::new(Stdin { inlet, _life: Arc::clone(&life) }),
        stdout: Box::new(Out { outlet: stdout, _life: Arc::clone(&life) }),
        stderr: Box::new(Out { outlet: stderr, _life: Arc::clone(&life) }),
        control: life,
    }
}

struct Stdin {
    // Dropped first, so that the program sees the end of its input before anything is cut.
    inlet: Inlet,
    _life: Arc<Life>,
}

struct Out {
    outlet: Outlet,
    _life: Arc<Life>,
}

impl Write for Stdin {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inlet.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inlet.flush()
    }
}

impl Read for Out {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.outlet.read(buffer)
    }
}

impl Life {
    fn cut(&self) {
        for work in &self.work {
            work.abort();
        }
    }

    /// Asks once. Nothing means that the program runs, or is not started yet: Docker takes over
    /// the connection before it starts the program.
    async fn status(&self) -> Result<Option<i64>> {
        let what = || format!("learn how a program in the container `{}` ended", self.target.name);
        match self.core.docker.inspect_exec(&self.exec).await {
            Ok(told) if told.running == Some(false) => Ok(told.exit_code),
            Ok(_) => Ok(None),
            Err(error) => Err(trouble::of_container(self.core.trouble(what(), &error), &self.target)),
        }
    }
}

impl SessionControl for Life {
    fn wait(&self, limit: Duration) -> Result<Finished> {
        let mut pause = FIRST_PAUSE;
        let ended = async {
            loop {
                if let Some(status) = self.status().await? {
                    return Ok::<_, Error>(Finished { status: Some(status) });
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        };
        // A daemon that does not answer is waited for no longer than a program that does not end.
        self.core.wait(async { tokio::time::timeout(limit, ended).await }).unwrap_or_else(|_| {
            let seconds = limit.as_secs_f64();
            Err(Error::failed(format!(
                "a program in the container `{}` still runs after {seconds:.1} s",
                self.target.name
            )))
        })
    }

    fn abort(&self) {
        self.fate.abort();
        self.cut();
    }

    fn set_patience(&self, limit: Duration) {
        self.fate.set_patience(self.core.handle(), limit);
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.cut();
    }
}
