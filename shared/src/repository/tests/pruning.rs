//! What prune removes, and what it leaves.

use super::{Place, Restic, again, back_up, noise};
use crate::{clock::SystemClock, repository::Depth};
use std::{
    fs,
    time::{Duration, SystemTime},
};

#[test]
fn prune_frees_at_once_what_no_backup_needs_and_leaves_the_rest_whole() {
    let place = Place::new();
    let repository = place.repository();
    let (kept, shared, gone) = (noise(1, 3 << 20), noise(2, 3 << 20), noise(3, 3 << 20));
    let doomed = back_up(&repository, "doomed", &[(&["a"], &gone), (&["b"], &shared)]);
    let stays = back_up(&repository, "stays", &[(&["a"], &kept), (&["b"], &shared)]);
    let before = repository.info().unwrap();
    {
        let _lock = repository.lock_shared("delete", &SystemClock).unwrap();
        repository.delete(&[doomed]).unwrap();
    }

    let alone = repository.lock_alone("prune", &SystemClock).unwrap();
    let plan = repository.prune_plan().unwrap();
    assert!(plan.freed_bytes >= gone.len() as u64, "{}", plan.freed_bytes);
    let planned = plan.freed_bytes;
    let pruned = repository.prune(plan).unwrap();
    let nothing_left = repository.prune_plan().unwrap().is_empty();
    drop(alone);

    // What is left of a pack is compressed again, so the plan cannot know it to the byte.
    assert!(pruned.freed_bytes.abs_diff(planned) < 1000, "{pruned:?}, planned were {planned}");
    assert!(nothing_left);
    assert!(repository.info().unwrap().stored_bytes + (gone.len() as u64) <= before.stored_bytes);
    let repository = again(&place);
    let reader = repository.reader().unwrap();
    assert!(reader.file(&stays, &["a"]).unwrap() == kept);
    assert!(reader.file(&stays, &["b"]).unwrap() == shared);
    let report = repository.check(Depth::EveryByte).unwrap();
    assert!(report.is_clean() && report.remarks.is_empty(), "{report:?}");
    if let Some(restic) = Restic::on(&repository) {
        restic.run(&["check", "--read-data"]);
    }
    // What is pruned is known to nobody: the next backup of it stores it again.
    let again_gone = back_up(&repository, "again", &[(&["a"], &gone)]);
    assert!(repository.reader().unwrap().file(&again_gone, &["a"]).unwrap() == gone);
}

#[test]
fn prune_removes_what_a_killed_run_left() {
    let place = Place::new();
    let repository = place.repository();
    let stays = back_up(&repository, "stays", &[(&["a"], b"content")]);
    // A killed run leaves packs that no index names, and temporary files.
    let name = format!("{:064x}", 7);
    let orphan = place.repository_path().join("data/00").join(&name);
    fs::write(&orphan, noise(1, 5000)).unwrap();
    let half = orphan.with_file_name(format!("{:064x}-tmp-", 8));
    fs::write(&half, noise(1, 300)).unwrap();

    // Killed while it wrote a lock file; a young one may be of somebody who is alive.
    let locks = place.repository_path().join("pgbackup/locks");
    let (old, young) = (locks.join(".a.lock.1"), locks.join(".b.lock.2"));
    fs::write(&old, noise(1, 10)).unwrap();
    fs::write(&young, noise(1, 10)).unwrap();
    let an_hour_ago = SystemTime::now() - Duration::from_hours(1);
    fs::File::options().write(true).open(&old).unwrap().set_modified(an_hour_ago).unwrap();

    let _alone = repository.lock_alone("prune", &SystemClock).unwrap();
    let plan = repository.prune_plan().unwrap();
    assert_eq!((plan.packs_without_index, plan.unfinished_files, plan.freed_bytes), (1, 2, 5310));
    let pruned = repository.prune(plan).unwrap();

    assert_eq!(pruned.freed_bytes, 5310);
    assert!(!orphan.exists() && !half.exists() && !old.exists() && young.exists());
    assert_eq!(repository.reader().unwrap().file(&stays, &["a"]).unwrap(), b"content");
}

#[test]
fn a_repository_whose_folders_cannot_be_read_is_not_pruned() {
    let place = Place::new();
    let repository = place.repository();
    back_up(&repository, "one", &[(&["a"], &noise(1, 100_000))]);
    // The small pack is the one with the folders.
    let trees = place.packs().into_iter().min_by_key(|pack| fs::metadata(pack).unwrap().len()).unwrap();
    let mut bytes = fs::read(&trees).unwrap();
    bytes[20] ^= 1;
    fs::write(&trees, bytes).unwrap();
    let packs = place.packs();

    let repository = again(&place);
    let _alone = repository.lock_alone("prune", &SystemClock).unwrap();
    assert!(repository.prune_plan().is_err());

    assert_eq!(place.packs(), packs);
}

#[test]
fn everything_deleted_and_pruned_leaves_no_pack() {
    let place = Place::new();
    let repository = place.repository();
    let id = back_up(&repository, "one", &[(&["a"], &noise(1, 100_000))]);
    let alone = repository.lock_alone("prune", &SystemClock).unwrap();
    repository.delete(&[id]).unwrap();
    let plan = repository.prune_plan().unwrap();
    let planned = (plan.freed_bytes, plan.stored_bytes);
    let pruned = repository.prune(plan).unwrap();
    assert_eq!(place.packs(), Vec::<std::path::PathBuf>::new());
    assert_eq!((pruned.freed_bytes, pruned.freed_bytes), planned, "all that was stored");
    drop(alone);
    back_up(&again(&place), "two", &[(&["a"], b"x")]);
}
