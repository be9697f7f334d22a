//! The part of `verify` that reads the headers of packs, and tells whose chunks they name.

use crate::{
    cancel::Cancel,
    catalog::manifest::{DatabaseRecord, Manifest},
    error::Result,
    repository::{PackNumber, Reader, SurveyedFile},
};
use pgbackup_wire::ChunkId;
use std::collections::BTreeMap;

/// Of more tables than this in one pack, only the number is told.
const MOST_NAMED: usize = 50;

/// A pack whose header is damaged.
pub(super) struct DamagedHeader {
    pack: PackNumber,
    why: String,
}

/// Checks the headers of all packs that hold these chunks (sorted as they are stored) and folders.
pub(super) fn check(
    cancel: &Cancel,
    reader: &Reader,
    chunks: &[ChunkId],
    folders: &[(Vec<String>, ChunkId)],
) -> Result<Vec<DamagedHeader>> {
    let mut damaged = Vec::new();
    let mut look = |pack: Option<PackNumber>, needed: &[ChunkId]| -> Result<()> {
        cancel.check()?;
        let Some(pack) = pack else { return Ok(()) };
        if let Err(error) = reader.check_header(pack, needed) {
            damaged.push(DamagedHeader { pack, why: error.to_string() });
        }
        Ok(())
    };
    for held in chunks.chunk_by(|one, next| reader.pack_of_chunk(one) == reader.pack_of_chunk(next)) {
        look(held.first().and_then(|id| reader.pack_of_chunk(id)), held)?;
    }
    let mut trees: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (_, id) in folders {
        trees.entry(reader.pack_of_folder(id)).or_default().push(*id);
    }
    for (pack, held) in trees {
        look(pack, &held)?;
    }
    Ok(damaged)
}

/// One line for each damaged header and each database with chunks in its pack.
pub(super) fn describe(
    damaged: &[DamagedHeader],
    reader: &Reader,
    files: &BTreeMap<String, SurveyedFile>,
    folders: &[(Vec<String>, ChunkId)],
    manifest: &Manifest,
) -> Vec<String> {
    let mut lines = Vec::new();
    for header in damaged {
        let mut hit: BTreeMap<Option<&str>, Vec<String>> = BTreeMap::new();
        for (path, id) in folders {
            if reader.pack_of_folder(id) == Some(header.pack) {
                hit.entry(None).or_default().push(format!("folder `/{}`", path.join("/")));
            }
        }
        for (path, file) in files {
            if file.chunks.iter().any(|id| reader.pack_of_chunk(id) == Some(header.pack)) {
                let (database, thing) = owner(manifest, path);
                hit.entry(database).or_default().push(thing);
            }
        }
        for (database, things) in hit {
            let things = listed(&things);
            lines.push(match database {
                Some(database) => format!("database `{database}`: {things}: {}", header.why),
                None => format!("{things}: {}", header.why),
            });
        }
    }
    lines
}

/// The database that a file belongs to, and what it is to people.
fn owner<'a>(manifest: &'a Manifest, path: &str) -> (Option<&'a str>, String) {
    let found = path.rsplit_once('/').and_then(|(folder, name)| {
        let database = manifest.databases.iter().find(|database| database.folder == folder)?;
        Some((database, name))
    });
    match found {
        Some((database, name)) => (Some(&database.name), thing(database, name)),
        None => (None, format!("`{path}`")),
    }
}

fn thing(database: &DatabaseRecord, file: &str) -> String {
    if let Some(table) = database.tables.iter().find(|table| table.file == file) {
        return format!("table `{}.{}`", table.schema, table.name);
    }
    match database.large_objects.iter().find(|object| object.file == file) {
        Some(object) => format!("large object {}", object.oid),
        None => format!("`{file}`"),
    }
}

fn listed(things: &[String]) -> String {
    match things.split_at_checked(MOST_NAMED) {
        Some((named, others)) if !others.is_empty() => {
            format!("{} and {} more", named.join(", "), others.len())
        }
        _ => things.join(", "),
    }
}
