//! `repo key export` and `repo key import`: the recovery sheet.

use super::AtRepository;
use crate::{
    error::Result,
    repository::{self, Imported, Options},
    secret::Secret,
};
use std::path::PathBuf;

/// How to make the sheet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyExportRequest {
    /// The password to add; one made from the key by default.
    pub password: Option<Secret>,
}

/// The sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyExportOutcome {
    /// Its text. It holds the key and a password: show it to the user, log it nowhere.
    pub sheet: Secret,
}

/// Which sheet to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyImportRequest {
    /// Its text.
    pub sheet: Secret,
    /// The folder for the key file.
    pub keys_folder: PathBuf,
}

/// Adds a password to the repository and writes the recovery sheet.
pub fn export(at: &AtRepository<'_>, request: &KeyExportRequest) -> Result<KeyExportOutcome> {
    let sheet = at.repository.recovery_sheet(request.password.as_ref())?;
    Ok(KeyExportOutcome { sheet })
}

/// Writes the key file that a recovery sheet tells of. Needs no repository.
pub fn import(request: &KeyImportRequest) -> Result<Imported> {
    repository::import(&request.sheet, &request.keys_folder)
}

/// Takes the key out of the repository itself, by the password in `options`.
pub fn import_by_password(options: &Options) -> Result<Imported> {
    repository::import_by_password(options)
}
