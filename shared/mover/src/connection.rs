//! The socket to the server, read through one buffer.
//!
//! Messages are read whole, except those of a COPY: their content is given out piece by piece,
//! so that a row of any length needs no more memory than the buffer.

use crate::trouble::Trouble;
use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use pgbackup_wire::{Endpoint, Failure};
use postgres_protocol::message::{
    backend::{ErrorFields, Message},
    frontend,
};
use rustix::event::{PollFd, PollFlags, poll};
use std::{
    fs,
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, TcpStream},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::Arc,
    time::Duration,
};

/// One read takes at most so much from the socket.
const BUFFER: usize = 256 << 10;

/// No message that is read whole is longer; a longer row of a query is an error.
const MAX_MESSAGE: usize = 4 << 20;

/// Tag and length.
const HEAD: usize = 5;

/// A socket of either kind.
pub enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Stream {
    /// Connects to where the endpoint says.
    pub fn connect(endpoint: &Endpoint) -> io::Result<Self> {
        if endpoint.host.starts_with('/') {
            let path = format!("{}/.s.PGSQL.{}", endpoint.host.trim_end_matches('/'), endpoint.port);
            return UnixStream::connect(path).map(Self::Unix);
        }
        let mut last = io::Error::new(
            io::ErrorKind::NotFound,
            format!("`{}` is no address and not in /etc/hosts", endpoint.host),
        );
        for address in addresses(&endpoint.host) {
            match TcpStream::connect_timeout(&(address, endpoint.port).into(), Duration::from_secs(10)) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(Self::Tcp(stream));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn shutdown(&self) {
        // A socket that is closed already needs no shutdown.
        let _ = match self {
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
        };
    }

    fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
        })
    }

    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_nonblocking(nonblocking),
            Self::Tcp(stream) => stream.set_nonblocking(nonblocking),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(bytes),
            Self::Tcp(stream) => stream.write(bytes),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(stream) => stream.as_fd(),
            Self::Tcp(stream) => stream.as_fd(),
        }
    }
}

/// Addresses of a host: itself, or by /etc/hosts. A static program cannot ask the system's
/// resolver, and the server is in this container.
fn addresses(host: &str) -> Vec<IpAddr> {
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    if matches!(host, "" | "*" | "localhost" | "0.0.0.0" | "::") {
        return loopback.to_vec();
    }
    if let Ok(address) = host.parse() {
        return vec![address];
    }
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    hosts
        .lines()
        .filter_map(|line| {
            let mut words = line.split('#').next()?.split_whitespace();
            let address = words.next()?.parse().ok()?;
            words.any(|name| name == host).then_some(address)
        })
        .collect()
}

/// What it takes to cancel the statement of a session, or to cut its connection.
#[derive(Clone)]
pub struct Cancelling {
    stream: Arc<Stream>,
    endpoint: Arc<Endpoint>,
    process_id: i32,
    secret_key: i32,
}

impl Cancelling {
    /// Asks the server to cancel what the session does.
    pub fn cancel(&self) {
        let Ok(mut stream) = Stream::connect(&self.endpoint) else { return };
        let mut request = BytesMut::new();
        frontend::cancel_request(self.process_id, self.secret_key, &mut request);
        if stream.write(&request).is_ok() {
            // The server closes the connection when it has taken the request.
            let _ = stream.read(&mut [0]);
        }
    }

    /// Ends the connection under the session.
    pub fn cut(&self) {
        self.stream.shutdown();
    }
}

/// A piece of the answer to a COPY.
pub enum Part<'a> {
    /// Content that is a row's or a part of one.
    Content(&'a [u8]),
    /// Another message, whole.
    Message(Message),
}

/// A connection to the server.
pub struct Connection {
    stream: Stream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Content of a `CopyData` message that was not given out yet.
    content: usize,
    /// The server has let us in.
    let_in: bool,
}

impl Connection {
    pub fn open(endpoint: &Endpoint) -> io::Result<Self> {
        let stream = Stream::connect(endpoint)?;
        Ok(Self { stream, buffer: vec![0; BUFFER], start: 0, end: 0, content: 0, let_in: false })
    }

    /// Notes that the server has let us in: it is told when we go.
    pub fn let_in(&mut self) {
        self.let_in = true;
    }

    pub fn cancelling(
        &self,
        endpoint: &Endpoint,
        process_id: i32,
        secret_key: i32,
    ) -> io::Result<Cancelling> {
        let stream = Arc::new(self.stream.try_clone()?);
        Ok(Cancelling { stream, endpoint: Arc::new(endpoint.clone()), process_id, secret_key })
    }

    /// Sends messages and waits until the socket has taken them.
    pub fn send(&mut self, messages: &[u8]) -> Result<(), Trouble> {
        let mut rest = messages;
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(0) => return Err(Trouble::lost(&io::ErrorKind::WriteZero.into())),
                Ok(length) => rest = rest.get(length..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Trouble::lost(&error)),
            }
        }
        Ok(())
    }

    /// Sends messages while the server may have something to say first: what it says goes to
    /// `hear`, so that neither side waits for the other with both directions full.
    pub fn send_listening(&mut self, messages: &[u8], hear: &mut dyn FnMut(Message)) -> Result<(), Trouble> {
        self.stream.set_nonblocking(true).map_err(|error| Trouble::lost(&error))?;
        let sent = self.send_polling(messages, hear);
        self.stream.set_nonblocking(false).map_err(|error| Trouble::lost(&error))?;
        sent
    }

    fn send_polling(&mut self, messages: &[u8], hear: &mut dyn FnMut(Message)) -> Result<(), Trouble> {
        let mut rest = messages;
        while !rest.is_empty() {
            let ready = {
                let mut sockets = [PollFd::new(&self.stream, PollFlags::IN | PollFlags::OUT)];
                match poll(&mut sockets, None) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(Trouble::lost(&error.into())),
                }
                let [socket] = sockets;
                socket.revents()
            };
            if ready.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
                self.fill().map_err(|error| Trouble::lost(&error))?;
                while let Some(message) = self.message_in_buffer()? {
                    hear(message);
                }
            }
            if ready.contains(PollFlags::OUT) {
                match self.stream.write(rest) {
                    Ok(length) => rest = rest.get(length..).unwrap_or_default(),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(Trouble::lost(&error)),
                }
            }
        }
        Ok(())
    }

    /// Waits for the next message and reads it whole.
    pub fn message(&mut self) -> Result<Message, Trouble> {
        loop {
            if let Some(message) = self.message_in_buffer()? {
                return Ok(message);
            }
            self.fill().map_err(|error| Trouble::lost(&error))?;
        }
    }

    /// Waits for the next part of the answer to a COPY.
    pub fn part(&mut self) -> Result<Part<'_>, Trouble> {
        loop {
            if self.content > 0 && self.end > self.start {
                let length = self.content.min(self.end - self.start);
                let start = self.start;
                self.start += length;
                self.content -= length;
                return Ok(Part::Content(self.buffer.get(start..start + length).unwrap_or_default()));
            }
            if self.content == 0 {
                match self.head()? {
                    Some((b'd', length)) => {
                        self.start += HEAD;
                        self.content = length;
                        continue;
                    }
                    Some(_) => return self.message().map(Part::Message),
                    None => {}
                }
            }
            self.fill().map_err(|error| Trouble::lost(&error))?;
        }
    }

    /// Whether something can be taken without waiting for the socket.
    pub fn is_buffered(&self) -> bool {
        self.end > self.start
    }

    /// Tag of the next message and the length of its content, if its head is in the buffer.
    fn head(&self) -> Result<Option<(u8, usize)>, Trouble> {
        let Some([tag, l0, l1, l2, l3, ..]) = self.buffer.get(self.start..self.end) else { return Ok(None) };
        let length = u32::from_be_bytes([*l0, *l1, *l2, *l3]) as usize;
        match length.checked_sub(4) {
            Some(content) => Ok(Some((*tag, content))),
            None => Err(Trouble::fatal("the server sent a message shorter than its head")),
        }
    }

    fn message_in_buffer(&mut self) -> Result<Option<Message>, Trouble> {
        let Some((_, content)) = self.head()? else { return Ok(None) };
        if content > MAX_MESSAGE {
            return Err(Trouble::fatal(format!(
                "the server sent a message of {content} bytes, more than a query's row may have ({MAX_MESSAGE})"
            )));
        }
        let whole = HEAD + content;
        if self.end - self.start < whole {
            if self.buffer.len() < whole {
                self.buffer.resize(whole, 0);
            }
            return Ok(None);
        }
        let mut bytes = BytesMut::from(self.buffer.get(self.start..self.start + whole).unwrap_or_default());
        self.start += whole;
        match Message::parse(&mut bytes) {
            Ok(Some(message)) => Ok(Some(message)),
            Ok(None) => Err(Trouble::fatal("the server sent half a message")),
            Err(error) => Err(Trouble::fatal(format!("the server sent what cannot be understood: {error}"))),
        }
    }

    /// Reads what the socket has, at least one byte.
    fn fill(&mut self) -> io::Result<()> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            // A long message has made the buffer grow; it need not stay so.
            self.buffer.truncate(BUFFER);
            self.buffer.shrink_to_fit();
        } else if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        loop {
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.stream.read(room) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => {
                    self.end += length;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // A server that waits for a password writes any other message to its log, even a
        // goodbye, and takes the end of the socket in silence.
        if !self.let_in {
            return;
        }
        let mut goodbye = BytesMut::new();
        frontend::terminate(&mut goodbye);
        // The server may have gone first, or take nothing: the end of the socket will do.
        if self.stream.set_nonblocking(true).is_ok() {
            let _ = self.stream.write(&goodbye);
        }
    }
}

/// The server's words. Source: PostgreSQL manual, "Error and Notice Message Fields".
pub fn failure(mut fields: ErrorFields<'_>) -> Failure {
    let mut failure = Failure::default();
    while let Ok(Some(field)) = fields.next() {
        let text = || String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'M' => failure.message = text(),
            b'C' => failure.code = text(),
            b'D' => failure.detail = text(),
            b'H' => failure.hint = text(),
            b'W' => failure.place = text(),
            b'V' => failure.fatal = matches!(field.value_bytes(), b"FATAL" | b"PANIC"),
            _ => {}
        }
    }
    failure
}
