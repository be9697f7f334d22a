//! `list`: the backups that there are.

use super::AtRepository;
use crate::{
    catalog::{self, Backups, Criteria},
    error::Result,
};

/// Which backups.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListRequest {
    /// What must hold for them.
    pub criteria: Criteria,
}

/// Lists backups, newest last; those that cannot be read, too, whatever is asked for. Takes no
/// lock: it reads snapshots only.
///
/// # Errors
///
/// [`Kind::Usage`](crate::error::Kind) if a criterion is about a backup that there is not.
pub fn list(at: &AtRepository<'_>, request: &ListRequest) -> Result<Backups> {
    let all = catalog::list(at.repository)?;
    let there = request.criteria.select(&all.there, at.clock.now())?;
    Ok(Backups { there, ..all })
}
