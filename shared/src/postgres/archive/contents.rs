//! What a table of contents holds, in the order and with the values of the archive.

use super::text::Text;
use crate::error::{Error, Result};
use std::fmt;

/// Header and table of contents of one archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The archive's format version.
    pub version: ArchiveVersion,
    /// Bytes of an integer in this archive (4 on all known machines).
    pub int_size: u8,
    /// Bytes of a file offset (8 on all known machines).
    pub offset_size: u8,
    /// The format it was read from.
    pub format: Format,
    /// Level (up to 1.14) or algorithm (from 1.15 on); 0 is none.
    pub compression: i64,
    /// When the dump began, in the dumping machine's local time.
    pub made: Moment,
    /// The database's name.
    pub database: Option<Text>,
    /// The server's version as pg_dump saw it: `17.2 (Debian 17.2-1)`.
    pub server_version: Option<Text>,
    /// pg_dump's own version.
    pub dump_version: Option<Text>,
    /// The entries, in the order in which they are restored.
    pub entries: Vec<TocEntry>,
}

/// A known version of the archive format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ArchiveVersion {
    /// PostgreSQL 12 to 15.
    V1_14,
    /// PostgreSQL 16.
    V1_15,
    /// PostgreSQL 17 and 18.
    V1_16,
}

impl ArchiveVersion {
    /// The version with this number, or an error that says which ones are read.
    pub(super) fn from_numbers(major: u8, minor: u8) -> Result<Self> {
        match (major, minor) {
            (1, 14) => Ok(Self::V1_14),
            (1, 15) => Ok(Self::V1_15),
            (1, 16) => Ok(Self::V1_16),
            _ => Err(Error::failed(format!(
                "archive version {major}.{minor} is not known; 1.14, 1.15 and 1.16 are read \
                 (PostgreSQL 13 to 18)"
            ))),
        }
    }

    /// The minor number.
    pub(super) fn minor(self) -> u8 {
        match self {
            Self::V1_14 => 14,
            Self::V1_15 => 15,
            Self::V1_16 => 16,
        }
    }
}

impl fmt::Display for ArchiveVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.minor())
    }
}

/// The format byte of a header. Directory format has none of its own: its `toc.dat` says "tar".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `pg_dump -Fc`.
    Custom,
    /// The `toc.dat` of `pg_dump -Fd` (or of a tar archive).
    Directory,
}

/// A broken-down local time, as C's `struct tm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// `tm_sec`.
    pub second: i64,
    /// `tm_min`.
    pub minute: i64,
    /// `tm_hour`.
    pub hour: i64,
    /// `tm_mday`, from 1.
    pub day: i64,
    /// `tm_mon`, from 0.
    pub month: i64,
    /// `tm_year`, from 1900.
    pub year: i64,
    /// `tm_isdst`.
    pub daylight_saving: i64,
}

/// One entry: an object's definition, a table's data, a sequence's value ...
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TocEntry {
    /// Its number, unique in the archive and greater than 0.
    pub dump_id: i32,
    /// Whether data blocks belong to it.
    pub had_dumper: bool,
    /// The oid of the catalog that describes the object.
    pub table_oid: u32,
    /// The object's oid.
    pub oid: u32,
    /// The object's name, unquoted.
    pub tag: Option<Text>,
    /// What it is: `TABLE`, `TABLE DATA`, `SEQUENCE SET` ...
    pub desc: Option<Text>,
    /// When it is restored.
    pub section: Section,
    /// The statement that makes it.
    pub defn: Option<Text>,
    /// The statement that drops it.
    pub drop_stmt: Option<Text>,
    /// `COPY ... FROM stdin;` of a table's data.
    pub copy_stmt: Option<Text>,
    /// Its schema, unquoted.
    pub namespace: Option<Text>,
    /// Its tablespace, if that is not the database's.
    pub tablespace: Option<Text>,
    /// Its table access method.
    pub table_am: Option<Text>,
    /// `pg_class.relkind` of a relation, 0 of anything else; from archive version 1.16 on.
    pub relkind: Option<i64>,
    /// Its owner, unquoted.
    pub owner: Option<Text>,
    /// `true` if it was made WITH OIDS, which no server reads any more.
    pub with_oids: Option<Text>,
    /// The entries that must come before, by number, as text like in the archive.
    pub dependencies: Vec<i32>,
    /// What the format adds.
    pub extra: Extra,
}

/// When an entry is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Comments, ACLs: with the object that they belong to.
    None,
    /// Before the data.
    PreData,
    /// The data.
    Data,
    /// After the data: indexes, constraints, triggers ...
    PostData,
}

impl Section {
    /// The section with this number in an archive.
    pub(super) fn from_number(number: i64) -> Result<Self> {
        match number {
            1 => Ok(Self::None),
            2 => Ok(Self::PreData),
            3 => Ok(Self::Data),
            4 => Ok(Self::PostData),
            _ => Err(Error::failed(format!("section {number} in the table of contents is not known"))),
        }
    }

    /// Its number in an archive.
    pub(super) fn number(self) -> i64 {
        match self {
            Self::None => 1,
            Self::PreData => 2,
            Self::Data => 3,
            Self::PostData => 4,
        }
    }
}

/// What a format adds to an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extra {
    /// Custom format: where the data blocks are.
    Offset(DataState),
    /// Directory format: the file that holds the data; none or empty for no data.
    File(Option<Text>),
}

/// Where an entry's data blocks are in a custom archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataState {
    /// Somewhere behind the contents (the archive was written to a pipe).
    NotSet,
    /// At this offset.
    At(u64),
    /// Nowhere: the entry has no data.
    NoData,
}

impl TocEntry {
    /// Whether it is of this kind: `entry.is("TABLE DATA")`.
    pub fn is(&self, desc: &str) -> bool {
        self.desc.as_ref().is_some_and(|own| own == desc)
    }

    /// Its schema, or nothing.
    pub fn schema_text(&self) -> String {
        self.namespace.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    /// Its name, for messages and lists.
    pub fn tag_text(&self) -> String {
        self.tag.as_ref().map(ToString::to_string).unwrap_or_default()
    }
}

impl Contents {
    /// The entry with this number.
    pub fn entry(&self, dump_id: i32) -> Option<&TocEntry> {
        self.entries.iter().find(|entry| entry.dump_id == dump_id)
    }

    /// The entries whose rows are in data blocks of a table, in restore order: ordinary tables,
    /// partitions, extensions' configuration tables. A foreign table is among them only if it
    /// was asked for.
    pub fn table_data(&self) -> impl Iterator<Item = &TocEntry> {
        self.entries.iter().filter(|entry| entry.is("TABLE DATA") && entry.had_dumper)
    }

    /// The client encoding of every text and of the data: `UTF8`.
    ///
    /// # Errors
    ///
    /// When the contents do not say, or in a form that pg_dump does not write.
    pub fn encoding(&self) -> Result<String> {
        let defn = self
            .entries
            .iter()
            .find(|entry| entry.is("ENCODING"))
            .and_then(|entry| entry.defn.as_ref())
            .ok_or_else(|| Error::failed("the table of contents names no encoding"))?
            .to_string();
        defn.split('\'')
            .nth(1)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .ok_or_else(|| Error::failed(format!("the encoding entry `{}` is not understood", defn.trim())))
    }
}
