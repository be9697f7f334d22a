//! `docker pgbackup`: reads what the process was given, and lets the engine do the rest.

use docker_pgbackup::{
    endpoint,
    plugin::{self, Line, Question},
    runtime::DockerRuntime,
};
use pgbackup_engine::{
    cancel::Cancel,
    cli::{self, Environment, Host, S3Variables, Term},
    clock::SystemClock,
    error::{Error, Kind, Result},
    target::Runtime,
};
use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
    sync::mpsc,
    thread,
    time::Duration,
};

/// The exit status of a failure that has none of its own.
const FAILED: u8 = 1;

/// The exit status of a wrong command line, as Docker's own.
const WRONG_USAGE: u8 = 125;

/// So long a shell waits for what can be typed next.
const PATIENCE_OF_A_SHELL: Duration = Duration::from_secs(2);

/// The answer to a shell when there is none: an error, after which it offers nothing.
///
/// Source: spf13/cobra, completions.go, ShellCompDirectiveError.
const NO_COMPLETION: &str = ":1";

fn main() -> ExitCode {
    let args: Vec<OsString> = env::args_os().skip(1).collect();
    if args.len() == 1 && args.first().is_some_and(|arg| arg == plugin::METADATA_COMMAND) {
        return answer(&plugin::metadata());
    }
    if let Some(question) = plugin::question(&args) {
        return answer(completion(question).trim_end());
    }
    match run(&args) {
        Ok(status) => ExitCode::from(u8::try_from(status).unwrap_or(FAILED)),
        Err(error) => complain(&error),
    }
}

/// Returns what a shell can offer next, in time: a platform or a store that is away must not hold
/// up who types.
fn completion(question: Result<Question>) -> String {
    let Ok(Question { line, with_help }) = question else { return NO_COMPLETION.into() };
    let (sender, answer) = mpsc::channel();
    // Nothing can wake a connection that is being made: the thread ends with the process.
    thread::spawn(move || {
        let Line { globals, as_plugin, rest } = line;
        let cancel = Cancel::default();
        let open = || -> Result<Box<dyn Runtime>> {
            let endpoint = endpoint::resolve(&globals, &docker_variables())?;
            Ok(Box::new(DockerRuntime::open(&endpoint, &cancel)?))
        };
        let completion = cli::complete(Host {
            argv: rest,
            environment: environment(),
            brand: brand(as_plugin),
            platform: "docker",
            clock: &SystemClock,
            cancel: cancel.clone(),
            runtime: &open,
            stdin_is_terminal: false,
            stdout_is_terminal: false,
            stderr_is_terminal: false,
            terminal: None,
            stdin: Box::new(io::empty()),
            stdout: Box::new(io::sink()),
            stderr: Box::new(io::sink()),
        });
        // Whoever waited too long is gone.
        let _ = sender.send(completion.written(with_help));
    });
    answer.recv_timeout(PATIENCE_OF_A_SHELL).unwrap_or_else(|_| NO_COMPLETION.into())
}

fn run(args: &[OsString]) -> Result<i32> {
    let Line { globals, as_plugin, rest } = plugin::split(args)?;
    if as_plugin && rest.first().is_some_and(|word| word == plugin::HOOKS_COMMAND) {
        // Nothing is added to what `docker` says after its own commands.
        return Ok(0);
    }
    let cancel = Cancel::default();
    plugin::cancel_on_request(&cancel, env::var(plugin::SOCKET_VARIABLE).ok().as_deref())?;
    let asked = cancel.clone();
    let open = || -> Result<Box<dyn Runtime>> {
        let endpoint = endpoint::resolve(&globals, &docker_variables())?;
        Ok(Box::new(DockerRuntime::open(&endpoint, &asked)?))
    };
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let (answers, errors) = (stdin.is_terminal(), stderr.is_terminal());
    Ok(cli::main(Host {
        argv: rest,
        environment: environment(),
        brand: brand(as_plugin),
        platform: "docker",
        clock: &SystemClock,
        cancel,
        runtime: &open,
        stdin_is_terminal: answers,
        stdout_is_terminal: stdout.is_terminal(),
        stderr_is_terminal: errors,
        terminal: (answers && errors).then(Term::stderr),
        stdin: Box::new(stdin),
        stdout: Box::new(stdout),
        stderr: Box::new(stderr),
    }))
}

/// The variables by which Docker's endpoint is found.
fn docker_variables() -> BTreeMap<String, String> {
    endpoint::VARIABLES.into_iter().filter_map(|name| Some((name.to_owned(), env::var(name).ok()?))).collect()
}

/// What the engine may know of the environment.
fn environment() -> Environment {
    let text = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let path = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let width = Term::stderr().size_checked().map(|(_, columns)| columns);
    Environment {
        home: path("HOME"),
        xdg_data_home: path("XDG_DATA_HOME"),
        xdg_config_home: path("XDG_CONFIG_HOME"),
        repository: text("PGBACKUP_REPOSITORY"),
        s3: S3Variables::read(&text),
        no_color: text("NO_COLOR").is_some(),
        term: text("TERM"),
        columns: text("COLUMNS").and_then(|columns| columns.parse().ok()).or(width),
        host_name: host_name(),
    }
}

/// This machine's name, as the system's files tell it; empty if they do not.
fn host_name() -> String {
    ["/proc/sys/kernel/hostname", "/etc/hostname"]
        .into_iter()
        .find_map(|file| fs::read_to_string(file).ok())
        .map(|name| name.trim().to_owned())
        .unwrap_or_default()
}

/// Writes the answer to a question of `docker`.
fn answer(text: &str) -> ExitCode {
    match writeln!(io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(FAILED),
    }
}

/// Says what is wrong before the engine could: the command line, or this machine.
fn complain(error: &Error) -> ExitCode {
    // There is nowhere left to say that this could not be said.
    let _ = write_error(&mut io::stderr(), error);
    ExitCode::from(if error.kind == Kind::Usage { WRONG_USAGE } else { FAILED })
}

fn write_error(stream: &mut dyn Write, error: &Error) -> io::Result<()> {
    writeln!(stream, "error: {}", error.what)?;
    for cause in &error.causes {
        writeln!(stream, "  caused by: {cause}")?;
    }
    for hint in &error.hints {
        writeln!(stream, "hint: {hint}")?;
    }
    if error.kind == Kind::Usage {
        let called_by_docker = env::var_os(plugin::CALLED_BY_DOCKER).is_some();
        writeln!(stream, "See '{} --help'.", brand(called_by_docker))?;
    }
    Ok(())
}

/// How the program is called in what it says.
fn brand(as_plugin: bool) -> &'static str {
    if as_plugin { "docker pgbackup" } else { "docker-pgbackup" }
}
