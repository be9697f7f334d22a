//! A part of an archive: some tables or schemas with all that belongs to them.
//!
//! What belongs to a table is what pg_dump's `-t` takes with it: its rows, defaults, sequences,
//! indexes, constraints, triggers, rules, policies, comments and privileges; and, other than
//! there, its partitions, because without them a partitioned table is empty. What it only needs
//! (a type, a function) does not belong to it; [`Contents::settle`] tells what is lacking.
//!
//! Sources: pg_dump's archives of versions 13 to 18 (`fixtures`), and the manual's "pg_dump".

use super::{
    contents::{Contents, TocEntry},
    part_graph::{DATA, Graph, RELATIONS},
};
use crate::{
    error::{Error, Result},
    postgres::relation_name::{TypedName, TypedRelation},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What is wanted of an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// These relations; empty for all.
    pub tables: Vec<TypedRelation>,
    /// These schemas; with tables, where those are looked for. Empty for all.
    pub schemas: Vec<TypedName>,
    /// Definitions, rows, or both.
    pub content: Content,
}

impl Wanted {
    /// Whether nothing is left out.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}

/// Definitions, rows, or both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// Both.
    #[default]
    All,
    /// Definitions without rows and sequences' values.
    SchemaOnly,
    /// Rows and sequences' values.
    DataOnly,
}

/// Something that what was chosen needs, and that is neither chosen nor there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// What needs it: ``table `shop.orders` ``.
    pub by: String,
    /// What is lacking: ``type `shop.mood` ``.
    pub what: String,
}

/// What remains of a choice when it is known what is there already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// The entries, by number.
    pub chosen: BTreeSet<i32>,
    /// What cannot be done without.
    pub lacking: Vec<Lack>,
    /// What is left out because of something that is lacking.
    pub left_out: Vec<Lack>,
}

/// Without these the rows are there all the same, and nobody may see more than before.
const DISPENSABLE: [&str; 14] = [
    "FK CONSTRAINT",
    "TRIGGER",
    "RULE",
    "INDEX",
    "STATISTICS",
    "STATISTICS DATA",
    "TABLE ATTACH",
    "INDEX ATTACH",
    "SEQUENCE OWNED BY",
    "MATERIALIZED VIEW DATA",
    "COMMENT",
    "ACL",
    "SECURITY LABEL",
    "ROW SECURITY",
];

/// What a publication lists; it belongs to the publication.
const OF_A_PUBLICATION: [&str; 2] = ["PUBLICATION TABLE", "PUBLICATION TABLES IN SCHEMA"];

impl Contents {
    /// Chooses what is wanted, by number, with all that belongs to it.
    ///
    /// # Errors
    ///
    /// When a name is not in the archive, or is there more than once.
    pub fn choose(&self, wanted: &Wanted) -> Result<BTreeSet<i32>> {
        let graph = Graph::of(self);
        let mut chosen: BTreeSet<i32> = if wanted.tables.is_empty() && wanted.schemas.is_empty() {
            self.entries.iter().map(|entry| entry.dump_id).collect()
        } else if wanted.tables.is_empty() {
            self.in_schemas(&wanted.schemas)?
        } else {
            self.relations(&wanted.tables, &wanted.schemas)?
        };
        // Each round finds what belongs to what the one before it found.
        loop {
            let more: Vec<i32> = self
                .entries
                .iter()
                .filter(|entry| !chosen.contains(&entry.dump_id) && graph.belongs(entry, &chosen))
                .map(|entry| entry.dump_id)
                .collect();
            if more.is_empty() {
                break;
            }
            chosen.extend(more);
        }
        Ok(self.of_content(&graph, &chosen, wanted.content))
    }

    /// Leaves definitions or rows out.
    fn of_content(&self, graph: &Graph<'_>, chosen: &BTreeSet<i32>, content: Content) -> BTreeSet<i32> {
        let of_data = |entry: &TocEntry| {
            entry.is_any(&DATA)
                || (entry.is_any(&["COMMENT", "ACL", "SECURITY LABEL"])
                    && graph.needs(entry).any(|it| it.is_any(&DATA)))
        };
        let is_wanted = |entry: &&TocEntry| match content {
            Content::All => true,
            Content::SchemaOnly => !of_data(entry),
            Content::DataOnly => entry.is("TABLE DATA") || entry.is("SEQUENCE SET"),
        };
        let ids = self.entries.iter().filter(|entry| chosen.contains(&entry.dump_id)).filter(is_wanted);
        ids.map(|entry| entry.dump_id).collect()
    }

    fn in_schemas(&self, schemas: &[TypedName]) -> Result<BTreeSet<i32>> {
        let there: BTreeSet<String> = self
            .entries
            .iter()
            .map(|entry| if entry.is("SCHEMA") { entry.tag_text() } else { entry.schema_text() })
            .filter(|name| !name.is_empty())
            .collect();
        let mut chosen = BTreeSet::new();
        for typed in schemas {
            let Some(name) = typed.spellings().into_iter().find(|name| there.contains(name)) else {
                return Err(not_there("schema", &typed.to_string(), &there));
            };
            chosen.extend(
                self.entries
                    .iter()
                    .filter(|entry| !entry.is_any(&OF_A_PUBLICATION))
                    .filter(|entry| {
                        if entry.is("SCHEMA") {
                            entry.tag_text() == name
                        } else {
                            entry.schema_text() == name
                        }
                    })
                    .map(|entry| entry.dump_id),
            );
        }
        Ok(chosen)
    }

    fn relations(&self, tables: &[TypedRelation], schemas: &[TypedName]) -> Result<BTreeSet<i32>> {
        let within: Vec<String> = schemas.iter().flat_map(TypedName::spellings).collect();
        let all: Vec<(String, String, &TocEntry)> = self
            .entries
            .iter()
            .filter(|entry| entry.is_any(&RELATIONS))
            .map(|entry| (entry.schema_text(), entry.tag_text(), entry))
            .filter(|(schema, _, _)| within.is_empty() || within.contains(schema))
            .collect();
        let mut chosen = BTreeSet::new();
        for typed in tables {
            let in_schemas = typed.schema.as_ref().map(TypedName::spellings);
            let found: Vec<_> = typed
                .name
                .spellings()
                .into_iter()
                .map(|name| {
                    all.iter()
                        .filter(|(schema, own, _)| {
                            *own == name && in_schemas.as_ref().is_none_or(|it| it.contains(schema))
                        })
                        .collect::<Vec<_>>()
                })
                .find(|found| !found.is_empty())
                .unwrap_or_default();
            match found.as_slice() {
                [] => {
                    let names = all.iter().map(|(schema, name, _)| format!("{schema}.{name}")).collect();
                    return Err(not_there("table", &typed.to_string(), &names));
                }
                [(_, _, entry)] => {
                    chosen.insert(entry.dump_id);
                }
                several => return Err(ambiguous(typed, several.iter().map(|it| it.0.as_str()))),
            }
        }
        Ok(chosen)
    }

    /// Takes what a *new* database needs of the server's own for a choice: schemas and extensions.
    pub fn with_surroundings(&self, chosen: &BTreeSet<i32>) -> BTreeSet<i32> {
        let graph = Graph::of(self);
        let mut all = chosen.clone();
        let mut next: Vec<&TocEntry> =
            self.entries.iter().filter(|entry| chosen.contains(&entry.dump_id)).collect();
        while let Some(entry) = next.pop() {
            let schema = entry.schema_text();
            let own = self.entries.iter().filter(|it| it.is("SCHEMA") && it.tag_text() == schema);
            for needed in graph.needs(entry).filter(|it| it.is_any(&["SCHEMA", "EXTENSION"])).chain(own) {
                if all.insert(needed.dump_id) {
                    next.push(needed);
                }
            }
        }
        all
    }

    /// Finds out what of a choice can be made. `is_there` tells of an entry that is not chosen
    /// whether the database has it already.
    ///
    /// Foreign keys, triggers, indexes and the like are left out when what they need is lacking;
    /// for anything else that is in the way.
    pub fn settle(&self, chosen: &BTreeSet<i32>, is_there: &dyn Fn(&TocEntry) -> bool) -> Settled {
        let graph = Graph::of(self);
        let mut settled = Settled { chosen: chosen.clone(), ..Settled::default() };
        let mut lacking = BTreeMap::new();
        let mut known: HashMap<i32, bool> = HashMap::new();
        loop {
            let before = settled.chosen.len();
            for entry in &self.entries {
                if !settled.chosen.contains(&entry.dump_id) {
                    continue;
                }
                let missing = graph.needs(entry).find(|other| {
                    !settled.chosen.contains(&other.dump_id)
                        && graph.matters(entry, other)
                        && !*known.entry(other.dump_id).or_insert_with(|| is_there(other))
                });
                let Some(missing) = missing else { continue };
                let lack = Lack { by: entry.named(), what: missing.named() };
                if entry.is_any(&DISPENSABLE) && !entry.tag_text().ends_with(" _RETURN") {
                    settled.chosen.remove(&entry.dump_id);
                    // A comment or an index's place goes with what it belongs to.
                    if chosen.contains(&missing.dump_id) && !entry.is("FK CONSTRAINT") {
                        continue;
                    }
                    settled.left_out.push(lack);
                } else {
                    lacking.entry(entry.dump_id).or_insert(lack);
                }
            }
            if settled.chosen.len() == before {
                break;
            }
        }
        settled.lacking = lacking.into_values().collect();
        settled
    }

    /// The same archive with these entries alone, and what says how to read it.
    #[must_use]
    pub fn only(&self, chosen: &BTreeSet<i32>) -> Self {
        let how_to_read = ["ENCODING", "STDSTRINGS", "SEARCHPATH"];
        let is_kept = |entry: &&TocEntry| {
            chosen.contains(&entry.dump_id) && !entry.is("DATABASE") || entry.is_any(&how_to_read)
        };
        Self { entries: self.entries.iter().filter(is_kept).cloned().collect(), ..self.clone() }
    }

    /// The relations that a choice makes or fills, in the archive's order.
    pub fn relation_entries(&self) -> impl Iterator<Item = &TocEntry> {
        self.entries.iter().filter(|entry| entry.is_any(&RELATIONS))
    }
}

/// Names that an error lists before it only counts.
const LISTED: usize = 12;

fn not_there(kind: &str, name: &str, there: &BTreeSet<String>) -> Error {
    let mut names: Vec<&str> = there.iter().map(String::as_str).take(LISTED).collect();
    let more = format!("and {} more", there.len().saturating_sub(LISTED));
    if there.len() > LISTED {
        names.push(&more);
    }
    let error = Error::failed(format!("there is no {kind} `{name}` in the backup"));
    match names.as_slice() {
        [] => error,
        names => error.caused_by(format!("it has {}", names.join(", "))),
    }
}

fn ambiguous<'a>(typed: &TypedRelation, schemas: impl Iterator<Item = &'a str>) -> Error {
    let schemas: Vec<&str> = schemas.collect();
    let first = schemas.first().copied().unwrap_or_default();
    Error::failed(format!("`{typed}` is there more than once"))
        .caused_by(format!("it is in the schemas {}", schemas.join(", ")))
        .hint(format!("say which one is meant: `-t {first}.{typed}`"))
}
