//! What went wrong, in the words of the person who has to do something about it.
//!
//! An [`Error`] says what failed, then its causes, each a step nearer to the root, then hints
//! (what to try, as a command where possible) and notes (what was left behind). It is text
//! and a [`Kind`]; the kind alone decides the exit status.
//!
//! Absent on purpose: colours, printing and process exits, which belong to `cli`.

use std::fmt;

/// The result of everything in the engine that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What an error means for the caller; one exit status each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It failed; nothing was recorded or replaced (exit status 1).
    Failed,
    /// Part of the work failed (exit status 3).
    Partial,
    /// No target, or more than one (exit status 4).
    Target,
    /// What is stored is damaged (exit status 5).
    Damage,
    /// Somebody else holds the lock (exit status 6).
    Locked,
    /// The command line is wrong (exit status 125).
    Usage,
    /// The user cancelled (exit status 130).
    Cancelled,
}

/// A failure: what, causes, hints, and what was left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What it means for the caller.
    pub kind: Kind,
    /// What failed: lower case, no full stop, the thing in backticks; fits after `error:`.
    pub what: String,
    /// Why, each a step nearer to the root.
    pub causes: Vec<String>,
    /// What to try.
    pub hints: Vec<String>,
    /// What was left behind, or what did not happen.
    pub notes: Vec<String>,
}

impl Error {
    /// An error of the given kind.
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), causes: Vec::new(), hints: Vec::new(), notes: Vec::new() }
    }

    /// An error of the kind [`Kind::Failed`].
    pub fn failed(what: impl Into<String>) -> Self {
        Self::new(Kind::Failed, what)
    }

    /// The error that ends everything after the user cancelled.
    pub fn cancelled() -> Self {
        Self::new(Kind::Cancelled, "cancelled")
    }

    /// Appends a cause that is nearer to the root than all before it.
    #[must_use]
    pub fn caused_by(mut self, cause: impl fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Appends a hint, unless the same one is there already.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
        self
    }

    /// Appends a note about what was left behind.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Puts what was tried on top; what it said so far becomes the first cause.
    #[must_use]
    pub fn context(mut self, what: impl Into<String>) -> Self {
        let below = std::mem::replace(&mut self.what, what.into());
        self.causes.insert(0, below);
        self
    }

    /// Whether it is the end that the user asked for.
    pub fn is_cancelled(&self) -> bool {
        self.kind == Kind::Cancelled
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        for cause in &self.causes {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Puts a verb and a thing ("read the table of contents") on top of what a library said.
pub trait Context<T> {
    /// Adds what was being done; the library's own words become the causes.
    fn context(self, what: impl Into<String>) -> Result<T>;
}

impl<T> Context<T> for Result<T> {
    fn context(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|error| error.context(what))
    }
}

/// Library errors of which the text and the chain of sources are kept, not the type.
macro_rules! context_from {
    ($($library:ty),* $(,)?) => {$(
        impl<T> Context<T> for std::result::Result<T, $library> {
            fn context(self, what: impl Into<String>) -> Result<T> {
                self.map_err(|error| foreign(what.into(), &error))
            }
        }
    )*};
}
context_from!(
    std::io::Error,
    serde_json::Error,
    pgbackup_wire::WireError,
    std::num::ParseIntError,
    std::string::FromUtf8Error,
);

fn foreign(what: String, error: &dyn std::error::Error) -> Error {
    let mut made = Error::failed(what).caused_by(error);
    let mut source = error.source();
    while let Some(cause) = source {
        made = made.caused_by(cause);
        source = cause.source();
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_goes_on_top_and_what_was_there_becomes_the_first_cause() {
        let error = Error::failed("no space left on device")
            .context("write the pack `ab12`")
            .context("backup of `shop` was not committed");
        assert_eq!(error.what, "backup of `shop` was not committed");
        assert_eq!(error.causes, ["write the pack `ab12`", "no space left on device"]);
    }

    #[test]
    fn the_same_hint_is_given_once() {
        let error = Error::failed("x").hint("try `y`").hint("try `y`");
        assert_eq!(error.hints, ["try `y`"]);
    }
}
