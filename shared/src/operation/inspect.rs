//! `inspect`: everything that is known of one backup.

use super::AtRepository;
use crate::{
    catalog::{self, Backup, manifest::Manifest},
    error::Result,
};

/// Which backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InspectRequest {
    /// Its name, or the beginning of its id.
    pub backup: String,
}

/// What is known of it.
#[derive(Clone, Debug, PartialEq)]
pub struct InspectOutcome {
    /// The backup.
    pub backup: Backup,
    /// What it holds, down to each table.
    pub manifest: Manifest,
}

/// Reads the manifest of one backup.
pub fn inspect(at: &AtRepository<'_>, request: &InspectRequest) -> Result<InspectOutcome> {
    let backup = catalog::list(at.repository)?.find(&request.backup)?.clone();
    let _lock = at.lock_to_read("inspect")?;
    let manifest = catalog::read_manifest(&at.repository.reader()?, &backup)?;
    Ok(InspectOutcome { backup, manifest })
}
