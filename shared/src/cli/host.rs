//! What a plugin's binary hands over: everything that the engine may not take by itself.

use crate::{cancel::Cancel, clock::Clock, error::Result, target::Runtime};
use std::{
    ffi::OsString,
    io::{Read, Write},
    path::PathBuf,
};

pub use crate::repository::S3Variables;
pub use dialoguer::console::Term;

/// The caller's world: arguments, environment, streams, clock and the platform.
pub struct Host<'a> {
    /// The arguments behind the plugin's own name: `["create", "pg"]`.
    pub argv: Vec<OsString>,
    /// What was found in the environment.
    pub environment: Environment,
    /// How people call the plugin: `docker pgbackup` or `kubectl pgbackup`.
    pub brand: &'static str,
    /// What runs the containers, as backups record it: `docker` or `kubernetes`.
    pub platform: &'static str,
    /// Where time comes from.
    pub clock: &'a dyn Clock,
    /// Raised by signals.
    pub cancel: Cancel,
    /// Connects to the platform; called only by commands that need it, and at most once.
    pub runtime: &'a (dyn Fn() -> Result<Box<dyn Runtime>> + Sync),
    /// Standard input: answers to questions.
    pub stdin: Box<dyn Read + Send>,
    /// Standard output: data, and nothing else.
    pub stdout: Box<dyn Write + Send>,
    /// Standard error: progress, notes and errors.
    pub stderr: Box<dyn Write + Send>,
    /// Whether a person can answer on standard input.
    pub stdin_is_terminal: bool,
    /// Whether standard output is a terminal.
    pub stdout_is_terminal: bool,
    /// Whether standard error is a terminal.
    pub stderr_is_terminal: bool,
    /// The terminal itself, where both standard input and standard error are it: a list of
    /// servers to pick from is drawn on it.
    pub terminal: Option<Term>,
}

/// The environment as far as it matters here. Empty variables count as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// `XDG_DATA_HOME`.
    pub xdg_data_home: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`.
    pub xdg_config_home: Option<PathBuf>,
    /// `PGBACKUP_REPOSITORY`.
    pub repository: Option<String>,
    /// What AWS's own tools would read.
    pub s3: S3Variables,
    /// Whether `NO_COLOR` is set to anything.
    pub no_color: bool,
    /// `TERM`.
    pub term: Option<String>,
    /// The width of the terminal in letters, or `COLUMNS`.
    pub columns: Option<u16>,
    /// This machine's name, kept in backups and locks.
    pub host_name: String,
}
