//! Locks and single requests in a bucket, without Docker: what the engine does on a real S3 server.

use pgbackup_engine::{
    cancel::Cancel,
    clock::SystemClock,
    error::Kind,
    repository::{Options, Repository, S3Variables, open, open_or_create},
};
use pgbackup_tests::{
    repository::files,
    s3::{self, S3Server},
    s3_proxy::{Asked, Fault, S3Proxy},
};
use std::{
    fs::{self, File},
    path::PathBuf,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

/// A machine that keeps its backups in a bucket.
struct Machine {
    home: TempDir,
    place: String,
}

impl Machine {
    fn new(address: &str) -> Self {
        Self { home: tempfile::tempdir().unwrap(), place: s3::place(address, "pg") }
    }

    fn options(&self) -> Options {
        let variable = |name: &str| {
            let found = s3::variables().into_iter().find(|(it, _)| *it == name);
            found.map(|(_, value)| value.to_owned())
        };
        Options {
            repository: self.place.clone(),
            keys_folder: self.home.path().join("keys"),
            known_places_file: self.home.path().join("places.json"),
            password: None,
            s3: S3Variables::read(&variable),
            cancel: Cancel::default(),
            host: "here".to_owned(),
        }
    }

    fn repository(&self) -> Repository {
        open_or_create(&self.options()).unwrap().0
    }
}

fn lock_files(bucket: &S3Server) -> Vec<PathBuf> {
    files(&bucket.bucket().join("pg/pgbackup/locks"))
}

#[test]
fn writers_share_a_bucket_and_prune_has_it_alone() {
    let Some(bucket) = S3Server::start() else { return };
    let machine = Machine::new(&bucket.address());
    let (one, other) = (machine.repository(), open(&machine.options()).unwrap());

    let writing = one.lock_shared("create", &SystemClock).unwrap();
    let beside = other.lock_shared("create", &SystemClock).unwrap();
    let refused = other.lock_alone("prune", &SystemClock).err().unwrap();
    drop((writing, beside));
    let alone = other.lock_alone("prune", &SystemClock).unwrap();
    let name = one.claim_name("daily", &SystemClock).err().unwrap();
    drop(alone);

    assert_eq!((refused.kind, name.kind), (Kind::Locked, Kind::Locked));
    assert!(lock_files(&bucket).is_empty(), "{:?}", lock_files(&bucket));
}

#[test]
fn of_many_that_claim_one_name_at_once_at_most_one_gets_it() {
    let Some(bucket) = S3Server::start() else { return };
    let machine = Machine::new(&bucket.address());
    machine.repository();

    for _ in 0..3 {
        let repositories: Vec<_> = (0..4).map(|_| open(&machine.options()).unwrap()).collect();
        let claims: Vec<_> = std::thread::scope(|scope| {
            let claim =
                |repository| scope.spawn(move || Repository::claim_name(repository, "daily", &SystemClock));
            let threads: Vec<_> = repositories.iter().map(claim).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(claims.iter().filter(|claim| claim.is_ok()).count() <= 1);
        assert!(
            claims.iter().filter_map(|claim| claim.as_ref().err()).all(|error| error.kind == Kind::Locked)
        );
    }

    assert!(lock_files(&bucket).is_empty());
}

#[test]
fn a_lock_that_was_removed_does_not_come_back_and_lets_nothing_through() {
    let Some(bucket) = S3Server::start() else { return };
    let machine = Machine::new(&bucket.address());
    let repository = machine.repository();
    let _lock = repository.lock_shared("delete", &SystemClock).unwrap();
    repository.delete(&[]).unwrap();

    for file in lock_files(&bucket) {
        fs::remove_file(file).unwrap();
    }

    assert_eq!(repository.delete(&[]).unwrap_err().kind, Kind::Locked);
    assert!(lock_files(&bucket).is_empty());
}

#[test]
fn a_lock_that_is_removed_while_it_is_renewed_does_not_come_back() {
    let Some(bucket) = S3Server::start() else { return };
    let locks = bucket.bucket().join("pg/pgbackup/locks");
    // Between the reading and the writing of a renewal: the second write to a lock's file.
    let mut writes = 0;
    let proxy = S3Proxy::start(bucket.address(), move |asked: &Asked| {
        if asked.method == "PUT" && asked.path.rsplit('.').next() == Some("lock") {
            writes += 1;
            if writes == 3 {
                for file in files(&locks) {
                    fs::remove_file(file).unwrap();
                }
            }
        }
        Fault::None
    });
    let machine = Machine::new(proxy.address());
    // The first write is the lock under which the repository is made.
    let repository = machine.repository();
    let _lock = repository.lock_shared("delete", &SystemClock).unwrap();

    let refused = repository.delete(&[]).unwrap_err();

    assert_eq!(refused.kind, Kind::Locked, "{refused}");
    assert!(lock_files(&bucket).is_empty());
}

#[test]
fn a_renewal_is_seen_by_the_servers_clock_and_an_old_lock_of_another_host_does_not_count() {
    let Some(bucket) = S3Server::start() else { return };
    let machine = Machine::new(&bucket.address());
    let repository = machine.repository();
    let lock = repository.lock_shared("create", &SystemClock).unwrap();
    let file = lock_files(&bucket).remove(0);
    let text = fs::read_to_string(&file).unwrap();
    let long_ago = SystemTime::now() - Duration::from_mins(20);
    let age =
        |file: &PathBuf| File::options().write(true).open(file).unwrap().set_modified(long_ago).unwrap();

    age(&file);
    repository.delete(&[]).unwrap();
    let renewed = fs::metadata(&file).unwrap().modified().unwrap();
    let live = repository.lock_states().unwrap();
    drop(lock);
    let mut holder: serde_json::Value = serde_json::from_str(&text).unwrap();
    holder["host"] = "elsewhere".into();
    holder["system"] = "another boot".into();
    let other = bucket.bucket().join("pg/pgbackup/locks/0123.lock");
    // The server removes a folder with its last object.
    fs::create_dir_all(other.parent().unwrap()).unwrap();
    fs::write(&other, holder.to_string()).unwrap();
    let refused = repository.lock_alone("prune", &SystemClock).err().unwrap();
    age(&other);
    let alone = repository.lock_alone("prune", &SystemClock);

    assert!(renewed > long_ago + Duration::from_mins(10), "the renewal did not reach the server");
    assert_eq!((live.live.len(), live.stale.len()), (1, 0));
    assert_eq!(refused.kind, Kind::Locked);
    assert!(refused.causes.iter().any(|cause| cause.contains("elsewhere")), "{refused}");
    assert!(alone.is_ok(), "{:?}", alone.err());
    assert!(!other.exists());
}

#[test]
fn an_object_that_arrives_with_a_wrong_bit_is_refused_by_the_server_and_sent_again() {
    let Some(bucket) = S3Server::start() else { return };
    let mut flips = 0;
    let proxy = S3Proxy::start(bucket.address(), move |asked: &Asked| {
        if asked.method == "PUT" && asked.path.ends_with("/config") && flips < 2 {
            flips += 1;
            return Fault::Flip;
        }
        Fault::None
    });
    let machine = Machine::new(proxy.address());

    machine.repository();

    assert_eq!(proxy.faults(), 2);
    open(&machine.options()).unwrap();
}
