//! Where on the command line one is: what was typed so far, and what may stand here.

use super::answer::Candidate;
use clap::{Arg, ArgAction, Command};

/// What may stand at a place.
pub(super) enum Wanted<'a> {
    /// The value of an option, or a positional argument.
    Value(&'a Arg),
    /// An option's name.
    Option,
    /// A command, if there are any below.
    Word,
    /// Nothing more.
    Nothing,
}

/// A place on a command line.
pub(super) struct Place<'a> {
    pub command: &'a Command,
    pub wanted: Wanted<'a>,
    /// What was typed of the word itself; of `--option=value` the value.
    pub current: String,
    /// Arguments that were given, each with its value if it has one.
    given: Vec<(&'a Arg, Option<String>)>,
}

impl<'a> Place<'a> {
    /// Finds the place behind these words. The tree must have been built.
    pub fn behind(tree: &'a Command, words: &[String], current: &str) -> Self {
        let mut place =
            Self { command: tree, wanted: Wanted::Word, current: current.to_owned(), given: Vec::new() };
        let (mut pending, mut options_over) = (None, false);
        for word in words {
            // Some scripts hand `--option=value` on as three words.
            if pending.is_some() && word == "=" {
                continue;
            }
            if let Some(option) = pending.take() {
                place.given.push((option, Some(word.clone())));
            } else if options_over || !word.starts_with('-') || word == "-" {
                place.step(word);
            } else if word == "--" {
                options_over = true;
            } else {
                pending = place.option(word);
            }
        }
        place.wanted = match pending {
            Some(option) => {
                current.strip_prefix('=').unwrap_or(current).clone_into(&mut place.current);
                Wanted::Value(option)
            }
            None if !options_over && current.starts_with('-') => place.begun_option(current),
            None => match place.next_positional() {
                Some(positional) => Wanted::Value(positional),
                None if place.has_commands() => Wanted::Word,
                None => Wanted::Nothing,
            },
        };
        place
    }

    /// Takes a word that is no option: a command below, or the next positional argument.
    fn step(&mut self, word: &str) {
        let below = self.command.find_subcommand(word).filter(|_| self.next_positional().is_none());
        if let Some(below) = below {
            self.command = below;
        } else if let Some(positional) = self.next_positional() {
            self.given.push((positional, Some(word.to_owned())));
        }
    }

    /// Takes an option; returns it if its value is the next word.
    fn option(&mut self, word: &str) -> Option<&'a Arg> {
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let option = self.long(name)?;
            if value.is_none() && takes_value(option) {
                return Some(option);
            }
            self.given.push((option, value));
            return None;
        }
        let mut letters = word.chars().skip(1);
        while let Some(letter) = letters.next() {
            let option = self.command.get_arguments().find(|option| option.get_short() == Some(letter))?;
            if takes_value(option) {
                let value: String = letters.collect();
                if value.is_empty() {
                    return Some(option);
                }
                let value = value.strip_prefix('=').unwrap_or(&value).to_owned();
                self.given.push((option, Some(value)));
                return None;
            }
            self.given.push((option, None));
        }
        None
    }

    fn long(&self, name: &str) -> Option<&'a Arg> {
        self.command.get_arguments().find(|option| option.get_long() == Some(name))
    }

    /// What is wanted where a word begins with a dash: an option, or the value behind its `=`.
    fn begun_option(&mut self, current: &str) -> Wanted<'a> {
        let Some((name, value)) = current.strip_prefix("--").and_then(|long| long.split_once('=')) else {
            return Wanted::Option;
        };
        match self.long(name).filter(|option| takes_value(option)) {
            Some(option) => {
                value.clone_into(&mut self.current);
                Wanted::Value(option)
            }
            None => Wanted::Nothing,
        }
    }

    fn next_positional(&self) -> Option<&'a Arg> {
        self.command
            .get_positionals()
            .find(|positional| !self.is_given(positional) || is_repeated(positional))
    }

    fn is_given(&self, argument: &Arg) -> bool {
        self.given.iter().any(|(given, _)| given.get_id() == argument.get_id())
    }

    /// The values that were given for an argument of this id.
    pub fn values_of(&self, id: &str) -> impl Iterator<Item = &str> {
        let of =
            move |(argument, value): &'_ (&Arg, Option<String>)| argument.get_id() == id && value.is_some();
        self.given.iter().filter(move |given| of(given)).filter_map(|(_, value)| value.as_deref())
    }

    /// The first value that was given for an argument of this id.
    pub fn value_of(&self, id: &str) -> Option<&str> {
        self.values_of(id).next()
    }

    /// The first value that was given for what its help calls by this name.
    pub fn value_named(&self, name: &str) -> Option<&str> {
        self.given
            .iter()
            .find(|(argument, _)| value_name(argument) == Some(name))
            .and_then(|(_, value)| value.as_deref())
    }

    pub fn has_commands(&self) -> bool {
        self.command.has_subcommands() && self.command.get_positionals().next().is_none()
    }

    /// The commands below.
    pub fn commands(&self) -> Vec<Candidate> {
        self.command
            .get_subcommands()
            .filter(|below| !below.is_hide_set() && below.get_name() != "help")
            .map(|below| Candidate::new(below.get_name(), first_line(below.get_about())))
            .collect()
    }

    /// The options that may still be given; short ones only where a single dash was typed.
    pub fn options(&self) -> Vec<Candidate> {
        let mut options = Vec::new();
        for option in
            self.command.get_arguments().filter(|option| !option.is_positional() && !option.is_hide_set())
        {
            if self.is_given(option) && !is_repeated(option) {
                continue;
            }
            let help = first_line(option.get_help());
            options.extend(option.get_long().map(|long| Candidate::new(format!("--{long}"), help.clone())));
            let short = option.get_short().filter(|_| self.current == "-");
            options.extend(short.map(|short| Candidate::new(format!("-{short}"), help)));
        }
        options
    }
}

fn first_line(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default().lines().next().unwrap_or_default().to_owned()
}

fn takes_value(option: &Arg) -> bool {
    matches!(option.get_action(), ArgAction::Set | ArgAction::Append)
}

fn is_repeated(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::Append | ArgAction::Count)
}

/// What help calls the value of an argument: `BACKUP`.
pub(super) fn value_name(argument: &Arg) -> Option<&str> {
    argument.get_value_names().and_then(|names| names.first()).map(clap::builder::Str::as_str)
}
