//! Bars on a terminal: one for each database under way, drawn by indicatif.

use super::{
    sink::Sink,
    text::{harmless, plural},
    units::{seconds, size},
};
use crate::event::Event;
use dialoguer::console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, TermLike};
use std::{
    collections::BTreeMap,
    fmt::Write,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// Frames drawn in a second at most.
const FRAMES: u8 = 10;
/// Terminals at least so wide have room for all that is told of a database.
const ROOMY: u16 = 90;
/// What is read back by `verify`, which belongs to no database.
const CHECKED: &str = "checked";

/// The bars of one command.
pub(super) struct Bars {
    columns: u16,
    sink: Sink,
    all: MultiProgress,
    databases: Mutex<BTreeMap<String, Database>>,
    step: Mutex<Option<ProgressBar>>,
}

struct Database {
    bar: ProgressBar,
    sent: Arc<AtomicU64>,
}

impl Bars {
    /// Draws on a terminal that is `columns` wide, or as wide as `terminal` is at each moment.
    pub fn new(columns: u16, terminal: Option<Term>, sink: Sink) -> Self {
        let screen = Screen { columns, terminal, sink: sink.clone(), filled: AtomicBool::new(false) };
        let columns = screen.width();
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(screen), FRAMES);
        Self {
            columns,
            sink,
            all: MultiProgress::with_draw_target(target),
            databases: Mutex::default(),
            step: Mutex::default(),
        }
    }

    /// Writes text that stays, above the bars.
    pub fn above(&self, text: &str) {
        self.all.suspend(|| self.sink.write(&format!("{text}\n")));
    }

    /// Takes everything off the terminal.
    pub fn clear(&self) {
        self.end_step();
        for (_, database) in std::mem::take(&mut *self.lock()) {
            self.remove(&database.bar);
        }
        let _ = self.all.clear();
    }

    pub fn event(&self, event: &Event) {
        match event {
            Event::Step { what } => self.step(what),
            Event::DatabaseStarted { database, expected_bytes, tables } => {
                self.end_step();
                let started = self.database(database, *expected_bytes);
                started.bar.set_message(plural(*tables, "table"));
                self.lock().insert(database.clone(), started);
            }
            Event::TableStarted { database, table } => {
                if let Some(database) = self.lock().get(database) {
                    database.bar.set_message(harmless(table).into_owned());
                }
            }
            Event::Moved { database, read, sent } => {
                // What moves is told by its bar.
                self.end_step();
                if let Some(database) = self.lock().get(database) {
                    database.sent.fetch_add(*sent, Ordering::Relaxed);
                    advance(&database.bar, *read);
                }
            }
            Event::DatabaseDone { database, .. } => {
                if let Some(database) = self.lock().remove(database) {
                    self.remove(&database.bar);
                }
            }
            Event::Checked { bytes, of } => {
                let mut databases = self.lock();
                let checked = databases.entry(CHECKED.into()).or_insert_with(|| self.database(CHECKED, *of));
                advance(&checked.bar, *bytes);
            }
            Event::RepositoryCreated { .. }
            | Event::Warning { .. }
            | Event::Statement { .. }
            | Event::Command { .. }
            | Event::TableDone { .. } => {}
        }
    }

    fn step(&self, what: &str) {
        let mut step = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        let bar =
            step.get_or_insert_with(|| self.all.add(unseen(None).with_style(styled("{spinner} {wide_msg}"))));
        bar.set_message(harmless(what).into_owned());
        bar.tick();
    }

    fn end_step(&self) {
        if let Some(bar) = self.step.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.remove(&bar);
        }
    }

    fn remove(&self, bar: &ProgressBar) {
        bar.finish_and_clear();
        self.all.remove(bar);
    }

    fn database(&self, name: &str, expected_bytes: u64) -> Database {
        let sent = Arc::new(AtomicU64::new(0));
        let sent_so_far = Arc::clone(&sent);
        let line = if name == CHECKED {
            "{prefix} {bar:20} {read} of {expected}, {rate}/s, {left} left"
        } else if self.columns < ROOMY {
            "{prefix} {bar:10} {read} of {expected}, {rate}/s, {left} left"
        } else {
            "{prefix} {bar:20} {read} of {expected}, {sent} sent, {rate}/s, {left} left  {wide_msg}"
        };
        let style = styled(line)
            .progress_chars("=> ")
            .with_key("read", |state: &ProgressState, out: &mut dyn Write| {
                let _ = out.write_str(&size(state.pos()));
            })
            .with_key("expected", |state: &ProgressState, out: &mut dyn Write| {
                let _ = out.write_str(&size(state.len().unwrap_or(0)));
            })
            .with_key("sent", move |_: &ProgressState, out: &mut dyn Write| {
                let _ = out.write_str(&size(sent_so_far.load(Ordering::Relaxed)));
            })
            .with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
                let _ = out.write_str(&size(state.per_sec() as u64));
            })
            .with_key("left", |state: &ProgressState, out: &mut dyn Write| {
                // Before anything has moved there is no rate to tell the end from.
                let left =
                    if state.per_sec() < 1.0 { "?".into() } else { seconds(state.eta().as_secs_f64()) };
                let _ = out.write_str(&left);
            });
        let bar = unseen(Some(expected_bytes)).with_style(style).with_prefix(harmless(name).into_owned());
        Database { bar: self.all.add(bar), sent }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Database>> {
        self.databases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Moves a bar on. The server's statistics may say too little: the end moves on with it.
fn advance(bar: &ProgressBar, bytes: u64) {
    let position = bar.position().saturating_add(bytes);
    if bar.length().is_some_and(|length| position > length) {
        bar.set_length(position);
    }
    bar.set_position(position);
}

/// A bar that is drawn nowhere until it is one of several: by itself it would look for a terminal.
fn unseen(length: Option<u64>) -> ProgressBar {
    ProgressBar::with_draw_target(length, ProgressDrawTarget::hidden())
}

fn styled(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The terminal that was handed in, as indicatif wants it: ECMA-48 sequences on the sink.
#[derive(Debug)]
struct Screen {
    columns: u16,
    terminal: Option<Term>,
    sink: Sink,
    /// indicatif fills every line with spaces, so that the next one wraps. Here the next one
    /// begins with a line end instead, and the last one stays short: behind a full line the
    /// terminal's echo of Ctrl-C would wrap, and what is cleared next would be the wrong line.
    filled: AtomicBool,
}

impl Screen {
    fn steer(&self, count: usize, letter: char) {
        if count > 0 {
            self.sink.write(&format!("\x1b[{count}{letter}"));
        }
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        let terminal = self.terminal.as_ref().and_then(Term::size_checked);
        terminal.map_or(self.columns, |(_, columns)| columns)
    }
    fn move_cursor_up(&self, count: usize) -> io::Result<()> {
        self.steer(count, 'A');
        Ok(())
    }
    fn move_cursor_down(&self, count: usize) -> io::Result<()> {
        self.steer(count, 'B');
        Ok(())
    }
    fn move_cursor_right(&self, count: usize) -> io::Result<()> {
        self.steer(count, 'C');
        Ok(())
    }
    fn move_cursor_left(&self, count: usize) -> io::Result<()> {
        self.steer(count, 'D');
        Ok(())
    }
    fn write_line(&self, text: &str) -> io::Result<()> {
        self.sink.write(&format!("{text}\n"));
        Ok(())
    }
    fn write_str(&self, text: &str) -> io::Result<()> {
        if text.trim_start_matches(' ').is_empty() {
            self.filled.store(true, Ordering::Relaxed);
            return Ok(());
        }
        if self.filled.swap(false, Ordering::Relaxed) {
            self.sink.write("\n");
        }
        self.sink.write(text);
        Ok(())
    }
    fn clear_line(&self) -> io::Result<()> {
        self.sink.write("\r\x1b[2K");
        Ok(())
    }
    fn flush(&self) -> io::Result<()> {
        self.filled.store(false, Ordering::Relaxed);
        Ok(())
    }
}
