//! Runs of the plugin in a real terminal: keys go in, and what is on the screen is read.
//!
//! `script` makes the pseudo-terminal. A test waits for words on the screen before it presses keys.

use crate::{Outcome, Plugin, command::wait_for};
use std::{
    io::{Read, Write},
    process::{Child, ChildStdin, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

/// The key that goes down in a list.
pub const DOWN: &str = "\x1b[B";
/// The key that marks in a list.
pub const SPACE: &str = " ";
/// The key that ends an answer.
pub const ENTER: &str = "\r";

/// A run of the plugin in a terminal.
pub struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
    /// What was looked at already.
    seen: usize,
}

impl Terminal {
    /// Starts the plugin with these arguments.
    pub fn start(plugin: &Plugin, arguments: &[&str]) -> Self {
        let mut child = plugin
            .terminal(arguments)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("`script` of bsdutils can be started");
        let keys = child.stdin.take().expect("it is piped");
        let mut output = child.stdout.take().expect("it is piped");
        let screen = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&screen);
        let reader = std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut piece) {
                written.lock().expect("nobody panicked").extend_from_slice(&piece[..length]);
            }
        });
        Self { child, keys, screen, reader, seen: 0 }
    }

    /// Waits until the screen has shown `words` since the last keys, then presses `keys`.
    pub fn answer(&mut self, words: &str, keys: &[&str]) {
        let seen = self.seen;
        let screen = wait_for(&format!("`{words}` on the screen"), || {
            let screen = self.screen.lock().expect("nobody panicked").clone();
            let new = text_of(screen.get(seen..).unwrap_or_default());
            assert!(
                new.contains(words) || !self.reader.is_finished(),
                "the plugin ended before `{words}`: {new}"
            );
            new.contains(words).then_some(screen)
        });
        self.seen = screen.len();
        for key in keys {
            self.keys.write_all(key.as_bytes()).and_then(|()| self.keys.flush()).expect("the terminal reads");
        }
    }

    /// Waits for the end of the plugin; gives how it ended, with all that the screen has shown as
    /// standard output.
    pub fn end(mut self) -> Outcome {
        let status = self.child.wait().expect("`script` can be waited for").code();
        self.reader.join().expect("the reader does not panic");
        let screen = self.screen.lock().expect("nobody panicked");
        Outcome { status, stdout: text_of(&screen), stderr: String::new() }
    }
}

/// What a person reads: without the sequences that move the cursor and colour letters.
fn text_of(screen: &[u8]) -> String {
    let text = crate::command::text(screen);
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '\x1b' {
            plain.push(letter);
        } else if letters.next_if_eq(&'[').is_some() {
            // A control sequence ends with a letter or one of `@[\]^_{|}~`.
            for letter in letters.by_ref() {
                if ('@'..='~').contains(&letter) {
                    break;
                }
            }
        }
    }
    plain
}
