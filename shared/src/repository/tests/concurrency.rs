//! Several writers and several makers at once.

use super::{Place, Restic, again, back_up, blob, named, noise, put};
use crate::{
    clock::SystemClock,
    error::Kind,
    repository::{Depth, open_or_create},
};
use std::{collections::BTreeSet, sync::Barrier};

#[test]
fn first_uses_at_once_make_one_repository() {
    let place = Place::new();
    let barrier = Barrier::new(4);
    let ids: BTreeSet<_> = std::thread::scope(|scope| {
        let use_first = || {
            barrier.wait();
            open_or_create(&place.options()).map(|(repository, _)| repository.id().to_owned())
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(use_first)).collect();
        let results = threads.into_iter().map(|thread| thread.join().unwrap());
        results
            .filter_map(|result| match result {
                Ok(id) => Some(id),
                Err(error) => {
                    assert_eq!(error.kind, Kind::Locked, "{error}");
                    None
                }
            })
            .collect()
    });
    assert_eq!(ids.len(), 1);
    assert_eq!(ids.first().unwrap(), again(&place).id());
}

#[test]
fn two_writers_at_once_both_leave_a_whole_backup() {
    let place = Place::new();
    place.repository();
    let shared = noise(1, 2 << 20);
    let contents = [noise(2, 18 << 20), noise(3, 18 << 20)];
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        for (number, own) in contents.iter().enumerate() {
            let (place, shared, barrier) = (&place, &shared, &barrier);
            scope.spawn(move || {
                let repository = again(place);
                let _lock = repository.lock_shared("create", &SystemClock).unwrap();
                let writer = repository.writer().unwrap();
                barrier.wait();
                let files = vec![put(&writer, &["own"], own), put(&writer, &["shared"], shared)];
                writer.commit(files, named(&format!("backup-{number}"))).unwrap();
            });
        }
    });
    let repository = again(&place);
    let reader = repository.reader().unwrap();
    let snapshots = repository.snapshots().unwrap().there;
    assert_eq!(snapshots.len(), 2);
    for snapshot in snapshots {
        let number: usize = snapshot.label.trim_start_matches("backup-").parse().unwrap();
        assert!(reader.file(&snapshot.id, &["own"]).unwrap() == contents[number]);
        assert!(reader.file(&snapshot.id, &["shared"]).unwrap() == shared);
    }
    assert!(repository.check(Depth::EveryByte).unwrap().is_clean());
    if let Some(restic) = Restic::on(&repository) {
        restic.run(&["check", "--read-data"]);
    }
}

#[test]
fn sessions_that_hand_in_the_same_chunks_at_once_store_each_once() {
    let place = Place::new();
    let repository = place.repository();
    let _lock = repository.lock_shared("create", &SystemClock).unwrap();
    let writer = repository.writer().unwrap();
    let pieces: Vec<_> = (0..200).map(|seed| noise(seed, 1000)).collect();
    let new: usize = std::thread::scope(|scope| {
        let add = || pieces.iter().filter(|piece| writer.add(blob(piece)).unwrap()).count();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(add)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(new, pieces.len());
}

#[test]
fn two_backups_of_one_name_at_once_and_one_is_refused() {
    let place = Place::new();
    place.repository();
    let barrier = Barrier::new(2);
    let won = std::thread::scope(|scope| {
        let claim = || {
            let repository = again(&place);
            barrier.wait();
            let claimed = repository.claim_name("nightly", &SystemClock);
            // Neither gives up its claim before the other has tried.
            barrier.wait();
            match claimed {
                Ok(_) => true,
                Err(error) => {
                    assert_eq!(error.kind, Kind::Locked, "{error}");
                    assert!(error.what.contains("nightly"), "{error}");
                    false
                }
            }
        };
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(claim)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(|won| *won).count()
    });
    assert_eq!(won, 1);
}

#[test]
fn a_name_that_a_backup_has_is_refused_and_free_again_when_that_is_deleted() {
    let place = Place::new();
    let repository = place.repository();
    let id = back_up(&repository, "nightly", &[(&["a"], b"x")]);
    let error = repository.claim_name("nightly", &SystemClock).err().unwrap();
    assert!(error.what.contains("already"), "{error}");
    assert!(repository.claim_name("nightly-2", &SystemClock).is_ok());
    let _lock = repository.lock_shared("delete", &SystemClock).unwrap();
    repository.delete(&[id]).unwrap();
    assert!(repository.claim_name("nightly", &SystemClock).is_ok());
}
