//! A template that was read, and how it is filled in.

use super::{execute::Run, lex::Wrong, node::Node, parse::parse, value::Value};
use crate::error::{Error, Kind, Result};
use std::borrow::Cow;

/// How text from outside is made fit to be written.
#[derive(Clone, Copy)]
pub struct Outside {
    /// For strings of the data.
    pub text: fn(&str) -> Cow<'_, str>,
    /// For JSON.
    pub json: fn(&str) -> Cow<'_, str>,
}

/// What a field means that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It is an error.
    Error,
    /// It is written as `<no value>`.
    NoValue,
}

/// A template that can be filled in.
#[derive(Clone, Debug)]
pub struct Template {
    text: String,
    nodes: Vec<Node>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] in Docker's and Go's words.
    pub fn parse(text: &str) -> Result<Self> {
        let nodes = parse(text).map_err(|(at, what): Wrong| {
            let line = line(text, at);
            parsing_error(&format!("template: :{line}: {what}"))
        })?;
        Ok(Self { text: text.to_owned(), nodes })
    }

    /// Fills it in.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] in Docker's and Go's words, if it asks for what the data does not have.
    pub fn render(&self, data: &Value<'_>, outside: Outside, missing: Missing) -> Result<String> {
        self.run(Run::new(data.clone(), outside, missing))
    }

    /// Fills it in with the headers of a table: functions leave them as they are.
    ///
    /// # Errors
    ///
    /// As [`Template::render`].
    pub fn render_headers(&self, headers: &Value<'_>, outside: Outside) -> Result<String> {
        self.run(Run::new(headers.clone(), outside, Missing::NoValue).with_headers())
    }

    fn run(&self, mut run: Run<'_>) -> Result<String> {
        run.nodes(&self.nodes).map_err(|failed| {
            let line = line(&self.text, failed.at);
            let before = self.text.get(..failed.at).unwrap_or_default();
            let column = failed.at - before.rfind('\n').map_or(0, |end| end + 1);
            let text = match failed.text.char_indices().nth(20) {
                Some((end, _)) => format!("{}...", &failed.text[..end]),
                None => failed.text,
            };
            parsing_error(&format!("template: :{line}:{column}: executing \"\" at <{text}>: {}", failed.what))
        })?;
        Ok(run.written)
    }
}

fn line(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

/// Docker says "parsing" for both.
fn parsing_error(what: &str) -> Error {
    Error::new(Kind::Usage, format!("template parsing error: {what}"))
}
