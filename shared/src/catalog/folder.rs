//! The folder of a database in a backup: its name, made fit to be a file's name (F43).
//!
//! `a-z`, `0-9`, `_`, `-` and a dot that is not the first stand for themselves; every other byte
//! of the name (as the server has it) is written `%` and two hexadecimal digits. Capitals are written so too:
//! where file names do not tell `App` from `app`, two databases would land in one folder. The
//! longest name (63 bytes) becomes 189 letters, and every file system takes 255.

use pgbackup_wire::text;
use std::fmt::Write as _;

/// The folder's name for a database: `shop` is `shop`, `x/y` is `x%2fy`, `..` is `%2e.`.
pub fn database_folder(database: &str) -> String {
    let mut folder = String::with_capacity(database.len());
    for (position, byte) in text::to_bytes(database).iter().copied().enumerate() {
        if stands_for_itself(byte, position) {
            folder.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            _ = write!(folder, "%{byte:02x}");
        }
    }
    folder
}

/// The database of a folder, if the folder's name is one that [`database_folder`] gives.
pub fn database_of_folder(folder: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(folder.len());
    let mut rest = folder.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push((high * 16 + low) as u8);
        } else {
            bytes.push(byte);
        }
    }
    let database = text::from_bytes(&bytes).into_owned();
    (database_folder(&database) == folder).then_some(database)
}

fn stands_for_itself(byte: u8, position: usize) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-') || (byte == b'.' && position > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_are_no_file_names_become_some() {
        for (database, folder) in [
            ("shop", "shop"),
            ("x/y", "x%2fy"),
            ("..", "%2e."),
            (".", "%2e"),
            ("a=b", "a%3db"),
            ("App", "%41pp"),
            ("a\nb", "a%0ab"),
            ("100%", "100%25"),
            ("ü", "%c3%bc"),
            ("gr\u{eff6}n", "gr%f6n"),
        ] {
            assert_eq!(database_folder(database), folder);
            assert_eq!(database_of_folder(folder).as_deref(), Some(database));
        }
    }

    #[test]
    fn a_folder_that_no_database_has_is_nobodys() {
        for folder in ["App", "%41PP", "a%2", "a%zz", "%61", ".a", "a/b", "%C3%BC"] {
            assert_eq!(database_of_folder(folder), None, "{folder}");
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back_and_its_folder_is_a_plain_file_name(name in "\\PC{1,21}|[^\\x00]{1,15}") {
            let folder = database_folder(&name);
            prop_assert_eq!(database_of_folder(&folder), Some(name));
            prop_assert!(folder.len() <= 255);
            prop_assert!(folder != "." && folder != "..");
            prop_assert!(folder.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && !byte.is_ascii_uppercase()));
        }

        #[test]
        fn two_names_never_share_a_folder(one in "[a-cA-C%/.]{1,4}", other in "[a-cA-C%/.]{1,4}") {
            let same = database_folder(&one).eq_ignore_ascii_case(&database_folder(&other));
            prop_assert_eq!(same, one == other);
        }
    }
}
