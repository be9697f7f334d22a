//! Verbs that work on the repository alone, on a small backup made here.

use super::{
    AtRepository, DeleteRequest, ExportRequest, InspectRequest, ListRequest, RepoCheckRequest, Restore,
    RestoreRequest, Surroundings, VerifyRequest, delete, export::export, inspect::inspect, list::list,
    repo_check::repo_check, repo_prune, verify::verify,
};
use crate::{
    cancel::Cancel,
    catalog::{
        Record, database_folder,
        manifest::{DatabaseRecord, EntryRecord, Manifest, Part, SCHEMA, ServerRecord, TargetRecord},
    },
    clock::SystemClock,
    error::{Error, Kind},
    event::Silent,
    repository::{
        Depth, Repository, StoredFile, Writer,
        tests::{Place, again, blob, files_below, named},
    },
    target::Target,
    testing::FakeRuntime,
};
use pgbackup_wire::{ChunkId, ChunksHash};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt};

const END: &[u8] = b"\\.\n\n\n";

pub(super) fn at<'a>(repository: &'a Repository, cancel: &'a Cancel) -> AtRepository<'a> {
    AtRepository { repository, clock: &SystemClock, observer: &Silent, cancel }
}

fn rows(database: &str, count: u64) -> Vec<u8> {
    let filler = ChunkId::of(database.as_bytes()).to_string();
    (0..count).flat_map(|row| format!("{row}\t{database}\t{filler}\n").into_bytes()).collect()
}

/// A table as the method for logical backups stores it, in chunks of 8 KiB; with `claimed` rows
/// in the manifest.
fn table(writer: &Writer, folder: &str, text: &[u8], claimed: u64) -> (EntryRecord, StoredFile) {
    let mut hash = ChunksHash::new();
    let mut chunks = Vec::new();
    for piece in text.chunks(8 << 10) {
        let blob = blob(piece);
        hash.add(&blob.id);
        chunks.push((blob.id, blob.raw_length));
        writer.add(blob).unwrap();
    }
    let part = Part { chunks: chunks.len() as u64, rows: claimed, bytes: text.len() as u64 };
    chunks.push((writer.add_plain(END).unwrap(), END.len() as u32));
    let record = EntryRecord {
        schema: "public".to_owned(),
        name: "orders".to_owned(),
        file: "1.dat".to_owned(),
        rows: claimed,
        bytes: text.len() as u64,
        hash: ChunkId(hash.finish()).to_string(),
        parts: vec![part],
        ..EntryRecord::default()
    };
    (record, stored(&[folder, "1.dat"], chunks))
}

fn stored(path: &[&str], chunks: Vec<(ChunkId, u32)>) -> StoredFile {
    let path = path.iter().flat_map(|part| part.split('/')).map(str::to_owned).collect();
    StoredFile { path, chunks }
}

fn small(writer: &Writer, path: &[&str], content: &[u8]) -> StoredFile {
    stored(path, vec![(writer.add_plain(content).unwrap(), content.len() as u32)])
}

/// A backup with one table a database; the manifest claims `claimed` rows more than there are.
pub(super) fn back_up(repository: &Repository, name: &str, databases: &[&str], claimed: u64) {
    back_up_edited(repository, name, databases, claimed, &|_| ());
}

/// The same, with somebody's hand in the manifest after its hash was taken.
fn back_up_edited(
    repository: &Repository,
    name: &str,
    databases: &[&str],
    claimed: u64,
    edit: &dyn Fn(&mut Manifest),
) {
    let _lock = repository.lock_shared("create", &SystemClock).unwrap();
    let writer = repository.writer().unwrap();
    let mut files = vec![small(&writer, &["globals.sql"], b"-- roles\n")];
    let mut records = Vec::new();
    for database in databases {
        let folder = format!("databases/{}", database_folder(database));
        let (record, file) = table(&writer, &folder, &rows(database, 500), 500 + claimed);
        let contents = format!("contents of {database}").into_bytes();
        files.extend([file, small(&writer, &[&folder, "toc.dat"], &contents)]);
        records.push(DatabaseRecord {
            name: (*database).to_owned(),
            folder,
            contents_bytes: contents.len() as u64,
            contents_hash: ChunkId::of(&contents).to_string(),
            tables: vec![record],
            ..DatabaseRecord::default()
        });
    }
    let mut manifest = Manifest {
        schema: SCHEMA,
        name: name.to_owned(),
        started: "2026-11-21T10:00:00Z".to_owned(),
        finished: "2026-11-21T10:00:01Z".to_owned(),
        target: TargetRecord { name: "pg".to_owned(), ..TargetRecord::default() },
        server: ServerRecord::default(),
        method: "logical".to_owned(),
        kind: "full".to_owned(),
        whole_server: true,
        globals: crate::catalog::manifest::Globals::default(),
        databases: records,
        labels: BTreeMap::new(),
        tools: BTreeMap::new(),
    };
    let text = serde_json::to_vec(&manifest).unwrap();
    let description = Record::of(&manifest, &text, writer.new_bytes(), 1.0).to_description().unwrap();
    edit(&mut manifest);
    files.push(small(&writer, &["manifest.json"], &serde_json::to_vec(&manifest).unwrap()));
    writer.commit(files, crate::repository::NewSnapshot { description, ..named(name) }).unwrap();
}

pub(super) fn verified(repository: &Repository, name: &str) -> Result<super::VerifyOutcome, Error> {
    verify(&at(repository, &Cancel::default()), &VerifyRequest { backup: name.to_owned() })
}

#[test]
fn a_backup_is_listed_with_what_its_record_says_and_inspected_down_to_its_tables() {
    let place = Place::new();
    let repository = place.repository();
    back_up(&repository, "one", &["shop", "x/y"], 0);
    let cancel = Cancel::default();
    let at = at(&repository, &cancel);

    let listed = list(&at, &ListRequest::default()).unwrap().there;

    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].record.databases[1].name, "x/y");
    assert_eq!(listed[0].record.databases[1].rows, 500);
    let outcome = inspect(&at, &InspectRequest { backup: "one".to_owned() }).unwrap();
    assert_eq!(outcome.manifest.databases[0].tables[0].name, "orders");
    assert_eq!(outcome.backup, listed[0]);
}

#[test]
fn a_whole_backup_verifies_with_its_rows_counted() {
    let place = Place::new();
    let repository = place.repository();
    back_up(&repository, "one", &["shop", "x/y"], 0);
    let outcome = verified(&repository, "one").unwrap();
    assert_eq!(outcome.databases.iter().map(|database| database.rows).sum::<u64>(), 1000);
    assert!(outcome.bytes > 20_000);
    let request = RepoCheckRequest { depth: Depth::EveryByte };
    assert_eq!(repo_check(&at(&repository, &Cancel::default()), request).unwrap().backups, 1);
}

#[test]
fn a_backup_with_fewer_rows_than_were_read_does_not_verify() {
    let place = Place::new();
    let repository = place.repository();
    back_up(&repository, "one", &["shop"], 1);
    let error = verified(&repository, "one").unwrap_err();
    assert_eq!(error.kind, Kind::Damage);
    assert!(error.causes[0].contains("500 rows, and 501"), "{error}");
}

#[test]
fn a_backup_whose_manifest_was_edited_is_refused_by_every_verb_before_a_server_is_asked_anything() {
    let place = Place::new();
    let repository = place.repository();
    back_up_edited(&repository, "edited", &["shop"], 0, &|manifest| {
        manifest.databases[0].tables.clear();
    });
    let (cancel, folder) = (Cancel::default(), place.path().join("export"));
    let at = at(&repository, &cancel);

    let runtime = FakeRuntime::new(|_| 0);
    let request = RestoreRequest { backup: "edited".to_owned(), ..RestoreRequest::default() };
    let surroundings = Surroundings {
        runtime: &runtime,
        platform: "docker",
        host: "here",
        clock: &SystemClock,
        observer: &Silent,
        cancel: &cancel,
    };
    let restored = Restore::prepare(&surroundings, &repository, &Target::default(), &request).err().unwrap();
    let inspected = inspect(&at, &InspectRequest { backup: "edited".to_owned() }).unwrap_err();
    let exported = export(
        &at,
        &ExportRequest { backup: "edited".to_owned(), folder: folder.clone(), databases: Vec::new() },
    )
    .unwrap_err();
    let verified = verified(&repository, "edited").unwrap_err();

    for error in [restored, inspected, exported, verified] {
        assert_eq!(error.kind, Kind::Damage, "{error}");
        assert!(error.to_string().contains("its hash is not the one on record"), "{error}");
    }
    assert!(runtime.executed().is_empty());
    assert!(!folder.exists());
}

#[test]
fn verify_names_every_table_that_is_damaged() {
    let place = Place::new();
    let repository = place.repository();
    back_up(&repository, "one", &["shop", "crm"], 0);
    let pack = place.packs().into_iter().max_by_key(|pack| fs::metadata(pack).unwrap().len()).unwrap();
    let mut bytes = fs::read(&pack).unwrap();
    // The tables come first in the pack, then the manifest and the pack's header.
    for position in (100..bytes.len() * 6 / 10).step_by(200) {
        bytes[position] ^= 1;
    }
    fs::write(&pack, bytes).unwrap();

    let error = verified(&again(&place), "one").unwrap_err();

    assert_eq!(error.kind, Kind::Damage);
    for database in ["shop", "crm"] {
        let table = format!("database `{database}`: table `public.orders`: ");
        assert!(error.causes.iter().any(|cause| cause.starts_with(&table)), "{error:?}");
    }
    let request = RepoCheckRequest { depth: Depth::EveryByte };
    let error = repo_check(&at(&again(&place), &Cancel::default()), request).unwrap_err();
    assert!(error.causes.iter().any(|cause| cause.contains("backup `one` is damaged")), "{error:?}");
}

#[test]
fn any_flipped_byte_in_any_pack_is_found_by_verify_which_names_what_it_hit() {
    let place = Place::new();
    let repository = place.repository();
    back_up(&repository, "one", &["shop", "crm"], 0);
    let mut random = StdRng::seed_from_u64(1);
    let packs = place.packs();
    let mut flips: Vec<_> = (0..200)
        .map(|_| {
            let pack = packs[random.random_range(0..packs.len())].clone();
            let length = fs::metadata(&pack).unwrap().len() as usize;
            (pack, random.random_range(0..length), random.random_range(0..8))
        })
        .collect();
    // The ends of a pack are the least of it: each byte of its header's length, and its first.
    for pack in &packs {
        let length = fs::metadata(pack).unwrap().len() as usize;
        flips.extend([0, length - 4, length - 3, length - 2, length - 1].map(|at| (pack.clone(), at, 0)));
    }
    for (pack, position, bit) in flips {
        let whole = fs::read(&pack).unwrap();
        let mut flipped = whole.clone();
        flipped[position] ^= 1 << bit;
        fs::write(&pack, flipped).unwrap();

        let error = verified(&again(&place), "one").unwrap_err();

        let shown = format!("byte {position} of {}: {error:?}", pack.display());
        assert_eq!(error.kind, Kind::Damage, "{shown}");
        let things =
            ["table `public.orders`", "`toc.dat`", "`globals.sql`", "manifest", "folder `/", "its folder"];
        for cause in &error.causes {
            assert!(things.iter().any(|thing| cause.contains(thing)), "{shown}");
        }
        assert!(!error.causes.is_empty(), "{shown}");
        fs::write(&pack, whole).unwrap();
    }
    assert!(verified(&again(&place), "one").is_ok());
}

#[test]
fn a_damaged_header_is_told_with_the_tables_of_its_pack() {
    let place = Place::new();
    let repository = place.repository();
    back_up(&repository, "one", &["shop", "crm"], 0);
    let pack = place.packs().into_iter().max_by_key(|pack| fs::metadata(pack).unwrap().len()).unwrap();
    let mut bytes = fs::read(&pack).unwrap();
    let end = bytes.len();
    bytes[end - 30] ^= 1;
    fs::write(&pack, bytes).unwrap();

    let error = verified(&again(&place), "one").unwrap_err();

    for database in ["crm", "shop"] {
        let told = format!("database `{database}`: table `public.orders`, `toc.dat`: the header of the pack");
        assert!(error.causes.iter().any(|cause| cause.starts_with(&told)), "{error:?}");
    }
}

#[test]
fn what_is_damaged_is_stored_again_once_its_pack_is_moved_away() {
    let place = Place::new();
    back_up(&place.repository(), "one", &["shop"], 0);
    let pack = place.packs().into_iter().max_by_key(|pack| fs::metadata(pack).unwrap().len()).unwrap();
    let mut bytes = fs::read(&pack).unwrap();
    bytes[100] ^= 1;
    fs::write(&pack, bytes).unwrap();
    let error = verified(&again(&place), "one").unwrap_err();
    let name = pack.file_name().unwrap().to_str().unwrap();
    assert!(error.causes[0].contains(name), "{error:?}");

    fs::rename(&pack, place.path().join("moved")).unwrap();
    back_up(&again(&place), "two", &["shop"], 0);

    let repository = again(&place);
    assert!(verified(&repository, "two").is_ok());
    let cancel = Cancel::default();
    let at = at(&repository, &cancel);
    let plan =
        delete::prepare(&at, &DeleteRequest { backups: vec!["one".to_owned()], whole_names: true }).unwrap();
    delete::apply(&at, plan).unwrap();
    repo_prune::apply(&at).unwrap();
    assert!(verified(&again(&place), "two").is_ok());
    repo_check(&at, RepoCheckRequest { depth: Depth::EveryByte }).unwrap();
}

#[test]
fn an_export_is_a_private_folder_with_the_very_bytes_and_nothing_beside_it() {
    let place = Place::new();
    let repository = place.repository();
    back_up(&repository, "one", &["shop", "x/y", ".."], 0);
    let folder = place.path().join("exported");
    let request = ExportRequest { backup: "one".to_owned(), folder: folder.clone(), databases: Vec::new() };

    let outcome = export(&at(&repository, &Cancel::default()), &request).unwrap();

    assert_eq!(outcome.files, 8);
    assert_eq!(files_below(&folder).len(), 8);
    let table = fs::read(folder.join("databases/x%2fy/1.dat")).unwrap();
    assert_eq!(table, [rows("x/y", 500).as_slice(), END].concat());
    assert_eq!(fs::read(folder.join("databases/%2e./toc.dat")).unwrap(), b"contents of ..");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join("globals.sql"))), (0o700, 0o600));
    let beside: Vec<_> =
        fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!beside.iter().any(|name| name.to_string_lossy().contains("unfinished")), "{beside:?}");
    let error = export(&at(&repository, &Cancel::default()), &request).unwrap_err();
    assert!(error.what.contains("not an empty folder"), "{error}");
}

#[test]
fn an_export_of_some_databases_leaves_the_others_out_and_refuses_unknown_ones() {
    let place = Place::new();
    let repository = place.repository();
    back_up(&repository, "one", &["app", "app_test"], 0);
    let folder = place.path().join("exported");
    fs::create_dir(&folder).unwrap();
    let request = |database: &str| ExportRequest {
        backup: "one".to_owned(),
        folder: folder.clone(),
        databases: vec![database.to_owned()],
    };
    let cancel = Cancel::default();
    assert!(export(&at(&repository, &cancel), &request("ap")).unwrap_err().what.contains("no database `ap`"));
    export(&at(&repository, &cancel), &request("app")).unwrap();
    assert!(folder.join("databases/app/1.dat").exists());
    assert!(!folder.join("databases/app_test").exists());
}

#[test]
fn an_export_of_a_damaged_backup_leaves_nothing() {
    let place = Place::new();
    back_up(&place.repository(), "one", &["shop"], 0);
    let pack = place.packs().into_iter().max_by_key(|pack| fs::metadata(pack).unwrap().len()).unwrap();
    let mut bytes = fs::read(&pack).unwrap();
    bytes[100] ^= 1;
    fs::write(&pack, bytes).unwrap();
    let folder = place.path().join("exported");
    let request = ExportRequest { backup: "one".to_owned(), folder: folder.clone(), databases: Vec::new() };

    let error = export(&at(&again(&place), &Cancel::default()), &request).unwrap_err();

    assert_eq!(error.kind, Kind::Damage);
    let left: Vec<_> = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("exported")), "{left:?}");
}

#[test]
fn what_is_deleted_is_gone_from_the_list_and_pruned_and_a_missing_name_deletes_nothing() {
    let place = Place::new();
    let repository = place.repository();
    back_up(&repository, "one", &["shop"], 0);
    back_up(&repository, "two", &["crm"], 0);
    let cancel = Cancel::default();
    let at = at(&repository, &cancel);
    let wanted = |names: &[&str]| DeleteRequest {
        backups: names.iter().map(|it| (*it).to_owned()).collect(),
        whole_names: true,
    };
    assert!(delete::prepare(&at, &wanted(&["one", "three"])).is_err());

    let plan = delete::prepare(&at, &wanted(&["one", "one"])).unwrap();
    assert_eq!((plan.backups.len(), plan.remaining), (1, 1));
    delete::apply(&at, plan).unwrap();

    assert_eq!(list(&at, &ListRequest::default()).unwrap().there.len(), 1);
    let plan = repo_prune::prepare(&at).unwrap();
    assert!(!plan.is_empty() && plan.freed_bytes > 0);
    assert!(repo_prune::apply(&at).unwrap().freed_bytes > 0);
    assert!(repo_prune::prepare(&at).unwrap().is_empty());
    assert!(verified(&repository, "two").is_ok());
}

#[test]
fn a_cancelled_verify_ends_as_cancelled() {
    let place = Place::new();
    let repository = place.repository();
    back_up(&repository, "one", &["shop"], 0);
    let cancel = Cancel::default();
    cancel.cancel();
    let request = VerifyRequest { backup: "one".to_owned() };
    assert!(verify(&at(&repository, &cancel), &request).unwrap_err().is_cancelled());
}
