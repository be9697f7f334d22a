//! `repo check`: looks for damage in the whole repository, and says which backups it hit.

use super::{AtRepository, read_back::read_back};
use crate::{
    catalog::{self, Backup, Backups},
    error::{Error, Kind, Result},
    repository::{CheckReport, Depth, Finding, IndexState, Reader, SurveyedFile},
};
use pgbackup_wire::ChunkId;
use serde::Serialize;
use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

/// A chunk that is missing is stored again by the next backup that has it; one that is damaged
/// counts as stored until its pack is gone.
pub(super) const HOW_TO_HEAL: &str = "nothing was changed; a new backup stores anew what is missing, and what is damaged once \
     the files of the packs named here are moved out of the repository";

/// What helps where the index is lost or wrong.
pub(super) const HOW_TO_REPAIR: &str = "`pgbackup repo repair` makes the index anew from the packs";
/// Of more whole backups than this, only the number is told.
const MOST_NAMED: usize = 20;

/// How thoroughly to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepoCheckRequest {
    /// Index and folders only, or every byte.
    pub depth: Depth,
}

/// A repository without damage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RepoCheckOutcome {
    /// How many backups were looked at.
    pub backups: u64,
    /// What is odd and harmless, such as packs that a killed run left.
    pub remarks: Vec<Finding>,
}

/// Checks index, packs and folders, and that each backup's manifest is the one on record and all
/// its chunks are there.
///
/// # Errors
///
/// [`Kind::Damage`] with one cause for each finding, and one for each backup that is damaged.
pub fn repo_check(at: &AtRepository<'_>, request: RepoCheckRequest) -> Result<RepoCheckOutcome> {
    let _lock = at.lock_to_read("repo check")?;
    let index = at.repository.index_state()?;
    if let Some(damaged) = damaged_index(&index) {
        // Without it nothing can be said of the backups.
        return Err(damaged);
    }
    let Backups { there: backups, unreadable } = catalog::list(at.repository)?;
    let mut damage: Vec<_> = unreadable.iter().map(|one| format!("the {one}")).collect();
    // The library's own check ends at the first backup that cannot be read.
    let report =
        if unreadable.is_empty() { at.repository.check(request.depth)? } else { CheckReport::default() };
    at.cancel.check()?;
    at.repository.require_answers()?;
    damage.extend(report.damage.into_iter().map(|finding| finding.what));
    let reader = at.repository.reader()?;
    // Every byte is read a second time only where the first time showed that some are damaged.
    let broken = if damage.is_empty() || request.depth == Depth::Structure {
        HashSet::new()
    } else {
        broken_chunks(at, &reader, &backups)?
    };
    let mut whole = Vec::new();
    for backup in &backups {
        at.cancel.check()?;
        match damage_of(&reader, backup, &broken)? {
            Some(why) => damage.push(format!("the backup `{}` is damaged: {why}", backup.name())),
            None => whole.push(backup.name()),
        }
    }
    if damage.is_empty() {
        return Ok(RepoCheckOutcome { backups: backups.len() as u64, remarks: report.remarks });
    }
    at.repository.require_answers()?;
    let error = Error::new(Kind::Damage, "the repository is damaged");
    let error = damage
        .into_iter()
        .fold(error, Error::caused_by)
        .hint("`pgbackup verify NAME` reads a backup back and names each table that is damaged");
    let error = if index.unnamed_packs > 0 {
        error.hint(format!("{HOW_TO_REPAIR}: some that it does not name may hold what is missing"))
    } else {
        error
    };
    Err(error.note(sound(&whole)).note(HOW_TO_HEAL))
}

/// What is told where index files are damaged.
pub(super) fn damaged_index(index: &IndexState) -> Option<Error> {
    let error = Error::new(Kind::Damage, "the repository's index is damaged");
    let files = index.damaged.iter().map(|id| format!("the index file `{id}` is not what was written"));
    let error = files.fold(error, Error::caused_by).hint(HOW_TO_REPAIR);
    (!index.damaged.is_empty()).then(|| error.note("no backup is lost by this alone"))
}

/// The backups in which no damage was found.
fn sound(names: &[&str]) -> String {
    match names {
        [] => "no backup is without damage".to_owned(),
        _ if names.len() > MOST_NAMED => format!("in {} other backups no damage was found", names.len()),
        _ => format!("no damage was found in `{}`", names.join("`, `")),
    }
}

/// The backups that cannot be read or need what the index does not have, each with what is wrong.
pub(super) fn damage_by_index(at: &AtRepository<'_>) -> Result<Vec<(String, String)>> {
    let reader = at.repository.reader()?;
    let Backups { there, unreadable } = catalog::list(at.repository)?;
    let lost = unreadable.into_iter().map(|one| (one.id.short().to_owned(), one.why.to_string()));
    let mut damaged: Vec<_> = lost.collect();
    for backup in there {
        if let Some(why) = damage_of(&reader, &backup, &HashSet::new())? {
            damaged.push((backup.name().to_owned(), why));
        }
    }
    Ok(damaged)
}

/// Reads all chunks of all backups, each once, and gives those that are damaged.
fn broken_chunks(at: &AtRepository<'_>, reader: &Reader, backups: &[Backup]) -> Result<HashSet<ChunkId>> {
    let mut ids = HashSet::new();
    for backup in backups {
        ids.extend(reader.survey(&backup.id)?.files.into_iter().flat_map(|file| file.chunks));
    }
    let mut ids: Vec<_> = ids.into_iter().collect();
    reader.sort_as_stored(&mut ids);
    let total = ids.iter().filter_map(|id| reader.raw_length(id)).map(u64::from).sum();
    let broken = Mutex::new(HashSet::new());
    read_back(at, reader, &ids, total, &|position, content| {
        if content.is_err() {
            broken.lock().unwrap_or_else(PoisonError::into_inner).extend(ids.get(position).copied());
        }
        Ok(())
    })?;
    Ok(broken.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// What is wrong with a backup, if anything is.
fn damage_of(reader: &Reader, backup: &Backup, broken: &HashSet<ChunkId>) -> Result<Option<String>> {
    let survey = reader.survey(&backup.id)?;
    if let Some((folder, error)) = survey.unreadable.first() {
        return Ok(Some(format!("its folder `/{}` cannot be read: {error}", folder.join("/"))));
    }
    let hit = |file: &SurveyedFile| file.chunks.iter().any(|id| broken.contains(id) || !reader.has(id));
    let files: Vec<_> =
        survey.files.iter().filter(|file| hit(file)).map(|file| file.path.join("/")).collect();
    match files.as_slice() {
        [] => Ok(catalog::read_manifest(reader, backup).err().map(|error| error.to_string())),
        [file] => Ok(Some(format!("`{file}`"))),
        [file, others @ ..] => Ok(Some(format!("`{file}` and {} other files", others.len()))),
    }
}
