//! Pictures of the commands that need a repository and no server.
//!
//! The backups in it hold globals and no database, so that no server is needed to make them.

use super::person::{Person, redacted};
use std::fs;

fn ann() -> Person {
    let person = Person::new();
    person.has_backup("monday");
    person.has_backup("pre_test");
    person
}

#[test]
fn backups_are_listed_newest_first() {
    insta::assert_snapshot!(redacted(&ann().picture("list")), @r"
    $ docker pgbackup list
    NAME       ID             CONTAINER   POSTGRESQL   DATABASES   SIZE      NEW       CREATED
    pre_test   <id..>         pg          17.2         0           0 B       1.4 kB    2 hours ago
    monday     <id..>         pg          17.2         0           0 B       1.4 kB    3 hours ago
    ------- stderr -------
    [exit status: 0]
    ");
}

#[test]
fn a_quiet_list_is_names() {
    insta::assert_snapshot!(redacted(&ann().picture("ls --quiet")), @r"
    $ docker pgbackup ls --quiet
    pre_test
    monday
    ------- stderr -------
    [exit status: 0]
    ");
}

#[test]
fn a_list_for_programs_is_one_object_a_line() {
    insta::assert_snapshot!(redacted(&ann().picture("list --format json")), @r#"
    $ docker pgbackup list --format json
    {"container":"pg","databases":[],"host":"laptop","id":"<id>","labels":{},"name":"pre_test","new_bytes":1400,"platform":"docker","seconds":2.1,"time":"2026-11-21T10:00:00Z","total_bytes":0,"version":"17.2 (Debian 17.2-1)","whole_server":true}
    {"container":"pg","databases":[],"host":"laptop","id":"<id>","labels":{},"name":"monday","new_bytes":1400,"platform":"docker","seconds":2.1,"time":"2026-11-21T09:00:00Z","total_bytes":0,"version":"17.2 (Debian 17.2-1)","whole_server":true}
    ------- stderr -------
    [exit status: 0]
    "#);
}

#[test]
fn a_backup_that_cannot_be_read_is_told_after_the_others() {
    let ann = ann();
    let listed = ann.stdout("list --format json");
    let monday = listed.lines().find(|line| line.contains("monday")).unwrap();
    let id = serde_json::from_str::<serde_json::Value>(monday).unwrap()["id"].as_str().unwrap().to_owned();
    fs::write(ann.repository().join("snapshots").join(id), "not what was written").unwrap();
    insta::assert_snapshot!(redacted(&ann.picture("list")), @r"
    $ docker pgbackup list
    NAME       ID             CONTAINER   POSTGRESQL   DATABASES   SIZE      NEW       CREATED
    pre_test   <id..>         pg          17.2         0           0 B       1.4 kB    2 hours ago
    ------- stderr -------
    error: a backup of this repository cannot be read
      caused by: backup <id..>      : its authentication tag does not fit its bytes
    hint: bring the file `<id>` of the folder `snapshots` back from a copy
    hint: or give it up with `docker pgbackup delete <id..>      `
    note: all other backups are as they were; nothing can be pruned meanwhile
    [exit status: 5]
    ");
}

#[test]
fn a_backup_is_inspected_by_its_name() {
    insta::assert_snapshot!(redacted(&ann().picture("inspect pre_test")), @r"
    $ docker pgbackup inspect pre_test
    Name:         pre_test
    Id:           <id>
    Started:      2026-11-21T10:00:00Z
    Finished:     2026-11-21T10:00:00Z
    From:         pg (postgres:17)
    PostgreSQL:   17.2 (Debian 17.2-1)
    Read by:      the mover
    What:         whole server, 0 databases
    Roles:        0
    Size:         0 B
    New:          1.4 kB
    Took:         2.1 s
    Made on:      laptop
    ------- stderr -------
    [exit status: 0]
    ");
}

#[test]
fn a_backup_is_named_by_the_beginning_of_its_name_where_somebody_looks() {
    let ann = ann();
    assert!(ann.picture("inspect pre").contains("Name:         pre_test\n"));
    assert!(ann.picture("verify mon").contains("monday: every byte is what it was"));
    insta::assert_snapshot!(redacted(&ann.picture("delete pre --yes")), @r"
    $ docker pgbackup delete pre --yes
    ------- stderr -------
    error: there is no backup `pre`
      caused by: `pre_test` begins so, and only a whole name counts here
    hint: `docker pgbackup list` shows the backups that there are
    [exit status: 1]
    ");
    assert!(ann.picture("ls -q").contains("pre_test"));
}

#[test]
fn a_beginning_that_two_backups_share_names_both() {
    let person = Person::new();
    person.has_backup("pre_release");
    person.has_backup("pre_test");
    insta::assert_snapshot!(redacted(&person.picture("inspect pre")), @r"
    $ docker pgbackup inspect pre
    ------- stderr -------
    error: more than one backup is, or begins with, `pre`
      caused by: `pre_release` has the id <id..>      
      caused by: `pre_test` has the id <id..>      
    hint: give more letters of its name or id
    [exit status: 1]
    ");
}

#[test]
fn a_backup_that_is_whole_is_verified() {
    insta::assert_snapshot!(redacted(&ann().picture("verify pre_test")), @r"
    $ docker pgbackup verify pre_test
    pre_test: every byte is what it was, 573 B read, 0.0 s
    ------- stderr -------
    [exit status: 0]
    ");
}

#[test]
fn one_backup_that_is_not_there_does_not_hide_the_other() {
    insta::assert_snapshot!(redacted(&ann().picture("verify nothing pre_test")), @r"
    $ docker pgbackup verify nothing pre_test
    pre_test: every byte is what it was, 573 B read, 0.0 s
    ------- stderr -------
    error: there is no backup `nothing`
    hint: `docker pgbackup list` shows the backups that there are
    error: `verify` failed for 1 of 2 items
      caused by: see above for `nothing`
    [exit status: 3]
    ");
}

#[test]
fn damage_is_found_and_has_a_status_of_its_own() {
    let ann = ann();
    ann.damage_every_pack();
    insta::assert_snapshot!(redacted(&ann.picture("verify pre_test")).lines().last().unwrap_or_default(), @r"
    [exit status: 5]
    ");
}

#[test]
fn a_dry_run_of_delete_shows_the_plan_and_deletes_nothing() {
    let ann = ann();
    insta::assert_snapshot!(redacted(&ann.picture("delete pre_test --dry-run")), @r"
    $ docker pgbackup delete pre_test --dry-run
    Delete 1 backup

    NAME       ID             CONTAINER   POSTGRESQL   DATABASES   SIZE      NEW       CREATED
    pre_test   <id..>         pg          17.2         0           0 B       1.4 kB    2 hours ago

    1 backup will be left
    ------- stderr -------
    [exit status: 0]
    ");
    assert!(ann.picture("ls -q").contains("pre_test"));
}

#[test]
fn without_a_terminal_delete_needs_yes() {
    let ann = ann();
    insta::assert_snapshot!(redacted(&ann.picture("delete pre_test")), @r"
    $ docker pgbackup delete pre_test
    ------- stderr -------
    Delete 1 backup

    NAME       ID             CONTAINER   POSTGRESQL   DATABASES   SIZE      NEW       CREATED
    pre_test   <id..>         pg          17.2         0           0 B       1.4 kB    2 hours ago

    1 backup will be left

    error: this changes what is there, and nobody can be asked here
    hint: look at the plan with `--dry-run`
    hint: carry it out with `--yes`
    note: nothing was changed
    [exit status: 1]
    ");
    assert!(ann.picture("ls -q").contains("pre_test"));
}

#[test]
fn a_person_is_asked_before_backups_are_deleted() {
    let ann = ann().who_types("y\n");
    insta::assert_snapshot!(redacted(&ann.picture("rm pre_test --progress plain")), @r"
    $ docker pgbackup rm pre_test --progress plain
    pre_test
    ------- stderr -------
    Delete 1 backup

    NAME       ID             CONTAINER   POSTGRESQL   DATABASES   SIZE      NEW       CREATED
    pre_test   <id..>         pg          17.2         0           0 B       1.4 kB    2 hours ago

    1 backup will be left

    Delete? [y/N] note: the space that only they used is freed by `docker pgbackup repo prune`
    [exit status: 0]
    ");
    assert!(!ann.picture("ls -q").contains("pre_test"));
}

#[test]
fn a_person_who_says_no_keeps_everything() {
    let ann = ann().who_types("\n");
    let picture = ann.picture("rm pre_test --progress plain");
    assert!(picture.contains("Delete? [y/N] error: cancelled\nnote: nothing was changed\n"), "{picture}");
    assert!(picture.ends_with("[exit status: 130]"), "{picture}");
    assert!(ann.picture("ls -q").contains("pre_test"));
}

#[test]
fn a_backup_is_exported_into_a_folder_of_its_own() {
    let ann = ann();
    let folder = ann.home().join("out");
    let picture = ann.picture(&format!("export pre_test {}", folder.display()));
    insta::assert_snapshot!(redacted(&picture), @r"
    $ docker pgbackup export pre_test $HOME/out
    pre_test: 573 B in 2 files, 0.0 s
    ------- stderr -------
    [exit status: 0]
    ");
    assert!(folder.join("manifest.json").is_file() && folder.join("globals.sql").is_file());
}

#[test]
fn a_folder_that_holds_something_is_not_exported_into() {
    let ann = ann();
    let folder = ann.home().join("out");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("letter"), "to mother").unwrap();
    insta::assert_snapshot!(redacted(&ann.picture(&format!("export pre_test {}", folder.display()))), @r"
    $ docker pgbackup export pre_test $HOME/out
    ------- stderr -------
    error: `$HOME/out` is not an empty folder
      caused by: there is something in it
    hint: give the name of a folder that does not exist yet
    note: nothing was written
    [exit status: 1]
    ");
    assert_eq!(fs::read_to_string(folder.join("letter")).unwrap(), "to mother");
}

#[test]
fn a_repository_says_where_it_and_its_key_are() {
    // Sealed files are some bytes longer or shorter from run to run, as their random ids pack.
    let picture = redacted(&ann().picture("repo info")).replace("3.39 kB", "3.38 kB");
    insta::assert_snapshot!(picture, @r"
    $ docker pgbackup repo info
    Id:          <id>
    Path:        $HOME/.local/share/pgbackup/repository
    Key file:    $HOME/.config/pgbackup/keys/<id>
    Passwords:   0
    Backups:     2
    Stored:      3.38 kB in 4 packs
    ------- stderr -------
    [exit status: 0]
    ");
}

#[test]
fn a_repository_that_is_whole_passes_its_check() {
    insta::assert_snapshot!(redacted(&ann().picture("repo check --read-data")), @r"
    $ docker pgbackup repo check --read-data
    2 backups, nothing is damaged
    ------- stderr -------
    [exit status: 0]
    ");
}

#[test]
fn a_prune_of_what_a_deleted_backup_left_frees_it() {
    let ann = ann();
    ann.picture("delete monday --yes");
    insta::assert_snapshot!(redacted(&ann.picture("repo prune --yes")), @r"
    $ docker pgbackup repo prune --yes
    891 B freed, 2 packs removed
    ------- stderr -------
    Free 891 B of 1.78 kB

    Packs:
      2 packs of which nothing is needed, will be removed

    [exit status: 0]
    ");
    insta::assert_snapshot!(redacted(&ann.picture("repo prune --yes")), @r"
    $ docker pgbackup repo prune --yes
    Nothing to free: every pack is needed
    ------- stderr -------
    [exit status: 0]
    ");
}

#[test]
fn without_locks_unlock_has_nothing_to_do() {
    insta::assert_snapshot!(redacted(&ann().picture("repo unlock")), @r"
    $ docker pgbackup repo unlock
    No locks
    ------- stderr -------
    [exit status: 0]
    ");
}

#[test]
fn a_recovery_sheet_brings_the_key_to_another_machine() {
    let (ann, bob) = (ann(), Person::new());
    let sheet = bob.home().join("sheet.txt");
    fs::write(&sheet, ann.stdout("repo key export")).unwrap();
    let repository = ann.repository().display().to_string();

    assert!(bob.picture(&format!("list -q --repository {repository}")).ends_with("[exit status: 1]"));
    let imported = bob.picture(&format!("repo key import {}", sheet.display()));

    insta::assert_snapshot!(redacted(&imported), @r"
    $ docker pgbackup repo key import $HOME/sheet.txt
    key of repository <id> is stored: $HOME/.config/pgbackup/keys/<id>
    ------- stderr -------
    [exit status: 0]
    ");
    assert_eq!(bob.stdout(&format!("list -q --repository {repository}")), "pre_test\nmonday\n");
}

#[test]
fn a_known_place_that_is_empty_is_an_error_and_not_a_new_repository() {
    let ann = ann().with("pg", true);
    fs::remove_dir_all(ann.repository()).unwrap();
    fs::create_dir(ann.repository()).unwrap();
    insta::assert_snapshot!(redacted(&ann.picture("create pg")), @r"
    $ docker pgbackup create pg
    ------- stderr -------
    error: the repository that was at `$HOME/.local/share/pgbackup/repository` is not there
      caused by: this machine remembers `<id..>      ` at this place, and it is empty
    hint: is the disk mounted?
    hint: if it was removed on purpose, remove its line from `$HOME/.config/pgbackup/known-places.json`
    note: no new repository was made
    [exit status: 1]
    ");
    assert_eq!(fs::read_dir(ann.repository()).unwrap().count(), 0);
}
