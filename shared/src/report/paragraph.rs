//! Plans as text: a heading, a table, and short lists.

use super::text::harmless;

/// A text made of paragraphs. Items of lists are made harmless.
pub(super) struct Paragraphs(String);

impl Paragraphs {
    /// A text that begins with this line, which must be harmless.
    pub fn new(heading: String) -> Self {
        Self(heading + "\n")
    }

    /// Adds lines that are ready, after an empty one.
    pub fn block(&mut self, block: &str) {
        self.0.push('\n');
        self.0.push_str(block);
    }

    /// Adds one line, after an empty one.
    pub fn line(&mut self, line: &str) {
        self.block(&format!("{line}\n"));
    }

    /// Adds a heading and its items below it, if there are any.
    pub fn list(&mut self, heading: &str, items: impl IntoIterator<Item = String>) {
        let mut items = items.into_iter().peekable();
        if items.peek().is_none() {
            return;
        }
        self.line(&format!("{heading}:"));
        for item in items {
            self.0.push_str("  ");
            self.0.push_str(&harmless(&item));
            self.0.push('\n');
        }
    }

    /// The whole text.
    pub fn into_text(self) -> String {
        self.0
    }
}
