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

/// An id is looked for by so many of its letters at least: fewer are rather a name.
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
    /// The backup of this name, or else the one whose id begins so, as [`find`] has it.
    ///
    /// # Errors
    ///
    /// [`Kind::Failed`] if there is none, or more than one; [`Kind::Damage`] if there is none and
    /// one of those that cannot be read may be it.
    pub fn find(&self, wanted: &str) -> Result<&Backup> {
        let missing = match find(&self.there, wanted) {
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

/// The backup of this name, or else the one whose id begins so.
///
/// A name must fit as a whole: `app` is never `app_test` (F12). Of an id four letters are enough,
/// as long as no other begins with them.
///
/// # Errors
///
/// [`Kind::Failed`] if there is none, or more than one.
fn find<'a>(backups: &'a [Backup], wanted: &str) -> Result<&'a Backup> {
    let named: Vec<_> = backups.iter().filter(|backup| backup.name() == wanted).collect();
    match named.as_slice() {
        [one] => return Ok(one),
        [] => {}
        several => return Err(ambiguous(wanted, several)),
    }
    let by_id: Vec<_> = backups
        .iter()
        .filter(|backup| wanted.len() >= SHORTEST_ID && backup.id.as_str().starts_with(wanted))
        .collect();
    match by_id.as_slice() {
        [one] => Ok(one),
        [] => Err(Error::failed(format!("there is no backup `{}`", wanted.escape_debug()))
            .hint("`pgbackup list` shows the backups that there are")),
        several => Err(ambiguous(wanted, several)),
    }
}

fn ambiguous(wanted: &str, several: &[&Backup]) -> Error {
    let mut error = Error::failed(format!("more than one backup is `{wanted}`"));
    for backup in several {
        error = error.caused_by(format!("`{}` has the id {}", backup.name(), backup.id.short()));
    }
    error.hint("give more letters of its id")
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
    fn a_name_is_found_as_a_whole_only() {
        let backups = [backup("app_test", "11aa"), backup("app-2", "22aa"), backup("app", "33aa")];
        assert_eq!(find(&backups, "app").unwrap().id, backups[2].id);
        let error = find(&backups[..2], "app").unwrap_err();
        assert!(error.what.contains("there is no backup `app`"), "{error}");
    }

    #[test]
    fn an_id_is_found_by_its_beginning_if_no_other_begins_so() {
        let backups = [backup("a", "abcd1"), backup("b", "abcd2"), backup("c", "abc9")];
        assert_eq!(find(&backups, "abcd2").unwrap().name(), "b");
        assert_eq!(find(&backups, "abc9").unwrap().name(), "c");
        assert!(find(&backups, "abcd").unwrap_err().what.contains("more than one"));
        assert!(find(&backups, "abc").is_err(), "three letters are rather a name");
    }

    #[test]
    fn a_name_wins_over_an_id_that_begins_so() {
        let backups = [backup("one", "beef"), backup("beef", "1234")];
        assert_eq!(find(&backups, "beef").unwrap().id, backups[1].id);
    }
}
