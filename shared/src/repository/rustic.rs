//! Says in our words what `rustic_core` says in its own.

use crate::error::{Context, Error, Result};
use pgbackup_wire::ChunkId;
use rustic_core::{Id, RusticError, RusticResult};

impl<T> Context<T> for RusticResult<T> {
    fn context(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|error| foreign(what, &error))
    }
}

/// An error of ours with the library's own words as its causes.
pub(super) fn foreign(what: impl Into<String>, error: &RusticError) -> Error {
    // What came from below the library is ours already, with its kind and its hints.
    if let Some(ours) = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Error>()) {
        return ours.clone().context(what);
    }
    // The short form is "Error: text (kind: related to ...): caused by: text : (source: text)".
    let said = error.display_log();
    let said = said.strip_prefix("Error: ").unwrap_or(&said);
    let (text, rest) = said.split_once(" (kind: related to ").unwrap_or((said, ""));
    let text = text.split(". Please").next().unwrap_or(text);
    let mut made = Error::failed(what).caused_by(text.trim_end_matches('.'));
    if let Some((_, cause)) = rest.split_once("): caused by: ") {
        made = made.caused_by(cause);
    }
    made
}

/// A chunk's name as `rustic_core` writes it.
pub(super) fn to_rustic(id: &ChunkId) -> Id {
    Id::new(id.0)
}

/// A chunk's name from `rustic_core`'s.
pub(super) fn from_rustic(id: &Id) -> ChunkId {
    // The bytes are private to the library; the hexadecimal form is always 64 letters.
    parse_hex(id.to_hex().as_str()).unwrap_or(ChunkId([0; 32]))
}

/// Reads 64 hexadecimal letters.
pub(super) fn parse_hex(text: &str) -> Option<ChunkId> {
    fn nibble(letter: u8) -> Option<u8> {
        match letter {
            b'0'..=b'9' => Some(letter - b'0'),
            b'a'..=b'f' => Some(letter - b'a' + 10),
            _ => None,
        }
    }
    let mut bytes = [0; 32];
    if text.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = nibble(high)? << 4 | nibble(low)?;
    }
    Some(ChunkId(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use rustic_core::ErrorKind;

    #[test]
    fn a_name_survives_the_way_to_rustic_and_back() {
        let id = ChunkId::of(b"some content");
        assert_eq!(from_rustic(&to_rustic(&id)), id);
        assert_eq!(to_rustic(&id).to_hex().as_str(), id.to_string());
    }

    #[test]
    fn an_error_of_rustic_keeps_its_text_and_its_cause_and_loses_the_rest() {
        let cause = std::io::Error::other("no space left on device");
        let error = RusticError::with_source(
            ErrorKind::Backend,
            "Failed to write `{path}`. Please check the file and try again.",
            cause,
        )
        .attach_context("path", "data/ab");
        let ours = foreign("write a pack", &error);
        assert_eq!(ours.to_string(), "write a pack: Failed to write `data/ab`: no space left on device");
    }

    #[test]
    fn an_error_of_ours_comes_through_rustic_as_it_was() {
        let ours = Error::new(Kind::Locked, "the lock was lost").hint("run it again");
        let through = RusticError::with_source(ErrorKind::Backend, "not written", ours);
        let told = foreign("record the backup", &through);
        assert_eq!((told.kind, told.hints.len()), (Kind::Locked, 1));
        assert_eq!(told.to_string(), "record the backup: the lock was lost");
    }
}
