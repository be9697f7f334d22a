//! A command line that is wrong, told in Docker's words.

use crate::{
    error::{Error, Kind},
    report::plural,
};
use clap::{
    Command,
    error::{ContextKind, ContextValue, ErrorKind},
};
use std::{error::Error as _, ffi::OsString};

/// Returns what is wrong, as an error with hints; none if clap says something of its own kind.
///
/// Source: spf13/pflag (`unknown flag`, `flag needs an argument`) and docker/cli, `cli/required.go`.
pub(super) fn wrong_usage(answer: &clap::Error, command: &Command) -> Option<Error> {
    let text = |kind| match answer.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    let argument = text(ContextKind::InvalidArg).unwrap_or_default();
    let value = text(ContextKind::InvalidValue).unwrap_or_default();
    let what = match answer.kind() {
        ErrorKind::UnknownArgument => unknown(&argument, command),
        ErrorKind::InvalidSubcommand => {
            format!("unknown command: {} {}", command.get_bin_name()?, text(ContextKind::InvalidSubcommand)?)
        }
        ErrorKind::InvalidValue if value.is_empty() => {
            format!("flag needs an argument: {}", flag(&argument))
        }
        ErrorKind::InvalidValue => {
            let possible = text(ContextKind::ValidValue).unwrap_or_default();
            format!(
                "invalid argument \"{value}\" for \"{}\" flag: must be one of {possible}",
                flag(&argument)
            )
        }
        ErrorKind::ValueValidation => {
            let why = answer.source().map(|source| format!(": {source}")).unwrap_or_default();
            format!("invalid argument \"{value}\" for \"{}\" flag{why}", flag(&argument))
        }
        ErrorKind::TooManyValues => format!("\"{}\" takes no value: \"{value}\"", flag(&argument)),
        ErrorKind::MissingRequiredArgument => {
            format!("\"{}\" requires {}", command.get_bin_name()?, required(command))
        }
        ErrorKind::ArgumentConflict => match text(ContextKind::PriorArg)? {
            prior if prior == argument => format!("{} may stand only once", named(&argument)),
            prior => format!("{} and {} exclude each other", named(&argument), named(&prior)),
        },
        _ => return None,
    };
    let suggested = text(ContextKind::SuggestedSubcommand).or_else(|| text(ContextKind::SuggestedArg));
    let error = Error::new(Kind::Usage, what);
    Some(match suggested {
        Some(suggested) => error.hint(format!("did you mean {}?", or_each(&suggested))),
        None => error,
    })
}

/// Returns the command that `argv` names, as far as it names one.
pub(super) fn meant<'a>(mut command: &'a Command, argv: &[OsString]) -> &'a Command {
    for word in argv.iter().filter_map(|word| word.to_str()) {
        if let Some(below) = command.find_subcommand(word) {
            command = below;
        }
    }
    command
}

/// What Docker says of an option that does not exist, and of an argument too many.
fn unknown(argument: &str, command: &Command) -> String {
    if argument.starts_with("--") {
        return format!("unknown flag: {argument}");
    }
    if let Some(letter) = argument.strip_prefix('-').filter(|letters| !letters.is_empty()) {
        return format!("unknown shorthand flag: '{letter}' in -{letter}");
    }
    let taken = command.get_positionals().count() as u64;
    let accepts = match taken {
        0 => "no arguments".to_owned(),
        count => format!("at most {}", plural(count, "argument")),
    };
    format!("\"{}\" accepts {accepts}: `{argument}` is too much", command.get_bin_name().unwrap_or_default())
}

/// `1 argument`, `at least 1 argument`: what must stand behind the command.
fn required(command: &Command) -> String {
    let positionals = command.get_positionals().filter(|argument| argument.is_required_set());
    let (mut count, mut more) = (0, false);
    for argument in positionals {
        count += 1;
        more |= argument.get_num_args().is_some_and(|range| range.max_values() > 1);
    }
    let count = plural(count, "argument");
    if more { format!("at least {count}") } else { count }
}

/// `--jobs <N>` is the flag `--jobs`; `-j, --jobs` keeps both.
fn flag(argument: &str) -> &str {
    argument.split_once(" <").map_or(argument, |(flag, _)| flag)
}

/// A flag as it is typed, or a positional argument by its name.
fn named(argument: &str) -> String {
    let plain = flag(argument).trim_matches(['[', ']', '<', '>', '.']);
    if plain.starts_with('-') { plain.to_owned() } else { format!("the argument {plain}") }
}

/// `a, b` becomes `` `a` or `b` ``.
fn or_each(list: &str) -> String {
    list.split(", ").map(|item| format!("`{item}`")).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::arguments;

    fn said(line: &str) -> String {
        let mut tree = arguments::tree("docker pgbackup", None);
        let argv: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let all = std::iter::once(OsString::from("docker pgbackup")).chain(argv.iter().cloned());
        let answer = tree.try_get_matches_from_mut(all).unwrap_err();
        tree.build();
        wrong_usage(&answer, meant(&tree, &argv)).unwrap().what
    }

    #[test]
    fn wrong_usage_reads_as_dockers() {
        for (line, what) in [
            ("create --foo", "unknown flag: --foo"),
            ("create -x", "unknown shorthand flag: 'x' in -x"),
            ("crate", "unknown command: docker pgbackup crate"),
            ("repo chek", "unknown command: docker pgbackup repo chek"),
            ("list extra", "\"docker pgbackup list\" accepts no arguments: `extra` is too much"),
            ("create a b", "\"docker pgbackup create\" accepts at most 1 argument: `b` is too much"),
            ("create --jobs", "flag needs an argument: --jobs"),
            ("create --jobs 0", "invalid argument \"0\" for \"--jobs\" flag: 0 is not in 1..=64"),
            (
                "create --progress bars",
                "invalid argument \"bars\" for \"--progress\" flag: must be one of auto, plain, json",
            ),
            ("export", "\"docker pgbackup export\" requires 2 arguments"),
            ("delete", "\"docker pgbackup delete\" requires at least 1 argument"),
            ("create -q -v", "--quiet and --verbose exclude each other"),
            ("create a --all", "the argument CONTAINER and --all exclude each other"),
            ("create --name a --name b", "--name may stand only once"),
            ("list --quiet=1", "\"--quiet\" takes no value: \"1\""),
        ] {
            assert_eq!(said(line), what, "{line}");
        }
    }
}
