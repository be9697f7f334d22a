//! What value each sequence has in an archive.

use super::{
    contents::{Contents, TocEntry},
    text::Text,
};
use crate::error::{Error, Result};

/// One sequence's value, as its `setval` says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceValue {
    /// The number of its `SEQUENCE SET` entry.
    pub dump_id: i32,
    /// Schema and name, quoted by pg_dump where they must be, in the archive's encoding:
    /// `public."s'q"`.
    pub name: Text,
    /// The other arguments: `5, true`.
    pub arguments: String,
}

impl Contents {
    /// The value of every sequence, in restore order.
    ///
    /// # Errors
    ///
    /// When an entry has another form than pg_dump's `SELECT pg_catalog.setval('name', 5, true);`.
    pub fn sequence_sets(&self) -> Result<Vec<SequenceValue>> {
        self.entries
            .iter()
            .filter(|entry| entry.is("SEQUENCE SET"))
            .map(|entry| {
                value(entry).ok_or_else(|| {
                    Error::failed(format!(
                        "the value of sequence `{}` is not understood: `{}`",
                        entry.tag_text(),
                        entry.defn.as_ref().map(ToString::to_string).unwrap_or_default().trim()
                    ))
                })
            })
            .collect()
    }
}

fn value(entry: &TocEntry) -> Option<SequenceValue> {
    let defn = entry.defn.as_ref()?.as_bytes().trim_ascii();
    let call = defn.strip_prefix(b"SELECT pg_catalog.setval(")?.strip_suffix(b");")?;
    let (name, arguments) = split_arguments(call)?;
    let arguments = std::str::from_utf8(arguments).ok()?.to_owned();
    Some(SequenceValue { dump_id: entry.dump_id, name: Text(name), arguments })
}

/// Takes the string constant at the beginning apart from the arguments behind it.
///
/// An `E` before it says that backslashes are doubled, as pg_dump writes them for a server
/// without standard-conforming strings. In every encoding that a database can have, a byte of
/// ASCII is that letter and never a part of another.
fn split_arguments(call: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let trimmed = call.trim_ascii_start();
    let (escaped, body) = match trimmed.strip_prefix(b"E'") {
        Some(body) => (true, body),
        None => (false, trimmed.strip_prefix(b"'")?),
    };
    let mut name = Vec::new();
    let mut rest = body;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'\'' if rest.first() == Some(&b'\'') => {
                name.push(b'\'');
                rest = rest.get(1..)?;
            }
            b'\'' => return Some((name, rest.strip_prefix(b", ")?)),
            b'\\' if escaped => {
                let (byte, after) = rest.split_first()?;
                name.push(*byte);
                rest = after;
            }
            byte => name.push(*byte),
        }
    }
    None
}
