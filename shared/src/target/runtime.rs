//! What a platform must offer: list the places, and run a program in one.

use crate::error::{Error, Result};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    sync::Arc,
    time::Duration,
};

/// A place where a PostgreSQL server may run: a container, or a container of a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Target {
    /// The platform's own, full identifier.
    pub id: String,
    /// The name people use.
    pub name: String,
    /// The image it runs.
    pub image: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The Compose project it belongs to.
    pub project: Option<String>,
    /// The Compose service it is an instance of.
    pub service: Option<String>,
    /// `running`, `paused`, `exited` ... in the platform's words.
    pub state: String,
    /// Identifies one start of it: differs after a restart.
    pub started: String,
}

/// How a session's program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The exit status, where the platform told it.
    pub status: Option<i64>,
}

/// One program that runs in a target, with its three streams kept apart.
///
/// The streams block. `stdout` and `stderr` end when the program has closed them *or the
/// connection was lost*: an end proves nothing. Dropping or closing `stdin` tells the program
/// that no more will come (half-close).
pub struct Session {
    /// What the program reads. `flush` hands everything to the platform.
    pub stdin: Box<dyn Write + Send>,
    /// What it writes.
    pub stdout: Box<dyn Read + Send>,
    /// Its trouble.
    pub stderr: Box<dyn Read + Send>,
    /// Its end.
    pub control: Arc<dyn SessionControl>,
}

/// Ends a session or learns how it ended.
pub trait SessionControl: Send + Sync {
    /// Waits until the program has ended, for as long as `limit`.
    ///
    /// # Errors
    ///
    /// When the platform cannot be asked, or the program still runs after `limit`.
    fn wait(&self, limit: Duration) -> Result<Finished>;

    /// Cuts all three streams at once: blocked reads and writes return. The program is not
    /// killed; it notices the end of its input.
    fn abort(&self);

    /// From now on a read or a write on which nothing moves for `limit` returns
    /// [`io::ErrorKind::TimedOut`](std::io::ErrorKind::TimedOut). Nothing is lost by it: it may be
    /// tried again. On a platform that does not tell, both wait for ever.
    fn set_patience(&self, limit: Duration) {
        let _ = limit;
    }
}

/// A platform: Docker, Kubernetes, or a test's own.
pub trait Runtime: Send + Sync {
    /// Names the endpoint for messages: "Docker context `default`".
    fn describe(&self) -> String;

    /// Every running place, whatever runs in it, in the platform's order. Cheap.
    fn targets(&self) -> Result<Vec<Target>>;

    /// Tells what to say of a place that exists and does not run, by its name or the beginning of
    /// its id: an error of kind [`Kind::Target`](crate::error::Kind::Target) with a hint how it is
    /// started. None if there is no such place.
    ///
    /// # Errors
    ///
    /// When the platform cannot be asked.
    fn stopped(&self, name: &str) -> Result<Option<Error>>;

    /// Tells for each of `targets` whether a PostgreSQL server runs in it, judged by its
    /// processes and not by its name or image.
    fn runs_postgres(&self, targets: &[Target]) -> Result<Vec<bool>>;

    /// Runs a program with the target's own user, environment and working folder.
    fn exec(&self, target: &Target, argv: &[String]) -> Result<Session>;
}
