//! Events as they happen: bars, lines or NDJSON.
//!
//! One [`Progress`] stands between the operations and standard error for the whole command.
//! Everything else that is said there goes through it, too, so that no line runs into a bar.

use super::{
    bars::Bars,
    sink::Sink,
    text::{branded, harmless, harmless_json},
    units,
};
use crate::{
    error::Error,
    event::{Event, Observer},
};
use dialoguer::console::Term;
use serde_json::json;

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Bars on a terminal so many letters wide.
    Bars(u16),
    /// A line a database.
    Lines,
    /// One JSON object a line for each event.
    Json,
    /// Warnings only.
    Quiet,
}

/// Which way the data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Out of a server, into the repository.
    Reading,
    /// Out of the repository, into a server or a folder.
    Loading,
}

/// Shows events, and says what else there is to say beside the data.
pub struct Progress {
    style: Style,
    work: Work,
    verbose: bool,
    brand: &'static str,
    sink: Sink,
    bars: Option<Bars>,
}

impl Progress {
    /// Shows on `sink`; statements and commands only if `verbose`.
    pub fn new(style: Style, work: Work, verbose: bool, brand: &'static str, sink: Sink) -> Self {
        let bars = match style {
            Style::Bars(columns) => Some(Bars::new(columns, None, sink.clone())),
            Style::Lines | Style::Json | Style::Quiet => None,
        };
        Self { style, work, verbose, brand, sink, bars }
    }

    /// Has the bars follow the width of `terminal`, where they are drawn.
    #[must_use]
    pub fn following(mut self, terminal: Option<&Term>) -> Self {
        if let (Style::Bars(columns), Some(terminal)) = (self.style, terminal) {
            self.bars = Some(Bars::new(columns, Some(terminal.clone()), self.sink.clone()));
        }
        self
    }

    /// Says something that is neither data nor a problem, unless only data was asked for.
    pub fn note(&self, text: &str) {
        match self.style {
            Style::Quiet => {}
            Style::Json => self.object(&json!({"event": "note", "what": branded(text, self.brand)})),
            Style::Bars(_) | Style::Lines => {
                self.line(&format!("note: {}", harmless(&branded(text, self.brand))));
            }
        }
    }

    /// Writes text that is ready, above the bars; ends it with a line end if it has none.
    pub fn line(&self, text: &str) {
        let text = text.trim_end_matches('\n');
        match &self.bars {
            Some(bars) => bars.above(text),
            None => self.sink.write(&format!("{text}\n")),
        }
    }

    /// Writes a question; the answer is typed behind it.
    pub fn prompt(&self, question: &str) {
        self.sink.write(question);
    }

    /// Takes the bars off the terminal. They come back with the next event.
    pub fn clear(&self) {
        if let Some(bars) = &self.bars {
            bars.clear();
        }
    }

    fn object(&self, value: &serde_json::Value) {
        self.sink.write(&harmless_json(&format!("{value}\n")));
    }

    fn json(&self, event: &Event) {
        if let Ok(line) = serde_json::to_string(event) {
            self.sink.write(&harmless_json(&format!("{line}\n")));
        }
    }

    fn text(&self, event: &Event) {
        match event {
            Event::RepositoryCreated { path, key_file } => self.repository_created(path, key_file),
            Event::Warning { what } => {
                self.line(&format!("warning: {}", harmless(&branded(what, self.brand))));
            }
            Event::Statement { database, sql } => {
                self.line(&format!("+ {}: {}", harmless(database), harmless(sql)));
            }
            Event::Command { argv } => self.line(&format!("+ {}", harmless(&command_line(argv)))),
            Event::DatabaseDone { database, error, read, new, seconds } => {
                if self.style == Style::Quiet {
                    return;
                }
                let (database, read) = (harmless(database), units::size(*read));
                let (new, seconds) = (units::size(*new), units::seconds(*seconds));
                let cancelled = Error::cancelled().to_string();
                self.line(&match (error, self.work) {
                    (Some(error), _) if *error == cancelled => format!("{database}: {error}"),
                    (Some(error), _) => format!("{database}: failed: {}", harmless(error)),
                    (None, Work::Reading) => format!("{database}: {read} read, {new} new, {seconds}"),
                    (None, Work::Loading) => format!("{database}: {read} loaded, {seconds}"),
                });
            }
            Event::Step { what } if self.verbose => self.line(&format!("- {}", harmless(what))),
            Event::Step { .. }
            | Event::DatabaseStarted { .. }
            | Event::TableStarted { .. }
            | Event::Moved { .. }
            | Event::TableDone { .. }
            | Event::Checked { .. } => {}
        }
    }

    /// Said once in a repository's life, and never held back: without its key it is lost.
    fn repository_created(&self, path: &str, key_file: &str) {
        self.line(&format!("note: made the repository `{}`", harmless(path)));
        self.line(&format!(
            "note: its key is in `{}`; without it nobody can read the backups",
            harmless(key_file)
        ));
        self.line(&format!(
            "hint: keep a copy of it elsewhere with `{} repo key export > recovery-sheet.txt`",
            self.brand
        ));
    }
}

impl Observer for Progress {
    fn event(&self, event: &Event) {
        if !self.verbose && matches!(event, Event::Statement { .. } | Event::Command { .. }) {
            return;
        }
        if self.style == Style::Json {
            self.json(event);
            return;
        }
        if let Some(bars) = &self.bars {
            bars.event(event);
        }
        self.text(event);
    }
}

/// Returns a command line that a POSIX shell would read as these arguments.
fn command_line(argv: &[String]) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_=./:,@%+".contains(letter);
    let quoted = argv.iter().map(|argument| {
        if !argument.is_empty() && argument.chars().all(plain) {
            return argument.clone();
        }
        format!("'{}'", argument.replace('\'', r"'\''"))
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Captured {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn shown(style: Style, verbose: bool, events: &[Event]) -> String {
        let captured = Captured::default();
        let progress = Progress::new(
            style,
            Work::Reading,
            verbose,
            "docker pgbackup",
            Sink::new(Box::new(captured.clone())),
        );
        for event in events {
            progress.event(event);
        }
        captured.text()
    }

    fn done(error: Option<&str>) -> Event {
        Event::DatabaseDone {
            database: "shop".into(),
            error: error.map(Into::into),
            read: 1_400_000_000,
            new: 14_000_000,
            seconds: 2.1,
        }
    }

    #[test]
    fn without_a_terminal_each_database_is_one_line() {
        let text = shown(Style::Lines, false, &[done(None), done(Some("no such table"))]);
        assert_eq!(text, "shop: 1.4 GB read, 14 MB new, 2.1 s\nshop: failed: no such table\n");
    }

    #[test]
    fn quiet_leaves_warnings_and_the_place_of_a_new_key() {
        let created = Event::RepositoryCreated { path: "/r".into(), key_file: "/k".into() };
        let text =
            shown(Style::Quiet, false, &[done(None), Event::Warning { what: "careful".into() }, created]);
        assert!(text.starts_with("warning: careful\nnote: made the repository `/r`\n"), "{text}");
        assert!(!text.contains("shop"));
    }

    #[test]
    fn statements_are_shown_only_when_asked_for() {
        let statement = [Event::Statement { database: "shop".into(), sql: "SELECT 1".into() }];
        assert_eq!(shown(Style::Lines, false, &statement), "");
        assert_eq!(shown(Style::Lines, true, &statement), "+ shop: SELECT 1\n");
        assert_eq!(shown(Style::Json, false, &statement), "");
    }

    #[test]
    fn json_progress_is_one_object_a_line() {
        let text = shown(Style::Json, false, &[done(None), Event::Step { what: "connect".into() }]);
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["event"], "database_done");
        assert_eq!(lines[1], json!({"event": "step", "what": "connect"}));
    }

    #[test]
    fn a_command_is_shown_as_a_shell_would_take_it() {
        let argv = [crate::postgres::PG_DUMP, "-d", "dbname='a b'"].map(String::from);
        assert_eq!(command_line(&argv), r"pg_dump -d 'dbname='\''a b'\'''");
    }

    #[test]
    fn bars_name_database_table_and_what_was_read_and_sent() {
        let started =
            Event::DatabaseStarted { database: "shop".into(), expected_bytes: 2_000_000, tables: 2 };
        let table = Event::TableStarted { database: "shop".into(), table: "public.orders".into() };
        let moved = Event::Moved { database: "shop".into(), read: 1_000_000, sent: 40_000 };
        let text = shown(Style::Bars(120), false, &[started, table, moved, done(None)]);
        assert!(text.contains("shop"), "{text}");
        assert!(text.contains("shop: 1.4 GB read, 14 MB new, 2.1 s"), "{text}");
    }
}
