//! Which Docker daemon is meant, by the rules of the `docker` program.
//!
//! In go Docker's options, the environment and the files that they lead to; out comes the
//! [`Endpoint`]: an [`Address`] with what TLS needs, headers, the version of the API if one is
//! asked for, and words for people about where it was found. Nothing is connected, and what the
//! files for TLS hold is not looked at: both are done by [`transport`](crate::transport).
//!
//! Absent on purpose: guesses. Rootless daemons, Docker Desktop, Colima and Podman are found by
//! the context or the variable that they set up, as `docker` finds them.
//!
//! Start with [`resolve`].

mod address;
mod context;
mod headers;
mod resolve;
mod tls;

pub use address::{Address, Ssh, Tcp, bracketed};
pub use headers::Headers;
pub use resolve::{ApiVersion, Endpoint, VARIABLES, resolve};
pub use tls::{Pem, Tls};
