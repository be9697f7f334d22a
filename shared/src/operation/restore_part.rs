//! A part of a backup: some tables or schemas, definitions or rows alone.
//!
//! In a database that does not exist it is all there is; that is made as ever. To one that exists
//! it is added in one transaction: what is there already is in the way and is never replaced.

use super::{
    Obstacle, RestoreRequest,
    restore_plan::{PlannedObject, PlannedPart},
    restore_prepare::choose,
    server::{Reached, ServerState},
};
use crate::{
    catalog::manifest::{DatabaseRecord, Manifest},
    error::{Context as _, Error, Kind, Result},
    mover::ServerSession,
    postgres::{
        archive::{Content, Contents, Lack, TocEntry},
        present::{self, Present},
    },
};
use std::collections::BTreeSet;

/// What an empty database takes.
const EMPTY: u64 = 8 << 20;

/// Things of one kind that a plan names before it only counts.
const NAMED: usize = 8;

/// The part that was asked for, as far as the backup alone can tell.
pub(super) struct Narrowed {
    contents: Contents,
    chosen: BTreeSet<i32>,
    /// Large objects, which belong to no table and no schema.
    large_objects: usize,
}

/// The part that will be restored.
pub(super) struct Part {
    /// What of the contents is restored.
    pub contents: Contents,
    /// Definitions, rows, or both.
    pub content: Content,
    /// The order of its tables, where that matters.
    pub order: Vec<i32>,
    /// What the plan shows of it.
    pub planned: PlannedPart,
    /// What is in the way.
    pub obstacles: Vec<Obstacle>,
    /// What should be known.
    pub remarks: Vec<String>,
}

/// Narrows the manifest down to the part that was asked for; none if that is everything.
///
/// # Errors
///
/// When more than one database is meant, or what was named is not in the backup.
pub(super) fn narrow(
    manifest: &mut Manifest,
    request: &RestoreRequest,
    contents_of: &dyn Fn(&DatabaseRecord) -> Result<Contents>,
) -> Result<Option<Narrowed>> {
    if request.part.is_everything() {
        return Ok(None);
    }
    let meant = choose(manifest, request)?;
    let [record] = meant.as_slice() else {
        let names: Vec<&str> = meant.iter().map(|record| record.name.as_str()).collect();
        return Err(Error::new(Kind::Usage, "a part is restored of exactly one database")
            .caused_by(format!("the backup has {}", names.join(", ")))
            .hint("name the one that is meant with `-d`"));
    };
    let contents = contents_of(record)?;
    let name = record.name.clone();
    let chosen = contents.choose(&request.part).context(format!("look for it in `{name}`"))?;
    let Some(record) = manifest.databases.iter_mut().find(|record| record.name == name) else {
        return Err(Error::failed(format!("database `{name}` is not in the manifest")));
    };
    let bytes = |record: &DatabaseRecord| record.tables.iter().map(|table| table.bytes).sum::<u64>();
    let whole = bytes(record).max(1);
    record.tables.retain(|table| chosen.contains(&table.dump_id));
    let large_objects = std::mem::take(&mut record.large_objects).len();
    let share = u128::from(record.size) * u128::from(bytes(record)) / u128::from(whole);
    record.size = EMPTY + u64::try_from(share).unwrap_or(u64::MAX);
    if request.part.content == Content::DataOnly && record.tables.is_empty() {
        return Err(Error::failed(format!("nothing of that has rows in `{name}`"))
            .hint("leave `--data-only` away to restore definitions"));
    }
    Ok(Some(Narrowed { contents, chosen, large_objects }))
}

impl Narrowed {
    /// Finds out how the part fits to what is there. Asks the server, changes nothing.
    pub fn settle(
        self,
        reached: &Reached<'_>,
        state: &ServerState,
        manifest: &mut Manifest,
        request: &RestoreRequest,
    ) -> Result<Part> {
        let record_name = choose(manifest, request)?.first().map(|one| one.name.clone()).unwrap_or_default();
        let name = request.into.clone().unwrap_or_else(|| record_name.clone());
        let adds = adds(request, state, &name);
        let mut part = Part {
            contents: self.contents,
            content: request.part.content,
            order: Vec::new(),
            planned: PlannedPart { adds, ..PlannedPart::default() },
            obstacles: Vec::new(),
            remarks: Vec::new(),
        };
        let Some(record) = manifest.databases.iter_mut().find(|record| record.name == record_name) else {
            return Err(Error::failed(format!("database `{record_name}` is not in the manifest")));
        };
        if adds {
            let mut session = reached.session(&name).context(format!("look at `{name}`"))?;
            if part.content == Content::DataOnly {
                part.add_rows(&mut session, record, &self.chosen)?;
            } else {
                part.add_definitions(&mut session, &name, &self.chosen)?;
            }
            session.close()?;
        } else if part.content == Content::DataOnly {
            part.obstacles.push(Obstacle {
                what: format!("there is no database `{name}` with tables to put rows into"),
                hint: Some("leave `--data-only` away to make them".into()),
            });
        } else {
            let chosen = part.contents.with_surroundings(&self.chosen);
            let is_there = |entry: &TocEntry| entry.is("SCHEMA") && entry.tag_text() == "public";
            part.take(
                &chosen,
                &is_there,
                "restore its whole schema with `-n`, or the whole database with `--into` alone",
            );
        }
        record.extensions.retain(|name, _| {
            part.contents.entries.iter().any(|entry| entry.is("EXTENSION") && entry.tag_text() == *name)
        });
        if self.large_objects > 0 {
            part.remarks.push(format!(
                "large objects are left out ({}): they come with a whole database only",
                self.large_objects
            ));
        }
        if adds && request.locale.is_some() {
            part.obstacles.push(Obstacle {
                what: format!("`{name}` is there, and `--locale` is for databases that are made"),
                hint: Some("restore into a new database with `--into`".into()),
            });
        }
        part.list(record);
        Ok(part)
    }
}

/// Whether the part is added to a database that is there.
pub(super) fn adds(request: &RestoreRequest, state: &ServerState, name: &str) -> bool {
    !request.part.is_everything()
        && request.into.is_none()
        && state.databases.iter().any(|database| database.name == name)
}

impl Part {
    /// What is added must not be there, but for its schemas and extensions.
    fn add_definitions(
        &mut self,
        session: &mut ServerSession<'_>,
        name: &str,
        chosen: &BTreeSet<i32>,
    ) -> Result<()> {
        let present = Present::read(session).context(format!("list what is in `{name}`"))?;
        let is_there = |entry: &TocEntry| present.has(entry).unwrap_or(true);
        let is_frame = |entry: &TocEntry| entry.is("SCHEMA") || entry.is("EXTENSION");
        let around = self.contents.with_surroundings(chosen);
        // Schemas that lack are made; extensions are the database owner's to decide on.
        let kept: BTreeSet<i32> = self
            .contents
            .entries
            .iter()
            .filter(|entry| {
                chosen.contains(&entry.dump_id) || (entry.is("SCHEMA") && around.contains(&entry.dump_id))
            })
            .filter(|entry| !(is_frame(entry) && is_there(entry)))
            .map(|entry| entry.dump_id)
            .collect();
        // What is said of a schema that is there goes with it.
        let of_frames = |entry: &TocEntry| {
            ["COMMENT", "ACL", "SECURITY LABEL"].iter().any(|kind| entry.is(kind))
                && entry
                    .dependencies
                    .iter()
                    .any(|id| !kept.contains(id) && self.contents.entry(*id).is_some_and(is_frame))
        };
        let chosen: BTreeSet<i32> = self
            .contents
            .entries
            .iter()
            .filter(|entry| kept.contains(&entry.dump_id) && !of_frames(entry))
            .map(|entry| entry.dump_id)
            .collect();
        let there: Vec<&TocEntry> = self
            .contents
            .entries
            .iter()
            .filter(|entry| chosen.contains(&entry.dump_id) && present.has(entry) == Some(true))
            .collect();
        // A table says enough of its indexes and sequences.
        let is_own = |entry: &&&TocEntry| !entry.is("INDEX") && !entry.is("SEQUENCE");
        let own: Vec<&&TocEntry> = there.iter().filter(is_own).collect();
        let told = if own.is_empty() { there.iter().collect() } else { own };
        for entry in told.iter().take(NAMED) {
            self.obstacles
                .push(Obstacle { what: format!("{} is in `{name}` already", entry.named()), hint: None });
        }
        if let Some(last) = self.obstacles.last_mut() {
            if told.len() > NAMED {
                last.what = format!("{}, and {} more", last.what, told.len() - NAMED);
            }
            last.hint = Some(
                "restore it into a new database with `--into`, add rows alone with `--data-only`, or give \
                 what is there another name"
                    .into(),
            );
        }
        self.take(&chosen, &is_there, "make it there first, or restore its whole schema with `-n`");
        Ok(())
    }

    /// What rows are added to must be there.
    fn add_rows(
        &mut self,
        session: &mut ServerSession<'_>,
        record: &DatabaseRecord,
        chosen: &BTreeSet<i32>,
    ) -> Result<()> {
        let present = Present::read(session).context("list the tables")?;
        let tables: Vec<(String, String)> =
            record.tables.iter().map(|table| (table.schema.clone(), table.name.clone())).collect();
        let missing = tables.iter().filter(|(schema, name)| !present.has_relation(schema, name));
        for (schema, name) in missing.take(NAMED) {
            self.obstacles.push(Obstacle {
                what: format!("table `{schema}.{name}` is not there to put rows into"),
                hint: Some("restore it with its definition, without `--data-only`".into()),
            });
        }
        let sequence_is_there = |entry: &TocEntry| {
            !entry.is("SEQUENCE SET") || present.has_relation(&entry.schema_text(), &entry.tag_text())
        };
        let kept: BTreeSet<i32> = self
            .contents
            .entries
            .iter()
            .filter(|entry| chosen.contains(&entry.dump_id) && sequence_is_there(entry))
            .map(|entry| entry.dump_id)
            .collect();
        self.contents = self.contents.only(&kept);
        if !self.obstacles.is_empty() {
            return Ok(());
        }
        let (order, circle) = present::in_order_of_keys(session, &tables).context("read foreign keys")?;
        self.order = order.iter().filter_map(|at| record.tables.get(*at)).map(|it| it.dump_id).collect();
        if !circle.is_empty() {
            let circle = circle.iter().filter_map(|at| tables.get(*at).cloned()).collect::<Vec<_>>();
            self.obstacles.push(Obstacle {
                what: format!("foreign keys of {} go round in a circle", names(&circle)),
                hint: Some("make one of them deferrable with `ALTER TABLE ... ALTER CONSTRAINT`".into()),
            });
        }
        let filled = present::tables_with_rows(session, &tables).context("look for rows")?;
        if !filled.is_empty() {
            let what = format!("{} have rows already; the backup's are added to them", names(&filled));
            self.remarks.push(what);
        }
        let fired = present::tables_with_triggers(session, &tables).context("look for triggers")?;
        if !fired.is_empty() {
            self.remarks.push(format!("triggers of {} fire for each row", names(&fired)));
        }
        Ok(())
    }

    /// Its tables: those that are made, or those that are filled.
    pub fn tables(&self) -> u64 {
        self.planned.objects.iter().filter(|object| object.kind == "table").count() as u64
    }

    /// Takes what can be made of a choice; the rest is in the way, or said to be left out.
    fn take(&mut self, chosen: &BTreeSet<i32>, is_there: &dyn Fn(&TocEntry) -> bool, hint: &str) {
        let settled = self.contents.settle(chosen, is_there);
        for Lack { by, what } in settled.lacking.into_iter().take(NAMED) {
            self.obstacles.push(Obstacle {
                what: format!("{by} needs {what}, which is neither chosen nor there"),
                hint: Some(hint.to_owned()),
            });
        }
        self.planned.left_out = settled
            .left_out
            .into_iter()
            .map(|Lack { by, what }| format!("{by}, because {what} is neither chosen nor there"))
            .collect();
        self.contents = self.contents.only(&settled.chosen);
    }

    /// Lists what the plan shows.
    fn list(&mut self, record: &DatabaseRecord) {
        let rows_of = |entry: &TocEntry| {
            let (schema, name) = (entry.schema_text(), entry.tag_text());
            record.tables.iter().find(|table| table.schema == schema && table.name == name)
        };
        let of_data = self.content == Content::DataOnly;
        self.planned.objects = self
            .contents
            .entries
            .iter()
            .filter(|entry| if of_data { entry.had_dumper } else { is_listed(entry) })
            .map(|entry| PlannedObject {
                kind: if of_data {
                    "table".to_owned()
                } else {
                    entry.desc.as_ref().map(ToString::to_string).unwrap_or_default().to_lowercase()
                },
                name: match entry.schema_text() {
                    schema if schema.is_empty() => entry.tag_text(),
                    schema => format!("{schema}.{}", entry.tag_text()),
                },
                rows: rows_of(entry).filter(|_| of_data || entry.is("TABLE")).map(|table| table.rows),
            })
            .collect();
    }
}

/// What stands for itself, and not for a property of something else.
fn is_listed(entry: &TocEntry) -> bool {
    let of_others = [
        "ENCODING",
        "STDSTRINGS",
        "SEARCHPATH",
        "TABLE DATA",
        "SEQUENCE SET",
        "SEQUENCE OWNED BY",
        "MATERIALIZED VIEW DATA",
        "STATISTICS DATA",
        "DEFAULT",
        "COMMENT",
        "ACL",
        "SECURITY LABEL",
        "TABLE ATTACH",
        "INDEX ATTACH",
        "ROW SECURITY",
    ];
    !of_others.iter().any(|kind| entry.is(kind))
}

fn names(tables: &[(String, String)]) -> String {
    let mut names: Vec<String> =
        tables.iter().take(NAMED).map(|(schema, name)| format!("`{schema}.{name}`")).collect();
    if tables.len() > NAMED {
        names.push(format!("{} more", tables.len() - NAMED));
    }
    names.join(", ")
}
