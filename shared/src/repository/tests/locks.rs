//! Locks that live, that are stale, and that are lost.

use super::{Place, again, files_below, named, put};
use crate::{
    clock::SystemClock,
    error::Kind,
    repository::{LockKind, lock_file::STALE_AFTER},
};
use std::{
    fs::File,
    path::PathBuf,
    time::{Duration, SystemTime},
};

fn lock_files(place: &Place) -> Vec<PathBuf> {
    files_below(&place.repository_path().join("pgbackup/locks"))
}

/// Makes a lock file as old as if its holder had not been heard of since long.
fn age(file: &PathBuf) {
    let then = SystemTime::now() - STALE_AFTER - Duration::from_secs(5);
    File::options().write(true).open(file).unwrap().set_modified(then).unwrap();
}

#[test]
fn prune_waits_for_nobody_and_says_who_is_in_its_way() {
    let place = Place::new();
    let repository = place.repository();
    let lock = repository.lock_shared("create", &SystemClock).unwrap();
    let beside = again(&place).lock_shared("restore", &SystemClock).unwrap();

    let error = again(&place).lock_alone("prune", &SystemClock).err().unwrap();

    assert_eq!(error.kind, Kind::Locked);
    let cause = &error.causes[0];
    assert!(cause.contains("host `here`") && cause.contains("since 2"), "{cause}");
    assert!(cause.contains("`create`") || cause.contains("`restore`"), "{cause}");
    drop((lock, beside));
    assert!(lock_files(&place).is_empty());
    let alone = again(&place).lock_alone("prune", &SystemClock).unwrap();
    let error = repository.lock_shared("create", &SystemClock).err().unwrap();
    assert!(error.causes[0].contains("`prune`"), "{error:?}");
    drop(alone);
    assert!(repository.lock_shared("create", &SystemClock).is_ok());
}

#[test]
fn a_stale_lock_is_in_nobodys_way_and_its_holder_can_record_nothing_any_more() {
    let place = Place::new();
    let repository = place.repository();
    let _slept = repository.lock_shared("create", &SystemClock).unwrap();
    let writer = repository.writer().unwrap();
    let file = put(&writer, &["a"], b"content");
    age(&lock_files(&place)[0]);

    let other = again(&place);
    let alone = other.lock_alone("prune", &SystemClock).unwrap();

    let error = writer.commit(vec![file], named("one")).unwrap_err();
    assert_eq!(error.kind, Kind::Locked, "{error}");
    assert!(other.snapshots().unwrap().there.is_empty());
    drop(alone);
}

#[test]
fn without_a_lock_nothing_is_written_deleted_or_pruned() {
    let place = Place::new();
    let repository = place.repository();
    assert!(repository.writer().is_err());
    assert!(repository.delete(&[]).is_err());
    assert!(repository.prune_plan().is_err());
    let _lock = repository.lock_shared("create", &SystemClock).unwrap();
    assert!(repository.writer().is_ok());
    assert!(repository.prune_plan().is_err());
}

#[test]
fn a_writer_whose_lock_was_given_back_records_nothing() {
    let place = Place::new();
    let repository = place.repository();
    let lock = repository.lock_shared("create", &SystemClock).unwrap();
    let writer = repository.writer().unwrap();
    let file = put(&writer, &["a"], b"content");
    drop(lock);
    assert!(writer.commit(vec![file], named("one")).is_err());
    assert!(repository.snapshots().unwrap().there.is_empty());
}

#[test]
fn unlock_removes_stale_locks_and_leaves_live_ones() {
    let place = Place::new();
    let repository = place.repository();
    let _stale = repository.lock_shared("create", &SystemClock).unwrap();
    age(&lock_files(&place)[0]);
    let _live = again(&place).lock_shared("restore", &SystemClock).unwrap();

    let states = again(&place).lock_states().unwrap();
    let unlocked = again(&place).unlock().unwrap();

    let what = |holders: &[crate::repository::Holder]| -> Vec<_> {
        holders.iter().map(|holder| holder.what.clone()).collect()
    };
    assert_eq!(
        (what(&states.stale), what(&states.live)),
        (vec!["create".to_owned()], vec!["restore".to_owned()])
    );
    assert_eq!(what(&unlocked.removed), ["create"]);
    assert_eq!(unlocked.live[0].kind, LockKind::Shared);
    assert_eq!(lock_files(&place).len(), 1);
}

#[test]
fn a_lock_file_that_nobody_can_read_counts_as_held_until_it_is_stale() {
    let place = Place::new();
    let repository = place.repository();
    drop(repository.lock_shared("create", &SystemClock).unwrap());
    let file = place.repository_path().join("pgbackup/locks/0000.lock");
    std::fs::write(&file, "half").unwrap();
    assert_eq!(repository.lock_shared("create", &SystemClock).err().unwrap().kind, Kind::Locked);
    age(&file);
    assert!(repository.lock_shared("create", &SystemClock).is_ok());
}
