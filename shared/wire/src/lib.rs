//! What engine and mover say to each other, and how data is cut.
//!
//! In and out are bytes: frames ([`frame`]) that carry messages ([`message`]) and chunks
//! ([`payload`]) on numbered channels, each under its own credit ([`Window`]); and text that
//! [`Cutter`] cuts where its content says so.
//!
//! Absent on purpose: this crate does no I/O, and nothing of PostgreSQL is in it. Everything
//! that decodes takes bytes of unknown origin: it never panics and never allocates by a length
//! that it has not checked.
//!
//! Start with [`message`].

mod chunk;
mod credit;
mod cut;
mod error;
pub mod frame;
pub mod message;
pub mod payload;
pub mod text;

pub use chunk::{ChunkId, ChunksHash};
pub use credit::{Receipts, WINDOW_IN, WINDOW_OUT, Window};
pub use cut::Cutter;
pub use error::WireError;
pub use frame::{FrameKind, MAX_PAYLOAD};
pub use message::{
    Argument, Command, CutSizes, Endpoint, Environment, Failure, Hello, PasswordSource, Postmaster, Reply,
    Space, Summary,
};

use std::time::Duration;

/// No chunk is longer, in bytes of content.
pub const MAX_CHUNK: usize = 4 << 20;

/// Each side says at least this often that it is alive, also through silent phases.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(5);

/// A side that has heard nothing for so long takes the other for dead.
pub const SILENCE_LIMIT: Duration = Duration::from_secs(30);
