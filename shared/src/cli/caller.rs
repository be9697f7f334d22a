//! What a command has of the one who called it: where things are, where to write, whom to ask.

use super::{
    arguments::{Format, Global, ProgressStyle},
    host::{Environment, Host, Term},
    places::{self, Places},
};
use crate::{
    cancel::Cancel,
    clock::Clock,
    error::{Context, Error, Kind, Result},
    event::{Event, Observer},
    operation::{AtRepository, Surroundings},
    report::{Progress, Sink, Style, Work, harmless_json},
    repository::{self, Created, Repository},
    secret::Secret,
    target::Runtime,
};
use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    sync::{Mutex, PoisonError, mpsc},
};

/// The widest that bars are drawn where the terminal's width is not known.
const USUAL_COLUMNS: u16 = 80;

/// The caller of one command.
pub(super) struct Caller<'a> {
    pub brand: &'static str,
    pub platform: &'static str,
    pub clock: &'a dyn Clock,
    pub cancel: Cancel,
    /// Tells what happens, on standard error.
    pub progress: Progress,
    pub quiet: bool,
    /// The terminal to pick from a list on, where there is one.
    pub terminal: Option<Term>,
    environment: Environment,
    place: Option<String>,
    /// Whether standard error is for programs, too.
    pub json_progress: bool,
    runtime: &'a (dyn Fn() -> Result<Box<dyn Runtime>> + Sync),
    stdin: Mutex<Option<Box<dyn Read + Send>>>,
    stdout: Mutex<Box<dyn Write + Send>>,
    can_answer: bool,
}

impl<'a> Caller<'a> {
    /// Takes the host apart for one command.
    pub fn new(host: Host<'a>, global: &Global, work: Work) -> Self {
        let columns = host.environment.columns.unwrap_or(USUAL_COLUMNS);
        let dumb = host.environment.term.as_deref() == Some("dumb");
        let style = match global.progress {
            ProgressStyle::Json => Style::Json,
            _ if global.quiet => Style::Quiet,
            ProgressStyle::Auto if host.stderr_is_terminal && !dumb => Style::Bars(columns),
            ProgressStyle::Auto | ProgressStyle::Plain => Style::Lines,
        };
        Self {
            brand: host.brand,
            platform: host.platform,
            clock: host.clock,
            cancel: host.cancel,
            progress: Progress::new(style, work, global.verbose, host.brand, Sink::new(host.stderr))
                .following(host.terminal.as_ref()),
            quiet: global.quiet,
            terminal: host.terminal,
            environment: host.environment,
            place: global.repository.clone(),
            json_progress: style == Style::Json,
            runtime: host.runtime,
            stdin: Mutex::new(Some(host.stdin)),
            stdout: Mutex::new(host.stdout),
            can_answer: host.stdin_is_terminal && host.stderr_is_terminal,
        }
    }

    /// Connects to the platform.
    pub fn runtime(&self) -> Result<Box<dyn Runtime>> {
        (self.runtime)()
    }

    /// Where the repository and the keys are.
    pub fn places(&self) -> Result<Places> {
        places::find(self.place.as_deref(), &self.environment)
    }

    /// Opens the repository, which must be there.
    pub fn repository(&self) -> Result<Repository> {
        repository::open(&self.repository_options(None)?)
    }

    /// Opens the repository, or makes it and says where it and its key are.
    pub fn repository_made_if_absent(&self) -> Result<Repository> {
        let (repository, created) = repository::open_or_create(&self.repository_options(None)?)?;
        if let Created::Yes { key_file: Some(key_file) } = created {
            self.progress.event(&Event::RepositoryCreated {
                path: repository.place().to_owned(),
                key_file: key_file.display().to_string(),
            });
        }
        Ok(repository)
    }

    /// Where the repository is, and what opens it: a password, or by default its key file.
    pub fn repository_options(&self, password: Option<Secret>) -> Result<repository::Options> {
        let places = self.places()?;
        Ok(repository::Options {
            repository: places.repository,
            keys_folder: places.keys_folder,
            known_places_file: places.known_places_file,
            password,
            s3: self.environment.s3.clone(),
            cancel: self.cancel.clone(),
            host: self.environment.host_name.clone(),
        })
    }

    /// What verbs need that work on the repository alone.
    pub fn at<'b>(&'b self, repository: &'b Repository) -> AtRepository<'b> {
        AtRepository { repository, clock: self.clock, observer: &self.progress, cancel: &self.cancel }
    }

    /// What verbs need that work on a server.
    pub fn surroundings<'b>(&'b self, runtime: &'b dyn Runtime) -> Surroundings<'b> {
        Surroundings {
            runtime,
            platform: self.platform,
            host: &self.environment.host_name,
            clock: self.clock,
            observer: &self.progress,
            cancel: &self.cancel,
        }
    }

    /// Writes an outcome in the form that was asked for.
    pub fn print_outcome(
        &self,
        format: Format,
        text: impl FnOnce() -> String,
        json: impl FnOnce() -> serde_json::Value,
    ) -> Result<()> {
        self.print(&if format.is_json() { format!("{}\n", json()) } else { text() })
    }

    /// Writes data to standard output. That nobody reads it any more is not an error: `head` may.
    pub fn print(&self, text: &str) -> Result<()> {
        // What is text is harmless by now; JSON is made so here.
        self.print_as_it_is(&harmless_json(text))
    }

    /// The same for text that is harmless, in whatever form: a template may hold tabs.
    pub fn print_as_it_is(&self, text: &str) -> Result<()> {
        self.progress.clear();
        let mut stdout = self.stdout.lock().unwrap_or_else(PoisonError::into_inner);
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            other => other.context("write to standard output"),
        }
    }

    /// Writes an error to standard error, in the form that progress has.
    pub fn tell(&self, error: &Error) {
        self.progress.clear();
        self.progress.line(&if self.json_progress {
            crate::report::problem_json(error, self.brand)
        } else {
            crate::report::problem(error, self.brand)
        });
    }

    /// Asks a question that is answered by `y` or `yes`; everything else means no.
    ///
    /// Returns none where nobody can answer.
    ///
    /// # Errors
    ///
    /// [`Kind::Cancelled`] if the user cancels instead of answering.
    pub fn ask(&self, question: &str) -> Result<Option<bool>> {
        let stdin = self.stdin.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(stdin) = stdin.filter(|_| self.can_answer) else { return Ok(None) };
        self.progress.clear();
        self.progress.prompt(&format!("{question} [y/N] "));
        let (answered, answer) = mpsc::channel();
        let cancelled = answered.clone();
        let _waiting = self.cancel.on_cancel(move || {
            let _ = cancelled.send(Err(Error::cancelled()));
        });
        // The read cannot be woken: a thread of its own waits for it, and ends with the process
        // if nobody answers.
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(stdin).read_line(&mut line).context("read the answer");
            let _ = answered.send(read.map(|_| line));
        });
        let line = answer.recv().map_err(|_| Error::new(Kind::Cancelled, "nobody answered"))?;
        // Nobody has ended the question's line: the terminal does that only for an answer.
        let line = line.inspect_err(|_| self.progress.prompt("\n"))?;
        Ok(Some(matches!(line.trim().to_lowercase().as_str(), "y" | "yes")))
    }
}
