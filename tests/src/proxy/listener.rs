//! The proxy itself: a socket, a thread for each connection, and what crossed the streams.

use super::{Direction, Fault, connection};
use std::{
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;

/// What crossed one exec stream. Bytes are those of the program, without Docker's frames.
#[derive(Debug, Default)]
pub struct Stream {
    /// The beginning of the program's command line.
    pub program: String,
    /// Bytes that the program was sent.
    pub into: AtomicU64,
    /// Bytes that the program wrote to standard output.
    pub out: AtomicU64,
}

impl Stream {
    /// Returns how many bytes went that way.
    pub fn bytes(&self, direction: Direction) -> u64 {
        match direction {
            Direction::Into => self.into.load(Ordering::SeqCst),
            Direction::Out => self.out.load(Ordering::SeqCst),
        }
    }

    pub(super) fn count(&self, direction: Direction, bytes: usize) {
        let counter = if direction == Direction::Into { &self.into } else { &self.out };
        counter.fetch_add(bytes as u64, Ordering::SeqCst);
    }
}

/// What the threads of one proxy share.
pub(super) struct Shared {
    pub(super) daemon: PathBuf,
    pub(super) fault: Option<Fault>,
    pub(super) idle_limit: Option<Duration>,
    /// Programs that were announced and not started yet.
    pub(super) announced: Mutex<Vec<String>>,
    pub(super) streams: Mutex<Vec<Arc<Stream>>>,
    pub(super) connections: AtomicU64,
    pub(super) hit: AtomicBool,
    /// From now on nothing answers.
    pub(super) dead: AtomicBool,
    pub(super) over: AtomicBool,
}

/// A running proxy. What it holds back is let go when it is dropped.
pub struct Proxy {
    folder: TempDir,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Starts a proxy that passes everything on.
    pub fn start() -> Self {
        Self::with(None, None)
    }

    /// Starts a proxy that hurts one stream.
    pub fn hurting(fault: Fault) -> Self {
        Self::with(Some(fault), None)
    }

    /// Starts a proxy that cuts a stream on which one direction was silent for so long.
    pub fn cutting_idle_streams(limit: Duration) -> Self {
        Self::with(None, Some(limit))
    }

    fn with(fault: Option<Fault>, idle_limit: Option<Duration>) -> Self {
        let folder =
            tempfile::Builder::new().prefix("pgbackup-proxy-").tempdir().expect("a folder can be made");
        let listener = UnixListener::bind(folder.path().join("docker.sock")).expect("a socket can be made");
        let shared = Arc::new(Shared {
            daemon: daemon(),
            fault,
            idle_limit,
            announced: Mutex::default(),
            streams: Mutex::default(),
            connections: AtomicU64::new(0),
            hit: AtomicBool::new(false),
            dead: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.over.load(Ordering::SeqCst) {
                    return;
                }
                accepting.connections.fetch_add(1, Ordering::SeqCst);
                if !accepting.dead.load(Ordering::SeqCst) {
                    let shared = Arc::clone(&accepting);
                    // A connection that breaks ends itself; what that means is the plugin's to say.
                    std::thread::spawn(move || drop(connection::serve(&shared, client)));
                }
            }
        });
        Self { folder, shared }
    }

    /// Returns the value for `DOCKER_HOST`.
    pub fn address(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// Returns what crossed each exec stream, in the order of their start.
    pub fn streams(&self) -> Vec<Arc<Stream>> {
        lock(&self.shared.streams).clone()
    }

    /// Returns how many connections were made to it.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Returns whether the fault came to pass.
    pub fn has_hit(&self) -> bool {
        self.shared.hit.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for connections.
        drop(UnixStream::connect(self.socket()));
    }
}

/// The daemon's own socket: that of `DOCKER_HOST`, or the usual one.
pub(crate) fn daemon() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    host.strip_prefix("unix://").filter(|path| !path.is_empty()).unwrap_or("/var/run/docker.sock").into()
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
