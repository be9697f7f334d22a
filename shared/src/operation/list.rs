//! `list`: the backups that there are.

use super::AtRepository;
use crate::{
    catalog::{self, Backups},
    error::Result,
};

/// Lists the backups. Takes no lock: it reads snapshots only.
pub fn list(at: &AtRepository<'_>) -> Result<Backups> {
    catalog::list(at.repository)
}
