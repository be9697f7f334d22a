//! `list`: the backups that there are.

use super::AtRepository;
use crate::{
    catalog::{self, Backup},
    error::Result,
};

/// What a list shows.
#[derive(Clone, Debug, PartialEq)]
pub struct ListOutcome {
    /// All backups, newest last.
    pub backups: Vec<Backup>,
}

/// Lists the backups. Takes no lock: it reads snapshots only.
pub fn list(at: &AtRepository<'_>) -> Result<ListOutcome> {
    Ok(ListOutcome { backups: catalog::list(at.repository)? })
}
