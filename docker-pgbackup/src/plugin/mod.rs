//! What `docker` and its plugins say to each other.
//!
//! `docker` runs a plugin once for its metadata and once for the work, with the whole command
//! line as typed, and asks it to stop by closing a socket. [`split`] takes the command line
//! apart, [`metadata`] answers the first call, [`question`] is what a shell asks through `docker`,
//! and [`cancel_on_request`] listens for the end.
//!
//! Absent on purpose: what the options of pgbackup itself mean (the engine's `cli`).
//!
//! Start with [`split`].

mod argv;
mod metadata;
mod shutdown;

pub use argv::{Globals, Line, Question, question, split};
pub use metadata::{CALLED_BY_DOCKER, HOOKS_COMMAND, METADATA_COMMAND, metadata};
pub use shutdown::{SOCKET_VARIABLE, cancel_on_request};
