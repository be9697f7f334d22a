//! Frames: how bytes of all channels share one stream.
//!
//! A frame is the length of its payload (u32), its kind (u8), its channel (u32), the payload,
//! and the XXH3-64 of all that (u64); numbers are little-endian. It is built in one buffer, so
//! that it goes out in one write: [`begin`], append the payload, [`seal`]. When it goes out, its
//! number in its direction is added to its checksum by a [`Sequence`], so that a frame that is
//! lost, comes twice, or overtakes another is found as surely as a bit that was flipped.

use crate::{MAX_CHUNK, WireError};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// No payload is longer. A chunk that cannot be compressed grows a little, and is preceded by
/// its name and length.
pub const MAX_PAYLOAD: usize = MAX_CHUNK + (64 << 10);

/// What comes before the payload.
pub const HEADER_BYTES: usize = 9;

/// What comes after the payload.
pub const CHECKSUM_BYTES: usize = 8;

/// The payloads of greetings, credit and counts are small.
const MAX_SMALL: usize = 4 << 10;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// [`Hello`](crate::message::Hello): the first frame each way.
    Hello = 1,
    /// [`Command`](crate::message::Command), to the mover.
    Command = 2,
    /// [`Reply`](crate::message::Reply), from the mover.
    Reply = 3,
    /// Bytes as they are; under credit.
    Data = 4,
    /// A compressed chunk with its name; under credit.
    Blob = 5,
    /// The name of a chunk that the repository is said to hold; under credit.
    Known = 6,
    /// Bytes that the sender may send again on this channel (u32).
    Credit = 7,
    /// Nothing: the sender is alive.
    Heartbeat = 8,
    /// [`Summary`](crate::message::Summary), from the mover, when all is done.
    Summary = 9,
    /// Nothing: the sender will send no more.
    Goodbye = 10,
}

impl FrameKind {
    fn of(number: u8) -> Result<Self, WireError> {
        Ok(match number {
            1 => Self::Hello,
            2 => Self::Command,
            3 => Self::Reply,
            4 => Self::Data,
            5 => Self::Blob,
            6 => Self::Known,
            7 => Self::Credit,
            8 => Self::Heartbeat,
            9 => Self::Summary,
            10 => Self::Goodbye,
            other => return Err(WireError::Kind(other)),
        })
    }

    /// Whether it is sent under the channel's credit.
    pub fn is_bulk(self) -> bool {
        matches!(self, Self::Data | Self::Blob | Self::Known)
    }

    fn limit(self) -> usize {
        match self {
            Self::Command | Self::Reply | Self::Data | Self::Blob => MAX_PAYLOAD,
            Self::Hello | Self::Known | Self::Credit | Self::Summary => MAX_SMALL,
            Self::Heartbeat | Self::Goodbye => 0,
        }
    }
}

/// The front of a frame, checked: `length` is what a payload of this kind may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What it holds.
    pub kind: FrameKind,
    /// The channel it belongs to.
    pub channel: u32,
    /// Bytes of payload that follow, before the checksum.
    pub length: usize,
}

impl Header {
    /// Reads the front of a frame.
    ///
    /// # Errors
    ///
    /// [`WireError::Kind`] and [`WireError::Length`] for what cannot be a frame.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, WireError> {
        let [l0, l1, l2, l3, kind, c0, c1, c2, c3] = *bytes;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        let kind = FrameKind::of(kind)?;
        if length as usize > kind.limit() {
            return Err(WireError::Length(length));
        }
        Ok(Self { kind, channel: u32::from_le_bytes([c0, c1, c2, c3]), length: length as usize })
    }
}

/// Begins a frame at the end of `out`; gives the place that [`seal`] needs.
pub fn begin(out: &mut Vec<u8>, kind: FrameKind, channel: u32) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.push(kind as u8);
    out.extend_from_slice(&channel.to_le_bytes());
    start
}

/// Ends the frame that began at `start`: fills in its length and appends its checksum. Gives
/// the length of the payload.
///
/// # Errors
///
/// [`WireError::TooLong`] when the payload is longer than its kind allows; `out` is then cut
/// back to where the frame began.
pub fn seal(out: &mut Vec<u8>, start: usize) -> Result<usize, WireError> {
    let (Some(length), Some(&kind)) = ((out.len()).checked_sub(start + HEADER_BYTES), out.get(start + 4))
    else {
        return Err(WireError::Payload);
    };
    if length > FrameKind::of(kind)?.limit() {
        out.truncate(start);
        return Err(WireError::TooLong);
    }
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&(length as u32).to_le_bytes());
    }
    let checksum = xxh3_64(out.get(start..).unwrap_or_default());
    out.extend_from_slice(&checksum.to_le_bytes());
    Ok(length)
}

/// A whole frame in a buffer of its own.
///
/// # Errors
///
/// As [`seal`].
pub fn encode(kind: FrameKind, channel: u32, payload: &[u8]) -> Result<Vec<u8>, WireError> {
    let mut out = Vec::with_capacity(HEADER_BYTES + payload.len() + CHECKSUM_BYTES);
    let start = begin(&mut out, kind, channel);
    out.extend_from_slice(payload);
    seal(&mut out, start)?;
    Ok(out)
}

/// The order of the frames in one direction. Each end has one.
#[derive(Clone, Debug, Default)]
pub struct Sequence {
    next: u64,
}

/// A number that is off by no more than this is told as a frame out of its order.
const NEAR: u64 = 1 << 20;

impl Sequence {
    /// Numbers whole frames, which must then go out before any other.
    pub fn number(&mut self, frames: &mut [u8]) {
        let mut rest = frames;
        while let Some((header, after)) = rest.split_first_chunk_mut::<HEADER_BYTES>() {
            let [l0, l1, l2, l3, ..] = *header;
            let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
            let Some((_, after)) = after.split_at_mut_checked(length) else { return };
            let Some((checksum, after)) = after.split_first_chunk_mut::<CHECKSUM_BYTES>() else { return };
            *checksum = u64::from_le_bytes(*checksum).wrapping_add(self.next).to_le_bytes();
            self.next += 1;
            rest = after;
        }
    }

    /// Compares the next frame with its checksum and number: `body` is the payload and the
    /// checksum after it. What is left in `body` is the payload.
    ///
    /// # Errors
    ///
    /// [`WireError::Checksum`] when they do not belong together, [`WireError::Order`] when they
    /// do and another frame should have come.
    pub fn verify(&mut self, header: &[u8; HEADER_BYTES], body: &mut Vec<u8>) -> Result<(), WireError> {
        let Some((payload, checksum)) = body.split_last_chunk::<CHECKSUM_BYTES>() else {
            return Err(WireError::Checksum);
        };
        let mut hash = Xxh3::new();
        hash.update(header);
        hash.update(payload);
        let number = u64::from_le_bytes(*checksum).wrapping_sub(hash.digest());
        if number != self.next {
            let near = number.abs_diff(self.next) <= NEAR;
            return Err(if near { WireError::Order } else { WireError::Checksum });
        }
        self.next += 1;
        body.truncate(body.len() - CHECKSUM_BYTES);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(frame: &[u8]) -> ([u8; HEADER_BYTES], Vec<u8>) {
        let (header, body) = frame.split_first_chunk().unwrap();
        (*header, body.to_vec())
    }

    #[test]
    fn a_frame_comes_back_as_it_was() {
        let frame = encode(FrameKind::Data, 7, b"rows").unwrap();
        let (header, mut body) = parts(&frame);
        let read = Header::decode(&header).unwrap();
        assert_eq!(read, Header { kind: FrameKind::Data, channel: 7, length: 4 });
        Sequence::default().verify(&header, &mut body).unwrap();
        assert_eq!(body, b"rows");
    }

    #[test]
    fn a_frame_that_is_lost_comes_twice_or_overtakes_another_is_found() {
        let mut stream: Vec<u8> =
            [b"one".as_slice(), b"two", b"three"].map(|it| encode(FrameKind::Data, 1, it).unwrap()).concat();
        Sequence::default().number(&mut stream);
        let frame = |number: usize| {
            let starts = [0, 20, 40, stream.len()];
            parts(&stream[starts[number]..starts[number + 1]])
        };
        let read = |numbers: &[usize]| {
            let mut sequence = Sequence::default();
            numbers.iter().try_for_each(|&number| {
                let (header, mut body) = frame(number);
                sequence.verify(&header, &mut body)
            })
        };
        assert_eq!(read(&[0, 1, 2]), Ok(()));
        for wrong in [&[0, 2][..], &[0, 1, 1], &[1, 0], &[0, 1, 2, 0]] {
            assert_eq!(read(wrong), Err(WireError::Order), "{wrong:?}");
        }
    }

    #[test]
    fn any_flipped_bit_of_a_frame_is_found() {
        let frame = encode(FrameKind::Data, 7, b"some rows of a table").unwrap();
        for bit in 0..frame.len() * 8 {
            let mut damaged = frame.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let (header, mut body) = parts(&damaged);
            let same_length = Header::decode(&header).is_ok_and(|read| read.length == 20);
            let found = Sequence::default().verify(&header, &mut body).is_err();
            assert!(!same_length || found, "bit {bit}");
        }
    }

    #[test]
    fn a_payload_that_is_too_long_is_refused_on_both_ends() {
        let long = vec![0; MAX_PAYLOAD + 1];
        assert_eq!(encode(FrameKind::Blob, 1, &long), Err(WireError::TooLong));
        let mut header = [0xff; HEADER_BYTES];
        header[4] = FrameKind::Blob as u8;
        assert_eq!(Header::decode(&header), Err(WireError::Length(u32::MAX)));
    }
}
