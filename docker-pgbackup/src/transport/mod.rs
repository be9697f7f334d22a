//! How bytes get to a daemon: sockets, ports, TLS, and `ssh`.
//!
//! In goes an [`Endpoint`](crate::endpoint::Endpoint); out comes bollard's client, whose every
//! request passes through here: it gets a connection, the version of the API in front of its
//! path, and the headers that the user's configuration asks for. What a connection is made of is
//! the business of this room alone: a stream that can be closed in one direction, which is how a
//! program in a container learns of the end of its input.
//!
//! Absent on purpose: words for people about what went wrong; connections break with the errors
//! that [`runtime`](crate::runtime) explains. bollard's own TLS and ssh are not used: it knows no
//! unverified daemons, takes the system's authorities along with the user's own, and loses the
//! port of an `ssh://` address.
//!
//! Start with [`connect`].

mod broken;
mod client;
mod connector;
mod ssh;
mod tls;

pub use client::{Channel, connect};
pub use ssh::SshEnded;
