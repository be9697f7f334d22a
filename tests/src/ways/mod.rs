//! Ways to the Docker daemon of this machine other than its socket: ports, TLS, ssh, contexts;
//! and another daemon, Podman's.
//!
//! In: nothing but the daemon. Out: something that listens on this machine, leads to the daemon's
//! socket, and can break every connection at once; and what a person has to say to get there.
//! Certificates and keys are made for each test and gone with it.
//!
//! Absent on purpose: harm at a chosen byte, which is [`proxy`](crate::proxy)'s.
//!
//! Start with [`Port`] and [`Login`].

mod certificates;
mod context;
mod login;
mod podman;
mod port;

pub use certificates::Certificates;
pub use context::add_context;
pub use login::Login;
pub use podman::Podman;
pub use port::Port;
