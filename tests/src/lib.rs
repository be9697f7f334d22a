//! What the live tests share: servers in containers, runs of the plugin, comparison, faults.
//!
//! A test starts a [`Server`], gives it something to hold, runs the [`Plugin`] as a person would,
//! and compares what came back by [`compare`]. Everything a test starts goes when it ends, also
//! when it fails, unless `PGBACKUP_TEST_KEEP` is set.
//!
//! Absent on purpose: the engine. Live tests speak to the program through its command line, its
//! exit status and its files, so that they hold for what people run.
//!
//! Start with [`server`].

pub mod archive;
pub mod client;
pub mod command;
pub mod compare;
pub mod disk;
pub mod faults;
pub mod phases;
pub mod plugin;
pub mod proxy;
pub mod repository;
pub mod s3;
pub mod s3_proxy;
pub mod server;
pub mod terminal;
pub mod ways;
pub mod zoo;

pub use plugin::{Outcome, Plugin};
pub use proxy::Proxy;
pub use server::Server;
pub use terminal::Terminal;
