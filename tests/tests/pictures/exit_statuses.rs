//! Every exit status happens, and the documents and all help texts have the same table.

use super::person::{Broken, Kept, Person};
use pgbackup_engine::cli::{exit_statuses, reference};
use std::{collections::BTreeSet, fs, path::Path};

fn status(person: &Person, line: &str) -> i32 {
    person.run_with(line, Box::new(Broken), &Kept::default())
}

fn ann() -> Person {
    let person = Person::new();
    person.has_backup("monday");
    person
}

#[test]
fn every_exit_status_happens() {
    let mut seen = BTreeSet::new();
    let mut happens = |status: i32, line: &str, expected: i32| {
        assert_eq!(status, expected, "{line}");
        seen.insert(status);
    };
    let ann = ann();

    for (line, expected) in [
        ("list", 0),
        ("inspect nothing", 1),
        ("inspect nothing monday", 1),
        ("create", 1),
        ("verify nothing monday", 3),
        ("list --nothing", 125),
        ("list --format {{", 125),
        ("list --filter color=red", 125),
        ("inspect -f {{.Nothing}} monday", 125),
    ] {
        happens(status(&ann, line), line, expected);
    }
    let crowd = Person::new().with("pg", true).with("other", true);
    happens(status(&crowd, "create"), "one of two servers", 4);
    happens(status(&Person::new().with("web", false), "create"), "no server", 4);
    let held = ann.holds_the_lock();
    happens(status(&ann, "repo prune --yes"), "a held lock", 6);
    drop(held);
    ann.damage_every_pack();
    happens(status(&ann, "verify monday"), "damage", 5);
    let refusing = self::ann().who_types("n\n");
    happens(status(&refusing, "delete monday"), "a no", 130);

    assert_eq!(seen, exit_statuses().iter().map(|(status, _)| *status).collect());
}

#[test]
fn the_document_has_the_table() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors-and-exit-codes.md");
    let page = fs::read_to_string(page).unwrap();
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        Some((cells.next()?.parse::<i32>().ok()?, cells.next()?))
    });
    assert_eq!(rows.collect::<Vec<_>>(), exit_statuses());
}

#[test]
fn every_help_text_names_statuses_of_the_table_and_those_of_every_command() {
    let known: BTreeSet<i32> = exit_statuses().iter().map(|(status, _)| *status).collect();
    let page = reference("docker pgbackup");
    let (mut texts, mut all) = (0, BTreeSet::new());
    for help in page.split("\n## ").filter(|help| help.contains("Exit status:")) {
        let listed = help.split_once("Exit status:\n").unwrap().1;
        let statuses: BTreeSet<i32> = listed
            .lines()
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.split_whitespace().next()?.parse().ok())
            .collect();
        assert!(statuses.is_subset(&known) && [0, 125, 130].iter().all(|it| statuses.contains(it)), "{help}");
        all.extend(statuses);
        texts += 1;
    }
    assert!(texts > 15 && all == known, "{texts} texts name {all:?}");
}
