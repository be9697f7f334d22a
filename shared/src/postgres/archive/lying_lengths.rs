//! Archives that lie about their lengths, and bytes that are no archive: an error, never a panic,
//! and never memory for bytes that did not come.
//!
//! 256 cases each; more by `PROPTEST_CASES`.

use super::{Contents, read_contents, read_directory_toc};
use crate::error::Result;
use proptest::prelude::*;
use std::io::Read;

const ARCHIVES: [&[u8]; 3] = [
    include_bytes!("fixtures/13.dump"),
    include_bytes!("fixtures/16.dump"),
    include_bytes!("fixtures/18.dump"),
];

/// Header bytes up to and with the format's.
const HEADER: usize = 11;

/// A stream that remembers the most room that it was asked to fill at once.
struct Frugal<'a> {
    rest: &'a [u8],
    most: usize,
}

impl Read for Frugal<'_> {
    fn read(&mut self, room: &mut [u8]) -> std::io::Result<usize> {
        self.most = self.most.max(room.len());
        self.rest.read(room)
    }
}

/// Reads an archive, and everything that is asked of its contents. Room for what never comes
/// would show as one large request.
fn read(archive: &[u8]) -> Result<Contents> {
    let mut stream = Frugal { rest: archive, most: 0 };
    let read = read_contents(&mut stream);
    assert!(stream.most <= archive.len() + (64 << 10), "{} bytes were asked for at once", stream.most);
    let contents = read?;
    let _ = contents.encoding();
    let _ = contents.sequence_sets();
    let _ = contents.large_objects();
    let _ = contents.archive_without_data();
    let _ = read_directory_toc(&contents.directory_toc(&|_| None));
    Ok(contents)
}

/// An integer as archives hold it: sign, then four bytes.
fn integer(value: i64) -> [u8; 5] {
    let [a, b, c, d, ..] = value.unsigned_abs().to_le_bytes();
    [u8::from(value < 0), a, b, c, d]
}

/// Lengths at which arithmetic goes wrong, and any other.
fn lie() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(-1_i64),
        Just(i64::from(i32::MAX)),
        Just(i64::from(i32::MIN)),
        Just(1 << 30),
        Just((1 << 30) + 1),
        -(1_i64 << 32)..1 << 32,
        0..5000_i64,
    ]
}

proptest! {
    #[test]
    fn a_length_that_lies_is_an_error_or_contents_and_costs_no_memory(
        which in 0..ARCHIVES.len(), at in any::<prop::sample::Index>(), lie in lie(), cut in any::<Option<prop::sample::Index>>(),
    ) {
        let mut archive = ARCHIVES[which].to_vec();
        let at = HEADER + at.index(archive.len() - HEADER - 5);
        archive[at..at + 5].copy_from_slice(&integer(lie));
        if let Some(cut) = cut {
            archive.truncate(at + 5 + cut.index(archive.len() - at - 4));
        }
        let _ = read(&archive);
    }

    #[test]
    fn a_count_of_entries_that_lies_is_an_error(which in 0..ARCHIVES.len(), more in 1..i64::from(i32::MAX)) {
        let whole = ARCHIVES[which];
        let contents = read(whole).unwrap();
        // Only the contents themselves, so that nothing that follows can be taken for an entry.
        let alone = contents.contents_only_archive(&|_| 0);
        let count = i64::try_from(contents.entries.len()).unwrap();
        let at = alone.windows(5).position(|bytes| bytes == integer(count)).unwrap();
        let mut lying = alone.clone();
        lying[at..at + 5].copy_from_slice(&integer(count.saturating_add(more).min(i64::from(i32::MAX))));
        prop_assert!(read(&lying).is_err());
        prop_assert!(read(&alone).is_ok());
    }

    #[test]
    fn any_bytes_behind_a_good_header_are_contents_or_an_error(
        which in 0..ARCHIVES.len(), bytes in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let front = ARCHIVES[which].get(..HEADER).unwrap();
        let _ = read(&[front, &bytes].concat());
    }

    #[test]
    fn any_sizes_of_integers_in_the_header_are_contents_or_an_error(
        which in 0..ARCHIVES.len(), int_size in any::<u8>(), offset_size in any::<u8>(), level in any::<u8>(),
    ) {
        let mut archive = ARCHIVES[which].to_vec();
        archive[8..11].copy_from_slice(&[int_size, offset_size, level]);
        let _ = read(&archive);
    }
}
