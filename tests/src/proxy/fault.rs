//! What can happen to a stream, and where.

use super::Stream;
use rand::{Rng, rngs::StdRng};
use std::{sync::Arc, time::Duration};

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the program's standard input.
    Into,
    /// From its standard output.
    Out,
}

/// A point of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Before this byte, counted from 0.
    Byte(u64),
    /// At a frame of the mover's: of this kind, the so many-th of them from 0.
    Frame(u8, u32, Edge),
}

/// A point of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// Before its first byte.
    Before,
    /// Behind its last byte.
    After,
}

/// What happens there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// The connection ends at once, for both sides.
    Cut,
    /// This direction ends as if the sender had ended it, and what it still sends is thrown away.
    End,
    /// Nothing passes any more, and neither side is told. With `both` in neither direction.
    Stall {
        /// The other direction too.
        both: bool,
    },
    /// Everything waits for so long, and goes on.
    Delay(Duration),
    /// One bit of the byte is another.
    Flip(u8),
    /// So many bytes come twice; with 0 all that came in one piece.
    Repeat(usize),
    /// So many bytes are lost; with 0 all that came in one piece.
    Lose(usize),
    /// So many bytes come after as many that follow them; with 0, two pieces as they came.
    Swap(usize),
}

/// One fault of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which exec stream, in the order of their start.
    pub stream: usize,
    /// Which way.
    pub direction: Direction,
    /// Where.
    pub at: At,
    /// What.
    pub harm: Harm,
    /// Bytes are those of the connection, Docker's frames included.
    pub raw: bool,
    /// Afterwards no connection is answered any more, as if the daemon had gone.
    pub then_dead: bool,
}

impl Fault {
    /// A fault of what a program reads or writes.
    pub fn new(stream: usize, direction: Direction, at: At, harm: Harm) -> Self {
        Self { stream, direction, at, harm, raw: false, then_dead: false }
    }

    /// A fault at a random byte of one of these streams, which an unhurt run had.
    pub fn random(random: &mut StdRng, streams: &[Arc<Stream>], harm: Harm) -> Self {
        let mut places = Vec::new();
        for (stream, of) in streams.iter().enumerate() {
            for direction in [Direction::Into, Direction::Out] {
                places.extend((of.bytes(direction) > 0).then(|| (stream, direction, of.bytes(direction))));
            }
        }
        let (stream, direction, bytes) = places[random.random_range(0..places.len())];
        // Beginnings and ends hold more that matters than their share of the bytes.
        let near_an_edge = (random.random_range(0.0..1.0) * (bytes as f64).ln()).exp() as u64;
        let byte = match random.random_range(0..3) {
            0 => random.random_range(0..bytes),
            1 => near_an_edge.saturating_sub(1),
            _ => bytes - near_an_edge.clamp(1, bytes),
        };
        Self {
            raw: direction == Direction::Out && random.random_bool(0.25),
            ..Self::new(stream, direction, At::Byte(byte), harm)
        }
    }
}

impl Harm {
    /// A harm after which the stream goes on, and soon shows that it is not what it was.
    pub fn random(random: &mut StdRng) -> Self {
        let some = if random.random_bool(0.5) { 0 } else { random.random_range(1..5000) };
        match random.random_range(0..7) {
            0 | 1 => Self::Cut,
            2 => Self::End,
            3 => Self::Flip(random.random_range(0..8)),
            4 => Self::Repeat(some),
            5 => Self::Lose(some),
            _ => Self::Swap(some),
        }
    }
}

/// Finds the point in bytes that go by.
pub(super) struct Finder {
    at: Option<At>,
    passed: u64,
    /// Bytes of the frame that goes by which are still to come, its front included.
    of_frame: u64,
    /// The front of a frame, as far as it has come.
    front: Vec<u8>,
    seen: u32,
}

/// Length, kind and channel.
const FRONT: usize = 9;

/// Behind the payload.
const CHECKSUM: u64 = 8;

impl Finder {
    pub(super) fn new(at: Option<At>) -> Self {
        Self { at, passed: 0, of_frame: 0, front: Vec::new(), seen: 0 }
    }

    /// Returns where in `bytes` the point is, if it is there. It is found once.
    pub(super) fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        let found = match self.at? {
            At::Byte(byte) => {
                let found = byte.checked_sub(self.passed).filter(|at| *at < bytes.len() as u64);
                found.map(|at| at as usize)
            }
            At::Frame(kind, number, edge) => self.find_frame(bytes, kind, number, edge),
        };
        self.passed += bytes.len() as u64;
        if found.is_some() {
            self.at = None;
        }
        found
    }

    fn find_frame(&mut self, bytes: &[u8], kind: u8, number: u32, edge: Edge) -> Option<usize> {
        let mut at = 0;
        loop {
            let skipped = self.of_frame.min((bytes.len() - at) as u64);
            at += skipped as usize;
            self.of_frame -= skipped;
            let wanted = FRONT - self.front.len();
            if self.of_frame > 0 || bytes.len() - at < wanted {
                self.front.extend_from_slice(&bytes[at..]);
                return None;
            }
            let start = at;
            self.front.extend_from_slice(&bytes[at..at + wanted]);
            at += wanted;
            let length = u32::from_le_bytes([self.front[0], self.front[1], self.front[2], self.front[3]]);
            let is_it = self.front[4] == kind;
            self.front.clear();
            self.of_frame = u64::from(length) + CHECKSUM;
            if is_it && self.seen == number {
                // Its end may be in bytes to come; what matters is then in front of those.
                let end = at + (self.of_frame as usize).min(bytes.len() - at);
                return Some(if edge == Edge::Before { start } else { end });
            }
            self.seen += u32::from(is_it);
        }
    }
}
