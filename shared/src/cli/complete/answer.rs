//! The answer to a shell that asks.

use super::{
    values::Lookup,
    words::{Place, Wanted},
};
use crate::{
    cli::{
        arguments::{self, Global, ProgressStyle},
        caller::Caller,
        host::Host,
    },
    report::{Work, harmless},
};
use std::fmt::Write;

/// No space behind what was completed: more is to come.
const NO_SPACE: u8 = 2;
/// No names of files where there is no candidate.
const NO_FILES: u8 = 4;
/// Names of folders only.
const FOLDERS: u8 = 16;
/// The order is kept as it is.
const KEEP_ORDER: u8 = 32;

/// Something that can be typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub value: String,
    pub help: String,
}

impl Candidate {
    pub fn new(value: impl Into<String>, help: impl Into<String>) -> Self {
        Self { value: value.into(), help: help.into() }
    }
}

/// What can be typed next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    pub(super) candidates: Vec<Candidate>,
    pub(super) directive: u8,
}

impl Completion {
    /// Candidates, and no names of files.
    pub(super) fn of(candidates: Vec<Candidate>) -> Self {
        Self { candidates, directive: NO_FILES }
    }

    /// Candidates whose order says something.
    pub(super) fn in_order(candidates: Vec<Candidate>) -> Self {
        Self { candidates, directive: NO_FILES | KEEP_ORDER }
    }

    /// Beginnings, behind which more is typed.
    pub(super) fn beginnings(candidates: Vec<Candidate>) -> Self {
        Self { candidates, directive: NO_FILES | NO_SPACE }
    }

    /// Names of files.
    pub(super) fn files() -> Self {
        Self::default()
    }

    /// Names of folders.
    pub(super) fn folders() -> Self {
        Self { candidates: Vec::new(), directive: FOLDERS }
    }

    /// The answer as text, with what each candidate is, or without.
    pub fn written(&self, with_help: bool) -> String {
        let mut text = String::new();
        for Candidate { value, help } in &self.candidates {
            let _ = match harmless(help).lines().next().filter(|help| with_help && !help.is_empty()) {
                Some(help) => writeln!(text, "{value}\t{help}"),
                None => writeln!(text, "{value}"),
            };
        }
        let _ = writeln!(text, ":{}", self.directive);
        text
    }
}

/// Returns what can be typed for the last of the host's arguments.
pub fn complete(host: Host<'_>) -> Completion {
    let words: Vec<String> = host.argv.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let (before, current) = match words.split_last() {
        Some((current, before)) => (before, current.as_str()),
        None => (words.as_slice(), ""),
    };
    let mut tree = arguments::tree(host.brand, None);
    tree.build();
    let place = Place::behind(&tree, before, current);
    let mut completion = match &place.wanted {
        Wanted::Option => Completion::of(place.options()),
        Wanted::Word if place.has_commands() => Completion::of(place.commands()),
        Wanted::Nothing | Wanted::Word => Completion::of(Vec::new()),
        Wanted::Value(argument) => {
            let global = Global {
                repository: place.value_of("repository").map(Into::into),
                quiet: true,
                verbose: false,
                progress: ProgressStyle::Plain,
            };
            let caller = Caller::new(host, &global, Work::Reading);
            Lookup { caller: &caller, place: &place }.values(argument)
        }
    };
    let begun = place.current.as_str();
    completion
        .candidates
        .retain(|candidate| candidate.value.starts_with(begun) && candidate.value.chars().all(can_be_typed));
    completion
}

/// Whether a letter means itself to every shell. Names with others are left out: a script would
/// put them on the command line as they are.
fn can_be_typed(letter: char) -> bool {
    letter.is_alphanumeric() || "._-/@%+=:,{}".contains(letter)
}
