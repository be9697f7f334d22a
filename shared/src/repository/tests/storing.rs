//! What is packed comes back, by our reader and by restic.

use super::{Place, Restic, again, back_up, blob, files_below, named, noise, put};
use crate::{
    clock::SystemClock,
    error::Kind,
    repository::{Depth, StoredFile},
};
use pgbackup_wire::ChunkId;
use std::{fs, io::Write as _};

#[test]
fn restic_finds_no_fault_and_restores_the_same_bytes_f45() {
    let place = Place::new();
    let repository = place.repository();
    // More than one pack of data; a small file; an empty one; one that compresses.
    let large = noise(1, 40 << 20);
    let text = "1\tone\n".repeat(100_000);
    let files: [(&[&str], &[u8]); 5] = [
        (&["manifest.json"], b"{}"),
        (&["databases", "shop", "1.dat"], &large),
        (&["databases", "shop", "2.dat"], text.as_bytes()),
        (&["databases", "x%2fy", "empty.dat"], b""),
        (&["globals.sql"], b"-- none\n"),
    ];
    let id = back_up(&repository, "one", &files);

    assert!(place.packs().len() >= 4, "{:?}", place.packs());
    let report = repository.check(Depth::EveryByte).unwrap();
    assert!(report.is_clean() && report.remarks.is_empty(), "{report:?}");
    let reader = repository.reader().unwrap();
    for (path, content) in files {
        assert!(reader.file(&id, path).unwrap() == content, "{path:?}");
    }
    let Some(restic) = Restic::on(&repository) else { return };
    restic.run(&["check", "--read-data"]);
    let target = place.path().join("restored");
    restic.run(&["restore", id.as_str(), "--target", target.to_str().unwrap()]);
    for (path, content) in files {
        let restored = fs::read(path.iter().fold(target.clone(), |folder, part| folder.join(part))).unwrap();
        assert!(restored == content, "{path:?}");
    }
    assert_eq!(files_below(&target).len(), files.len());
}

#[test]
fn what_is_stored_already_costs_no_new_bytes_but_its_folders() {
    let place = Place::new();
    let content = noise(2, 3 << 20);
    back_up(&place.repository(), "one", &[(&["a"], &content)]);
    let before = place.packs();

    back_up(&again(&place), "two", &[(&["a"], &content)]);

    let new: Vec<_> = place.packs().into_iter().filter(|pack| !before.contains(pack)).collect();
    let new_bytes: u64 = new.iter().map(|pack| fs::metadata(pack).unwrap().len()).sum();
    assert!(new_bytes < 10_000, "{new_bytes}");
}

#[test]
fn a_chunk_is_taken_once_and_an_empty_one_never() {
    let place = Place::new();
    let repository = place.repository();
    let _lock = repository.lock_shared("create", &SystemClock).unwrap();
    let writer = repository.writer().unwrap();
    assert!(!writer.has(&ChunkId::of(b"x")));
    assert!(writer.add(blob(b"x")).unwrap());
    assert!(writer.has(&ChunkId::of(b"x")));
    assert!(!writer.add(blob(b"x")).unwrap());
    assert_eq!(writer.add_plain(b"x").unwrap(), ChunkId::of(b"x"));
    assert!(writer.add(blob(b"")).is_err());
}

#[test]
fn a_backup_that_names_a_chunk_nobody_stored_is_not_recorded() {
    let place = Place::new();
    let repository = place.repository();
    let _lock = repository.lock_shared("create", &SystemClock).unwrap();
    for length in [4, 3] {
        let writer = repository.writer().unwrap();
        let good = put(&writer, &["a"], b"good");
        let id = if length == 4 { ChunkId::of(b"none") } else { ChunkId::of(b"good") };
        let bad = StoredFile { path: vec!["b".to_owned()], chunks: vec![(id, length)] };
        let error = writer.commit(vec![good, bad], named("one")).unwrap_err();
        assert!(error.to_string().contains("a chunk of `b`"), "{error}");
        assert!(repository.snapshots().unwrap().there.is_empty());
    }
}

#[test]
fn a_writer_that_ends_before_the_commit_leaves_no_backup_and_a_clean_repository() {
    let place = Place::new();
    let repository = place.repository();
    {
        let _lock = repository.lock_shared("create", &SystemClock).unwrap();
        let writer = repository.writer().unwrap();
        put(&writer, &["a"], &noise(3, 20 << 20));
    }
    assert!(again(&place).snapshots().unwrap().there.is_empty());
    assert!(again(&place).check(Depth::EveryByte).unwrap().is_clean());
}

#[test]
fn a_writer_that_stored_packs_saves_the_next_attempt_from_storing_them_again() {
    let place = Place::new();
    let repository = place.repository();
    let content = noise(3, 20 << 20);
    let _lock = repository.lock_shared("create", &SystemClock).unwrap();
    let writer = repository.writer().unwrap();
    put(&writer, &["a"], &content);
    drop(writer);
    let writer = repository.writer().unwrap();
    put(&writer, &["a"], &content);
    writer.finish_packs().unwrap();
    assert!(writer.new_bytes() < 6 << 20, "{}", writer.new_bytes());
}

#[test]
fn what_is_new_is_told_before_its_pack_is_full() {
    let place = Place::new();
    let repository = place.repository();
    let _lock = repository.lock_shared("create", &SystemClock).unwrap();
    let writer = repository.writer().unwrap();

    put(&writer, &["a"], &noise(7, 100_000));

    let new = writer.new_bytes();
    assert!((100_000..110_000).contains(&new), "{new}");
    put(&writer, &["b"], &noise(7, 100_000));
    assert_eq!(writer.new_bytes(), new);
}

#[test]
fn a_pack_that_is_gone_or_cut_short_is_damage_and_its_chunks_are_stored_again() {
    let content = noise(4, 1 << 20);
    for cut in [false, true] {
        let place = Place::new();
        let id = back_up(&place.repository(), "one", &[(&["a"], &content)]);
        let largest = place.packs().into_iter().max_by_key(|pack| fs::metadata(pack).unwrap().len()).unwrap();
        if cut {
            fs::File::options().write(true).open(&largest).unwrap().set_len(1000).unwrap();
        } else {
            fs::remove_file(&largest).unwrap();
        }

        let repository = again(&place);
        assert_eq!(repository.reader().unwrap().file(&id, &["a"]).unwrap_err().kind, Kind::Damage);
        let two = back_up(&repository, "two", &[(&["a"], &content)]);

        assert!(repository.reader().unwrap().file(&two, &["a"]).unwrap() == content);
    }
}

#[test]
fn a_flipped_byte_in_a_chunk_is_damage_that_names_the_pack() {
    let place = Place::new();
    let id = back_up(&place.repository(), "one", &[(&["a"], &noise(5, 10_000))]);
    let pack = place.packs().into_iter().max_by_key(|pack| fs::metadata(pack).unwrap().len()).unwrap();
    let mut bytes = fs::read(&pack).unwrap();
    bytes[5000] ^= 1;
    fs::File::create(&pack).unwrap().write_all(&bytes).unwrap();

    let error = again(&place).reader().unwrap().file(&id, &["a"]).unwrap_err();

    assert_eq!(error.kind, Kind::Damage);
    assert!(error.to_string().contains(pack.file_name().unwrap().to_str().unwrap()), "{error}");
    assert!(!again(&place).check(Depth::EveryByte).unwrap().is_clean());
}

#[test]
fn blobs_come_back_as_they_were_handed_in() {
    let place = Place::new();
    let repository = place.repository();
    let content = b"select 1;\n".repeat(1000);
    let id = back_up(&repository, "one", &[(&["a"], &content)]);
    let reader = repository.reader().unwrap();
    let chunks = reader.chunks(&id, &["a"]).unwrap();
    assert_eq!(reader.blob(&chunks[0].0).unwrap(), blob(&content));
    assert_eq!(reader.files(&id).unwrap(), [StoredFile { path: vec!["a".to_owned()], chunks }]);
    assert!(reader.file(&id, &["b"]).unwrap_err().what.contains("holds no file"));
}
