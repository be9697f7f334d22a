//! Which Docker daemon is meant, by the rules of the `docker` program.
//!
//! In go Docker's options and the environment; out comes the [`Endpoint`], with words for people
//! about where it was found. Nothing is connected.
//!
//! Absent on purpose: TLS and ssh. This version speaks to unix sockets, and says so of others.
//!
//! Start with [`resolve`].

mod context;
mod resolve;

pub use resolve::{Endpoint, resolve};
