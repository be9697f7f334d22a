//! The program beside the data: placing it, starting it, speaking with it, cleaning up.
//!
//! A [`Mover`] is one running mover in one target. It opens [`ServerSession`]s, runs the
//! server's own tools ([`ToolRun`]) and holds files in memory ([`MemoryFile`]), each a channel
//! of one exec stream. Whatever is not exactly as agreed on that stream (a checksum, an order,
//! a count, an early end, 30 s of silence) fails every call that waits, whatever the exit
//! status says.
//!
//! Where no mover may run, the same is offered by a shell, psql and the server's own tools
//! (`plain/`): slower, with a proof of its own.
//!
//! Absent on purpose: this room knows no repository, and sends no password. Beyond what psql needs to
//! hold a session and to name, read and write a large object, it knows no SQL.
//!
//! Start with [`Mover::start`].

mod channel;
mod conversation;
mod copy;
mod embedded;
mod patience;
mod place;
mod plain;
mod server_error;
mod session;
mod start;
mod tool;

pub use copy::{CopiedIn, CopiedOut, Piece};
pub use place::PlaceOptions;
pub use server_error::ServerError;
pub use session::{Rows, ServerSession, StopHandle};
pub use start::{Mover, MoverUse, Way};
pub use tool::{Exit, MemoryFile, ToolRun, ToolStop};
