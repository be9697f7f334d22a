//! A connection through a login: `ssh` here, `docker system dial-stdio` there.
//!
//! Each connection is one `ssh` process whose standard input and output are the daemon's socket.
//! Closing the input here closes it there; the end of the output is believed only when `ssh` has
//! ended with 0, so that a broken network is no end of a stream.

use crate::endpoint::Ssh;
use std::{
    error, fmt,
    future::Future,
    io,
    os::unix::process::ExitStatusExt,
    pin::Pin,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    runtime::Handle,
};

/// How long `ssh` may go on after its output has ended, and after nobody needs it any more.
const ENDING: Duration = Duration::from_secs(10);

/// How long what `ssh` said last may take to arrive after it has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How much of what `ssh` says is kept: the end counts.
const KEPT: usize = 4096;

/// `ssh` ended with something else than success.
#[derive(Debug)]
pub struct SshEnded {
    /// Its exit status, or what the shell there gave back; nothing after a signal.
    pub status: Option<i32>,
    /// What it wrote to standard error, without empty lines.
    pub said: Vec<String>,
}

impl fmt::Display for SshEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "`ssh` ended with exit status {status}")?,
            None => f.write_str("`ssh` was ended by a signal")?,
        }
        if let Some(last) = self.said.last() {
            write!(f, ": {last}")?;
        }
        Ok(())
    }
}

impl error::Error for SshEnded {}

/// The arguments that docker's own command line gives to `ssh`, and one more: a connection that
/// others could share is left to others, as this process ends with its connection.
///
/// Source: docker/cli, cli/connhelper/connhelper.go and ssh/ssh.go.
fn arguments(ssh: &Ssh) -> Vec<String> {
    let mut arguments =
        ["-o", "ConnectTimeout=30", "-o", "ControlMaster=no", "-T"].map(str::to_owned).to_vec();
    if let Some(user) = &ssh.user {
        arguments.extend(["-l".to_owned(), user.clone()]);
    }
    if let Some(port) = ssh.port {
        arguments.extend(["-p".to_owned(), port.to_string()]);
    }
    arguments.extend(["--".to_owned(), ssh.host.clone(), "docker".to_owned()]);
    if let Some(socket) = &ssh.socket {
        arguments.push(quoted(&format!("--host=unix://{socket}")));
    }
    arguments.extend(["system", "dial-stdio"].map(str::to_owned));
    arguments
}

/// A word for the shell on the other side, to which ssh gives all words as one line.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=:/.,@+%".contains(&byte);
    if word.bytes().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// Starts `ssh`. That it could not log in is told by the first read.
///
/// # Errors
///
/// When there is no `ssh` or it cannot be started.
pub fn dial(ssh: &Ssh) -> io::Result<SshStream> {
    let mut child = Command::new("ssh")
        .args(arguments(ssh))
        // Ctrl-C is for us: what runs in the container has to be told to end through this very
        // process. Without the terminal it may ask nothing there either, only by a program.
        .process_group(0)
        .env("SSH_ASKPASS_REQUIRE", "force")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let missing = || io::Error::other("`ssh` was started without its streams");
    let stdin = child.stdin.take().ok_or_else(missing)?;
    let stdout = child.stdout.take().ok_or_else(missing)?;
    let said = Arc::new(Mutex::new(Vec::new()));
    let listening = tokio::spawn(listen(child.stderr.take().ok_or_else(missing)?, Arc::clone(&said)));
    Ok(SshStream {
        stdin: Some(stdin),
        stdout,
        end: End::Running(Process { child, listening, said }),
        handle: Handle::current(),
    })
}

/// Keeps the end of what `ssh` says, so that it never waits for somebody to read it.
async fn listen(mut stderr: ChildStderr, said: Arc<Mutex<Vec<u8>>>) {
    let mut piece = [0; 1024];
    while let Ok(count @ 1..) = stderr.read(&mut piece).await {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend_from_slice(&piece[..count]);
        let surplus = said.len().saturating_sub(KEPT);
        said.drain(..surplus);
    }
}

struct Process {
    child: Child,
    listening: tokio::task::JoinHandle<()>,
    said: Arc<Mutex<Vec<u8>>>,
}

impl Process {
    /// Waits for the end, and tells whether it was a good one.
    async fn finish(mut self) -> io::Result<()> {
        // One that does not end although its output has is killed, and has said nothing wrong.
        let Ok(status) = tokio::time::timeout(ENDING, self.child.wait()).await else { return Ok(()) };
        let status: ExitStatus = status?;
        if status.success() {
            return Ok(());
        }
        // Another process may have its standard error and keep it open.
        let _ = tokio::time::timeout(LAST_WORDS, self.listening).await;
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let said = String::from_utf8_lossy(&said);
        Err(io::Error::other(SshEnded {
            status: status.code().filter(|_| status.signal().is_none()),
            said: said.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect(),
        }))
    }
}

enum End {
    Running(Process),
    Awaited(Pin<Box<dyn Future<Output = io::Result<()>> + Send>>),
    Known,
}

/// The daemon's socket, through `ssh`.
pub struct SshStream {
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    end: End,
    handle: Handle,
}

impl AsyncRead for SshStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if matches!(self.end, End::Running(_)) {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut self.stdout).poll_read(context, buffer))?;
            if buffer.filled().len() > before || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            if let End::Running(process) = std::mem::replace(&mut self.end, End::Known) {
                // The other direction has no use any more, and ssh could wait for it.
                self.stdin = None;
                self.end = End::Awaited(Box::pin(process.finish()));
            }
        }
        if let End::Awaited(end) = &mut self.end {
            let end = ready!(end.as_mut().poll(context));
            self.end = End::Known;
            return Poll::Ready(end);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SshStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stdin {
            Some(stdin) => Pin::new(stdin).poll_write(context, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stdin {
            Some(stdin) => Pin::new(stdin).poll_flush(context),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Closes the pipe: only that is seen at its other end.
    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stdin = None;
        Poll::Ready(Ok(()))
    }
}

impl Drop for SshStream {
    fn drop(&mut self) {
        self.stdin = None;
        if let End::Running(mut process) = std::mem::replace(&mut self.end, End::Known) {
            // What was written last may still be on its way; ssh ends by itself when it is gone.
            self.handle.spawn(async move {
                let _ = tokio::time::timeout(ENDING, process.child.wait()).await;
                process.listening.abort();
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_is_called_as_docker_calls_it() {
        let plain = Ssh { user: None, host: "far".into(), port: None, socket: None };
        let full = Ssh {
            user: Some("me".into()),
            port: Some(2222),
            socket: Some("/run/it's mine.sock".into()),
            ..plain.clone()
        };
        let options = "-o ConnectTimeout=30 -o ControlMaster=no -T";
        assert_eq!(arguments(&plain).join(" "), format!("{options} -- far docker system dial-stdio"));
        assert_eq!(
            arguments(&full).join(" "),
            format!(
                r"{options} -l me -p 2222 -- far docker '--host=unix:///run/it'\''s mine.sock' system dial-stdio"
            )
        );
    }
}
