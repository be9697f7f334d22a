//! The plain path, for places where the mover may not run: `sh`, psql and the server's tools.
//!
//! Each session is one exec of psql that takes statements on its standard input and ends each
//! answer with a random mark, so that an answer is whole or an error. Rows come out through a
//! packer of the image (zstd or gzip, whose own checksums prove them) and are cut and hashed on
//! this side exactly as the mover does it beside the data. Rows and archives go in counted, and
//! the container says the SHA-256 of what it got before anything is committed.
//!
//! Absent on purpose: jobs in the background and signals (F41), and files in the container.
//!
//! Start with [`hands`].

mod arguments;
mod complaints;
mod copy_in;
mod copy_out;
mod copy_statement;
mod hands;
mod large_object;
mod look;
mod packing;
mod session;
mod silence;
mod statement;
mod stream;
mod tool;

pub(super) use hands::PlainHands;
pub(super) use session::PlainSession;
pub(super) use tool::{PlainRun, PlainStop};

#[cfg(test)]
mod tests;
