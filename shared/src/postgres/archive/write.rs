//! The writer: the same entries again, as a directory's `toc.dat` or as an archive without data.
//!
//! Source of the layout: PostgreSQL's `pg_backup_archiver.c`, `WriteHead` and `WriteToc`;
//! `pg_backup_directory.c` and `pg_backup_custom.c` for what each format adds to an entry.

use super::{
    contents::{ArchiveVersion, Contents, DataState, Extra, Format, TocEntry},
    read::format_number,
    text::Text,
};
use std::collections::HashMap;

impl Contents {
    /// Gives the `toc.dat` of a directory-format dump with these entries, uncompressed.
    ///
    /// `file_of` names the file of an entry's data, relative to the folder; none for an entry
    /// without data.
    pub fn directory_toc(&self, file_of: &dyn Fn(&TocEntry) -> Option<String>) -> Vec<u8> {
        let all: Vec<&TocEntry> = self.entries.iter().collect();
        self.write(Format::Directory, &all, &|entry| {
            Extra::File(Some(Text(file_of(entry).unwrap_or_default().into_bytes())))
        })
    }

    /// Gives a custom-format archive with these entries and no data at all, from which
    /// `pg_restore --section=pre-data` and `--section=post-data` work, also with `-j`.
    ///
    /// Entries of data keep their mark, so `pg_restore -l` lists them.
    ///
    /// Each `INDEX ATTACH` depends on the one before it: pg_restore with several jobs runs them
    /// side by side otherwise, and of two at neighbouring levels of a partitioned table neither
    /// sees that the other makes the index above whole. It then stays invalid for ever, without an
    /// error (F46).
    ///
    /// `bytes_of` tells how much data an entry would have. By that `pg_restore -j` begins with what
    /// belongs to the largest tables.
    pub fn contents_only_archive(&self, bytes_of: &dyn Fn(&TocEntry) -> u64) -> Vec<u8> {
        let places = self.places(bytes_of);
        let mut chained = self.clone();
        let mut before = None;
        for entry in chained.entries.iter_mut().filter(|entry| entry.is("INDEX ATTACH")) {
            entry.dependencies.extend(before.replace(entry.dump_id));
        }
        let all: Vec<&TocEntry> = chained.entries.iter().collect();
        chained.write(Format::Custom, &all, &|entry| {
            Extra::Offset(places.get(&entry.dump_id).map_or(DataState::NoData, |it| DataState::At(*it)))
        })
    }

    /// Where each table's data would begin. pg_restore takes the distance to the next entry that
    /// has a place for the size, so the one behind a table has one, too, whatever it is.
    fn places(&self, bytes_of: &dyn Fn(&TocEntry) -> u64) -> HashMap<i32, u64> {
        let mut places = HashMap::new();
        let (mut next, mut behind_data) = (1, false);
        for entry in &self.entries {
            let is_data = entry.is("TABLE DATA") && entry.had_dumper;
            let bytes = if is_data { bytes_of(entry) } else { 0 };
            if bytes > 0 || behind_data {
                places.insert(entry.dump_id, next);
            }
            behind_data = bytes > 0;
            next = u64::saturating_add(next, bytes);
        }
        places
    }

    /// Gives the same archive without the entries of data blocks: with `--section=data`
    /// pg_restore then sets sequences, makes large objects (still empty), their comments and
    /// ACLs, and looks for no data.
    ///
    /// An entry without a section of its own (a comment, an ACL) counts to the section of the
    /// entry that stands before it, so data and nothing else is left out.
    pub fn archive_without_data(&self) -> Vec<u8> {
        let others: Vec<&TocEntry> = self.entries.iter().filter(|entry| !entry.had_dumper).collect();
        self.write(Format::Custom, &others, &|_| Extra::Offset(DataState::NoData))
    }

    pub(super) fn write(
        &self,
        format: Format,
        entries: &[&TocEntry],
        extra_of: &dyn Fn(&TocEntry) -> Extra,
    ) -> Vec<u8> {
        let mut sink = Sink { bytes: Vec::new(), int_size: self.int_size, offset_size: self.offset_size };
        sink.bytes.extend_from_slice(b"PGDMP");
        // The revision is 0 in every version that is known.
        sink.bytes.extend_from_slice(&[1, self.version.minor(), 0, self.int_size, self.offset_size]);
        sink.bytes.push(format_number(format));
        if self.version == ArchiveVersion::V1_14 {
            sink.integer(0);
        } else {
            sink.bytes.push(0);
        }
        let made = &self.made;
        for part in
            [made.second, made.minute, made.hour, made.day, made.month, made.year, made.daylight_saving]
        {
            sink.integer(part);
        }
        sink.text(self.database.as_ref());
        sink.text(self.server_version.as_ref());
        sink.text(self.dump_version.as_ref());
        sink.integer(entries.len() as i64);
        for entry in entries {
            sink.entry(self.version, entry, &extra_of(entry));
        }
        sink.bytes
    }
}

struct Sink {
    bytes: Vec<u8>,
    int_size: u8,
    offset_size: u8,
}

impl Sink {
    fn integer(&mut self, value: i64) {
        self.bytes.push(u8::from(value < 0));
        self.unsigned(value.unsigned_abs(), self.int_size);
    }

    fn unsigned(&mut self, value: u64, size: u8) {
        self.bytes.extend(value.to_le_bytes().iter().take(usize::from(size)));
    }

    fn text(&mut self, text: Option<&Text>) {
        match text {
            None => self.integer(-1),
            Some(text) => {
                self.integer(text.as_bytes().len() as i64);
                self.bytes.extend_from_slice(text.as_bytes());
            }
        }
    }

    fn number(&mut self, number: i64) {
        self.text(Some(&Text(number.to_string().into_bytes())));
    }

    fn entry(&mut self, version: ArchiveVersion, entry: &TocEntry, extra: &Extra) {
        self.integer(i64::from(entry.dump_id));
        self.integer(i64::from(entry.had_dumper));
        self.number(i64::from(entry.table_oid));
        self.number(i64::from(entry.oid));
        self.text(entry.tag.as_ref());
        self.text(entry.desc.as_ref());
        self.integer(entry.section.number());
        self.text(entry.defn.as_ref());
        self.text(entry.drop_stmt.as_ref());
        self.text(entry.copy_stmt.as_ref());
        self.text(entry.namespace.as_ref());
        self.text(entry.tablespace.as_ref());
        self.text(entry.table_am.as_ref());
        if version >= ArchiveVersion::V1_16 {
            self.integer(entry.relkind.unwrap_or(0));
        }
        self.text(entry.owner.as_ref());
        self.text(entry.with_oids.as_ref());
        for dependency in &entry.dependencies {
            self.number(i64::from(*dependency));
        }
        self.text(None);
        match extra {
            Extra::File(file) => self.text(file.as_ref()),
            Extra::Offset(state) => {
                let (mark, position) = match state {
                    DataState::NotSet => (1, 0),
                    DataState::At(position) => (2, *position),
                    DataState::NoData => (3, 0),
                };
                self.bytes.push(mark);
                self.unsigned(position, self.offset_size);
            }
        }
    }
}
