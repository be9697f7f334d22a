//! What is wrong with bytes that arrived.

use std::fmt;

/// What arrived is not what this language allows. After any of these the stream is worthless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// The checksum of a frame does not match its bytes.
    Checksum,
    /// A frame was lost, or came twice, or before its turn.
    Order,
    /// No frame is of this kind.
    Kind(u8),
    /// A frame of this kind cannot be so long.
    Length(u32),
    /// The payload is not what a frame of its kind holds.
    Payload,
    /// The message is too long for one frame.
    TooLong,
    /// More was sent than the receiver had asked for, or more was asked for than it may hold.
    Credit,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checksum => f.write_str("the checksum of a frame does not match its bytes"),
            Self::Order => f.write_str("a frame was lost, or came twice, or before its turn"),
            Self::Kind(kind) => write!(f, "no frame is of the kind {kind}"),
            Self::Length(length) => write!(f, "a frame cannot be {length} bytes long"),
            Self::Payload => f.write_str("the content of a frame is not what its kind holds"),
            Self::TooLong => f.write_str("a message is too long for one frame"),
            Self::Credit => f.write_str("more was sent than was asked for"),
        }
    }
}

impl std::error::Error for WireError {}
