//! Go's templates, as Docker's and Kubernetes' `--format` take them.
//!
//! In: a template's text, and data as JSON, or as a [`Row`] whose shown fields stand before its
//! JSON. Out: text. What is written down here is Go's `text/template` with the functions that
//! Docker documents: fields, variables, pipes, `if`, `range`, `with`, `break`, `continue`,
//! comparisons, `printf`, and `json`, `join`, `split`, `lower`, `upper`, `title`, `pad`,
//! `truncate`. Errors are in Go's words, so that they can be looked up.
//!
//! Strings of the data pass through [`Outside`] before they are written: they may hold anything.
//!
//! Absent on purpose: `define`, `template` and `block`, `call`, `html`, `js` and `urlquery`: a
//! format is one line. Methods: data has none. A crate was looked for first: `gtmpl` has had no
//! release since 2021, and of its fork `gtmpl-ng` (2026, one author) errors are in words of its
//! own, objects lose the order and negative fractions their digits (both by `gtmpl_value`, 2020),
//! and `break`, `continue` and `slice` are missing.
//!
//! Sources: pkg.go.dev/text/template; docs.docker.com/engine/cli/formatting; docker/cli,
//! templates/templates.go.
//!
//! Start with [`Template`].

mod execute;
mod function;
mod lex;
mod node;
mod parse;
mod printf;
mod render;
mod value;

#[cfg(test)]
mod tests;

pub use render::{Missing, Outside, Template};
pub use value::{Row, Value};
