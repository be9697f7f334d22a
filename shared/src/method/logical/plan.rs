//! What the worker sessions will read: parts of tables, groups of large objects.

use super::read::Previous;
use crate::{
    error::{Error, Result},
    postgres::{
        Version,
        archive::{Contents, LargeObjectGroup, TocEntry},
        tables::{Extent, TableFacts, copy_out},
    },
};
use pgbackup_wire::{CutSizes, MAX_CHUNK};
use std::collections::BTreeMap;

/// Bytes of a table that are read as one part.
const PART: u64 = 64 << 20;
/// Large objects that are one task.
const OBJECTS_AT_ONCE: usize = 64;

/// One table of the contents and how it will be read.
pub(super) struct TablePlan {
    /// Its entry in the contents.
    pub dump_id: i32,
    pub facts: TableFacts,
    pub sizes: CutSizes,
    /// The statement of each part, in order.
    pub parts: Vec<String>,
    pub read_as: Option<String>,
}

/// One thing to do for a worker.
#[derive(Clone, Debug)]
pub(super) enum Task {
    /// A part of a table: positions in the list of tables and in its parts.
    Part(usize, usize),
    /// Large objects: positions in the list of all.
    Objects(std::ops::Range<usize>),
}

/// Plans every `TABLE DATA` entry of the contents, in their order.
///
/// # Errors
///
/// When a table has no facts, or its columns are not those of the contents.
pub(super) fn tables(
    contents: &Contents,
    facts: &BTreeMap<u32, TableFacts>,
    encoding: &str,
    version: Version,
    previous: &Previous,
) -> Result<Vec<TablePlan>> {
    contents
        .table_data()
        .map(|entry| {
            let name = format!("{}.{}", entry.schema_text(), entry.tag_text());
            let facts = facts.get(&entry.oid).ok_or_else(|| {
                Error::failed(format!("table `{name}` of the contents is not in the catalog"))
            })?;
            compare_columns(entry, facts, encoding)?;
            let key = (facts.table.schema.clone(), facts.table.name.clone());
            let sizes = previous.chunk_sizes.get(&key).and_then(|average| sizes(*average));
            Ok(TablePlan {
                dump_id: entry.dump_id,
                sizes: sizes.unwrap_or_else(|| CutSizes::for_table(facts.bytes)),
                parts: parts(facts, encoding, version),
                read_as: read_as(entry, facts),
                facts: facts.clone(),
            })
        })
        .collect()
}

/// The sizes for an average that an earlier backup was cut at.
fn sizes(average: u32) -> Option<CutSizes> {
    let max = average.checked_mul(4)?.min(u32::try_from(MAX_CHUNK).ok()?);
    let sizes = CutSizes { min: average / 4, average, max };
    sizes.is_sound().then_some(sizes)
}

/// Rows are loaded by the archive's own COPY statement, so its columns must be those read here.
fn compare_columns(entry: &TocEntry, facts: &TableFacts, encoding: &str) -> Result<()> {
    let statement = entry.copy_stmt.as_ref().map(ToString::to_string).unwrap_or_default();
    let columns = if facts.columns.is_empty() { String::new() } else { format!(" ({})", facts.columns) };
    // In another encoding the contents' bytes cannot be compared with UTF-8.
    if (encoding != "UTF8" && !columns.is_ascii())
        || statement.trim_end().ends_with(&format!("{columns} FROM stdin;"))
    {
        return Ok(());
    }
    Err(Error::failed(format!("columns of table {} are not those that pg_dump saw", facts.table.quoted()))
        .caused_by(format!("the contents say `{}`, the catalog says `{}`", statement.trim(), facts.columns)))
}

/// What is different from a plain COPY of the table itself, for the manifest.
fn read_as(entry: &TocEntry, facts: &TableFacts) -> Option<String> {
    if let Some(condition) = &facts.condition {
        return Some(format!("rows of an extension's configuration table {condition}"));
    }
    let marked = entry.defn.as_ref().is_some_and(|defn| defn.to_string().contains("load via partition root"));
    marked.then(|| "rows of a partition that are loaded through its root".to_owned())
}

/// Cuts a large table into page ranges of about [`PART`] bytes.
///
/// Their size in pages is a power of two, so that the borders stay where they are while the
/// table grows, and a later backup is cut alike. Tables whose rows are mostly stored out of line
/// have fewer pages for the same bytes. Up to version 13 the server would read the whole table
/// for each range.
fn parts(facts: &TableFacts, encoding: &str, version: Version) -> Vec<String> {
    const PAGE: u64 = 8192;
    let whole = || vec![copy_out(facts, Extent::Whole, encoding)];
    if version.major() < 14 || !facts.is_heap || facts.condition.is_some() || facts.bytes < PART {
        return whole();
    }
    let pages = facts.heap_bytes / PAGE;
    let spread = (facts.bytes / facts.heap_bytes.max(1)).max(1);
    let at_once = ((PART / PAGE) >> spread.ilog2()).max(1);
    if pages <= at_once {
        return whole();
    }
    (0..pages.div_ceil(at_once))
        .map(|part| {
            let first = part * at_once;
            let end = Some(first + at_once).filter(|end| *end < pages);
            copy_out(facts, Extent::Pages(first, end), encoding)
        })
        .collect()
}

/// All tasks, largest first; large objects last, because nobody knows their size.
pub(super) fn tasks(tables: &[TablePlan], objects: usize) -> Vec<Task> {
    let mut parts: Vec<(u64, Task)> = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        let count = table.parts.len() as u64;
        // Parts of one table stay together and in order; the largest table comes first.
        for part in 0..table.parts.len() {
            parts.push((table.facts.bytes / count.max(1), Task::Part(index, part)));
        }
    }
    parts.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
    let mut tasks: Vec<Task> = parts.into_iter().map(|(_, task)| task).collect();
    let groups = (0..objects).step_by(OBJECTS_AT_ONCE);
    tasks.extend(groups.map(|first| Task::Objects(first..(first + OBJECTS_AT_ONCE).min(objects))));
    tasks
}

/// Every large object of the contents with the entry it belongs to.
pub(super) fn objects(groups: &[LargeObjectGroup]) -> Vec<(i32, u32)> {
    groups.iter().flat_map(|group| group.oids.iter().map(|oid| (group.dump_id, *oid))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::tables::NamedTable;

    fn facts(heap_bytes: u64, bytes: u64) -> TableFacts {
        TableFacts {
            table: NamedTable { oid: 1, schema: "s".into(), name: "t".into() },
            columns: "a".into(),
            heap_bytes,
            bytes,
            is_heap: true,
            condition: None,
        }
    }

    #[test]
    fn a_small_table_is_one_part() {
        assert_eq!(parts(&facts(1 << 20, 1 << 20), "UTF8", Version(170_000)).len(), 1);
    }

    #[test]
    fn a_large_table_is_cut_into_ranges_of_64_mib_with_an_open_end() {
        let parts = parts(&facts(200 << 20, 200 << 20), "UTF8", Version(170_000));
        assert_eq!(parts.len(), 4);
        assert!(parts[0].contains(">= '(0,0)'") && parts[0].contains("< '(8192,0)'"), "{}", parts[0]);
        assert!(parts[3].contains(">= '(24576,0)'") && !parts[3].contains('<'), "{}", parts[3]);
    }

    #[test]
    fn rows_stored_out_of_line_make_ranges_of_fewer_pages() {
        let parts = parts(&facts(8 << 20, 256 << 20), "UTF8", Version(170_000));
        assert_eq!(parts.len(), 4);
    }

    #[test]
    fn a_server_that_would_read_all_pages_for_a_range_reads_the_table_whole() {
        assert_eq!(parts(&facts(1 << 30, 1 << 30), "UTF8", Version(130_000)).len(), 1);
    }

    #[test]
    fn every_large_object_is_in_exactly_one_task() {
        let covered: Vec<usize> = tasks(&[], 130)
            .into_iter()
            .flat_map(|task| match task {
                Task::Objects(range) => range.collect(),
                Task::Part(..) => Vec::new(),
            })
            .collect();
        assert_eq!(covered, (0..130).collect::<Vec<_>>());
    }
}
