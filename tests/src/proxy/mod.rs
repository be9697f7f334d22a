//! A proxy between the plugin and Docker's socket that hurts one exec stream at a chosen byte.
//!
//! In: one [`Fault`], or none. Out: an address for `DOCKER_HOST`, what crossed each exec stream,
//! and whether the fault came to pass. Requests and answers of HTTP pass as they are; streams of
//! programs are known by their upgrade and numbered in the order of their start. In the direction
//! out of the container the harm is done to what the program wrote, inside of Docker's frames,
//! unless [`Fault::raw`] asks for the bytes of the connection.
//!
//! Absent on purpose: knowledge of what is said on a stream, but for the front of the mover's
//! frames, by which points are named ([`At::Frame`]).
//!
//! Start with [`Proxy`].

pub mod case;
mod connection;
mod fault;
mod listener;
mod pump;
pub mod shop;

pub use fault::{At, Direction, Edge, Fault, Harm};
pub(crate) use listener::daemon;
pub use listener::{Proxy, Stream};
