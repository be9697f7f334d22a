//! The list that `pg_restore -L` takes: which entries to restore.

use super::contents::{Contents, TocEntry};
use std::fmt::Write as _;

impl Contents {
    /// Gives the text of a list for `pg_restore -L` with the entries that `keep` chooses, in the
    /// archive's order.
    ///
    /// pg_restore reads the number before the semicolon; what follows is for people. An entry
    /// without a section of its own (a comment, an ACL) counts to the section of the entry that
    /// stands before it *in the list*, so a list should leave out data and nothing else.
    pub fn restore_list(&self, keep: &dyn Fn(&TocEntry) -> bool) -> String {
        let mut list = String::new();
        for entry in self.entries.iter().filter(|entry| keep(entry)) {
            let desc = entry.desc.as_ref().map(ToString::to_string).unwrap_or_default();
            let line = format!("{desc} {} {}", entry.schema_text(), entry.tag_text());
            let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            // Writing to a String cannot fail.
            let _ = writeln!(list, "{}; {line}", entry.dump_id);
        }
        list
    }

    /// Gives the list of all entries without data blocks: with `--section=data` pg_restore then
    /// sets sequences, makes large objects (still empty), their comments and ACLs, and reads no
    /// data.
    pub fn list_without_data(&self) -> String {
        self.restore_list(&|entry| !entry.had_dumper)
    }
}
