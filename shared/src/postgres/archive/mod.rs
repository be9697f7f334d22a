//! Reads and writes the table of contents of pg_dump's archives.
//!
//! A custom-format stream (`pg_dump -Fc`) begins with a header and the table of contents;
//! [`read_contents`] takes just these from it. [`Contents`] can be written again as the
//! `toc.dat` of a directory-format dump, which `pg_restore -Fd` reads, or as a custom archive
//! without any data, from which `pg_restore` makes schema objects. Archive versions 1.14
//! (PostgreSQL 12 to 15), 1.15 (16) and 1.16 (17 and 18) are known.
//!
//! Absent on purpose: data blocks, which the method moves by itself, and compression: what is
//! written says "none", because the repository compresses.
//!
//! Start with [`Contents`].

mod contents;
mod large_objects;
mod part;
mod part_graph;
mod read;
mod script;
mod sequence;
mod text;
mod write;

#[cfg(test)]
mod lying_lengths;
#[cfg(test)]
mod part_tests;
#[cfg(test)]
mod tests;

pub use contents::{ArchiveVersion, Contents, DataState, Extra, Format, Moment, Section, TocEntry};
pub use large_objects::LargeObjectGroup;
pub use part::{Content, Lack, Settled, Wanted};
pub use read::{read_contents, read_directory_toc};
pub use script::{ScriptPart, script_parts};
pub use sequence::SequenceValue;
pub use text::Text;
