//! One exec of a shell: what it writes, up to a mark that only this run knows.

use super::{
    complaints::Complaints,
    hands::PlainHands,
    silence::{Guard, SILENCE, Whose},
};
use crate::{
    error::{Error, Result},
    target::{Session, SessionControl},
};
use memchr::memmem;
use std::{
    io::{self, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// So much is read at once.
const PIECE: usize = 256 << 10;

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

/// The streams of one exec. Dropping it closes its input and cuts it.
pub(super) struct Stream<'o> {
    stdin: Option<Box<dyn Write + Send>>,
    stdout: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    complaints: Arc<Complaints>,
    pub control: Arc<dyn SessionControl>,
    traffic: Arc<Traffic>,
    guard: Guard<'o>,
    /// The container's name, for messages.
    pub container: String,
}

/// The end of a script: waits for the end of its input, which says that this side has what was said,
/// or is gone. What a program wrote just before its own end may be lost on the way: Docker waits for
/// two seconds at most for it to be taken.
///
/// Both streams stay open meanwhile, because Docker closes the input when one of them ends.
///
/// Source: moby, `daemon/monitor.go` (`ProcessEvent`) and `container/stream/attach.go`.
pub(super) const GOODBYE: &str = "\nexec cat 3>&1 >/dev/null\n";

/// A mark that cannot be guessed and stands nowhere else.
pub(super) fn new_mark() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// The error of bytes that are not those that were written in the container.
pub(super) fn damaged_out(container: &str) -> Error {
    Error::failed(format!("stream from the container `{container}` is damaged"))
}

/// The error of bytes that are not those that were sent.
pub(super) fn damaged_in(container: &str) -> Error {
    Error::failed(format!("stream to the container `{container}` is damaged"))
}

/// Takes apart what was said twice, a line end behind each, so that nothing in it can have become
/// another on the way; none if the two are not the same.
pub(super) fn said_twice(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_suffix(b"\n")?;
    let (first, second) = text.split_at_checked(text.len() / 2)?;
    (second.strip_prefix(b"\n")? == first).then_some(first)
}

impl<'o> Stream<'o> {
    pub fn new(session: Session, traffic: &Arc<Traffic>, container: &str) -> Self {
        session.control.set_patience(SILENCE);
        Self {
            stdin: Some(session.stdin),
            stdout: session.stdout,
            buffer: vec![0; PIECE],
            start: 0,
            end: 0,
            complaints: Complaints::of(session.stderr),
            control: session.control,
            traffic: Arc::clone(traffic),
            guard: Guard::alone(),
            container: container.to_owned(),
        }
    }

    /// From now on the server is asked when nothing moves here.
    pub fn ask(&mut self, hands: &Arc<PlainHands<'o>>, whose: Whose) {
        self.guard.ask(hands, whose);
    }

    /// Gives up soon when nothing moves here.
    pub fn be_hasty(&mut self) {
        self.guard = Guard::hasty();
    }

    /// Nothing has moved for a while: an error if that is to be the end of it.
    fn silent(&mut self) -> io::Result<()> {
        match self.guard.silent() {
            None => Ok(()),
            Some(why) => {
                self.control.abort();
                Err(io::Error::new(io::ErrorKind::ConnectionAborted, why))
            }
        }
    }

    /// Writes to the program's input, all of it.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = match &mut self.stdin {
                Some(stdin) => match stdin.write(rest) {
                    Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                    written => written,
                },
                None => Err(io::ErrorKind::BrokenPipe.into()),
            };
            let length = self.unless_silent(written)?.unwrap_or(0);
            rest = rest.get(length..).unwrap_or_default();
        }
        self.traffic.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    pub fn flush(&mut self) -> Result<()> {
        loop {
            let flushed = self.stdin.as_mut().map_or(Ok(()), Write::flush);
            if self.unless_silent(flushed)?.is_some() {
                return Ok(());
            }
        }
    }

    /// What came of a write; none if nothing has moved and it is to be tried again.
    fn unless_silent<T>(&mut self, done: io::Result<T>) -> Result<Option<T>> {
        let done = match done {
            Ok(done) => {
                self.guard.moved();
                return Ok(Some(done));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => self.silent(),
            Err(error) => Err(error),
        };
        done.map(|()| None).map_err(|error| self.lost("it takes no more input").caused_by(error))
    }

    /// Says that no more will come.
    pub fn close_input(&mut self) {
        self.stdin = None;
    }

    /// The error of a stream that is of no use any more, with what the program said last.
    pub fn lost(&self, why: &str) -> Error {
        let error = Error::failed(format!("stream from the container `{}` ended early", self.container))
            .caused_by(why)
            .note("the exit status of an exec proves nothing; only the mark at the end of an answer does");
        let said = self.last_words();
        if said.is_empty() { error } else { error.caused_by(said) }
    }

    /// What was said on standard error, once that has ended or nothing more is to be expected.
    pub fn last_words(&self) -> String {
        self.complaints.all()
    }

    /// What was said on standard error up to a mark that the program was asked to write there.
    pub fn said_before(&self, mark: &str) -> String {
        self.complaints.before(mark)
    }

    /// Lets go of what was said on standard error so far.
    pub fn forget_complaints(&self) {
        self.complaints.forget();
    }

    /// What comes before the next mark.
    pub fn until<'a>(&'a mut self, mark: &'a str) -> Payload<'a, 'o> {
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

    /// Whether `expected` comes next, whatever white space is in between; reads no further.
    pub fn brings(&mut self, expected: &[u8]) -> Result<bool> {
        let mut expected = expected.iter().filter(|byte| !byte.is_ascii_whitespace()).peekable();
        while let Some(wanted) = expected.peek() {
            let Some(byte) = self.buffer.get(self.start..self.end).and_then(|unread| unread.first()) else {
                self.fill().map_err(|error| self.lost(&error.to_string()))?;
                continue;
            };
            if byte == *wanted {
                expected.next();
            } else if !byte.is_ascii_whitespace() {
                return Ok(false);
            }
            self.start += 1;
        }
        Ok(true)
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let length = loop {
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.stdout.read(room) {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => self.silent()?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.guard.moved();
        if length == 0 {
            let what = "the stream ended before the mark at the end of the answer";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
        }
        self.traffic.received.fetch_add(length as u64, Ordering::Relaxed);
        self.end += length;
        Ok(())
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        self.stdin = None;
        self.control.abort();
    }
}

/// The bytes before a mark, as a reader that ends there and nowhere else.
pub(super) struct Payload<'a, 'o> {
    stream: &'a mut Stream<'o>,
    mark: &'a str,
    over: bool,
}

impl Payload<'_, '_> {
    /// Reads on to the mark; tells how many bytes were still there.
    pub fn skip(&mut self) -> io::Result<u64> {
        io::copy(self, &mut io::sink())
    }
}

impl Read for Payload<'_, '_> {
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
    use std::time::Duration;

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

    fn stream(text: &str, at_once: usize) -> Stream<'static> {
        let session = Session {
            stdin: Box::new(io::sink()),
            stdout: Box::new(Slow(text.into(), at_once)),
            stderr: Box::new(io::empty()),
            control: Arc::new(Nothing),
        };
        Stream::new(session, &Arc::default(), "shop")
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
    fn what_is_said_twice_must_be_the_same_twice() {
        assert_eq!(said_twice(b"status 1\noutput a\nstatus 1\noutput a\n"), Some(&b"status 1\noutput a"[..]));
        assert_eq!(said_twice(b"\n\n"), Some(&b""[..]));
        for text in ["status 1\nstatus 0\n", "status 1\n", "status 1\nstatus 1", "", "\n"] {
            assert_eq!(said_twice(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn what_is_expected_is_found_whatever_white_space_there_is_and_nothing_else() {
        let mut stream = stream("COPY  t ( a , b )\nMARK", 3);
        assert!(stream.brings(b"COPY t (a, b)").unwrap());
        assert_eq!(stream.all_until("MARK").unwrap(), b"\n");
        assert!(!stream_of("COPY  u ( a )").brings(b"COPY t (a)").unwrap());
        assert!(stream_of("COPY t").brings(b"COPY t (a)").is_err());
    }

    fn stream_of(text: &str) -> Stream<'static> {
        stream(text, 2)
    }

    #[test]
    fn a_stream_that_ends_before_its_mark_is_an_error() {
        let error = stream("some text MAR", 3).all_until("MARK").unwrap_err();
        assert!(error.causes[0].contains("ended before the mark"), "{error:?}");
    }
}
