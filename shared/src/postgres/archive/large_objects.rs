//! Which large objects an archive holds, and in which data entry.
//!
//! Up to PostgreSQL 16 there is one `BLOB` entry an object and one `BLOBS` entry with the data
//! of all; from 17 on a `BLOB METADATA` entry lists the objects of a group (one owner, one ACL),
//! and the `BLOBS` entry that depends on it holds their data.

use super::contents::{Contents, TocEntry};
use crate::error::{Error, Result};
use std::fmt::Write as _;

/// The large objects whose data belongs to one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LargeObjectGroup {
    /// The number of the `BLOBS` entry.
    pub dump_id: i32,
    /// The file of the directory format that lists them: `blobs.toc`, or `blobs_<dump id>.toc`
    /// from archive version 1.16 on. Its lines are `<oid> blob_<oid>.dat`.
    pub file: String,
    /// The objects, in the archive's order.
    pub oids: Vec<u32>,
}

impl LargeObjectGroup {
    /// The text of its list in the directory format.
    pub fn list(&self) -> String {
        let mut list = String::new();
        for oid in &self.oids {
            // Writing to a String cannot fail.
            let _ = writeln!(list, "{oid} blob_{oid}.dat");
        }
        list
    }
}

impl Contents {
    /// Every large object that has data in this archive, by data entry.
    ///
    /// # Errors
    ///
    /// When a data entry of large objects does not tell which ones it holds.
    pub fn large_objects(&self) -> Result<Vec<LargeObjectGroup>> {
        let single: Vec<u32> =
            self.entries.iter().filter(|entry| entry.is("BLOB")).map(|entry| entry.oid).collect();
        let mut groups = Vec::new();
        for data in self.entries.iter().filter(|entry| entry.is("BLOBS") && entry.had_dumper) {
            let described: Vec<&TocEntry> = data
                .dependencies
                .iter()
                .filter_map(|id| self.entry(*id))
                .filter(|entry| entry.is("BLOB METADATA"))
                .collect();
            let (file, oids) = if described.is_empty() {
                ("blobs.toc".to_owned(), single.clone())
            } else {
                let mut oids = Vec::new();
                for entry in described {
                    oids.extend(listed(entry)?);
                }
                (format!("blobs_{}.toc", data.dump_id), oids)
            };
            if oids.is_empty() {
                return Err(Error::failed(format!(
                    "entry {} of the table of contents does not tell which large objects it holds",
                    data.dump_id
                )));
            }
            groups.push(LargeObjectGroup { dump_id: data.dump_id, file, oids });
        }
        let of_ours: usize = groups.iter().filter(|group| group.file == "blobs.toc").count();
        if of_ours > 1 || (of_ours == 0 && !single.is_empty()) {
            return Err(Error::failed(format!(
                "the table of contents names {} large objects and {of_ours} entries with their data",
                single.len()
            )));
        }
        Ok(groups)
    }
}

/// The oids that a `BLOB METADATA` entry lists, one a line.
fn listed(entry: &TocEntry) -> Result<Vec<u32>> {
    let list = entry.defn.as_ref().map(ToString::to_string).unwrap_or_default();
    list.split_ascii_whitespace()
        .map(|oid| {
            oid.parse().map_err(|_| {
                Error::failed(format!("`{oid}` in entry {} is not a large object's oid", entry.dump_id))
            })
        })
        .collect()
}
