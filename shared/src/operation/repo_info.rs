//! `repo info`: what the repository is, in figures.

use super::AtRepository;
use crate::{error::Result, repository::Info};

/// Counts backups, packs and bytes.
pub fn repo_info(at: &AtRepository<'_>) -> Result<Info> {
    at.repository.info()
}
