//! A string of an archive: bytes in the dumped database's encoding.

use crate::error::{Error, Result};
use pgbackup_wire::text;
use std::fmt;

/// Text in the archive's encoding, which need not be UTF-8 (see [`super::Contents::encoding`]).
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(pub Vec<u8>);

impl Text {
    /// The bytes as the archive holds them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, if its bytes are UTF-8.
    ///
    /// # Errors
    ///
    /// When they are not: a database in another encoding has a name or definition beyond ASCII.
    pub fn as_str(&self) -> Result<&str> {
        std::str::from_utf8(&self.0)
            .map_err(|_| Error::failed(format!("`{self}` in the table of contents is not UTF-8")))
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::from_bytes(&self.0))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(&self.0), f)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}
