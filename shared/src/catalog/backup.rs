//! The backups of a repository: listed, and found by name or id.

use super::{
    manifest::{Manifest, SCHEMA},
    record::{Record, hash_of},
};
use crate::{
    error::{Context, Error, Kind, Result},
    repository::{Reader, Repository, Snapshot, SnapshotId},
};
use jiff::Timestamp;
use std::fmt;

/// An id is looked for by so many of its letters at least: fewer are rather the beginning of a name.
const SHORTEST_ID: usize = 4;

/// A backup that is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Backup {
    /// Its snapshot.
    pub id: SnapshotId,
    /// When it was made.
    pub time: Timestamp,
    /// The host that made it.
    pub host: String,
    /// What it is, in short.
    pub record: Record,
}

impl Backup {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.record.name
    }
}

/// The backups of a repository.
#[derive(Clone, Debug, Default)]
pub struct Backups {
    /// Those that can be read, newest last.
    pub there: Vec<Backup>,
    /// Those that cannot, and are no reason to do without the others.
    pub unreadable: Vec<Unreadable>,
}

/// A backup of which nothing can be told but its id.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// Its snapshot.
    pub id: SnapshotId,
    /// Why it cannot be read.
    pub why: Error,
}

/// All backups.
pub fn list(repository: &Repository) -> Result<Backups> {
    let snapshots = repository.snapshots()?;
    let damaged = snapshots.damaged.into_iter();
    let mut backups = Backups {
        there: Vec::with_capacity(snapshots.there.len()),
        unreadable: damaged.map(|snapshot| Unreadable { id: snapshot.id, why: snapshot.why }).collect(),
    };
    for snapshot in snapshots.there {
        let id = snapshot.id.clone();
        match backup(snapshot) {
            Ok(backup) => backups.there.push(backup),
            Err(why) => backups.unreadable.push(Unreadable { id, why }),
        }
    }
    Ok(backups)
}

fn backup(snapshot: Snapshot) -> Result<Backup> {
    let record = Record::from_description(&snapshot.description).map_err(|mut error| {
        error.kind = Kind::Damage;
        error
            .context(format!("read the record of the backup `{}`", snapshot.label))
            .hint("was it made by a later version?")
    })?;
    Ok(Backup { id: snapshot.id, time: snapshot.time, host: snapshot.host, record })
}

impl Backups {
    /// The backup of this name, or else the one whose name or id begins so.
    ///
    /// # Errors
    ///
    /// [`Kind::Failed`] if there is none, or more than one; [`Kind::Damage`] if there is none and
    /// one of those that cannot be read may be it. While there are such ones a name must be whole.
    pub fn find(&self, wanted: &str) -> Result<&Backup> {
        if self.unreadable.is_empty() { find(&self.there, wanted) } else { self.find_whole(wanted) }
    }

    /// The backup of this name as a whole, or else the one whose id begins so: for what deletes or
    /// overwrites where nobody looks.
    ///
    /// # Errors
    ///
    /// As [`Backups::find`].
    pub fn find_whole(&self, wanted: &str) -> Result<&Backup> {
        let missing = match find_whole(&self.there, wanted) {
            Err(error) if !self.unreadable.is_empty() => error,
            found => return found,
        };
        let mut damage = Error::new(Kind::Damage, missing.what);
        (damage.causes, damage.hints) = (missing.causes, missing.hints);
        Err(self.unreadable.iter().fold(damage, Error::caused_by))
    }

    /// Fails if there is one that cannot be read; names each.
    ///
    /// # Errors
    ///
    /// [`Kind::Damage`], with a way to go on.
    pub fn require_readable(&self) -> Result<()> {
        let Some(first) = self.unreadable.first() else { return Ok(()) };
        let what = if self.unreadable.len() == 1 { "a backup" } else { "backups" };
        let error = Error::new(Kind::Damage, format!("{what} of this repository cannot be read"));
        let error = self.unreadable.iter().fold(error, Error::caused_by);
        let error = first.why.hints.iter().cloned().fold(error, Error::hint);
        Err(error
            .hint(format!("bring the file `{}` of the folder `snapshots` back from a copy", first.id))
            .hint(format!("or give it up with `pgbackup delete {}`", first.id.short()))
            .note("all other backups are as they were; nothing can be pruned meanwhile"))
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "backup {}: {}", self.id.short(), self.why)
    }
}

/// The backup of this name, or else the one whose name or id begins so and no other's does.
///
/// Of an id four letters are needed.
///
/// # Errors
///
/// [`Kind::Failed`] if there is none, or more than one; these are named.
pub fn find<'a>(backups: &'a [Backup], wanted: &str) -> Result<&'a Backup> {
    match whole_or_by_id(backups, wanted) {
        Ok(found) => return Ok(found),
        Err(several) if several.len() > 1 => return Err(ambiguous(wanted, &several)),
        Err(_) => {}
    }
    match beginning_with(backups, wanted).as_slice() {
        [one] => Ok(one),
        [] => Err(none(wanted)),
        several => Err(ambiguous(wanted, several)),
    }
}

/// As [`find`], for what deletes or overwrites without being seen: a name must be given whole.
///
/// A script that deletes `app` and finds it gone must not delete `app_test` (F12). Of an id its
/// beginning will do: nobody's next backup is called by it.
///
/// # Errors
///
/// [`Kind::Failed`] if there is none, or more than one; those that begin so are named.
fn find_whole<'a>(backups: &'a [Backup], wanted: &str) -> Result<&'a Backup> {
    whole_or_by_id(backups, wanted).map_err(|several| match several.as_slice() {
        [] => beginning_with(backups, wanted).iter().fold(none(wanted), |error, backup| {
            error.caused_by(format!("`{}` begins so, and only a whole name counts here", backup.name()))
        }),
        several => ambiguous(wanted, several),
    })
}

/// The backup of this name, or else the one whose id begins so; else those that could be meant.
fn whole_or_by_id<'a>(backups: &'a [Backup], wanted: &str) -> Result<&'a Backup, Vec<&'a Backup>> {
    let named: Vec<_> = backups.iter().filter(|backup| backup.name() == wanted).collect();
    let found = if named.is_empty() && wanted.len() >= SHORTEST_ID {
        backups.iter().filter(|backup| backup.id.as_str().starts_with(wanted)).collect()
    } else {
        named
    };
    match found.as_slice() {
        [one] => Ok(one),
        _ => Err(found),
    }
}

fn beginning_with<'a>(backups: &'a [Backup], wanted: &str) -> Vec<&'a Backup> {
    backups.iter().filter(|backup| !wanted.is_empty() && backup.name().starts_with(wanted)).collect()
}

fn none(wanted: &str) -> Error {
    Error::failed(format!("there is no backup `{}`", wanted.escape_debug()))
        .hint("`pgbackup list` shows the backups that there are")
}

fn ambiguous(wanted: &str, several: &[&Backup]) -> Error {
    let mut error = Error::failed(format!("more than one backup is, or begins with, `{wanted}`"));
    for backup in several {
        error = error.caused_by(format!("`{}` has the id {}", backup.name(), backup.id.short()));
    }
    error.hint("give more letters of its name or id")
}

/// The manifest of a backup, its hash compared with the record's.
///
/// # Errors
///
/// [`Kind::Damage`] if it is not the one that was stored.
pub fn read_manifest(reader: &Reader, backup: &Backup) -> Result<Manifest> {
    let what = || format!("read the manifest of the backup `{}`", backup.name());
    let text = reader.file(&backup.id, &["manifest.json"]).context(what())?;
    if hash_of(&text) != backup.record.manifest_hash {
        return Err(Error::new(Kind::Damage, what()).caused_by("its hash is not the one on record"));
    }
    let manifest: Manifest = serde_json::from_slice(&text).context(what())?;
    if manifest.schema > SCHEMA {
        return Err(Error::failed(what())
            .caused_by(format!("its schema is {}, and this version knows {SCHEMA}", manifest.schema))
            .hint("a later version made it: use that"));
    }
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup(name: &str, id: &str) -> Backup {
        Backup {
            id: SnapshotId::parse(&format!("{id:0<64}")).unwrap(),
            time: Timestamp::UNIX_EPOCH,
            host: "here".to_owned(),
            record: Record { name: name.to_owned(), ..Record::default() },
        }
    }

    #[test]
    fn a_whole_name_wins_over_names_that_begin_so() {
        let backups = [backup("app_test", "11aa"), backup("app-2", "22aa"), backup("app", "33aa")];
        assert_eq!(find(&backups, "app").unwrap().id, backups[2].id);
        assert_eq!(find_whole(&backups, "app").unwrap().id, backups[2].id);
    }

    #[test]
    fn a_name_is_found_by_its_beginning_if_no_other_begins_so() {
        let backups = [backup("app_test", "11aa"), backup("app-2", "22aa"), backup("shop", "33aa")];
        assert_eq!(find(&backups, "sh").unwrap().name(), "shop");
        let error = find(&backups, "app").unwrap_err();
        assert!(error.what.contains("more than one"), "{error}");
        assert!(error.causes[0].contains("`app_test`") && error.causes[1].contains("`app-2`"), "{error}");
        assert!(find(&backups, "").unwrap_err().what.contains("there is no backup"));
    }

    #[test]
    fn where_nobody_looks_the_beginning_of_a_name_is_not_enough() {
        let backups = [backup("app_test", "abcd1"), backup("shop", "33aa")];
        let error = find_whole(&backups, "app").unwrap_err();
        assert!(error.what.contains("there is no backup `app`"), "{error}");
        assert!(error.causes[0].contains("`app_test` begins so"), "{error}");
        assert_eq!(find_whole(&backups, "abcd").unwrap().name(), "app_test");
    }

    #[test]
    fn an_id_is_found_by_its_beginning_if_no_other_begins_so() {
        let backups = [backup("a", "abcd1"), backup("b", "abcd2"), backup("c", "abc9")];
        assert_eq!(find(&backups, "abcd2").unwrap().name(), "b");
        assert_eq!(find(&backups, "abc9").unwrap().name(), "c");
        assert!(find(&backups, "abcd").unwrap_err().what.contains("more than one"));
        assert!(find(&backups, "abc").is_err(), "three letters are too few");
    }

    #[test]
    fn a_name_wins_over_an_id_that_begins_so() {
        let backups = [backup("one", "beef"), backup("beef", "1234")];
        assert_eq!(find(&backups, "beef").unwrap().id, backups[1].id);
    }
}
