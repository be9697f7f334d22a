//! Why a command could not be done.

use pgbackup_wire::Failure;
use std::{fmt, io};

/// What ends a command early.
#[derive(Debug)]
pub enum Trouble {
    /// It failed; the engine is told.
    Failed(Box<Failure>),
    /// The engine cannot be told any more, or everything is ending.
    Gone,
}

impl Trouble {
    /// A failure that is not the server's word.
    pub fn plain(message: impl fmt::Display) -> Self {
        Self::Failed(Box::new(Failure { message: message.to_string(), ..Failure::default() }))
    }

    /// The same, after which the session, program or file is gone.
    pub fn fatal(message: impl fmt::Display) -> Self {
        Self::Failed(Box::new(Failure { message: message.to_string(), fatal: true, ..Failure::default() }))
    }

    /// The answer to a command that was stopped before the server knew of it. SQLSTATE is
    /// `query_canceled`, as the server's own would be.
    pub fn stopped() -> Self {
        Self::Failed(Box::new(Failure {
            message: "stopped by request".into(),
            code: "57014".into(),
            ..Failure::default()
        }))
    }

    /// A lost connection to the server.
    pub fn lost(error: &io::Error) -> Self {
        let why = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the server closed it".to_owned(),
            _ => error.to_string(),
        };
        Self::fatal(format!("connection to the server was lost: {why}"))
    }
}
