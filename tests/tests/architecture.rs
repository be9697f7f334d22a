//! The rules of ARCHITECTURE.md and of the style guide, as far as a program can see them.
//!
//! The table of allowed arrows is read from ARCHITECTURE.md itself, so it cannot become untrue
//! there. Code is looked at without comments, and arrows without test modules, which may use
//! anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// A source file: its path from the root, its text, its code without comments and tests.
struct Source {
    path: String,
    text: String,
    code: String,
}

/// Returns every Rust file below a folder.
fn sources(folder: &str) -> Vec<Source> {
    let mut open = vec![root().join(folder)];
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path())
                    .filter(|path| !path.ends_with("target")),
            );
        } else if path.extension().is_some_and(|it| it == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root()).unwrap().display().to_string();
            // Test modules in files of their own are named so.
            let tests =
                path.starts_with("shared/") && (path.contains("/tests/") || path.ends_with("tests.rs"));
            let code = if tests { "" } else { text.split("#[cfg(test)]\nmod ").next().unwrap() };
            found.push(Source { code: without_comments(code), path, text });
        }
    }
    assert!(!found.is_empty(), "{folder} holds no Rust file");
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Takes line comments out; a `//` inside a string is kept where a quote stands before it.
fn without_comments(text: &str) -> String {
    let code = |line: &str| match line.find("//") {
        Some(at) if line[..at].matches('"').count().is_multiple_of(2) => line[..at].to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(code).collect::<Vec<_>>().join("\n")
}

/// Returns the room a file of the engine lies in: `mover` for `shared/src/mover/place.rs`.
fn room(path: &str) -> Option<String> {
    let inside = path.strip_prefix("shared/src/")?;
    let first = inside.split('/').next()?;
    Some(first.trim_end_matches(".rs").to_owned()).filter(|room| room != "lib")
}

/// Returns the rooms that `lib.rs` lists.
fn rooms() -> BTreeSet<String> {
    let lib = fs::read_to_string(root().join("shared/src/lib.rs")).unwrap();
    let declared = lib
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub mod ").or_else(|| line.trim().strip_prefix("mod ")));
    declared.map(|rest| rest.trim_end_matches(';').to_owned()).collect()
}

/// Reads the table of arrows: each room and what it may use.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let document = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there");
    let (mut table, mut above, rooms) = (BTreeMap::new(), BTreeSet::new(), rooms());
    let rows =
        document.lines().skip_while(|line| !line.replace(' ', "").starts_with("|room|mayuse|")).skip(2);
    for row in rows.take_while(|line| line.starts_with('|')) {
        let mut cells = row.trim_matches('|').split('|').map(plain);
        let (names, uses) = (cells.next().unwrap(), cells.next().unwrap());
        let uses: BTreeSet<String> = match uses.as_str() {
            "all above" => above.clone(),
            "all rooms of the engine" => rooms.clone(),
            "nothing of ours" => BTreeSet::new(),
            list => list
                .trim_start_matches("the doors of ")
                .split(',')
                .map(|name| name.trim().to_owned())
                .collect(),
        };
        for name in names.split(',').map(|name| name.trim().to_owned()) {
            above.insert(name.clone());
            above.extend(uses.iter().cloned());
            table.insert(name, uses.clone());
        }
    }
    assert!(table.len() > 10, "ARCHITECTURE.md has no table of arrows");
    table
}

/// Takes what stands in brackets, and backquotes, out of a cell.
fn plain(cell: &str) -> String {
    let mut depth = 0;
    let kept = cell.chars().filter(|letter| {
        depth += i32::from(*letter == '(');
        let keep = depth == 0 && *letter != '`';
        depth -= i32::from(*letter == ')');
        keep
    });
    kept.collect::<String>().trim().to_owned()
}

/// Returns the first names behind every `PREFIX::`, also those in braces.
fn used(code: &str, prefix: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    for (at, _) in code.match_indices(&format!("{prefix}::")) {
        if code[..at].chars().next_back().is_some_and(|before| is_name(before) || before == '$') {
            continue;
        }
        let rest = &code[at + prefix.len() + 2..];
        let Some(group) = rest.strip_prefix('{') else {
            names.insert(rest.chars().take_while(|&letter| is_name(letter)).collect());
            continue;
        };
        let (mut depth, mut name, mut taking) = (0, String::new(), true);
        for letter in group.chars() {
            match letter {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    names.insert(std::mem::take(&mut name));
                    taking = true;
                }
                _ if depth > 0 => {}
                letter if letter.is_whitespace() => {}
                letter if taking && is_name(letter) => name.push(letter),
                _ => taking = false,
            }
        }
        names.insert(name);
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn every_room_stands_in_the_table_and_uses_only_what_it_may() {
    let (table, rooms) = (arrows(), rooms());
    let mut wrong = Vec::new();
    for source in sources("shared/src") {
        let Some(room) = room(&source.path) else { continue };
        let Some(may) = table.get(&room) else {
            wrong.push(format!("{room} is not in the table of ARCHITECTURE.md"));
            continue;
        };
        let mut uses = used(&source.code, "crate");
        uses.retain(|name| rooms.contains(name) && *name != room);
        uses.extend(source.code.contains("pgbackup_wire").then(|| "wire".to_owned()));
        wrong
            .extend(uses.difference(may).map(|other| format!("{}: {room} may not use {other}", source.path)));
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_binary_uses_only_the_doors_that_the_table_gives_it() {
    let table = arrows();
    let mut wrong = Vec::new();
    for source in sources("docker-pgbackup") {
        let uses = used(&source.code, "pgbackup_engine");
        wrong.extend(uses.difference(&table["the binaries"]).map(|room| format!("{}: {room}", source.path)));
        if source.code.contains("pgbackup_wire") {
            wrong.push(format!("{}: wire", source.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn wire_uses_nothing_of_ours_and_the_mover_only_wire() {
    for (folder, others) in [
        ("shared/wire", ["pgbackup_engine", "pgbackup_mover", "docker_pgbackup"]),
        ("shared/mover", ["pgbackup_engine", "docker_pgbackup", "rustic_core"]),
    ] {
        for source in sources(folder) {
            for other in others {
                assert!(!source.code.contains(other), "{} uses {other}", source.path);
            }
        }
    }
}

#[test]
fn the_engine_does_not_print_exit_or_read_the_environment() {
    for source in sources("shared/src") {
        for absent in [
            "println!",
            "eprintln!",
            "print!(",
            "dbg!",
            "process::exit",
            "std::env::",
            "env::var",
            "env::args",
            "async fn",
            ".await",
        ] {
            assert!(!source.code.contains(absent), "{} says {absent}", source.path);
        }
    }
    let manifest = fs::read_to_string(root().join("shared/Cargo.toml")).unwrap();
    for absent in ["tokio", "bollard", "kube", "k8s-openapi"] {
        assert!(!manifest.lines().any(|line| line.starts_with(absent)), "the engine depends on {absent}");
    }
}

#[test]
fn rustic_is_named_in_the_repository_only() {
    for folder in ["shared", "docker-pgbackup"] {
        for source in sources(folder) {
            let named = source.code.contains("rustic_core") || source.code.contains("rustic_backend");
            assert!(
                !named || source.path.starts_with("shared/src/repository/"),
                "{} names rustic",
                source.path
            );
        }
    }
}

/// Returns the texts between quotes.
fn literals(code: &str) -> Vec<&str> {
    code.split('"').skip(1).step_by(2).collect()
}

#[test]
fn sql_and_the_server_s_programs_are_named_in_postgres_only() {
    const STATEMENTS: [&str; 13] = [
        "SELECT ",
        "INSERT INTO",
        "UPDATE ",
        "DELETE FROM",
        "CREATE ",
        "DROP ",
        "ALTER ",
        "COPY ",
        "LOCK TABLE",
        "BEGIN",
        "COMMIT",
        "GRANT ",
        "REVOKE ",
    ];
    const PROGRAMS: [&str; 5] = ["pg_dump", "pg_dumpall", "pg_restore", "psql", "pg_basebackup"];
    let mut wrong = Vec::new();
    for source in sources("shared/src") {
        if ["postgres", "testing"].contains(&room(&source.path).as_deref().unwrap_or("")) {
            continue;
        }
        // What psql needs to hold a session in the mover's place (invariant 3).
        if source.path.starts_with("shared/src/mover/plain/") {
            continue;
        }
        for literal in literals(&source.code) {
            if STATEMENTS.iter().any(|start| literal.starts_with(start)) || PROGRAMS.contains(&literal) {
                wrong.push(format!("{}: {literal}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_short_and_named_for_what_they_hold() {
    let all: Vec<Source> = ["shared", "docker-pgbackup", "tests"].into_iter().flat_map(sources).collect();
    let mut lines: Vec<usize> = Vec::new();
    for source in &all {
        let count = source.text.lines().count();
        assert!(count <= 450, "{} has {count} lines", source.path);
        lines.push(count);
        let stem = Path::new(&source.path).file_stem().unwrap().to_string_lossy().into_owned();
        assert!(
            !["util", "utils", "helper", "helpers", "common", "misc"].contains(&stem.as_str()),
            "{}",
            source.path
        );
    }
    lines.sort_unstable();
    let median = lines[lines.len() / 2];
    assert!(median < 250, "the median file has {median} lines");
}

#[test]
fn every_file_says_what_it_is_for_and_a_mod_rs_holds_no_logic() {
    for source in ["shared", "docker-pgbackup", "tests"].into_iter().flat_map(sources) {
        assert!(source.text.starts_with("//!"), "{} does not say what it is for", source.path);
        if source.path.ends_with("/mod.rs") {
            for logic in ["fn ", "impl ", "struct ", "enum "] {
                assert!(
                    !source
                        .code
                        .lines()
                        .any(|line| line.trim_start().trim_start_matches("pub ").starts_with(logic)),
                    "{} holds logic",
                    source.path
                );
            }
        }
    }
}

#[test]
fn nothing_is_left_undone_or_silenced() {
    for source in ["shared", "docker-pgbackup", "tests/src"].into_iter().flat_map(sources) {
        for absent in ["todo!(", "unimplemented!(", "#[allow(", "#![allow(", "unsafe {"] {
            assert!(!source.code.contains(absent), "{} says {absent}", source.path);
        }
    }
}

#[test]
fn every_test_file_is_run() {
    let manifest = fs::read_to_string(root().join("tests/Cargo.toml")).unwrap();
    assert!(!manifest.contains("autotests"), "test files would have to be listed by hand");
    let nested: Vec<_> =
        sources("tests/tests").into_iter().filter(|source| source.path.matches('/').count() > 2).collect();
    let included = fs::read_dir(root().join("tests/tests")).unwrap().map(|entry| entry.unwrap().path());
    let texts: String = included
        .filter(|path| path.is_file())
        .map(|path| fs::read_to_string(path).unwrap_or_default())
        .collect();
    for source in nested {
        let parts: Vec<&str> = source.path.split('/').collect();
        let module = if source.path.ends_with("/mod.rs") {
            parts[parts.len() - 2]
        } else {
            parts[parts.len() - 1].trim_end_matches(".rs")
        };
        assert!(texts.contains(&format!("mod {module};")), "{} belongs to no test", source.path);
    }
}

#[test]
fn arrows_are_found_in_every_way_to_write_them() {
    let code = "use crate::{catalog::{Record, list}, error::Result,\n policy};\nfn f() { crate::clock::now(); $crate::macro_of_ours!(); }";
    let expected: BTreeSet<String> =
        ["catalog", "clock", "error", "policy"].into_iter().map(Into::into).collect();
    assert_eq!(used(code, "crate"), expected);
    assert_eq!(plain("error, `catalog` (records only)"), "error, catalog");
}
