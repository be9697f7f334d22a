//! Where the repository and its keys are, if nobody says otherwise.
//!
//! Source: XDG Base Directory Specification 0.8, with its rule that relative paths do not count.

use super::host::Environment;
use crate::error::{Error, Kind, Result};
use std::path::{Path, PathBuf};

/// The places that a command works with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Places {
    /// A path, or a place with a scheme, as the user gave it.
    pub repository: String,
    /// One file a repository: its key.
    pub keys_folder: PathBuf,
    /// Which repository was seen where.
    pub known_places_file: PathBuf,
}

/// Finds the places: what was said on the command line first, then `PGBACKUP_REPOSITORY`, then
/// the user's own folders.
pub(super) fn find(said: Option<&str>, environment: &Environment) -> Result<Places> {
    let absolute = |path: &Option<PathBuf>| path.clone().filter(|path| path.is_absolute());
    let folder = |xdg: &Option<PathBuf>, below_home: &str, variable: &str| {
        absolute(xdg)
            .or_else(|| absolute(&environment.home).map(|home| home.join(below_home)))
            .map(|folder| folder.join("pgbackup"))
            .ok_or_else(|| {
                Error::failed(format!("neither `HOME` nor `{variable}` is set to an absolute path"))
                    .hint(format!("set `{variable}` to a folder of yours"))
            })
    };
    let config = folder(&environment.xdg_config_home, ".config", "XDG_CONFIG_HOME")?;
    let repository = match said.or(environment.repository.as_deref()) {
        Some("") => return Err(Error::new(Kind::Usage, "the repository's place is empty")),
        Some(place) => place.to_owned(),
        None => {
            let data = folder(&environment.xdg_data_home, ".local/share", "XDG_DATA_HOME")?;
            utf8(&data.join("repository"))?
        }
    };
    Ok(Places {
        repository,
        keys_folder: config.join("keys"),
        known_places_file: config.join("known-places.json"),
    })
}

fn utf8(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        Error::failed(format!("the path `{}` is not UTF-8", path.display()))
            .hint("name another place with `--repository`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        Environment { home: Some("/home/ann".into()), ..Environment::default() }
    }

    #[test]
    fn backups_are_kept_in_the_users_own_folders() {
        let places = find(None, &environment()).unwrap();
        assert_eq!(places.repository, "/home/ann/.local/share/pgbackup/repository");
        assert_eq!(places.keys_folder, Path::new("/home/ann/.config/pgbackup/keys"));
        assert_eq!(places.known_places_file, Path::new("/home/ann/.config/pgbackup/known-places.json"));
    }

    #[test]
    fn the_command_line_wins_over_the_environment() {
        let environment = Environment { repository: Some("/env".into()), ..environment() };
        assert_eq!(find(None, &environment).unwrap().repository, "/env");
        assert_eq!(find(Some("/said"), &environment).unwrap().repository, "/said");
    }

    #[test]
    fn a_relative_xdg_folder_does_not_count() {
        let environment = Environment { xdg_data_home: Some("data".into()), ..environment() };
        assert!(find(None, &environment).unwrap().repository.starts_with("/home/ann/"));
    }

    #[test]
    fn without_a_home_the_error_names_the_variables() {
        let error = find(Some("/r"), &Environment::default()).unwrap_err();
        assert!(error.what.contains("XDG_CONFIG_HOME"), "{error}");
    }
}
