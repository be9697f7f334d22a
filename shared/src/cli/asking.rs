//! Questions on a terminal: one of several, some of several, a line of text.
//!
//! Where there is no terminal nothing is asked, and the caller says what is missing.

use super::{caller::Caller, host::Term};
use crate::{
    error::{Context, Error, Result},
    report::harmless,
};
use dialoguer::{FuzzySelect, Input, MultiSelect};
use std::io::ErrorKind;

impl Caller<'_> {
    /// The terminal to ask on; none where nobody can be asked, or nobody wants to be.
    pub fn asks(&self) -> Option<&Term> {
        self.terminal.as_ref().filter(|_| !self.quiet && !self.json_progress)
    }

    /// Has the user pick one of `items`, by the arrow keys or by typing a part of it.
    ///
    /// # Errors
    ///
    /// [`Kind::Cancelled`](crate::error::Kind) when the user leaves the list.
    pub fn pick_one(&self, terminal: &Term, question: &str, items: &[String]) -> Result<usize> {
        self.progress.clear();
        let picked = FuzzySelect::new()
            .with_prompt(question)
            .items(items.iter().map(|item| harmless(item)))
            .default(0)
            .interact_on_opt(terminal);
        answered(terminal, picked)?.filter(|number| *number < items.len()).ok_or_else(Error::cancelled)
    }

    /// Has the user pick at least one of `items`: the space bar marks them.
    ///
    /// # Errors
    ///
    /// [`Kind::Cancelled`](crate::error::Kind) when the user leaves the list, or marks none.
    pub fn pick_some(&self, terminal: &Term, question: &str, items: &[String]) -> Result<Vec<usize>> {
        self.progress.clear();
        let picked = MultiSelect::new()
            .with_prompt(format!("{question} (space marks, enter ends)"))
            .items(items.iter().map(|item| harmless(item)))
            .interact_on_opt(terminal);
        let picked = answered(terminal, picked)?.unwrap_or_default();
        if picked.is_empty() {
            return Err(Error::cancelled().note("nothing was picked"));
        }
        Ok(picked)
    }

    /// Has the user type a line; `proposed` is taken where only enter is pressed.
    ///
    /// # Errors
    ///
    /// [`Kind::Cancelled`](crate::error::Kind) when the user cancels.
    pub fn type_in(&self, terminal: &Term, question: &str, proposed: Option<&str>) -> Result<String> {
        self.progress.clear();
        let mut input = Input::<String>::new().with_prompt(question).allow_empty(true);
        if let Some(proposed) = proposed {
            input = input.default(proposed.to_owned());
        }
        answered(terminal, input.interact_text_on(terminal))
    }
}

/// Gives the answer, and the terminal its cursor, whatever ended the question.
fn answered<T>(terminal: &Term, answer: dialoguer::Result<T>) -> Result<T> {
    let _ = terminal.show_cursor();
    match answer {
        Ok(answer) => Ok(answer),
        Err(dialoguer::Error::IO(error)) if error.kind() == ErrorKind::Interrupted => Err(Error::cancelled()),
        Err(dialoguer::Error::IO(error)) => Err(error).context("ask on the terminal"),
    }
}
