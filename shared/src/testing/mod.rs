//! What tests borrow: a platform without containers, and a clock that stands still.
//!
//! In goes what a test says about targets and programs; out comes a [`Runtime`](crate::target::Runtime)
//! that behaves as a platform does, blocking streams and cut connections included.
//!
//! Absent on purpose: nothing here is in a released program (feature `testing`), and nothing
//! here decides whether a stream is complete; that is what is being tested.
//!
//! Start with [`FakeRuntime`].

mod clock;
mod pipe;
mod runtime;

pub use clock::FixedClock;
pub use pipe::{PipeReader, PipeWriter, pipe};
pub use runtime::{FakeRuntime, Program};
