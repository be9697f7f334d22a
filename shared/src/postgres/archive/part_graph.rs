//! What of an archive belongs to what, and what needs what.

use super::contents::{Contents, TocEntry};
use std::collections::{BTreeSet, HashMap};

/// Relations that can be named.
pub(super) const RELATIONS: [&str; 5] = ["TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE", "SEQUENCE"];

/// Rows and values, and what belongs to them alone.
pub(super) const DATA: [&str; 7] = [
    "TABLE DATA",
    "SEQUENCE SET",
    "MATERIALIZED VIEW DATA",
    "STATISTICS DATA",
    "BLOB",
    "BLOBS",
    "BLOB METADATA",
];

/// What names an object that it belongs to and nothing else by its dependencies.
const OF_AN_OBJECT: [&str; 10] = [
    "TABLE DATA",
    "MATERIALIZED VIEW DATA",
    "STATISTICS DATA",
    "SEQUENCE SET",
    "INDEX",
    "STATISTICS",
    "ROW SECURITY",
    "COMMENT",
    "ACL",
    "SECURITY LABEL",
];

/// What names its table in its tag, `orders orders_pkey`, and may depend on others beside.
const OF_A_TABLE: [&str; 7] =
    ["DEFAULT", "CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT", "TRIGGER", "RULE", "POLICY"];

impl TocEntry {
    /// What it is and its name, for people: ``table `shop.orders` ``.
    pub fn named(&self) -> String {
        let desc = self.desc.as_ref().map(ToString::to_string).unwrap_or_default();
        let schema = self.schema_text();
        let dot = if schema.is_empty() { "" } else { "." };
        format!("{} `{schema}{dot}{}`", desc.to_lowercase(), self.tag_text())
    }

    pub(super) fn is_any(&self, kinds: &[&str]) -> bool {
        kinds.iter().any(|kind| self.is(kind))
    }

    fn defn_contains(&self, what: &str) -> bool {
        self.defn
            .as_ref()
            .is_some_and(|defn| memchr::memmem::find(defn.as_bytes(), what.as_bytes()).is_some())
    }
}

/// The entries by number, and which tables are attached to which.
pub(super) struct Graph<'a> {
    entries: HashMap<i32, &'a TocEntry>,
    /// Pairs of a partition and its parent that an entry of their own brings together.
    attached: BTreeSet<(i32, i32)>,
}

impl<'a> Graph<'a> {
    pub fn of(contents: &'a Contents) -> Self {
        let entries: HashMap<i32, &TocEntry> =
            contents.entries.iter().map(|entry| (entry.dump_id, entry)).collect();
        let attached = contents
            .entries
            .iter()
            .filter(|entry| entry.is("TABLE ATTACH"))
            .filter_map(|entry| match entry.dependencies.as_slice() {
                [first, second, ..] => Some([(*first, *second), (*second, *first)]),
                _ => None,
            })
            .flatten()
            .collect();
        Self { entries, attached }
    }

    pub fn needs<'b>(&'b self, entry: &'b TocEntry) -> impl Iterator<Item = &'a TocEntry> + 'b {
        entry.dependencies.iter().filter_map(|id| self.entries.get(id).copied())
    }

    /// Whether an entry belongs to what is chosen.
    pub fn belongs(&self, entry: &TocEntry, chosen: &BTreeSet<i32>) -> bool {
        let is_chosen = |other: &TocEntry| chosen.contains(&other.dump_id);
        if entry.is_any(&OF_AN_OBJECT) {
            return self.needs(entry).any(is_chosen);
        }
        if entry.is_any(&OF_A_TABLE) {
            return self.table_of(entry).is_some_and(is_chosen);
        }
        if entry.is("SEQUENCE") {
            return self.needs(entry).any(|it| it.is("TABLE") && is_chosen(it));
        }
        if entry.is("SEQUENCE OWNED BY") {
            let of_chosen_table = |sequence: &TocEntry| self.needs(sequence).any(is_chosen);
            return self.needs(entry).any(|it| is_chosen(it) && it.is("SEQUENCE") && of_chosen_table(it));
        }
        if entry.is("TABLE ATTACH") || entry.is("INDEX ATTACH") {
            return self.needs(entry).count() > 1 && self.needs(entry).all(is_chosen);
        }
        entry.is("TABLE")
            && self.needs(entry).any(|parent| is_chosen(parent) && self.is_partition(entry, parent))
    }

    /// Up to some version the definition of a partition attaches it, later an entry of its own.
    fn is_partition(&self, entry: &TocEntry, parent: &TocEntry) -> bool {
        parent.is("TABLE")
            && (self.attached.contains(&(entry.dump_id, parent.dump_id))
                || entry.defn_contains(" ATTACH PARTITION "))
    }

    /// The table of an entry whose tag is the table's name, a space, and its own name.
    fn table_of(&self, entry: &TocEntry) -> Option<&'a TocEntry> {
        let tag = entry.tag.as_ref()?.as_bytes();
        self.needs(entry)
            .filter(|it| it.is_any(&RELATIONS) && it.namespace == entry.namespace)
            .filter(|it| {
                it.tag.as_ref().is_some_and(|name| {
                    tag.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&b' '))
                })
            })
            .max_by_key(|it| it.tag.as_ref().map(|name| name.as_bytes().len()))
    }

    /// Whether an entry cannot be made without another that it depends on.
    pub fn matters(&self, entry: &TocEntry, other: &TocEntry) -> bool {
        let indexes = ["INDEX", "CONSTRAINT"];
        if entry.is_any(&indexes) && other.is_any(&indexes) {
            // A partition's index can be made without the one of its parent.
            return false;
        }
        if entry.is("TABLE") && self.attached.contains(&(entry.dump_id, other.dump_id)) {
            return false;
        }
        if entry.is("SEQUENCE") && other.is("TABLE") {
            // Only an identity column's sequence is made by altering its table.
            return entry.defn_contains("ALTER TABLE ");
        }
        !(other.is_any(&DATA) || entry.is("TABLE DATA"))
    }
}
