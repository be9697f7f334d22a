//! One direction of a stream between two threads, with an end of its own kind for every fault.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

/// As much as a pipe of Linux holds by default (pipe(7)).
const CAPACITY: usize = 64 * 1024;

#[derive(Default)]
struct State {
    bytes: VecDeque<u8>,
    writer_gone: bool,
    reader_gone: bool,
    aborted: bool,
    /// Bytes that may still pass before the stream ends as if it were complete.
    until_cut: Option<usize>,
}

#[derive(Default)]
pub(super) struct Pipe {
    state: Mutex<State>,
    changed: Condvar,
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    pub(super) fn abort(&self) {
        self.change(|state| state.aborted = true);
    }

    pub(super) fn cut_after(&self, bytes: usize) {
        self.change(|state| state.until_cut = Some(bytes));
    }
}

/// The end that is read. It ends when the writer is gone or the pipe was cut.
pub struct PipeReader(pub(super) Arc<Pipe>);

/// The end that is written. It fails when the reader is gone.
pub struct PipeWriter(pub(super) Arc<Pipe>);

/// Makes a pipe of 64 KiB: a full one blocks its writer, an empty one its reader.
pub fn pipe() -> (PipeReader, PipeWriter) {
    let pipe = Arc::new(Pipe::default());
    (PipeReader(Arc::clone(&pipe)), PipeWriter(pipe))
}

fn aborted() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the session was aborted")
}

impl Read for PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        loop {
            if state.aborted {
                return Err(aborted());
            }
            let count = buffer.len().min(state.bytes.len());
            if count > 0 || buffer.is_empty() {
                state.bytes.read_exact(&mut buffer[..count])?;
                drop(state);
                self.0.changed.notify_all();
                return Ok(count);
            }
            if state.writer_gone || state.until_cut == Some(0) {
                return Ok(0);
            }
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Write for PipeWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        loop {
            if state.aborted {
                return Err(aborted());
            }
            if state.reader_gone {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            // After a cut the writer goes on as if somebody read: that is what makes it silent.
            if state.until_cut == Some(0) {
                return Ok(bytes.len());
            }
            let room = (CAPACITY - state.bytes.len()).min(state.until_cut.unwrap_or(usize::MAX));
            let count = room.min(bytes.len());
            if count > 0 || bytes.is_empty() {
                state.bytes.extend(&bytes[..count]);
                if let Some(left) = &mut state.until_cut {
                    *left -= count;
                }
                drop(state);
                self.0.changed.notify_all();
                return Ok(count);
            }
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        self.0.change(|state| state.reader_gone = true);
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        self.0.change(|state| state.writer_gone = true);
    }
}
