//! Making, opening, keys and passwords.

use super::{Place, Restic, again, back_up, files_below, noise};
use crate::{
    clock::SystemClock,
    error::Kind,
    repository::{Created, Options, import, import_by_password, open, open_or_create},
    secret::Secret,
};
use std::{fs, os::unix::fs::PermissionsExt};

#[test]
fn the_first_use_makes_a_private_repository_with_a_private_key_and_says_so_once() {
    let place = Place::new();

    let (repository, created) = open_or_create(&place.options()).unwrap();

    let key_file = place.path().join("keys").join(repository.id());
    assert_eq!(created, Created::Yes { key_file: Some(key_file.clone()) });
    assert_eq!(repository.key_file(), Some(key_file.as_path()));
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&key_file), 0o600);
    assert_eq!(mode(&place.repository_path()), 0o700);
    assert_eq!(files_below(&place.path().join("keys")), [key_file]);
    let (same, created) = open_or_create(&place.options()).unwrap();
    assert_eq!((same.id(), created), (repository.id(), Created::No));
}

#[test]
fn a_place_without_a_repository_is_an_error_of_open_and_stays_empty() {
    let place = Place::new();
    let error = open(&place.options()).err().unwrap();
    assert!(error.what.contains("there is no repository"), "{error}");
    assert!(!place.repository_path().exists());
}

#[test]
fn a_known_place_that_is_empty_is_an_error_and_never_a_new_repository_f37() {
    let place = Place::new();
    place.repository();
    fs::rename(place.repository_path(), place.path().join("unmounted")).unwrap();
    for empty in [false, true] {
        if empty {
            fs::create_dir(place.repository_path()).unwrap();
        }
        let error = open_or_create(&place.options()).err().unwrap();
        assert!(error.what.contains("is not there"), "{error}");
        assert!(error.hints.iter().any(|hint| hint.contains("mounted")), "{error:?}");
        assert!(open(&place.options()).is_err());
    }
    assert_eq!(fs::read_dir(place.repository_path()).unwrap().count(), 0);
    fs::remove_dir(place.repository_path()).unwrap();
    fs::rename(place.path().join("unmounted"), place.repository_path()).unwrap();
    again(&place);
}

#[test]
fn another_repository_than_before_at_a_known_place_is_refused() {
    let (place, other) = (Place::new(), Place::new());
    place.repository();
    other.repository();
    fs::remove_dir_all(place.repository_path()).unwrap();
    fs::rename(other.repository_path(), place.repository_path()).unwrap();
    let error = open_or_create(&place.options()).err().unwrap();
    assert!(error.what.contains("another repository"), "{error}");
}

#[test]
fn a_missing_key_is_an_error_that_names_the_file_and_the_way_back_f36() {
    let place = Place::new();
    let repository = place.repository();
    let key_file = repository.key_file().unwrap().to_owned();
    let sheet = repository.recovery_sheet(None).unwrap();
    fs::remove_file(&key_file).unwrap();

    for error in [open(&place.options()).err().unwrap(), open_or_create(&place.options()).err().unwrap()] {
        assert!(error.what.contains("key"), "{error}");
        assert!(error.causes[0].contains(key_file.to_str().unwrap()), "{error:?}");
        assert!(error.hints[0].contains("repo key import"), "{error:?}");
    }

    let imported = import(&sheet, &place.options().keys_folder).unwrap();
    assert_eq!(imported.key_file, key_file);
    again(&place);
    assert!(import(&sheet, &place.options().keys_folder).unwrap().was_there);
}

#[test]
fn the_recovery_sheet_opens_the_repository_on_another_host_by_key_and_by_password() {
    let place = Place::new();
    let repository = place.repository();
    back_up(&repository, "one", &[(&["a"], b"x")]);
    let sheet = repository.recovery_sheet(None).unwrap();
    let host = Place::new();
    let elsewhere = Options { repository: place.options().repository, ..host.options() };

    assert!(open(&elsewhere).is_err());
    import(&sheet, &elsewhere.keys_folder).unwrap();
    assert_eq!(open(&elsewhere).unwrap().snapshots().unwrap().there.len(), 1);

    let password = sheet.expose().lines().find_map(|line| line.strip_prefix("password: ")).unwrap();
    let third = Place::new();
    let by_password = Options {
        repository: place.options().repository,
        password: Some(Secret::new(password)),
        ..third.options()
    };
    let opened = open(&by_password).unwrap();
    assert_eq!(opened.snapshots().unwrap().there.len(), 1);
    assert_eq!(opened.key_file(), None);
    let wrong = Options { password: Some(Secret::new("wrong")), ..by_password };
    assert!(open(&wrong).err().unwrap().causes[0].contains("password"));
    assert!(sheet.expose().contains("--no-lock"));
    assert!(sheet.expose().contains("Never run `restic prune`"));
}

#[test]
fn a_sheet_for_another_key_does_not_overwrite_the_one_that_is_there() {
    let place = Place::new();
    let repository = place.repository();
    let other = Place::new();
    let sheet = other.repository().recovery_sheet(Some(&Secret::new("pw"))).unwrap();
    let forged = sheet.expose().replace(other.repository().id(), repository.id());
    let error = import(&Secret::new(forged), &place.options().keys_folder).unwrap_err();
    assert!(error.what.contains("another key"), "{error}");
    again(&place);
}

#[test]
fn a_repository_can_be_made_with_a_password_and_no_key_file() {
    let place = Place::new();
    let options = Options { password: Some(Secret::new("pw")), ..place.options() };
    let (_, created) = open_or_create(&options).unwrap();
    assert_eq!(created, Created::Yes { key_file: None });
    assert!(!place.path().join("keys").exists());
    assert!(open(&options).is_ok());
    assert!(open(&place.options()).err().unwrap().hints.iter().any(|hint| hint.contains("--password-file")));
}

#[test]
fn a_folder_with_something_else_in_it_is_refused_and_left_alone() {
    let place = Place::new();
    fs::create_dir(place.repository_path()).unwrap();
    fs::write(place.repository_path().join("holiday.jpg"), "x").unwrap();
    let error = open_or_create(&place.options()).err().unwrap();
    assert!(error.what.contains("holds something else"), "{error}");
    assert_eq!(files_below(&place.repository_path()).len(), 1);
    assert!(!place.path().join("keys").exists());
}

#[test]
fn a_making_that_was_interrupted_is_taken_up_without_losing_the_key() {
    let place = Place::new();
    let repository = place.repository();
    let (id, key_file) = (repository.id().to_owned(), repository.key_file().unwrap().to_owned());
    drop(repository);
    // As it is when the process is killed after restic's `config` was written.
    fs::remove_file(place.repository_path().join("pgbackup/repository.json")).unwrap();
    fs::remove_file(place.path().join("places.json")).unwrap();
    fs::rename(&key_file, key_file.with_file_name("unfinished-0123")).unwrap();

    let (repository, created) = open_or_create(&place.options()).unwrap();

    assert_eq!((repository.id(), created), (id.as_str(), Created::No));
    assert_eq!(files_below(&place.path().join("keys")), [key_file]);
    again(&place);
}

#[test]
fn a_repository_without_its_config_is_damage_and_is_not_made_anew() {
    let place = Place::new();
    place.repository();
    fs::remove_file(place.repository_path().join("config")).unwrap();
    assert_eq!(open_or_create(&place.options()).err().unwrap().kind, Kind::Damage);
}

#[test]
fn a_password_that_opens_the_repository_already_is_not_added_again() {
    let place = Place::new();
    let repository = place.repository();
    let password = Secret::new("correct horse");

    repository.recovery_sheet(Some(&password)).unwrap();
    repository.recovery_sheet(Some(&password)).unwrap();
    assert_eq!(repository.info().unwrap().passwords, 1);

    let sheet = repository.recovery_sheet(None).unwrap();
    assert_eq!(repository.recovery_sheet(None).unwrap(), sheet);
    assert_eq!(repository.info().unwrap().passwords, 2, "the usual one is the same each time");
}

#[test]
fn a_key_of_another_repository_is_refused_with_the_file_named_f36() {
    let (place, other) = (Place::new(), Place::new());
    let (key_file, wrong) = (
        place.repository().key_file().unwrap().to_owned(),
        fs::read(other.repository().key_file().unwrap()).unwrap(),
    );
    fs::write(&key_file, wrong).unwrap();

    for error in [open(&place.options()).err().unwrap(), open_or_create(&place.options()).err().unwrap()] {
        assert!(error.what.contains("open the repository"), "{error}");
        assert!(error.hints.iter().any(|hint| hint.contains(key_file.to_str().unwrap())), "{error:?}");
    }
}

#[test]
fn a_repository_that_restic_made_is_taken_over_by_its_password_and_keeps_what_restic_stored() {
    if !Restic::is_installed() {
        return;
    }
    let place = Place::new();
    let restic = Restic::at(place.repository_path());
    restic.run(&["init"]);
    let theirs = place.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    fs::write(theirs.join("file"), noise(1, 300_000)).unwrap();
    restic.run(&["backup", theirs.to_str().unwrap()]);
    let error = open_or_create(&place.options()).err().unwrap();
    assert!(error.hints.iter().any(|hint| hint.contains("key import --password-file")), "{error:?}");

    let with = |password: &str| Options { password: Some(Secret::new(password)), ..place.options() };
    assert!(import_by_password(&with("wrong")).is_err());
    let imported = import_by_password(&with(Restic::PASSWORD)).unwrap();

    let repository = again(&place);
    assert_eq!(repository.key_file(), Some(imported.key_file.as_path()));
    assert!(repository.snapshots().unwrap().there.is_empty(), "only backups of ours are listed");
    let ours = back_up(&repository, "ours", &[(&["a"], &noise(2, 100_000))]);
    let alone = repository.lock_alone("prune", &SystemClock).unwrap();
    repository.delete(&[ours]).unwrap();
    let plan = repository.prune_plan().unwrap();
    assert!(repository.prune(plan).unwrap().freed_bytes > 100_000);
    drop(alone);
    restic.run(&["check", "--read-data"]);
    let back = place.path().join("back");
    restic.run(&["restore", "latest", "--target", back.to_str().unwrap()]);
    let file = files_below(&back).remove(0);
    assert!(fs::read(file).unwrap() == noise(1, 300_000));
}
