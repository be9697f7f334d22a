//! One direction of one stream: bytes from one side to the other, and the harm on the way.

use super::{Direction, Fault, Harm, Stream, connection::Connection, fault::Finder, listener::Shared};
use std::{
    io::{self, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::atomic::Ordering,
    time::Duration,
};

/// Docker's own front of each piece: which stream, and how long (big-endian).
const DOCKERS_FRONT: usize = 8;

/// Standard output in Docker's front.
const STDOUT: u8 = 1;

struct Pump<'a> {
    shared: &'a Shared,
    connection: &'a Connection,
    record: &'a Stream,
    direction: Direction,
    fault: Option<Fault>,
    finder: Finder,
    /// A piece that is to come after the next one.
    held: Option<Vec<u8>>,
    /// What goes on is put into Docker's frames.
    framed: bool,
}

/// Passes on what comes, beginning with `first`, until it ends.
pub(super) fn pump(
    shared: &Shared,
    connection: &Connection,
    direction: Direction,
    first: Vec<u8>,
) -> io::Result<()> {
    let Some((number, record)) = connection.stream.get() else { return Ok(()) };
    let fault = shared.fault.filter(|fault| fault.stream == *number && fault.direction == direction);
    let raw = fault.is_some_and(|fault| fault.raw);
    let mut pump = Pump {
        shared,
        connection,
        record,
        direction,
        fault,
        finder: Finder::new(fault.map(|fault| fault.at)),
        held: None,
        framed: direction == Direction::Out && !raw,
    };
    pump.from().set_read_timeout(shared.idle_limit)?;
    pump.run(first)
}

impl Pump<'_> {
    fn from(&self) -> &UnixStream {
        if self.direction == Direction::Into { &self.connection.client } else { &self.connection.daemon }
    }

    fn to(&self) -> &UnixStream {
        if self.direction == Direction::Into { &self.connection.daemon } else { &self.connection.client }
    }

    fn run(&mut self, first: Vec<u8>) -> io::Result<()> {
        let mut waiting = first;
        let mut bytes = vec![0; 256 << 10];
        loop {
            self.pass_pieces(&mut waiting)?;
            // A stream that was idle for too long is an error here, and is cut.
            let length = self.from().read(&mut bytes)?;
            self.hold_while_stalled();
            if length == 0 {
                if let Some(held) = self.held.take() {
                    self.write(&held)?;
                }
                self.to().write_all(&waiting)?;
                return self.to().shutdown(Shutdown::Write);
            }
            waiting.extend_from_slice(&bytes[..length]);
        }
    }

    /// Passes on whole pieces out of `waiting`.
    fn pass_pieces(&mut self, waiting: &mut Vec<u8>) -> io::Result<()> {
        if !self.framed {
            return if waiting.is_empty() { Ok(()) } else { self.piece(std::mem::take(waiting)) };
        }
        while let Some(front) = waiting.first_chunk::<DOCKERS_FRONT>() {
            let length = u32::from_be_bytes([front[4], front[5], front[6], front[7]]) as usize;
            let kind = front[0];
            if waiting.len() < DOCKERS_FRONT + length {
                break;
            }
            let rest = waiting.split_off(DOCKERS_FRONT + length);
            let mut whole = std::mem::replace(waiting, rest);
            if kind == STDOUT {
                self.piece(whole.split_off(DOCKERS_FRONT))?;
            } else {
                self.to().write_all(&whole)?;
            }
        }
        Ok(())
    }

    /// Passes on one piece as it came, or hurts it.
    fn piece(&mut self, mut piece: Vec<u8>) -> io::Result<()> {
        self.record.count(self.direction, piece.len());
        let found = self.finder.find(&piece);
        let Some((fault, at)) = self.fault.zip(found) else {
            self.write(&piece)?;
            return match self.held.take() {
                Some(held) => self.write(&held),
                None => Ok(()),
            };
        };
        self.shared.dead.store(fault.then_dead, Ordering::SeqCst);
        self.shared.hit.store(true, Ordering::SeqCst);
        let left = piece.len() - at;
        match fault.harm {
            Harm::Flip(bit) => {
                if let Some(byte) = piece.get_mut(at) {
                    *byte ^= 1 << bit;
                }
                self.write(&piece)
            }
            Harm::Repeat(0) => self.write(&piece).and_then(|()| self.write(&piece)),
            Harm::Repeat(length) => {
                let end = at + length.min(left);
                self.write(&piece[..end])?;
                self.write(&piece[at..])
            }
            Harm::Lose(0) => Ok(()),
            Harm::Lose(length) => {
                piece.drain(at..at + length.min(left));
                self.write(&piece)
            }
            Harm::Swap(length) if length > 0 && left >= 2 * length => {
                piece[at..at + 2 * length].rotate_left(length);
                self.write(&piece)
            }
            Harm::Swap(_) => {
                self.held = Some(piece);
                Ok(())
            }
            Harm::Delay(time) => {
                self.write(&piece[..at])?;
                std::thread::sleep(time);
                self.write(&piece[at..])
            }
            Harm::Cut => {
                self.write(&piece[..at])?;
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            Harm::End => {
                self.write(&piece[..at])?;
                self.to().shutdown(Shutdown::Write)?;
                io::copy(&mut self.from(), &mut io::sink()).map(|_| ())
            }
            Harm::Stall { both } => {
                self.write(&piece[..at])?;
                self.connection.stalled.store(both, Ordering::SeqCst);
                self.hold();
                Ok(())
            }
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.hold_while_stalled();
        if bytes.is_empty() {
            return Ok(());
        }
        let mut to = self.to();
        if self.framed {
            let mut whole = vec![STDOUT, 0, 0, 0];
            whole.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
            whole.extend_from_slice(bytes);
            return to.write_all(&whole);
        }
        to.write_all(bytes)
    }

    fn hold_while_stalled(&self) {
        if self.connection.stalled.load(Ordering::SeqCst) {
            self.hold();
        }
    }

    /// Lets nothing pass, and says so to nobody, for as long as the proxy is there.
    fn hold(&self) {
        while !self.shared.is_over() {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
