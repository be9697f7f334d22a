//! The border between tokio and threads that block: bounded queues in both directions.

use super::session::{Input, Output};
use bollard::container::LogOutput;
use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use std::{
    future::Future,
    io::{self, Read, Write},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::AsyncWriteExt,
    runtime::Handle,
    sync::{mpsc, oneshot},
};

/// Docker's frames that wait to be read. It sends at most 32 KiB in one, so this is 2 MiB.
const FRAMES_WAITING: usize = 64;

/// The largest piece that is written at once; larger ones have made proxies close the connection
/// (F2).
const LARGEST_WRITE: usize = 256 * 1024;

/// Pieces that wait to be written: 1 MiB.
const PIECES_WAITING: usize = 4;

/// How a connection ended, as its streams have to tell it.
#[derive(Default)]
pub struct Fate {
    aborted: AtomicBool,
    trouble: Mutex<Option<String>>,
    patience: OnceLock<Patience>,
}

/// How long a blocked read or write waits before it says so.
struct Patience {
    tokio: Handle,
    limit: Duration,
}

impl Patience {
    fn wait<T>(&self, work: impl Future<Output = T>) -> io::Result<T> {
        self.tokio.block_on(async { tokio::time::timeout(self.limit, work).await }).map_err(|_| {
            io::Error::new(
                io::ErrorKind::TimedOut,
                format!("nothing has moved on the stream for {} seconds", self.limit.as_secs()),
            )
        })
    }
}

impl Fate {
    pub fn abort(&self) {
        self.aborted.store(true, Ordering::SeqCst);
    }

    /// Lets reads and writes wait no longer than `limit` at once. Only the first limit counts.
    pub fn set_patience(&self, tokio: &Handle, limit: Duration) {
        let _ = self.patience.set(Patience { tokio: tokio.clone(), limit });
    }

    /// Keeps what went wrong first.
    fn fail(&self, trouble: String) {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(trouble);
    }

    fn check_aborted(&self) -> io::Result<()> {
        if self.aborted.load(Ordering::SeqCst) {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the session was aborted"));
        }
        Ok(())
    }

    fn check(&self) -> io::Result<()> {
        self.check_aborted()?;
        match self.trouble.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(trouble) => Err(io::Error::new(io::ErrorKind::ConnectionReset, trouble.clone())),
            None => Ok(()),
        }
    }
}

/// What a program wrote on one of its two streams.
pub struct Outlet {
    frames: mpsc::Receiver<Bytes>,
    current: Bytes,
    fate: Arc<Fate>,
}

/// What a program is to read.
pub struct Inlet {
    pieces: mpsc::Sender<Piece>,
    fate: Arc<Fate>,
}

/// What the thread that writes hands over.
pub enum Piece {
    Bytes(Bytes),
    /// Answered when everything before it was handed to Docker.
    Flush(oneshot::Sender<()>),
}

/// Makes a stream to read, and the end that fills it.
pub fn outlet(fate: &Arc<Fate>) -> (Outlet, mpsc::Sender<Bytes>) {
    let (fill, frames) = mpsc::channel(FRAMES_WAITING);
    (Outlet { frames, current: Bytes::new(), fate: Arc::clone(fate) }, fill)
}

/// Makes a stream to write, and the end that empties it.
pub fn inlet(fate: &Arc<Fate>) -> (Inlet, mpsc::Receiver<Piece>) {
    let (pieces, queue) = mpsc::channel(PIECES_WAITING);
    (Inlet { pieces, fate: Arc::clone(fate) }, queue)
}

impl Read for Outlet {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.fate.check_aborted()?;
        while self.current.is_empty() {
            match self.next()? {
                Some(frame) => self.current = frame,
                None => return self.fate.check().map(|()| 0),
            }
        }
        let count = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

impl Outlet {
    fn next(&mut self) -> io::Result<Option<Bytes>> {
        match (self.fate.patience.get(), self.frames.try_recv()) {
            (_, Ok(frame)) => Ok(Some(frame)),
            (Some(patience), Err(_)) => patience.wait(self.frames.recv()),
            (None, Err(_)) => Ok(self.frames.blocking_recv()),
        }
    }
}

impl Inlet {
    fn send(&self, piece: Piece) -> io::Result<()> {
        self.fate.check_aborted()?;
        let Some(patience) = self.fate.patience.get() else {
            return self.pieces.blocking_send(piece).map_err(|_| self.broken());
        };
        let place = match self.pieces.try_reserve() {
            Ok(place) => Ok(place),
            Err(_) => patience.wait(self.pieces.reserve())?,
        };
        place.map(|place| place.send(piece)).map_err(|_| self.broken())
    }

    fn broken(&self) -> io::Error {
        self.fate.check().err().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Inlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let piece = &bytes[..bytes.len().min(LARGEST_WRITE)];
        self.send(Piece::Bytes(Bytes::copy_from_slice(piece)))?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let (done, wait) = oneshot::channel();
        self.send(Piece::Flush(done))?;
        let flushed = match self.fate.patience.get() {
            Some(patience) => patience.wait(wait)?,
            None => wait.blocking_recv(),
        };
        flushed.map_err(|_| self.broken())
    }
}

/// Sorts what Docker sends into the two streams, until it ends or is broken.
///
/// A stream that nobody reads any more is emptied all the same, so that the program is not held
/// up. One that is only not being read holds up both, as a full pipe would.
pub async fn sort(
    mut output: Output,
    stdout: mpsc::Sender<Bytes>,
    stderr: mpsc::Sender<Bytes>,
    fate: Arc<Fate>,
) {
    while let Some(frame) = output.next().await {
        let (stream, bytes) = match frame {
            Ok(LogOutput::StdOut { message }) => (&stdout, message),
            Ok(LogOutput::StdErr { message }) => (&stderr, message),
            // bollard gives the rest of a frame that was cut as if it came from a terminal.
            Ok(LogOutput::Console { .. } | LogOutput::StdIn { .. }) => {
                return fate.fail("Docker's stream ended in the middle of a frame".to_owned());
            }
            Err(error) => return fate.fail(format!("Docker's stream broke: {error}")),
        };
        // The only error is that the reader is gone.
        let _ = stream.send(bytes).await;
    }
}

/// Writes what comes through `queue`, and closes the program's input after the last piece.
pub async fn feed(mut input: Input, mut queue: mpsc::Receiver<Piece>, fate: Arc<Fate>) {
    if let Err(error) = write_all(&mut input, &mut queue).await {
        fate.fail(format!("Docker's stream broke while it was written: {error}"));
    }
}

async fn write_all(input: &mut Input, queue: &mut mpsc::Receiver<Piece>) -> io::Result<()> {
    while let Some(piece) = queue.recv().await {
        match piece {
            Piece::Bytes(bytes) => input.write_all(&bytes).await?,
            Piece::Flush(done) => {
                input.flush().await?;
                // Nobody waits any more when the writer has been dropped.
                let _ = done.send(());
            }
        }
    }
    // Half-close: dropping the writer alone would not reach the program.
    input.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    fn stdout(text: &'static str) -> LogOutput {
        LogOutput::StdOut { message: Bytes::from_static(text.as_bytes()) }
    }

    /// Runs the sorting over `frames` and reads stdout to its end.
    fn read_after(frames: Vec<LogOutput>) -> (Vec<u8>, io::Result<usize>) {
        let fate = Arc::new(Fate::default());
        let (mut out, to_out) = outlet(&fate);
        let (_err, to_err) = outlet(&fate);
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(sort(
            stream::iter(frames).map(Ok).boxed(),
            to_out,
            to_err,
            fate,
        ));
        let mut bytes = Vec::new();
        let end = out.read_to_end(&mut bytes);
        (bytes, end)
    }

    #[test]
    fn the_two_streams_are_kept_apart() {
        let noise = LogOutput::StdErr { message: Bytes::from_static(b"noise") };
        let (bytes, end) = read_after(vec![stdout("a"), noise, stdout("b")]);
        assert_eq!((bytes.as_slice(), end.unwrap()), (b"ab".as_slice(), 2));
    }

    #[test]
    fn a_frame_cut_in_the_middle_is_an_error_after_what_came_before() {
        let cut = LogOutput::Console { message: Bytes::from_static(b"\x01\x00") };
        let (bytes, end) = read_after(vec![stdout("a"), cut]);
        assert_eq!(bytes, b"a");
        assert!(end.unwrap_err().to_string().contains("middle of a frame"));
    }

    #[test]
    fn a_read_and_a_write_on_which_nothing_moves_say_so_and_lose_nothing() {
        let tokio = tokio::runtime::Builder::new_multi_thread().enable_time().build().unwrap();
        let fate = Arc::new(Fate::default());
        fate.set_patience(tokio.handle(), Duration::from_millis(20));
        let (mut out, fill) = outlet(&fate);
        let (mut input, mut queue) = inlet(&fate);

        assert_eq!(out.read(&mut [0; 1]).unwrap_err().kind(), io::ErrorKind::TimedOut);
        for _ in 0..PIECES_WAITING {
            assert_eq!(input.write(b"x").unwrap(), 1);
        }
        assert_eq!(input.write(b"y").unwrap_err().kind(), io::ErrorKind::TimedOut);

        fill.try_send(Bytes::from_static(b"late")).unwrap();
        assert_eq!(out.read(&mut [0; 8]).unwrap(), 4);
        assert!(matches!(queue.try_recv(), Ok(Piece::Bytes(bytes)) if bytes == "x"));
        assert_eq!(input.write(b"y").unwrap(), 1);
    }

    #[test]
    fn after_an_abort_nothing_is_read_or_written() {
        let fate = Arc::new(Fate::default());
        let (mut out, fill) = outlet(&fate);
        let (mut input, _queue) = inlet(&fate);
        fill.try_send(Bytes::from_static(b"x")).unwrap();
        fate.abort();
        assert_eq!(out.read(&mut [0; 1]).unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        assert_eq!(input.write(b"x").unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }
}
