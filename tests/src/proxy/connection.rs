//! One connection: requests of HTTP, and the stream that one of them may become.

use super::{
    Direction, Stream,
    listener::{Shared, lock},
    pump,
};
use std::{
    io::{self, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// What the two directions of a connection share.
pub(super) struct Connection {
    pub(super) client: UnixStream,
    pub(super) daemon: UnixStream,
    /// Set when the client asks for the stream of a program: its number, and its record.
    pub(super) stream: OnceLock<(usize, Arc<Stream>)>,
    /// Nothing passes any more.
    pub(super) stalled: AtomicBool,
}

impl Connection {
    pub(super) fn cut(&self) {
        // What is closed already is as it should be.
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.daemon.shutdown(Shutdown::Both);
    }
}

/// Serves one connection to its end.
pub(super) fn serve(shared: &Arc<Shared>, client: UnixStream) -> io::Result<()> {
    let daemon = UnixStream::connect(&shared.daemon)?;
    let connection =
        Arc::new(Connection { client, daemon, stream: OnceLock::new(), stalled: AtomicBool::new(false) });
    let (answers, answering) = (Arc::clone(&connection), Arc::clone(shared));
    let back = std::thread::spawn(move || {
        if pass_answers(&answering, &answers).is_err() {
            answers.cut();
        }
    });
    if pass_requests(shared, &connection).is_err() {
        connection.cut();
    }
    drop(back.join());
    Ok(())
}

/// Passes on requests, and after an upgrade what the program is to read.
fn pass_requests(shared: &Shared, connection: &Connection) -> io::Result<()> {
    let (mut client, mut daemon) = (&connection.client, &connection.daemon);
    let mut buffer = Vec::new();
    loop {
        let Some(end) = read_head(client, &mut buffer)? else {
            return daemon.shutdown(Shutdown::Write);
        };
        let head = String::from_utf8_lossy(&buffer[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
        while buffer.len() < end + length {
            read_more(&mut client, &mut buffer)?;
        }
        let path = head.split_whitespace().nth(1).unwrap_or_default();
        if path.ends_with("/exec") {
            lock(&shared.announced).push(program(&buffer[end..end + length]));
        }
        let upgrades = head.lines().any(|line| line.starts_with("upgrade:")) && path.ends_with("/start");
        if upgrades {
            let program = lock(&shared.announced).pop().unwrap_or_default();
            let mut streams = lock(&shared.streams);
            let stream = Arc::new(Stream { program, ..Stream::default() });
            let _ = connection.stream.set((streams.len(), Arc::clone(&stream)));
            streams.push(stream);
        }
        daemon.write_all(&buffer[..end + length])?;
        buffer.drain(..end + length);
        if upgrades {
            return pump::pump(shared, connection, Direction::Into, buffer);
        }
    }
}

/// Passes on answers, and after an upgrade what the program writes.
fn pass_answers(shared: &Shared, connection: &Connection) -> io::Result<()> {
    let (mut client, mut daemon) = (&connection.client, &connection.daemon);
    let mut bytes = vec![0; 64 << 10];
    loop {
        let length = daemon.read(&mut bytes)?;
        if length == 0 {
            return client.shutdown(Shutdown::Write);
        }
        if connection.stream.get().is_none() {
            client.write_all(&bytes[..length])?;
            continue;
        }
        // A client asks for a stream only when it has had all earlier answers.
        let mut head = bytes[..length].to_vec();
        let Some(end) = read_head(daemon, &mut head)? else { return client.shutdown(Shutdown::Write) };
        client.write_all(&head[..end])?;
        let stream = head.split_off(end);
        return pump::pump(shared, connection, Direction::Out, stream);
    }
}

/// Reads until the head of a message is in `buffer`; returns its length, or nothing at the end.
fn read_head(mut from: &UnixStream, buffer: &mut Vec<u8>) -> io::Result<Option<usize>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            return Ok(Some(end + 4));
        }
        match read_more(&mut from, buffer) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && buffer.is_empty() => {
                return Ok(None);
            }
            Err(error) => return Err(error),
            Ok(()) => {}
        }
    }
}

fn read_more(from: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<()> {
    let mut bytes = [0; 16 << 10];
    match from.read(&mut bytes)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        length => {
            buffer.extend_from_slice(&bytes[..length]);
            Ok(())
        }
    }
}

/// The beginning of the command line that a request asks for.
fn program(body: &[u8]) -> String {
    let asked: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let words = asked["Cmd"].as_array().into_iter().flatten().filter_map(|word| word.as_str());
    words.take(2).collect::<Vec<_>>().join(" ")
}

impl Shared {
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
}
