//! The comment that says of a database that it is ours: kept for `undo`, or not finished.
//!
//! The server itself so holds all that `undo` needs. A mark is the first line of the comment;
//! the comment that the database itself had follows it, so that it comes back with it.

use jiff::Timestamp;

/// What every mark begins with.
const PREFIX: &str = "pgbackup: ";

/// Why a database of ours is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MarkKind {
    /// A restore replaced it; `undo` brings it back.
    KeptByRestore,
    /// An undo replaced it: it is what a restore had brought.
    KeptByUndo,
    /// A restore is loading it, or was interrupted while it did.
    Unfinished,
}

impl MarkKind {
    const ALL: [Self; 3] = [Self::KeptByRestore, Self::KeptByUndo, Self::Unfinished];

    fn words(self) -> &'static str {
        match self {
            Self::KeptByRestore => "kept by restore",
            Self::KeptByUndo => "kept by undo",
            Self::Unfinished => "unfinished restore",
        }
    }
}

/// What the comment of a database of ours says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Why it is there.
    pub kind: MarkKind,
    /// The run that made the mark.
    pub run: String,
    /// The backup that was restored.
    pub backup: String,
    /// When.
    pub time: Timestamp,
    /// The name that the database had, or shall get.
    pub database: String,
    /// The database's own comment.
    pub comment: Option<String>,
}

impl Mark {
    /// Gives the comment:
    /// `pgbackup: kept by restore 7f3a of "pre_test" at 2026-11-21T10:00:00Z, was "shop"`.
    pub fn to_comment(&self) -> String {
        let relation = if self.kind == MarkKind::Unfinished { "for" } else { "was" };
        let mut text = format!(
            "{PREFIX}{} {} of {} at {}, {relation} {}",
            self.kind.words(),
            self.run,
            quoted(&self.backup),
            self.time,
            quoted(&self.database)
        );
        if let Some(own) = &self.comment {
            text.push('\n');
            text.push_str(own);
        }
        text
    }

    /// Reads a comment; none if it is not a mark of ours, to the letter: a database whose comment
    /// only begins like one is somebody's, so it is backed up, and never dropped by us.
    pub fn from_comment(comment: &str) -> Option<Self> {
        let rest = comment.strip_prefix(PREFIX)?;
        match rest.split_once('\n') {
            Some((line, own)) => parse(line, Some(own.to_owned())),
            None => parse(rest, None),
        }
    }
}

fn parse(line: &str, comment: Option<String>) -> Option<Mark> {
    let kind = MarkKind::ALL.into_iter().find(|kind| line.starts_with(kind.words()))?;
    let rest = line.strip_prefix(kind.words())?.strip_prefix(' ')?;
    let (run, rest) = rest.split_once(" of ")?;
    let (backup, rest) = unquoted(rest)?;
    let (time, rest) = rest.strip_prefix(" at ")?.split_once(", ")?;
    let relation = if kind == MarkKind::Unfinished { "for " } else { "was " };
    let (database, rest) = unquoted(rest.strip_prefix(relation)?)?;
    if !rest.is_empty() {
        return None;
    }
    Some(Mark { kind, run: run.to_owned(), backup, time: time.parse().ok()?, database, comment })
}

/// A JSON string: on one line whatever the name holds.
fn quoted(name: &str) -> String {
    serde_json::Value::from(name).to_string()
}

/// Takes a JSON string from the beginning, and gives what follows it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let value = values.next()?.ok()?;
    Some((value, text.get(values.byte_offset()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(kind: MarkKind, database: &str, comment: Option<&str>) -> Mark {
        Mark {
            kind,
            run: "7f3a".into(),
            backup: "pre of \"test\" at".into(),
            time: "2026-11-21T10:00:00Z".parse().unwrap(),
            database: database.into(),
            comment: comment.map(str::to_owned),
        }
    }

    #[test]
    fn a_mark_comes_back_from_its_comment_whatever_the_names_hold() {
        for kind in MarkKind::ALL {
            for name in ["shop", "a\"b", "a\nb", ", was \"x\"", "postgres://x", "\u{1b}[31m"] {
                for own in [None, Some("own\nlines"), Some("")] {
                    let given = mark(kind, name, own);
                    assert_eq!(Mark::from_comment(&given.to_comment()).unwrap(), given);
                }
            }
        }
    }

    #[test]
    fn the_comment_reads_as_documented() {
        let mut given = mark(MarkKind::KeptByRestore, "shop", None);
        given.backup = "pre_test".into();
        assert_eq!(
            given.to_comment(),
            "pgbackup: kept by restore 7f3a of \"pre_test\" at 2026-11-21T10:00:00Z, was \"shop\""
        );
    }

    #[test]
    fn a_comment_of_somebody_else_is_no_mark() {
        assert_eq!(Mark::from_comment("the shop"), None);
        assert_eq!(Mark::from_comment(""), None);
    }

    #[test]
    fn a_comment_that_only_begins_like_a_mark_is_somebody_elses() {
        for comment in ["pgbackup: kept by someone", "pgbackup: kept by restore 7f3a of", "pgbackup: "] {
            assert_eq!(Mark::from_comment(comment), None);
        }
    }
}
