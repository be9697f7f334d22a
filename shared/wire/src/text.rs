//! Text of a server as text of ours, without losing a byte of it.
//!
//! What a server says need not be UTF-8: a database in SQL_ASCII takes any bytes for a name, and
//! names of databases and roles are stored as the session that made them was encoded. Each byte
//! that is not part of UTF-8 stands as one of the 128 private characters U+EF80 to U+EFFF. A name
//! that holds one of these by itself has it taken apart in the same way, so that every text has
//! one form, and that form gives the very bytes back.

use std::borrow::Cow;

/// The character of byte 0, which is never used: bytes of ASCII are always UTF-8.
const FIRST: u32 = 0xef00;

/// Returns the text that stands for these bytes; UTF-8 stands for itself.
pub fn from_bytes(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(|letter| byte_of(letter).is_some()) => return Cow::Borrowed(text),
        _ => {}
    }
    let mut text = String::with_capacity(bytes.len() * 3);
    let escape = |text: &mut String, bytes: &[u8]| {
        text.extend(bytes.iter().filter_map(|byte| char::from_u32(FIRST + u32::from(*byte))));
    };
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match byte_of(letter) {
                Some(_) => escape(&mut text, letter.encode_utf8(&mut [0; 4]).as_bytes()),
                None => text.push(letter),
            }
        }
        escape(&mut text, chunk.invalid());
    }
    Cow::Owned(text)
}

/// Returns the bytes that a text stands for.
pub fn to_bytes(text: &str) -> Cow<'_, [u8]> {
    if !text.chars().any(|letter| byte_of(letter).is_some()) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for letter in text.chars() {
        match byte_of(letter) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Cow::Owned(bytes)
}

/// The byte that a character stands for, if it stands for one.
pub fn byte_of(letter: char) -> Option<u8> {
    u32::from(letter).checked_sub(FIRST).and_then(|byte| u8::try_from(byte).ok()).filter(|byte| *byte >= 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_utf_8_come_back() {
        assert_eq!(from_bytes(b"gr\xf6\xdfe"), "gr\u{eff6}\u{efdf}e");
        assert_eq!(*to_bytes("gr\u{eff6}\u{efdf}e"), *b"gr\xf6\xdfe");
    }

    #[test]
    fn utf_8_stands_for_itself() {
        assert!(matches!(from_bytes("größe 漢字".as_bytes()), Cow::Borrowed("größe 漢字")));
        assert_eq!(*to_bytes("größe 漢字"), *"größe 漢字".as_bytes());
    }

    #[test]
    fn a_name_with_a_private_character_is_not_taken_for_a_byte() {
        let name = "\u{ef80}";
        assert_ne!(from_bytes(name.as_bytes()), from_bytes(b"\x80"));
        assert_eq!(*to_bytes(&from_bytes(name.as_bytes())), *name.as_bytes());
    }
}
