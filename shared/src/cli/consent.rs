//! Plan, show, apply: nothing is deleted or overwritten that was not shown first.

use super::{arguments::Consent, caller::Caller};
use crate::{
    error::{Error, Result},
    report::harmless,
};

/// What is asked when a plan was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question<'a> {
    /// One that is answered by yes or no.
    YesOrNo(&'a str),
    /// Nothing but this name is a yes: what has it is replaced.
    Name(&'a str),
}

/// Whether to go on after the plan was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// The user wants it.
    Apply,
    /// Only the plan was wanted.
    Stop,
}

impl Caller<'_> {
    /// Ends the command if a plan cannot be carried out, after showing it.
    ///
    /// # Errors
    ///
    /// The refusal, if there is one.
    pub fn refuse(
        &self,
        refusal: Option<Error>,
        consent: Consent,
        plan: &str,
        json: Option<&str>,
    ) -> Result<()> {
        let Some(refusal) = refusal else { return Ok(()) };
        if consent.dry_run {
            self.print(&json.map_or_else(|| plan.to_owned(), |json| format!("{json}\n")))?;
        } else if !self.quiet && !self.json_progress {
            self.show(plan);
        }
        Err(refusal)
    }

    /// Shows a plan, and finds out whether it shall be carried out.
    ///
    /// `plan` is text that is ready, `json` the same for programs, where that was asked for: a
    /// dry run writes it to standard output, since it is then the outcome.
    ///
    /// # Errors
    ///
    /// [`Kind::Cancelled`](crate::error::Kind) if the answer is no, `Kind::Failed` where nobody can be asked and
    /// `--yes` was not given.
    pub fn decide(
        &self,
        consent: Consent,
        plan: &str,
        json: Option<String>,
        question: &str,
    ) -> Result<Decision> {
        self.decide_by(consent, plan, json, Question::YesOrNo(question))
    }

    /// The same, where the answer may have to be a name.
    ///
    /// # Errors
    ///
    /// As [`Caller::decide`].
    pub fn decide_by(
        &self,
        consent: Consent,
        plan: &str,
        json: Option<String>,
        question: Question<'_>,
    ) -> Result<Decision> {
        if consent.dry_run {
            self.print(&json.map_or_else(|| plan.to_owned(), |json| format!("{json}\n")))?;
            return Ok(Decision::Stop);
        }
        if consent.yes {
            if !self.quiet && !self.json_progress {
                self.show(plan);
            }
            return Ok(Decision::Apply);
        }
        self.show(plan);
        let answer = match question {
            Question::YesOrNo(question) => self.ask(question)?,
            Question::Name(name) => self.ask_for_name(name)?,
        };
        match answer {
            Some(true) => Ok(Decision::Apply),
            Some(false) => Err(Error::cancelled().note("nothing was changed")),
            None => Err(Error::failed("this changes what is there, and nobody can be asked here")
                .hint("look at the plan with `--dry-run`")
                .hint("carry it out with `--yes`")
                .note("nothing was changed")),
        }
    }

    /// Has the name of what is replaced typed. None where nobody can.
    fn ask_for_name(&self, name: &str) -> Result<Option<bool>> {
        let Some(terminal) = self.asks() else { return Ok(None) };
        let question = format!("Type {} to replace it", harmless(name));
        self.type_in(terminal, &question, None).map(|typed| Some(typed.trim() == name))
    }

    /// Shows a plan, with an empty line between it and what follows.
    fn show(&self, plan: &str) {
        self.progress.line(plan);
        self.progress.line("");
    }
}
