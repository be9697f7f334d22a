//! What is inside frames: messages by postcard, chunks by hand.

use crate::{ChunkId, MAX_CHUNK, WireError};
use serde::{Serialize, de::DeserializeOwned};

/// Bytes before the compressed content of a chunk: its name, and the length of its content.
pub const BLOB_HEADER_BYTES: usize = 36;

/// Appends a message to `out`.
///
/// # Errors
///
/// [`WireError::Payload`] when it cannot be written down, which no message of ours causes.
pub fn write_message<T: Serialize>(out: &mut Vec<u8>, message: &T) -> Result<(), WireError> {
    let buffer = std::mem::take(out);
    *out = postcard::to_extend(message, buffer).map_err(|_| WireError::Payload)?;
    Ok(())
}

/// Reads a message that fills the whole payload.
///
/// # Errors
///
/// [`WireError::Payload`] when it does not.
pub fn read_message<T: DeserializeOwned>(payload: &[u8]) -> Result<T, WireError> {
    match postcard::take_from_bytes(payload) {
        Ok((message, [])) => Ok(message),
        _ => Err(WireError::Payload),
    }
}

/// Appends the name of a chunk and the length of its content: a whole `Known` payload, or the
/// front of a `Blob`.
pub fn write_chunk(out: &mut Vec<u8>, id: &ChunkId, raw_length: u32) {
    out.extend_from_slice(&id.0);
    out.extend_from_slice(&raw_length.to_le_bytes());
}

/// Reads a `Known` payload.
///
/// # Errors
///
/// [`WireError::Payload`] when it is not 36 bytes, or the chunk would be empty or too long.
pub fn read_known(payload: &[u8]) -> Result<(ChunkId, u32), WireError> {
    match read_blob(payload)? {
        (id, raw_length, []) => Ok((id, raw_length)),
        _ => Err(WireError::Payload),
    }
}

/// Reads a `Blob` payload: name, length of the content, and the content compressed.
///
/// # Errors
///
/// [`WireError::Payload`] when it is too short, or the chunk would be empty or too long.
pub fn read_blob(payload: &[u8]) -> Result<(ChunkId, u32, &[u8]), WireError> {
    let (id, rest) = payload.split_first_chunk::<32>().ok_or(WireError::Payload)?;
    let (length, compressed) = rest.split_first_chunk::<4>().ok_or(WireError::Payload)?;
    let raw_length = u32::from_le_bytes(*length);
    if raw_length == 0 || raw_length as usize > MAX_CHUNK {
        return Err(WireError::Payload);
    }
    Ok((ChunkId(*id), raw_length, compressed))
}

/// Reads a `Credit` payload: bytes granted.
///
/// # Errors
///
/// [`WireError::Payload`] when it is not four bytes.
pub fn read_credit(payload: &[u8]) -> Result<u32, WireError> {
    Ok(u32::from_le_bytes(payload.try_into().map_err(|_| WireError::Payload)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_that_says_it_is_longer_than_any_chunk_is_refused() {
        let mut payload = Vec::new();
        write_chunk(&mut payload, &ChunkId::of(b"x"), MAX_CHUNK as u32);
        assert!(read_known(&payload).is_ok());
        payload.clear();
        write_chunk(&mut payload, &ChunkId::of(b"x"), MAX_CHUNK as u32 + 1);
        assert_eq!(read_blob(&payload), Err(WireError::Payload));
    }

    #[test]
    fn a_message_with_something_after_it_is_refused() {
        let mut payload = Vec::new();
        write_message(&mut payload, &42_u32).unwrap();
        assert_eq!(read_message::<u32>(&payload), Ok(42));
        payload.push(0);
        assert_eq!(read_message::<u32>(&payload), Err(WireError::Payload));
    }
}
