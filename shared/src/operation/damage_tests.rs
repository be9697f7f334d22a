//! What is damaged, told with the backups that died and those that live, and mended.

use super::{
    AtRepository, DeleteRequest, RepoCheckRequest, delete,
    repo_check::repo_check,
    repo_prune, repo_repair,
    repository_tests::{at, back_up, verified},
};
use crate::{
    cancel::Cancel,
    catalog::{self, Backup},
    error::{Error, Kind},
    repository::{
        Depth, Repository,
        tests::{Place, again, files_below},
    },
};
use std::{fs, path::PathBuf};

/// A repository with the backups `base`, `one` and `two`, which share only what `base` stored,
/// and the packs that only `one` needs, the larger first.
fn two_backups() -> (Place, Vec<PathBuf>) {
    let place = Place::new();
    let repository = place.repository();
    back_up(&repository, "base", &["other"], 0);
    let shared = place.packs();
    back_up(&repository, "one", &["shop"], 0);
    let mut packs = place.packs();
    packs.retain(|pack| !shared.contains(pack));
    packs.sort_by_key(|pack| std::cmp::Reverse(fs::metadata(pack).unwrap().len()));
    back_up(&repository, "two", &["crm"], 0);
    (place, packs)
}

fn checked(repository: &Repository, depth: Depth) -> Result<super::RepoCheckOutcome, Error> {
    repo_check(&at(repository, &Cancel::default()), RepoCheckRequest { depth })
}

fn delete(at: &AtRepository<'_>, name: &str) {
    let plan =
        delete::prepare(at, &DeleteRequest { backups: vec![name.to_owned()], whole_names: true }).unwrap();
    delete::apply(at, plan).unwrap();
}

fn says_which(error: &Error, died: &str, lives: &str) {
    assert_eq!(error.kind, Kind::Damage, "{error}");
    let died = format!("the backup `{died}` is damaged");
    assert!(error.causes.iter().any(|cause| cause.starts_with(&died)), "{error:?}");
    assert!(!error.causes.iter().any(|cause| cause.contains(&format!("`{lives}`"))), "{error:?}");
    let lives = format!("no damage was found in `base`, `{lives}`");
    assert!(error.notes.contains(&lives), "{error:?}");
}

#[test]
fn a_check_names_the_backups_that_died_and_those_that_live() {
    for damage in ["truncated", "flipped", "gone"] {
        let (place, packs) = two_backups();
        let pack = &packs[0];
        let mut bytes = fs::read(pack).unwrap();
        match damage {
            "truncated" => {
                bytes.truncate(bytes.len() / 2);
                fs::write(pack, bytes).unwrap();
            }
            "flipped" => {
                bytes[100] ^= 1;
                fs::write(pack, bytes).unwrap();
            }
            _ => fs::remove_file(pack).unwrap(),
        }
        let repository = again(&place);

        says_which(&checked(&repository, Depth::EveryByte).unwrap_err(), "one", "two");
        if damage != "flipped" {
            says_which(&checked(&repository, Depth::Structure).unwrap_err(), "one", "two");
        }
        assert_eq!(verified(&repository, "one").unwrap_err().kind, Kind::Damage, "{damage}");
        verified(&repository, "two").unwrap();
    }
}

#[test]
fn a_prune_that_damage_forbids_names_the_backup_and_works_when_that_is_given_up() {
    // The pack with rows, and the one with folders.
    for which in [0, 1] {
        let (place, packs) = two_backups();
        fs::rename(&packs[which], place.path().join("moved")).unwrap();
        let repository = again(&place);
        let cancel = Cancel::default();
        let at = at(&repository, &cancel);
        let left = place.packs();

        for error in [repo_prune::prepare(&at).unwrap_err(), repo_prune::apply(&at).unwrap_err()] {
            assert_eq!(error.kind, Kind::Damage, "{error}");
            assert!(error.causes[0].contains("the backup `one` is damaged"), "{error:?}");
            assert!(error.hints[0].contains("`pgbackup delete one`"), "{error:?}");
            assert!(error.notes.contains(&"nothing was removed".to_owned()), "{error:?}");
        }
        assert_eq!(place.packs(), left);

        delete(&at, "one");
        repo_prune::apply(&at).unwrap();
        verified(&repository, "two").unwrap();
        checked(&again(&place), Depth::EveryByte).unwrap();
    }
}

#[test]
fn a_prune_that_only_the_index_forbids_names_the_repair_and_works_after_it() {
    let place = Place::new();
    back_up(&place.repository(), "one", &["shop"], 0);
    let mut packs = place.packs();
    packs.sort_by_key(|pack| std::cmp::Reverse(fs::metadata(pack).unwrap().len()));
    fs::rename(&packs[0], place.path().join("moved")).unwrap();
    // The same rows are stored again, and no backup lacks anything; so does its manifest, once
    // the first one is deleted.
    back_up(&again(&place), "two", &["shop"], 0);
    let repository = again(&place);
    let cancel = Cancel::default();
    let at = at(&repository, &cancel);
    delete(&at, "one");

    repo_repair::apply(&at).unwrap();
    assert!(repo_repair::prepare(&at).unwrap().is_empty());

    repo_prune::apply(&at).unwrap();
    verified(&again(&place), "two").unwrap();
    checked(&again(&place), Depth::EveryByte).unwrap();
}

#[test]
fn an_index_that_is_lost_or_damaged_is_told_with_the_command_that_makes_it_anew() {
    for lost in [true, false] {
        let (place, _) = two_backups();
        for file in files_below(&place.repository_path().join("index")) {
            if lost {
                fs::remove_file(file).unwrap();
            } else {
                let mut bytes = fs::read(&file).unwrap();
                bytes[20] ^= 1;
                fs::write(&file, bytes).unwrap();
            }
        }
        let repository = again(&place);
        let cancel = Cancel::default();
        let at = at(&repository, &cancel);

        for error in
            [checked(&repository, Depth::Structure).unwrap_err(), repo_prune::prepare(&at).unwrap_err()]
        {
            assert_eq!(error.kind, Kind::Damage, "{error}");
            assert!(error.hints.iter().any(|hint| hint.contains("repo repair")), "lost {lost}: {error:?}");
        }
        assert_eq!(verified(&repository, "one").unwrap_err().kind, Kind::Damage);

        let plan = repo_repair::prepare(&at).unwrap();
        assert_eq!((plan.packs_to_name, plan.damaged_index_files), (6, if lost { 0 } else { 3 }));
        assert_eq!(repo_repair::apply(&at).unwrap().packs_named, 6);

        for name in ["one", "two"] {
            verified(&repository, name).unwrap();
        }
        checked(&repository, Depth::EveryByte).unwrap();
    }
}

#[test]
fn a_backup_that_cannot_be_read_is_told_and_costs_no_other() {
    // Flipped, and of no length, as a file is that a crash of the machine has left.
    for flipped in [true, false] {
        let (place, _) = two_backups();
        let id = catalog::list(&place.repository()).unwrap().find("one").unwrap().id.clone();
        let file = place.repository_path().join("snapshots").join(id.as_str());
        let mut bytes = fs::read(&file).unwrap();
        bytes[20] ^= 1;
        fs::write(&file, if flipped { bytes } else { Vec::new() }).unwrap();
        let repository = again(&place);
        let cancel = Cancel::default();
        let at = at(&repository, &cancel);

        let found = catalog::list(&repository).unwrap();
        assert_eq!(found.there.iter().map(Backup::name).collect::<Vec<_>>(), ["base", "two"]);
        let (lost, missing) = (found.require_readable().unwrap_err(), found.find("one").unwrap_err());
        for error in [&lost, &missing, &checked(&repository, Depth::Structure).unwrap_err()] {
            assert_eq!(error.kind, Kind::Damage, "{error}");
            assert!(error.causes.iter().any(|cause| cause.contains(id.short())), "{error:?}");
        }
        verified(&repository, "two").unwrap();
        back_up(&repository, "later", &["shop"], 0);
        let refused = repo_prune::prepare(&at).unwrap_err();
        let how = format!("`pgbackup delete {}`", id.short());
        assert!(refused.kind == Kind::Damage && refused.hints[0].contains(&how), "{refused:?}");

        delete(&at, id.short());

        catalog::list(&repository).unwrap().require_readable().unwrap();
        repo_prune::apply(&at).unwrap();
        verified(&repository, "later").unwrap();
        checked(&again(&place), Depth::EveryByte).unwrap();
    }
}
