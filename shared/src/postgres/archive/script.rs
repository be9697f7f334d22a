//! An archive of definitions as a script that can be taken apart again, entry by entry.
//!
//! pg_restore writes a script where it is given no database. Run in a session of ours, it shares
//! that session's transaction with the rows. Before each entry stands a comment of ours with a
//! random mark, so nothing that the archive holds can be taken for a boundary.

use super::contents::{Contents, DataState, Extra, Format, Section, TocEntry};
use crate::error::{Error, Result};

/// What a script says for one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptPart {
    /// The entry's number.
    pub dump_id: i32,
    /// Its statements, in the archive's encoding. The last part holds all privileges.
    pub statements: Vec<u8>,
}

impl Contents {
    /// Gives a custom-format archive of the definitions in which a mark stands before each entry.
    pub fn script_archive(&self, mark: &str) -> Vec<u8> {
        let marked = self.marked(mark);
        let entries: Vec<&TocEntry> = marked.entries.iter().filter(|entry| !entry.had_dumper).collect();
        marked.write(Format::Custom, &entries, &|_| Extra::Offset(DataState::NoData))
    }

    /// The same entries, before each that has a section of its own a comment, `-- <mark> <number>`.
    fn marked(&self, mark: &str) -> Self {
        let mut number = self.entries.iter().map(|entry| entry.dump_id).max().unwrap_or_default();
        let mut entries = Vec::with_capacity(self.entries.len() * 2);
        for entry in &self.entries {
            let is_object = matches!(entry.section, Section::PreData | Section::PostData);
            if is_object && !entry.is_any(&["ENCODING", "STDSTRINGS", "SEARCHPATH"]) {
                number += 1;
                entries.push(TocEntry {
                    dump_id: number,
                    had_dumper: false,
                    table_oid: 0,
                    oid: 0,
                    tag: Some(mark.into()),
                    desc: Some("COMMENT".into()),
                    section: entry.section,
                    defn: Some(format!("-- {mark} {}\n", entry.dump_id).as_str().into()),
                    drop_stmt: Some("".into()),
                    copy_stmt: None,
                    namespace: None,
                    tablespace: None,
                    table_am: None,
                    relkind: entry.relkind.map(|_| 0),
                    owner: Some("".into()),
                    with_oids: entry.with_oids.clone(),
                    dependencies: Vec::new(),
                    extra: entry.extra.clone(),
                });
            }
            entries.push(entry.clone());
        }
        Self { entries, ..self.clone() }
    }
}

/// Takes the script that pg_restore made of a [`Contents::script_archive`] apart.
///
/// What stands before the first mark is pg_restore's own: settings of the session, which ours has
/// already, and `\restrict`, which is for psql.
///
/// # Errors
///
/// When a mark has another form than ours.
pub fn script_parts(script: &[u8], mark: &str) -> Result<Vec<ScriptPart>> {
    let needle = format!("-- {mark} ");
    let marks: Vec<usize> = memchr::memmem::find_iter(script, needle.as_bytes()).collect();
    let Some(first) = marks.first() else { return Ok(Vec::new()) };
    let end = end_of_statements(script, *first);
    let ends = marks.iter().skip(1).map(|next| header_before(script, *next)).chain([end]);
    let mut parts = Vec::new();
    for (begin, end) in marks.iter().zip(ends) {
        let text = script.get(begin + needle.len()..end).unwrap_or_default();
        let line = memchr::memchr(b'\n', text).unwrap_or(text.len());
        let (number, statements) = text.split_at(line);
        let dump_id = std::str::from_utf8(number)
            .ok()
            .and_then(|number| number.trim().parse().ok())
            .ok_or_else(|| Error::failed("pg_restore wrote a script that is not understood"))?;
        let is_comment = |line: &[u8]| line.is_empty() || line.starts_with(b"--");
        if !statements.split(|byte| *byte == b'\n').all(is_comment) {
            parts.push(ScriptPart { dump_id, statements: statements.trim_ascii().to_vec() });
        }
    }
    Ok(parts)
}

/// Where the comment begins that pg_restore writes above each entry, and so above a mark.
fn header_before(script: &[u8], mark: usize) -> usize {
    let before = script.get(..mark).unwrap_or_default();
    memchr::memmem::rfind(before, b"--\n-- Name: ").unwrap_or(mark)
}

/// Where the statements end: `\unrestrict` with the word of `\restrict` follows them, where
/// pg_restore writes these (from August 2025 on).
fn end_of_statements(script: &[u8], first_mark: usize) -> usize {
    let head = script.get(..first_mark).unwrap_or_default();
    let word = head
        .split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"\\restrict "))
        .unwrap_or_default();
    if word.is_empty() {
        return script.len();
    }
    let last = [b"\n\\unrestrict ", word].concat();
    memchr::memmem::rfind(script, &last).unwrap_or(script.len())
}
