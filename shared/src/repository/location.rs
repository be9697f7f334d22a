//! Reads where a repository is: a folder, or a scheme that says which storage.

use crate::error::{Context, Error, Kind, Result};
use std::path::PathBuf;

/// The kind of place that was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// A folder of this machine, absolute.
    Folder(PathBuf),
    /// What stands behind `s3:`.
    S3(String),
}

impl Location {
    /// Reads `PATH`, `local:PATH` or `s3:...`; a relative path is made absolute.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] for an empty text and for every other scheme, which is named.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let path = match scheme(text) {
            Some(("local", path)) => path,
            Some(("s3", place)) => return Ok(Self::S3(place.to_owned())),
            Some((scheme, _)) => {
                return Err(Error::new(
                    Kind::Usage,
                    format!("repository `{text}`: the scheme `{scheme}:` is not supported"),
                )
                .hint("a repository is a folder of this machine or a place in S3: give its path, or `s3:https://HOST/BUCKET/PREFIX`")
                .hint(format!("for a folder with a colon in its name write `./{text}`")));
            }
            None => text,
        };
        if path.is_empty() {
            return Err(Error::new(Kind::Usage, "the repository's path is empty"));
        }
        let path = std::path::absolute(path).context(format!("make the path `{path}` absolute"))?;
        Ok(Self::Folder(path))
    }
}

/// Splits `scheme:rest`. A path that begins with `/` or `.` has none, nor has one whose part
/// before the colon could not be a scheme (RFC 3986, 3.1).
fn scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let mut letters = scheme.chars();
    let fits = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter));
    fits.then_some((scheme, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(text: &str) -> PathBuf {
        match Location::parse(text).unwrap() {
            Location::Folder(path) => path,
            Location::S3(place) => panic!("`{text}` is taken for the place `{place}` in S3"),
        }
    }

    #[test]
    fn a_path_and_local_name_the_same_folder() {
        let plain = Location::parse("/srv/backups").unwrap();
        assert_eq!(plain, Location::parse("local:/srv/backups").unwrap());
        assert_eq!(plain, Location::Folder("/srv/backups".into()));
        assert!(folder("backups").is_absolute());
    }

    #[test]
    fn another_scheme_is_refused_by_name() {
        for text in ["gs:bucket", "opendal:s3", "rest:http://x", "sftp:host:/x"] {
            let error = Location::parse(text).unwrap_err();
            assert_eq!(error.kind, Kind::Usage);
            let scheme = text.split(':').next().unwrap();
            assert!(error.what.contains(&format!("`{scheme}:`")), "{error}");
        }
    }

    #[test]
    fn a_folder_with_a_colon_can_be_written() {
        assert!(folder("./s3:b").ends_with("s3:b"));
        assert!(folder("./a:b").ends_with("a:b"));
        assert!(folder("/x/a:b").ends_with("a:b"));
    }
}
