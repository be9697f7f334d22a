//! One exec of a shell: what it writes, up to a mark that only this run knows.

use crate::{
    error::{Error, Result},
    target::{Session, SessionControl},
};
use memchr::memmem;
use std::{
    io::{self, Read, Write},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// So much is read at once.
const PIECE: usize = 256 << 10;
/// So much of what was written to standard error is kept.
const STDERR_TAIL: usize = 16 << 10;
/// How long the end of standard error is waited for once standard output has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Bytes that went over all streams of one run.
#[derive(Default)]
pub(in crate::mover) struct Traffic {
    received: AtomicU64,
    sent: AtomicU64,
}

impl Traffic {
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// What a program complained of.
#[derive(Default)]
struct Complaints {
    said: Mutex<(Vec<u8>, bool)>,
    changed: Condvar,
}

impl Complaints {
    fn lock(&self) -> MutexGuard<'_, (Vec<u8>, bool)> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_all(&self, mut stderr: impl Read) {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = stderr.read(&mut buffer) {
            let mut said = self.lock();
            said.0.extend_from_slice(buffer.get(..length).unwrap_or_default());
            let surplus = said.0.len().saturating_sub(STDERR_TAIL);
            said.0.drain(..surplus);
            self.changed.notify_all();
        }
        self.lock().1 = true;
        self.changed.notify_all();
    }
}

/// The streams of one exec. Dropping it closes its input and cuts it.
pub(super) struct Stream {
    stdin: Option<Box<dyn Write + Send>>,
    stdout: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    complaints: Arc<Complaints>,
    pub control: Arc<dyn SessionControl>,
    traffic: Arc<Traffic>,
}

/// A mark that cannot be guessed and stands nowhere else.
pub(super) fn new_mark() -> String {
    format!("{:032x}", rand::random::<u128>())
}

impl Stream {
    pub fn new(session: Session, traffic: &Arc<Traffic>) -> Self {
        let complaints = Arc::new(Complaints::default());
        let listener = Arc::clone(&complaints);
        let stderr = session.stderr;
        thread::spawn(move || listener.take_all(stderr));
        Self {
            stdin: Some(session.stdin),
            stdout: session.stdout,
            buffer: vec![0; PIECE],
            start: 0,
            end: 0,
            complaints,
            control: session.control,
            traffic: Arc::clone(traffic),
        }
    }

    /// Writes to the program's input, all of it.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = match &mut self.stdin {
            Some(stdin) => stdin.write_all(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        };
        written.map_err(|error| self.lost("it takes no more input").caused_by(error))?;
        self.traffic.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    pub fn flush(&mut self) -> Result<()> {
        let flushed = self.stdin.as_mut().map_or(Ok(()), Write::flush);
        flushed.map_err(|error| self.lost("it takes no more input").caused_by(error))
    }

    /// Says that no more will come.
    pub fn close_input(&mut self) {
        self.stdin = None;
    }

    /// The error of a stream that is of no use any more, with what the program said last.
    pub fn lost(&self, why: &str) -> Error {
        let error = Error::failed("stream from the container ended early")
            .caused_by(why)
            .note("the exit status of an exec proves nothing; only the mark at the end of an answer does");
        let said = self.last_words();
        if said.is_empty() { error } else { error.caused_by(said) }
    }

    /// What was said on standard error, once that has ended or nothing more is to be expected.
    pub fn last_words(&self) -> String {
        let said = self.complaints.lock();
        let (said, _) = self
            .complaints
            .changed
            .wait_timeout_while(said, LAST_WORDS, |said| !said.1)
            .unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&said.0).trim().to_owned()
    }

    /// What was said on standard error up to a mark that the program was asked to write there.
    pub fn said_before(&self, mark: &str) -> String {
        let there = |said: &[u8]| memmem::find(said, mark.as_bytes());
        let said = self.complaints.lock();
        let (mut said, _) = self
            .complaints
            .changed
            .wait_timeout_while(said, LAST_WORDS, |said| !said.1 && there(&said.0).is_none())
            .unwrap_or_else(PoisonError::into_inner);
        let at = there(&said.0).unwrap_or(said.0.len());
        let text = String::from_utf8_lossy(said.0.get(..at).unwrap_or_default()).into_owned();
        said.0.clear();
        text
    }

    /// Lets go of what was said on standard error so far.
    pub fn forget_complaints(&self) {
        self.complaints.lock().0.clear();
    }

    /// What comes before the next mark.
    pub fn until<'a>(&'a mut self, mark: &'a str) -> Payload<'a> {
        Payload { stream: self, mark, over: false }
    }

    /// All that comes before the next mark, held whole.
    pub fn all_until(&mut self, mark: &str) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        let read = self.until(mark).read_to_end(&mut all);
        match read {
            Ok(_) => Ok(all),
            Err(error) => Err(self.lost(&error.to_string())),
        }
    }

    /// The rest of a line.
    pub fn line(&mut self) -> Result<String> {
        let line = self.all_until("\n")?;
        Ok(String::from_utf8_lossy(&line).trim().to_owned())
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        let length = self.stdout.read(room)?;
        if length == 0 {
            let what = "the stream ended before the mark at the end of the answer";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
        }
        self.traffic.received.fetch_add(length as u64, Ordering::Relaxed);
        self.end += length;
        Ok(())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.stdin = None;
        self.control.abort();
    }
}

/// The bytes before a mark, as a reader that ends there and nowhere else.
pub(super) struct Payload<'a> {
    stream: &'a mut Stream,
    mark: &'a str,
    over: bool,
}

impl Payload<'_> {
    /// Reads on to the mark; tells how many bytes were still there.
    pub fn skip(&mut self) -> io::Result<u64> {
        io::copy(self, &mut io::sink())
    }
}

impl Read for Payload<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.over || out.is_empty() {
            return Ok(0);
        }
        loop {
            let stream = &mut *self.stream;
            let unread = stream.buffer.get(stream.start..stream.end).unwrap_or_default();
            let before = match memmem::find(unread, self.mark.as_bytes()) {
                Some(0) => {
                    stream.start += self.mark.len();
                    self.over = true;
                    return Ok(0);
                }
                Some(at) => at,
                // The beginning of the mark may be the end of what is here.
                None => (unread.len() + 1).saturating_sub(self.mark.len()),
            };
            if before > 0 {
                let length = before.min(out.len());
                let (given, from) = (out.get_mut(..length), unread.get(..length));
                if let (Some(given), Some(from)) = (given, from) {
                    given.copy_from_slice(from);
                }
                stream.start += length;
                return Ok(length);
            }
            stream.fill()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Finished;

    struct Nothing;

    impl SessionControl for Nothing {
        fn wait(&self, _: Duration) -> Result<Finished> {
            Ok(Finished { status: Some(0) })
        }

        fn abort(&self) {}
    }

    /// Gives its bytes in pieces of a few.
    struct Slow(Vec<u8>, usize);

    impl Read for Slow {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let length = self.1.min(self.0.len()).min(out.len());
            out[..length].copy_from_slice(&self.0[..length]);
            self.0.drain(..length);
            Ok(length)
        }
    }

    fn stream(text: &str, at_once: usize) -> Stream {
        let session = Session {
            stdin: Box::new(io::sink()),
            stdout: Box::new(Slow(text.into(), at_once)),
            stderr: Box::new(io::empty()),
            control: Arc::new(Nothing),
        };
        Stream::new(session, &Arc::default())
    }

    #[test]
    fn what_stands_before_a_mark_is_given_whole_however_it_arrives() {
        for at_once in 1..12 {
            let mut stream = stream("some MAR text\nMARK 5\nnext", at_once);
            assert_eq!(stream.all_until("MARK").unwrap(), b"some MAR text\n");
            assert_eq!(stream.line().unwrap(), "5");
        }
    }

    #[test]
    fn a_stream_that_ends_before_its_mark_is_an_error() {
        let error = stream("some text MAR", 3).all_until("MARK").unwrap_err();
        assert!(error.causes[0].contains("ended before the mark"), "{error:?}");
    }
}
