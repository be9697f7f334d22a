//! One command on several servers or backups: a failure of one does not hide the others.

use super::caller::Caller;
use crate::{
    error::{Error, Kind, Result},
    report::plural,
};

/// Counts what failed of several.
pub(super) struct Several {
    verb: &'static str,
    all: usize,
    failed: Vec<(String, Kind)>,
}

impl Several {
    /// So many will be worked on.
    pub fn new(verb: &'static str, all: usize) -> Self {
        Self { verb, all, failed: Vec::new() }
    }

    /// Returns the outcome, if there is one. A failure is told at once and remembered, unless
    /// there is only one thing to do, or the user cancelled: then it ends the command.
    pub fn keep<T>(&mut self, caller: &Caller<'_>, name: &str, result: Result<T>) -> Result<Option<T>> {
        match result {
            Ok(outcome) => Ok(Some(outcome)),
            Err(error) if self.all == 1 || error.is_cancelled() => Err(error),
            Err(error) => {
                caller.tell(&error);
                self.failed.push((name.to_owned(), error.kind));
                Ok(None)
            }
        }
    }

    /// Ends the command.
    ///
    /// # Errors
    ///
    /// [`Kind::Damage`] if damage was among the failures, [`Kind::Partial`] if not all failed,
    /// and else the kind of the first failure.
    pub fn end(self) -> Result<()> {
        let Some((_, first)) = self.failed.first() else { return Ok(()) };
        let kind = if self.failed.iter().any(|(_, kind)| *kind == Kind::Damage) {
            Kind::Damage
        } else if self.failed.len() < self.all {
            Kind::Partial
        } else {
            *first
        };
        let names: Vec<_> = self.failed.iter().map(|(name, _)| format!("`{name}`")).collect();
        Err(Error::new(
            kind,
            format!("`{}` failed for {} of {}", self.verb, names.len(), plural(self.all as u64, "item")),
        )
        .caused_by(format!("see above for {}", names.join(", "))))
    }
}
