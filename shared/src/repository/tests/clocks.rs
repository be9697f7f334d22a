//! Hosts whose clocks are an hour apart.

use super::{Place, again, back_up, named, noise, put};
use crate::{clock::Clock, clock::SystemClock, error::Kind, repository::seal::write_text};
use jiff::{SignedDuration, Timestamp};
use rustic_core::{FileType, repofile::IndexFile};

/// A clock that is ahead by so many hours.
struct Ahead(i64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_hours(self.0)
    }
}

#[test]
fn writers_with_other_clocks_work_side_by_side_and_keep_prune_out() {
    let place = Place::new();
    place.repository();
    let (early, late) = (again(&place), again(&place));
    let locks =
        [early.lock_shared("create", &Ahead(-1)).unwrap(), late.lock_shared("create", &Ahead(1)).unwrap()];
    assert_eq!(again(&place).lock_alone("prune", &SystemClock).err().unwrap().kind, Kind::Locked);
    assert_eq!(again(&place).lock_alone("prune", &Ahead(2)).err().unwrap().kind, Kind::Locked);
    assert_eq!(again(&place).lock_states().unwrap().stale, []);

    for (repository, name, hours) in [(&late, "late", 1), (&early, "early", -1)] {
        let writer = repository.writer().unwrap();
        let file = put(&writer, &["a"], name.as_bytes());
        let time = Timestamp::now() + SignedDuration::from_hours(hours);
        writer.commit(vec![file], crate::repository::NewSnapshot { time, ..named(name) }).unwrap();
    }

    drop(locks);
    let names: Vec<_> =
        again(&place).snapshots().unwrap().there.into_iter().map(|snapshot| snapshot.label).collect();
    assert_eq!(names, ["early", "late"]);
    assert!(again(&place).lock_alone("prune", &Ahead(-1)).is_ok());
}

#[test]
fn a_prune_frees_at_once_what_a_host_with_a_clock_ahead_has_pruned_around() {
    let place = Place::new();
    let repository = place.repository();
    let doomed = back_up(&repository, "doomed", &[(&["a"], &noise(1, 1 << 20))]);
    back_up(&repository, "stays", &[(&["a"], b"x")]);
    let alone = repository.lock_alone("prune", &SystemClock).unwrap();
    // A prune notes its time beside every pack that it keeps.
    let inner = &repository.inner;
    for id in inner.backend.list(FileType::Index).unwrap() {
        let (_, file) = inner
            .rustic
            .stream_files::<IndexFile>()
            .unwrap()
            .map(Result::unwrap)
            .find(|(name, _)| **name == id)
            .unwrap();
        let mut file = serde_json::to_value(&file).unwrap();
        for pack in file["packs"].as_array_mut().unwrap() {
            pack["time"] = Ahead(1).now().to_string().into();
        }
        let text = serde_json::to_vec(&file).unwrap();
        write_text(inner.backend.as_ref(), &inner.sealer, FileType::Index, &text).unwrap();
        inner.backend.remove(FileType::Index, &id, true).unwrap();
    }

    repository.delete(&[doomed]).unwrap();
    let plan = repository.prune_plan().unwrap();

    assert!(plan.freed_bytes > 1 << 20, "{}", plan.freed_bytes);
    assert!(repository.prune(plan).unwrap().freed_bytes > 1 << 20);
    drop(alone);
}
