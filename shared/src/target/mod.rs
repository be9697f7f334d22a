//! Where a PostgreSQL server runs: the seam between the engine and Docker or Kubernetes.
//!
//! A binary implements [`Runtime`]: it lists [`Target`]s and runs programs in them as
//! [`Session`]s with blocking streams. Everything else is decided on this side of the seam.
//!
//! Absent on purpose: this room knows neither Docker nor Kubernetes, and trusts no exit status:
//! what came through a session is complete only when its own frames say so.
//!
//! Start with [`Runtime`].

mod runtime;
mod select;

pub use runtime::{Finished, Runtime, Session, SessionControl, Target};
pub use select::{Selection, select};
