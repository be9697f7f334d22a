//! The contents of real archives, one of each server version (see `fixtures/small.sql`).

use super::{Contents, DataState, Extra, Format, Section, read_contents, read_directory_toc};
use proptest::prelude::*;

const ARCHIVES: [(&str, &[u8], &[u8]); 5] = [
    ("13", include_bytes!("fixtures/13.dump"), include_bytes!("fixtures/13.toc")),
    ("15", include_bytes!("fixtures/15.dump"), include_bytes!("fixtures/15.toc")),
    ("16", include_bytes!("fixtures/16.dump"), include_bytes!("fixtures/16.toc")),
    ("17", include_bytes!("fixtures/17.dump"), include_bytes!("fixtures/17.toc")),
    ("18", include_bytes!("fixtures/18.dump"), include_bytes!("fixtures/18.toc")),
];

fn contents(mut archive: &[u8]) -> Contents {
    read_contents(&mut archive).unwrap()
}

/// The files of pg_dump's own directory format.
fn directory_files(contents: &Contents) -> Vec<u8> {
    let groups = contents.large_objects().unwrap();
    contents.directory_toc(&|entry| {
        if let Some(group) = groups.iter().find(|group| group.dump_id == entry.dump_id) {
            return Some(group.file.clone());
        }
        entry.had_dumper.then(|| format!("{}.dat", entry.dump_id))
    })
}

#[test]
fn reading_stops_at_the_first_byte_after_the_contents() {
    for (version, archive, _) in ARCHIVES {
        let mut rest = archive;
        let read = read_contents(&mut rest).unwrap();
        // The first data block follows: its kind (1 is a table's, 3 are large objects).
        assert!(matches!(rest.first(), Some(1 | 3)), "{version}");
        let long = read.entries.len();
        assert!(long > 50, "{version}: {long} entries");
    }
}

#[test]
fn each_versions_header_is_understood() {
    for (version, archive, _) in ARCHIVES {
        let read = contents(archive);
        assert_eq!(read.database.as_ref().unwrap().to_string(), "small");
        assert!(read.server_version.as_ref().unwrap().to_string().starts_with(version));
        assert_eq!(read.encoding().unwrap(), "UTF8");
        let expected = match version {
            "13" | "15" => "1.14",
            "16" => "1.15",
            _ => "1.16",
        };
        assert_eq!(read.version.to_string(), expected);
    }
}

#[test]
fn every_table_sequence_and_large_object_is_named() {
    for (version, archive, _) in ARCHIVES {
        let read = contents(archive);
        let mut tables: Vec<String> =
            read.table_data().map(|e| format!("{}.{}", e.schema_text(), e.tag_text())).collect();
        tables.sort();
        assert_eq!(tables, ["We ird.T\"b", "public.nocols", "public.p0", "public.p1", "public.t"]);
        for table in read.table_data() {
            assert!(table.copy_stmt.as_ref().unwrap().as_str().unwrap().starts_with("COPY "), "{version}");
            assert_eq!(table.section, Section::Data);
            assert!(table.oid > 16_000);
        }
        let values: Vec<_> = read
            .sequence_sets()
            .unwrap()
            .into_iter()
            .map(|value| (value.name.to_string(), value.arguments))
            .collect();
        let named = |name: &str, arguments: &str| (name.to_owned(), arguments.to_owned());
        assert_eq!(
            values,
            [
                named("\"We ird\".\"s'q\"", "7, true"),
                named("public.never", "1, false"),
                named("public.t_id_seq", "5, true")
            ]
        );
        let groups = read.large_objects().unwrap();
        let mut oids: Vec<u32> = groups.iter().flat_map(|group| group.oids.clone()).collect();
        oids.sort_unstable();
        assert_eq!(oids, [50_001, 50_002, 50_003, 50_004, 50_005], "{version}");
        // From 17 on: one group for each owner and ACL, and one for each object with a comment.
        assert_eq!(groups.len(), if version < "17" { 1 } else { 3 }, "{version}");
    }
}

#[test]
fn what_is_written_reads_as_the_same_contents_with_its_attached_indexes_in_a_row() {
    for (version, archive, _) in ARCHIVES {
        let original = contents(archive);
        let again = contents(&original.contents_only_archive(&|_| 0));
        let mut expected = original.clone();
        let mut attached_before = None;
        for entry in &mut expected.entries {
            entry.extra = Extra::Offset(DataState::NoData);
            if entry.is("INDEX ATTACH") {
                entry.dependencies.extend(attached_before.replace(entry.dump_id));
            }
        }
        assert!(attached_before.is_some(), "{version}");
        assert_eq!(again, expected, "{version}");
    }
}

#[test]
fn an_archive_without_data_tells_how_large_each_table_is() {
    for (version, archive, _) in ARCHIVES {
        let written = contents(&contents(archive).contents_only_archive(&|entry| u64::from(entry.oid)));
        let places: Vec<_> = written
            .entries
            .iter()
            .filter_map(|entry| match entry.extra {
                Extra::Offset(DataState::At(place)) => Some((entry, place)),
                _ => None,
            })
            .collect();
        let mut measured = 0;
        for pair in places.windows(2) {
            let [(entry, place), (_, next)] = pair else { continue };
            if entry.is("TABLE DATA") {
                assert_eq!(next - place, u64::from(entry.oid), "{version}");
                measured += 1;
            }
        }
        assert_eq!(measured, written.table_data().count(), "{version}");
    }
}

#[test]
fn the_directory_contents_are_pg_dumps_own() {
    for (version, archive, toc) in ARCHIVES {
        let written = read_directory_toc(&directory_files(&contents(archive))).unwrap();
        let mut own = read_directory_toc(toc).unwrap();
        own.made = written.made;
        // -Z0 made no difference to the others.
        assert_eq!(own.compression, 0);
        assert_eq!(written.format, Format::Directory);
        for (written, own) in written.entries.iter().zip(&own.entries) {
            assert_eq!(written, own, "{version}");
        }
        assert_eq!(written, own, "{version}");
    }
}

#[test]
fn the_directory_contents_are_pg_dumps_own_to_the_byte() {
    for (version, archive, toc) in ARCHIVES {
        let mut given = contents(archive);
        given.made = read_directory_toc(toc).unwrap().made;
        assert!(directory_files(&given) == toc, "{version}");
    }
}

#[test]
fn an_archive_without_data_has_all_other_entries_and_none_of_data() {
    for (version, archive, _) in ARCHIVES {
        let whole = contents(archive);
        let bare = contents(&whole.archive_without_data());
        let others = whole.entries.iter().filter(|entry| !entry.had_dumper);
        assert!(
            bare.entries.iter().map(|entry| entry.dump_id).eq(others.map(|entry| entry.dump_id)),
            "{version}"
        );
        assert!(bare.entries.iter().any(|entry| entry.is("SEQUENCE SET")), "{version}");
        assert!(!bare.entries.iter().any(|entry| entry.is("TABLE DATA") || entry.is("BLOBS")), "{version}");
    }
}

#[test]
fn an_unknown_archive_version_is_refused_with_the_known_ones() {
    let mut archive = ARCHIVES[4].1.to_vec();
    archive[6] = 17;
    let error = read_contents(&mut archive.as_slice()).unwrap_err();
    assert_eq!(
        error.what,
        "archive version 1.17 is not known; 1.14, 1.15 and 1.16 are read (PostgreSQL 13 to 18)"
    );
}

#[test]
fn a_stream_that_ends_inside_the_contents_is_an_error() {
    for (version, archive, _) in ARCHIVES {
        let mut rest = archive;
        read_contents(&mut rest).unwrap();
        let end = archive.len() - rest.len();
        // Every byte would take seconds in a debug build; 17 shares no factor with the sizes.
        for length in (0..end).step_by(17) {
            assert!(read_contents(&mut &archive[..length]).is_err(), "{version} at {length}");
        }
    }
}

#[test]
fn a_length_that_cannot_be_is_refused_before_anything_is_allocated() {
    // The first string is the database's name; its length follows eleven header bytes, the
    // compression and seven integers of five bytes.
    let mut archive = ARCHIVES[4].1.to_vec();
    let at = 11 + 1 + 7 * 5;
    archive[at..at + 5].copy_from_slice(&[0, 0xff, 0xff, 0xff, 0x7f]);
    assert!(read_contents(&mut archive.as_slice()).unwrap_err().what.contains("2147483647 bytes"));
    archive[at..at + 5].copy_from_slice(&[0, 0xff, 0xff, 0xff, 0x3f]);
    assert!(read_contents(&mut archive.as_slice()).unwrap_err().what.contains("ended"));
}

proptest! {
    #[test]
    fn a_mutated_archive_never_panics(
        which in 0..ARCHIVES.len(),
        changes in prop::collection::vec((0.0..1.0_f64, any::<u8>()), 1..12),
    ) {
        let mut archive = ARCHIVES[which].1.to_vec();
        for (place, byte) in changes {
            let at = (place * archive.len() as f64) as usize;
            archive[at] = byte;
        }
        if let Ok(read) = read_contents(&mut archive.as_slice()) {
            let _ = read.sequence_sets();
            let _ = read.large_objects();
            let _ = read.encoding();
            prop_assert!(read_contents(&mut read.archive_without_data().as_slice()).is_ok());
            prop_assert!(read_contents(&mut read.contents_only_archive(&|_| 1).as_slice()).is_ok());
        }
    }
}
