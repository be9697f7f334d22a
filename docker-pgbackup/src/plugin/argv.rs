//! Docker's own options, taken off the command line.

use pgbackup_engine::error::{Error, Kind, Result};
use std::{ffi::OsString, path::PathBuf};

/// The word by which `docker` knows this plugin.
const NAME: &str = "pgbackup";

/// Docker's global options, as far as they decide which daemon is meant.
///
/// `--debug` and `--log-level` are understood and change nothing: they are about the log of the
/// `docker` program, which has read them already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Globals {
    /// `--context`.
    pub context: Option<String>,
    /// `--host`.
    pub host: Option<String>,
    /// `--config`: the folder of Docker's client configuration.
    pub config: Option<PathBuf>,
    /// `--tls`, if it was given.
    pub tls: Option<bool>,
    /// `--tlsverify`, if it was given; even as false it asks for TLS.
    pub tls_verify: Option<bool>,
    /// `--tlscacert`.
    pub tls_ca: Option<PathBuf>,
    /// `--tlscert`.
    pub tls_certificate: Option<PathBuf>,
    /// `--tlskey`.
    pub tls_key: Option<PathBuf>,
}

/// The first word where a shell asks what can be typed next, with what each candidate is.
///
/// Source: spf13/cobra, completions.go.
const COMPLETE: &str = "__complete";

/// The same without.
const COMPLETE_WITHOUT_HELP: &str = "__completeNoDesc";

/// A question of a shell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// What was typed; the last word is the one to be completed.
    pub line: Line,
    /// Whether it shall be said what each candidate is.
    pub with_help: bool,
}

/// Returns what a shell asks, if it is a shell that asks.
///
/// `docker` hands `docker __complete pgbackup list ""` on as it is, without its own options. The
/// script in Debian's docker.io leaves the plugin's name out, too.
///
/// # Errors
///
/// As [`split`], of what stands before the last word.
pub fn question(args: &[OsString]) -> Option<Result<Question>> {
    let (word, words) = first(args)?;
    let with_help = match word {
        COMPLETE => true,
        COMPLETE_WITHOUT_HELP => false,
        _ => return None,
    };
    let (current, before) = words.split_last()?;
    Some(split(before).map(|mut line| {
        line.rest.push(current.clone());
        Question { line, with_help }
    }))
}

/// A command line, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Docker's options.
    pub globals: Globals,
    /// Whether it was typed as `docker pgbackup` (and not `docker-pgbackup`).
    pub as_plugin: bool,
    /// What is meant for pgbackup.
    pub rest: Vec<OsString>,
}

/// Takes Docker's options off the command line `args`, which does not hold the program's name.
///
/// `docker --context X pgbackup create` calls a plugin with everything after `docker`, so the
/// options stand before the word `pgbackup`. They are also taken right behind it, and at the
/// beginning when the program is run by itself. `docker help pgbackup create` becomes
/// `create --help`.
///
/// Source: docker/cli, cli/flags/options.go, for names and forms.
///
/// # Errors
///
/// [`Kind::Usage`] if an option has no value, or `--host` stands twice.
pub fn split(args: &[OsString]) -> Result<Line> {
    let mut line = Line::default();
    let mut left = take_globals(args, &mut line.globals)?;
    let mut help = false;
    // `docker` also takes its own --help and the word help in front of a plugin's name.
    if let Some(("help" | "--help" | "-h", after)) = first(left)
        && after.first().is_some_and(|next| next == NAME)
    {
        help = true;
        left = after;
    }
    if let Some((NAME, after)) = first(left) {
        line.as_plugin = true;
        left = take_globals(after, &mut line.globals)?;
    }
    line.rest = left.to_vec();
    if help {
        line.rest.push("--help".into());
    }
    Ok(line)
}

/// The first word and what stands behind it. Options are text: a word that is none reads as empty.
fn first(args: &[OsString]) -> Option<(&str, &[OsString])> {
    args.split_first().map(|(word, after)| (word.to_str().unwrap_or_default(), after))
}

/// As [`first`], for the value of `option`, which must be there and be text.
fn value_of<'a>(option: &str, args: &'a [OsString]) -> Result<(&'a str, &'a [OsString])> {
    let (value, behind) = args
        .split_first()
        .ok_or_else(|| Error::new(Kind::Usage, format!("flag needs an argument: {option}")))?;
    let value = value.to_str().ok_or_else(|| {
        Error::new(Kind::Usage, format!("invalid argument for \"{option}\" flag: it is not UTF-8"))
    })?;
    Ok((value, behind))
}

/// Takes Docker's options from the front of `args` and returns what stands behind them.
fn take_globals<'a>(mut args: &'a [OsString], globals: &mut Globals) -> Result<&'a [OsString]> {
    while let Some((word, after)) = first(args) {
        let taken = if let Some(long) = word.strip_prefix("--") {
            take_long(long, after, globals)?
        } else if let Some(short) = word.strip_prefix('-') {
            take_short(short, after, globals)?
        } else {
            None
        };
        let Some(behind) = taken else { break };
        args = behind;
    }
    Ok(args)
}

/// Returns what stands behind the option, or nothing if it is not one of Docker's.
fn take_long<'a>(
    option: &str,
    after: &'a [OsString],
    globals: &mut Globals,
) -> Result<Option<&'a [OsString]>> {
    let (name, value) = match option.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (option, None),
    };
    match name {
        "debug" => {
            truth(name, value)?;
            Ok(Some(after))
        }
        "tls" => {
            globals.tls = Some(truth(name, value)?);
            Ok(Some(after))
        }
        "tlsverify" => {
            globals.tls_verify = Some(truth(name, value)?);
            Ok(Some(after))
        }
        "config" | "context" | "host" | "log-level" | "tlscacert" | "tlscert" | "tlskey" => {
            if let Some(value) = value {
                set(name, value, globals)?;
                return Ok(Some(after));
            }
            let (value, behind) = value_of(&format!("--{name}"), after)?;
            set(name, value, globals)?;
            Ok(Some(behind))
        }
        _ => Ok(None),
    }
}

/// As [`take_long`], for `-c X`, `-cX`, `-c=X` and clusters like `-Dc X`.
fn take_short<'a>(
    cluster: &str,
    after: &'a [OsString],
    globals: &mut Globals,
) -> Result<Option<&'a [OsString]>> {
    let behind_switches = cluster.trim_start_matches('D');
    let mut letters = behind_switches.chars();
    let Some(letter) = letters.next() else {
        return Ok(if cluster.is_empty() { None } else { Some(after) });
    };
    let Some(name) = long_of(letter) else { return Ok(None) };
    let value = letters.as_str();
    if !value.is_empty() {
        set(name, value.strip_prefix('=').unwrap_or(value), globals)?;
        return Ok(Some(after));
    }
    let (value, behind) = value_of(&format!("-{letter}"), after)?;
    set(name, value, globals)?;
    Ok(Some(behind))
}

/// The long name of an option that has a value.
fn long_of(letter: char) -> Option<&'static str> {
    match letter {
        'c' => Some("context"),
        'H' => Some("host"),
        'l' => Some("log-level"),
        _ => None,
    }
}

fn set(name: &str, value: &str, globals: &mut Globals) -> Result<()> {
    match name {
        "context" => globals.context = Some(value.to_owned()),
        "config" => globals.config = Some(PathBuf::from(value)),
        "host" if globals.host.is_some() => {
            return Err(Error::new(Kind::Usage, "specify only one -H"));
        }
        "host" => globals.host = Some(value.to_owned()),
        "tlscacert" => globals.tls_ca = Some(unquoted(value)),
        "tlscert" => globals.tls_certificate = Some(unquoted(value)),
        "tlskey" => globals.tls_key = Some(unquoted(value)),
        // The log's level is docker's own matter.
        _ => {}
    }
    Ok(())
}

/// A path without the quotes around it that configuration files of shells leave there.
///
/// Source: docker/cli, opts/quotedstring.go.
fn unquoted(value: &str) -> PathBuf {
    let inside = |quote| value.strip_prefix(quote).and_then(|rest: &str| rest.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).unwrap_or(value).into()
}

/// Source: Go, strconv.ParseBool, which reads the values of docker's switches.
fn truth(name: &str, value: Option<&str>) -> Result<bool> {
    match value {
        None | Some("1" | "t" | "T" | "TRUE" | "true" | "True") => Ok(true),
        Some("0" | "f" | "F" | "FALSE" | "false" | "False") => Ok(false),
        Some(other) => Err(Error::new(
            Kind::Usage,
            format!("invalid argument {other:?} for \"--{name}\" flag: it can be true or false"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        split(&text.split_whitespace().map(OsString::from).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn dockers_options_before_the_plugins_name_are_taken_and_the_rest_is_ours() {
        let line = line("--context far --log-level debug -D pgbackup create -q --name x");
        assert_eq!(line.globals.context.as_deref(), Some("far"));
        assert!(line.as_plugin);
        assert_eq!(line.rest, ["create", "-q", "--name", "x"]);
    }

    #[test]
    fn every_form_of_an_option_is_read() {
        for text in ["-c far", "-cfar", "-c=far", "--context=far", "-Dc far", "-DcX --context far"] {
            let line = line(&format!("{text} pgbackup list"));
            assert_eq!(line.globals.context.as_deref(), Some("far"), "{text}");
            assert_eq!(line.rest, ["list"], "{text}");
        }
    }

    #[test]
    fn options_of_ours_are_left_where_they_are() {
        assert_eq!(line("pgbackup -x --repository r -c y").rest, ["-x", "--repository", "r", "-c", "y"]);
        assert_eq!(line("pgbackup create -c y").rest, ["create", "-c", "y"]);
        assert_eq!(line("pgbackup -Dv list").rest, ["-Dv", "list"]);
    }

    #[test]
    fn run_by_itself_the_program_takes_the_same_options() {
        let line = line("-H unix:///x create pgbackup");
        assert_eq!(line.globals.host.as_deref(), Some("unix:///x"));
        assert!(!line.as_plugin);
        assert_eq!(line.rest, ["create", "pgbackup"]);
    }

    #[test]
    fn a_shell_asks_about_the_last_word_with_or_without_the_plugins_name() {
        for (text, with_help) in [("__complete pgbackup list", true), ("__completeNoDesc list", false)] {
            let mut args: Vec<OsString> = text.split_whitespace().map(OsString::from).collect();
            args.push("--form".into());
            let asked = question(&args).unwrap().unwrap();
            assert_eq!((asked.line.rest, asked.with_help), (vec!["list".into(), "--form".into()], with_help));
        }
        assert!(question(&["list".into(), "__complete".into()]).is_none());
        assert!(question(&["__complete".into(), "--host".into(), OsString::new()]).unwrap().is_err());
    }

    #[test]
    fn dockers_help_becomes_ours() {
        assert_eq!(line("help pgbackup").rest, ["--help"]);
        assert_eq!(line("-D help pgbackup create").rest, ["create", "--help"]);
        assert_eq!(line("help create").rest, ["help", "create"]);
    }

    #[test]
    fn an_option_without_its_value_is_wrong_usage() {
        for args in [&["--context"][..], &["pgbackup", "-H"], &["--tls=perhaps"], &["-H", "a", "-H", "b"]] {
            let args: Vec<OsString> = args.iter().map(OsString::from).collect();
            assert_eq!(split(&args).unwrap_err().kind, Kind::Usage, "{args:?}");
        }
    }

    #[test]
    fn what_is_said_of_tls_is_kept_as_it_was_said() {
        assert_eq!(line("--tls=false pgbackup").globals.tls, Some(false));
        assert_eq!(line("--tlsverify=false pgbackup").globals.tls_verify, Some(false));
        assert_eq!(line("pgbackup").globals, Globals::default());
        let files = line("--tls --tlscacert a --tlscert='b' --tlskey=\"c\" pgbackup").globals;
        assert_eq!(files.tls_ca, Some("a".into()));
        assert_eq!(files.tls_certificate, Some("b".into()));
        assert_eq!(files.tls_key, Some("c".into()));
    }
}
