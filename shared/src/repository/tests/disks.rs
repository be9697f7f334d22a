//! Disks that are full, and disks that cannot be written.
//!
//! Each is a small file system in memory, which needs root to be mounted: other users' runs skip
//! these tests.

use super::{Place, again, back_up, named, noise, put};
use crate::{
    clock::SystemClock,
    error::Kind,
    repository::{Depth, ReadLock, Repository},
};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

/// The folder of a repository on a file system of its own.
struct Disk {
    mounted: PathBuf,
}

impl Disk {
    /// None where this user cannot mount anything.
    fn under(place: &Place, kib: u32) -> Option<Self> {
        let mounted = place.repository_path();
        fs::create_dir(&mounted).unwrap();
        let size = format!("size={kib}k,mode=700");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&mounted).output();
        done.is_ok_and(|done| done.status.success()).then_some(Self { mounted })
    }

    fn filler(&self) -> PathBuf {
        self.mounted.join("pgbackup/filler")
    }

    /// Leaves so many pages of 4 KiB free.
    fn fill(&self, pages: u64) {
        let mut filler = File::create(self.filler()).unwrap();
        while filler.write(&[1; 4096]).is_ok_and(|written| written > 0) {}
        filler.set_len(filler.metadata().unwrap().len().saturating_sub(pages * 4096)).unwrap();
    }

    fn empty(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn remount(&self, options: &str) {
        let done = Command::new("mount").args(["-o", options]).arg(&self.mounted).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.mounted).status();
    }
}

fn is_whole(repository: &Repository) {
    let report = repository.check(Depth::EveryByte).unwrap();
    assert!(report.is_clean(), "{report:?}");
}

#[test]
fn a_disk_that_is_full_at_any_step_of_a_backup_gets_none_and_is_as_free_as_before() {
    let place = Place::new();
    let Some(disk) = Disk::under(&place, 4096) else { return };
    let repository = place.repository();
    back_up(&repository, "good", &[(&["a"], &noise(1, 10_000))]);
    let mut stopped = BTreeSet::new();
    let mut pages = 0;
    loop {
        disk.fill(pages);
        let packs = place.packs();
        let content = noise(100 + pages, 30_000);
        let name = format!("with-{pages}-pages");
        let tried = (|| {
            let _lock = repository.lock_shared("create", &SystemClock)?;
            let _claim = repository.claim_name(&name, &SystemClock)?;
            let writer = repository.writer()?;
            let file = put(&writer, &["a"], &content);
            writer.commit(vec![file], named(&name))
        })();
        let listed = repository.snapshots().unwrap().there.iter().any(|snapshot| snapshot.label == name);
        let locks = repository.locks_seen().unwrap();
        assert!(locks.live.is_empty() && locks.stale.is_empty(), "{pages} pages: {locks:?}");
        let error = match tried {
            Ok(_) => {
                assert!(listed, "{pages} pages");
                break;
            }
            Err(error) => error.to_string(),
        };
        assert!(!listed, "{pages} pages: {error}");
        assert!(error.to_lowercase().contains("no space left"), "{pages} pages: {error}");
        let step = ["locks/", "write the pack", "write the Index", "write the Snapshot"]
            .into_iter()
            .find(|step| error.contains(step))
            .unwrap_or_else(|| panic!("{pages} pages: {error}"));
        if step.contains("pack") || step.contains("Index") {
            assert_eq!(place.packs(), packs, "{pages} pages: {error}");
        }
        stopped.insert(step);
        disk.empty();
        is_whole(&repository);
        pages += 1;
    }
    assert_eq!(stopped.len(), 4, "not every step met the full disk: {stopped:?}");
    assert!(again(&place).snapshots().unwrap().there.len() == 2);
}

#[test]
fn packs_of_a_backup_that_fills_the_disk_are_taken_back_and_a_prune_has_room_to_work() {
    let place = Place::new();
    let Some(disk) = Disk::under(&place, 60 << 10) else { return };
    let repository = place.repository();
    let old = back_up(&repository, "old", &[(&["a"], &noise(1, 3 << 20))]);
    {
        let _lock = repository.lock_shared("create", &SystemClock).unwrap();
        let writer = repository.writer().unwrap();
        // Three packs of 17 MB go in before the fourth does not.
        let chunks = noise(2, 75 << 20);
        let stored = chunks.chunks(64 << 10).try_for_each(|piece| writer.add(super::blob(piece)).map(drop));
        let error = stored.and_then(|()| writer.finish_packs()).unwrap_err();
        assert!(error.to_string().contains("No space left"), "{error}");
    }
    assert_eq!(place.packs().len(), 2, "the old backup's rows and folders");
    disk.fill(2);
    let alone = repository.lock_alone("prune", &SystemClock).unwrap();
    repository.delete(&[old]).unwrap();
    let plan = repository.prune_plan().unwrap();
    assert!(repository.prune(plan).unwrap().freed_bytes > 3 << 20);
    drop(alone);
    disk.empty();
    is_whole(&repository);
}

#[test]
fn what_is_on_a_full_or_read_only_disk_is_read_without_a_lock_unless_somebody_prunes() {
    let place = Place::new();
    let Some(disk) = Disk::under(&place, 4096) else { return };
    let repository = place.repository();
    let id = back_up(&repository, "one", &[(&["a"], b"content")]);
    let reads = || {
        let repository = again(&place);
        let lock = repository.lock_to_read("restore", &SystemClock).unwrap();
        let ReadLock::Without(why) = lock else { panic!("a lock was written on a full disk") };
        assert_eq!(repository.reader().unwrap().file(&id, &["a"]).unwrap(), b"content");
        assert!(repository.lock_shared("create", &SystemClock).is_err(), "a writer needs one");
        why.to_string()
    };

    disk.fill(0);
    assert!(reads().contains("No space left"));
    disk.empty();
    disk.remount("remount,ro");
    assert!(reads().contains("Read-only"));
    disk.remount("remount,rw");

    let _alone = again(&place).lock_alone("repo prune", &SystemClock).unwrap();
    disk.fill(0);
    let error = repository.lock_to_read("restore", &SystemClock).err().unwrap();
    assert_eq!(error.kind, Kind::Locked, "{error}");
    assert!(is_ours(&disk.mounted), "the folder is the mounted one");
}

fn is_ours(folder: &Path) -> bool {
    folder.join("pgbackup/repository.json").exists()
}
