//! Docker as a platform: its containers, what runs in them, and programs run beside it.
//!
//! In goes an [`Endpoint`](crate::endpoint::Endpoint); out comes [`DockerRuntime`], whose streams
//! block and whose errors say what to do. bollard's asynchronous work is done by threads of
//! tokio that belong to the runtime.
//!
//! Absent on purpose: trust. Docker's stream may end early with a good exit status; whether
//! something arrived whole is decided by the engine, from what it carries. Only a stream cut
//! in the middle of one of Docker's own frames is noticed here.
//!
//! Start with [`DockerRuntime`].

mod docker;
mod processes;
mod session;
mod streams;
mod trouble;
mod unreachable;

pub use docker::DockerRuntime;
