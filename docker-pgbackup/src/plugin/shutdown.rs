//! How the wish to stop reaches the work: signals, and a socket that `docker` closes.

use pgbackup_engine::{
    cancel::Cancel,
    error::{Context, Result},
};
use std::{
    io::{self, Read},
    os::unix::net::UnixStream,
    process, thread,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Names the socket on which `docker` asks a plugin to stop.
pub const SOCKET_VARIABLE: &str = "DOCKER_CLI_PLUGIN_SOCKET";

/// Signals after which a program that still runs is ended by force, as `docker` does itself.
const PATIENCE: u32 = 3;

/// The exit status of a program that SIGINT ended, as shells give it.
const INTERRUPTED: i32 = 130;

/// Raises `cancel` at SIGINT, SIGTERM and SIGHUP, and when `docker` closes `socket`.
///
/// A signal that was ignored when the program started stays ignored, so that `nohup` and
/// background jobs of a shell work. The third signal ends the process at once.
///
/// `docker` forwards no SIGTERM without a terminal: it closes the socket instead. A socket that
/// cannot be reached is no trouble, as no older `docker` has one.
///
/// Source: docker/cli, cli-plugins/socket, and cmd/docker/docker.go.
///
/// # Errors
///
/// When the system refuses to install a handler or start a thread.
pub fn cancel_on_request(cancel: &Cancel, socket: Option<&str>) -> Result<()> {
    watch_signals(cancel.clone()).context("install the handlers of signals")?;
    let Some(mut stream) = socket.and_then(|socket| connect(socket).ok()) else { return Ok(()) };
    let cancel = cancel.clone();
    thread::Builder::new()
        .name("docker-socket".to_owned())
        .spawn(move || {
            // Nothing is ever said on this socket; that it ends is the message.
            while matches!(stream.read(&mut [0; 64]), Ok(1..)) {}
            cancel.cancel();
        })
        .context("start the thread that listens to `docker`")?;
    Ok(())
}

#[cfg(target_os = "linux")]
fn connect(socket: &str) -> io::Result<UnixStream> {
    use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
    match socket.strip_prefix('@') {
        Some(name) => UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?),
        None => UnixStream::connect(socket),
    }
}

#[cfg(not(target_os = "linux"))]
fn connect(socket: &str) -> io::Result<UnixStream> {
    UnixStream::connect(socket)
}

fn watch_signals(cancel: Cancel) -> io::Result<()> {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let ignored = ignored_signals();
    let mut signals = Vec::new();
    let inside = tokio.enter();
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        if ignored & (1 << (kind.as_raw_value() - 1)) == 0 {
            signals.push(signal(kind)?);
        }
    }
    drop(inside);
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        tokio.block_on(async {
            for count in 1.. {
                any(&mut signals).await;
                if count >= PATIENCE {
                    end_now();
                }
                cancel.cancel();
            }
        });
    })?;
    Ok(())
}

/// Waits for the next of `signals`.
async fn any(signals: &mut [Signal]) {
    std::future::poll_fn(|context| {
        if signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready()) {
            return std::task::Poll::Ready(());
        }
        std::task::Poll::Pending
    })
    .await;
}

#[expect(clippy::exit, reason = "the user has asked for it three times")]
fn end_now() {
    process::exit(INTERRUPTED);
}

/// The signals that this process was started with as ignored, bit 0 being signal 1.
///
/// Read from `/proc`, where it is; elsewhere no signal counts as ignored.
/// Source: proc(5), the field SigIgn of `status`.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{os::unix::net::UnixListener, sync::mpsc, time::Duration};

    #[test]
    fn a_socket_that_docker_closes_cancels() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let cancel = Cancel::default();
        let (told, tells) = mpsc::channel();
        let _waiting = cancel.on_cancel(move || told.send(()).unwrap());

        cancel_on_request(&cancel, path.to_str()).unwrap();
        let (connection, _) = listener.accept().unwrap();
        assert!(tells.try_recv().is_err());
        drop(connection);

        tells.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(cancel.is_cancelled());
    }

    #[test]
    fn a_socket_that_nobody_listens_on_is_no_trouble() {
        let cancel = Cancel::default();
        cancel_on_request(&cancel, Some("@nobody_listens_here")).unwrap();
        assert!(!cancel.is_cancelled());
    }
}
