//! The index: lost, damaged, and naming what is not there.

use super::{Place, Restic, again, back_up, files_below, noise};
use crate::{
    clock::SystemClock,
    error::Kind,
    repository::{Depth, IndexState, Repository},
};
use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
};

fn index_files(place: &Place) -> Vec<PathBuf> {
    files_below(&place.repository_path().join("index"))
}

fn repaired(repository: &Repository) -> IndexState {
    let _alone = repository.lock_alone("repo repair", &SystemClock).unwrap();
    repository.repair_index().unwrap()
}

#[test]
fn a_lost_index_is_made_anew_from_the_packs() {
    let place = Place::new();
    let content = noise(1, 2 << 20);
    let id = back_up(&place.repository(), "one", &[(&["a"], &content)]);
    for file in index_files(&place) {
        fs::remove_file(file).unwrap();
    }
    let repository = again(&place);
    assert_eq!(repository.index_state().unwrap().unnamed_packs, 2);
    assert!(repository.reader().unwrap().file(&id, &["a"]).is_err());

    assert!(repaired(&repository).is_sound());

    assert!(repository.reader().unwrap().file(&id, &["a"]).unwrap() == content);
    assert!(repository.check(Depth::EveryByte).unwrap().is_clean());
    if let Some(restic) = Restic::on(&repository) {
        restic.run(&["check", "--read-data"]);
    }
}

#[test]
fn a_damaged_index_file_is_damage_to_readers_and_is_replaced_by_a_repair() {
    let place = Place::new();
    let repository = place.repository();
    let one = back_up(&repository, "one", &[(&["a"], &noise(1, 50_000))]);
    let two = back_up(&repository, "two", &[(&["a"], &noise(2, 50_000))]);
    let file = index_files(&place).remove(0);
    let mut bytes = fs::read(&file).unwrap();
    bytes[30] ^= 4;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&file, bytes).unwrap();

    let repository = again(&place);
    assert_eq!(repository.reader().err().unwrap().kind, Kind::Damage);
    let state = repository.index_state().unwrap();
    assert_eq!((state.damaged.len(), state.unnamed_packs), (1, 2), "{state:?}");

    assert!(repaired(&repository).is_sound());

    let reader = repository.reader().unwrap();
    assert!(reader.file(&one, &["a"]).unwrap() == noise(1, 50_000));
    assert!(reader.file(&two, &["a"]).unwrap() == noise(2, 50_000));
}

#[test]
fn packs_that_are_gone_or_cut_short_are_taken_off_and_what_is_no_pack_is_left() {
    let place = Place::new();
    let repository = place.repository();
    back_up(&repository, "gone", &[(&["a"], &noise(1, 50_000))]);
    let gone = place.packs();
    back_up(&repository, "cut", &[(&["a"], &noise(2, 50_000))]);
    let cut: Vec<_> = place.packs().into_iter().filter(|pack| !gone.contains(pack)).collect();
    let whole = back_up(&repository, "whole", &[(&["a"], &noise(3, 50_000))]);
    fs::remove_file(&gone[0]).unwrap();
    fs::set_permissions(&cut[0], fs::Permissions::from_mode(0o600)).unwrap();
    let length = fs::metadata(&cut[0]).unwrap().len();
    File::options().write(true).open(&cut[0]).unwrap().set_len(length / 2).unwrap();

    let repository = again(&place);
    assert_eq!(repository.index_state().unwrap().absent_packs, 2);
    let state = repaired(&repository);

    assert_eq!((state.absent_packs, state.unnamed_packs), (0, 1), "the one that was cut is left: {state:?}");
    assert!(repository.reader().unwrap().file(&whole, &["a"]).unwrap() == noise(3, 50_000));
}

#[test]
fn a_repair_needs_the_repository_alone() {
    let place = Place::new();
    let repository = place.repository();
    let _shared = repository.lock_shared("create", &SystemClock).unwrap();
    assert!(repository.repair_index().is_err());
    assert_eq!(again(&place).lock_alone("repo repair", &SystemClock).err().unwrap().kind, Kind::Locked);
}
