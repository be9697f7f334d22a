//! The parser. Every length is checked before it is believed, and memory grows only with
//! bytes that have really arrived.
//!
//! Source of the layout: PostgreSQL's `pg_backup_archiver.c`, `ReadHead` and `ReadToc`, and
//! compared with archives of PostgreSQL 13, 15, 16, 17 and 18.

use super::{
    contents::{ArchiveVersion, Contents, DataState, Extra, Format, Moment, Section, TocEntry},
    text::Text,
};
use crate::error::{Context, Error, Result};
use std::io::Read;

/// No text of a server is longer than 1 GiB.
const LONGEST_TEXT: i64 = 1 << 30;

/// Reads header and table of contents of a custom-format stream, and not one byte more.
///
/// # Errors
///
/// When the stream ends early, is not an archive, or is one of a version that is not known.
pub fn read_contents(stream: &mut dyn Read) -> Result<Contents> {
    read(stream, Format::Custom)
}

/// Reads the `toc.dat` of a directory-format dump; it must end with its last entry.
pub fn read_directory_toc(bytes: &[u8]) -> Result<Contents> {
    let mut rest = bytes;
    let contents = read(&mut rest, Format::Directory)?;
    if !rest.is_empty() {
        return Err(Error::failed(format!("{} bytes follow the table of contents", rest.len())));
    }
    Ok(contents)
}

fn read(stream: &mut dyn Read, format: Format) -> Result<Contents> {
    let mut magic = [0; 5];
    fill(stream, &mut magic)?;
    if &magic != b"PGDMP" {
        return Err(Error::failed("what pg_dump wrote is not an archive: it does not begin with `PGDMP`"));
    }
    let [major, minor, _revision, int_size, offset_size, format_byte] = bytes(stream)?;
    let version = ArchiveVersion::from_numbers(major, minor)?;
    if !(2..=8).contains(&int_size) || !(4..=8).contains(&offset_size) {
        return Err(Error::failed(format!(
            "integers of {int_size} and offsets of {offset_size} bytes in the archive's header"
        )));
    }
    let expected = format_number(format);
    if format_byte != expected {
        return Err(Error::failed(format!("archive format {format_byte} where {expected} was expected")));
    }
    let mut source = Source { stream, int_size, offset_size };
    let compression = if version == ArchiveVersion::V1_14 {
        source.integer()?
    } else {
        i64::from(u8::from_le_bytes(bytes(source.stream)?))
    };
    let made = Moment {
        second: source.integer()?,
        minute: source.integer()?,
        hour: source.integer()?,
        day: source.integer()?,
        month: source.integer()?,
        year: source.integer()?,
        daylight_saving: source.integer()?,
    };
    let database = source.text()?;
    let server_version = source.text()?;
    let dump_version = source.text()?;
    let count = source.integer()?;
    if !(0..=i64::from(i32::MAX)).contains(&count) {
        return Err(Error::failed(format!("the table of contents says it has {count} entries")));
    }
    let mut entries = Vec::new();
    for number in 0..count {
        let entry = source.entry(version, format).map_err(|error| {
            error.context(format!("read entry {number} of {count} of the table of contents"))
        })?;
        entries.push(entry);
    }
    Ok(Contents {
        version,
        int_size,
        offset_size,
        format,
        compression,
        made,
        database,
        server_version,
        dump_version,
        entries,
    })
}

/// The format byte; that of a directory is the one of the tar format.
pub(super) fn format_number(format: Format) -> u8 {
    match format {
        Format::Custom => 1,
        Format::Directory => 3,
    }
}

fn fill(stream: &mut dyn Read, buffer: &mut [u8]) -> Result<()> {
    stream.read_exact(buffer).context("read the table of contents")
}

fn bytes<const N: usize>(stream: &mut dyn Read) -> Result<[u8; N]> {
    let mut buffer = [0; N];
    fill(stream, &mut buffer)?;
    Ok(buffer)
}

struct Source<'a> {
    stream: &'a mut dyn Read,
    int_size: u8,
    offset_size: u8,
}

impl Source<'_> {
    /// An integer: a byte for the sign, then its amount, lowest byte first.
    fn integer(&mut self) -> Result<i64> {
        let [sign] = bytes(self.stream)?;
        let amount = self.unsigned(self.int_size)?;
        let amount = i64::try_from(amount)
            .map_err(|_| Error::failed(format!("the integer {amount} in the archive is too large")))?;
        match sign {
            0 => Ok(amount),
            1 => Ok(-amount),
            _ => Err(Error::failed(format!("an integer of the archive has the sign byte {sign}"))),
        }
    }

    fn unsigned(&mut self, size: u8) -> Result<u64> {
        let mut buffer = [0; 8];
        for byte in buffer.iter_mut().take(usize::from(size)) {
            [*byte] = bytes(self.stream)?;
        }
        Ok(u64::from_le_bytes(buffer))
    }

    /// A string; the length -1 is "none", which is not the same as an empty one.
    fn text(&mut self) -> Result<Option<Text>> {
        let length = self.integer()?;
        if length == -1 {
            return Ok(None);
        }
        if !(0..=LONGEST_TEXT).contains(&length) {
            return Err(Error::failed(format!("a string of the archive is {length} bytes long")));
        }
        let length = length.unsigned_abs();
        let mut text = Vec::new();
        self.stream.take(length).read_to_end(&mut text).context("read the table of contents")?;
        if text.len() as u64 != length {
            return Err(Error::failed("the stream ended inside the table of contents"));
        }
        Ok(Some(Text(text)))
    }

    /// A number that is written as text.
    fn number<T: std::str::FromStr>(&mut self, what: &str) -> Result<T> {
        let text = self.text()?.unwrap_or_default();
        parse(&text, what)
    }

    fn entry(&mut self, version: ArchiveVersion, format: Format) -> Result<TocEntry> {
        let dump_id = self.integer()?;
        let dump_id = i32::try_from(dump_id)
            .ok()
            .filter(|id| *id > 0)
            .ok_or_else(|| Error::failed(format!("{dump_id} is not an entry's number")))?;
        let had_dumper = match self.integer()? {
            0 => false,
            1 => true,
            other => return Err(Error::failed(format!("the data mark of entry {dump_id} is {other}"))),
        };
        let table_oid = self.number("a catalog's oid")?;
        let oid = self.number("an oid")?;
        let tag = self.text()?;
        let desc = self.text()?;
        let section = Section::from_number(self.integer()?)?;
        let defn = self.text()?;
        let drop_stmt = self.text()?;
        let copy_stmt = self.text()?;
        let namespace = self.text()?;
        let tablespace = self.text()?;
        let table_am = self.text()?;
        let relkind = if version >= ArchiveVersion::V1_16 { Some(self.integer()?) } else { None };
        let owner = self.text()?;
        let with_oids = self.text()?;
        let mut dependencies = Vec::new();
        while let Some(text) = self.text()? {
            dependencies.push(parse(&text, "a dependency")?);
        }
        let extra = match format {
            Format::Custom => Extra::Offset(self.offset()?),
            Format::Directory => Extra::File(self.text()?),
        };
        Ok(TocEntry {
            dump_id,
            had_dumper,
            table_oid,
            oid,
            tag,
            desc,
            section,
            defn,
            drop_stmt,
            copy_stmt,
            namespace,
            tablespace,
            table_am,
            relkind,
            owner,
            with_oids,
            dependencies,
            extra,
        })
    }

    fn offset(&mut self) -> Result<DataState> {
        let [state] = bytes(self.stream)?;
        let position = self.unsigned(self.offset_size)?;
        match state {
            1 => Ok(DataState::NotSet),
            2 => Ok(DataState::At(position)),
            3 => Ok(DataState::NoData),
            _ => Err(Error::failed(format!("an entry's data state is {state}"))),
        }
    }
}

fn parse<T: std::str::FromStr>(text: &Text, what: &str) -> Result<T> {
    std::str::from_utf8(text.as_bytes())
        .ok()
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| Error::failed(format!("`{text}` in the table of contents is not {what}")))
}
