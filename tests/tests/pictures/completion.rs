//! What a shell is offered, without a server and without a shell.

use super::person::Person;

fn ann() -> Person {
    let person = Person::new().with("pg", true).with("web", false);
    person.has_backup("monday");
    person.has_backup("pre_test");
    person
}

/// The values that are offered behind `line`; its last word, perhaps empty, is to be completed.
fn offered(person: &Person, line: &str) -> Vec<String> {
    let text = person.completion(line);
    text.lines()
        .filter(|line| !line.starts_with(':'))
        .map(|line| line.split('\t').next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn commands_come_with_what_they_do() {
    let text = Person::new().completion("");
    assert!(text.contains("create\tBack up one PostgreSQL server into the repository\n"), "{text}");
    assert!(text.ends_with(":4\n"), "{text}");
    assert_eq!(offered(&Person::new(), "re"), ["restore", "repo"]);
    assert_eq!(offered(&Person::new(), "repo ke"), ["key"]);
    assert_eq!(offered(&Person::new(), "repo key "), ["export", "import"]);
}

#[test]
fn backups_come_newest_first_with_where_they_are_from() {
    assert_eq!(
        ann().completion("inspect "),
        "pre_test\tpg, 0 B, 2 hours ago\nmonday\tpg, 0 B, 3 hours ago\n:36\n"
    );
    assert_eq!(offered(&ann(), "restore m"), ["monday"]);
    assert_eq!(offered(&ann(), "rm monday "), ["pre_test"], "one that was named already is not named again");
    assert_eq!(offered(&ann(), "export monday "), Vec::<String>::new());
    assert!(ann().completion("export monday ").ends_with(":16\n"), "a folder follows");
    assert_eq!(offered(&ann(), "restore monday "), Vec::<String>::new());
}

#[test]
fn containers_are_those_in_which_a_server_runs() {
    assert_eq!(ann().completion("create "), "pg\tpostgres:17\n:4\n");
    assert_eq!(offered(&ann(), "restore monday --to "), ["pg"]);
    assert_eq!(offered(&ann(), "restore monday --to=p"), ["pg"]);
}

#[test]
fn options_are_offered_where_a_dash_stands_and_once_unless_they_repeat() {
    let options = offered(&ann(), "create --");
    for option in ["--name", "--database", "--label", "--repository", "--quiet"] {
        assert!(options.contains(&option.to_owned()), "{option} is not in {options:?}");
    }
    assert!(!options.contains(&"-d".to_owned()), "{options:?}");
    assert!(offered(&ann(), "create -").contains(&"-d".to_owned()));
    let later = offered(&ann(), "create --name x -d shop --");
    assert!(!later.contains(&"--name".to_owned()) && later.contains(&"--database".to_owned()), "{later:?}");
}

#[test]
fn values_of_options_are_offered() {
    assert_eq!(offered(&ann(), "create --progress "), ["auto", "plain", "json"]);
    assert_eq!(offered(&ann(), "list --format="), ["table", "json"]);
    assert_eq!(offered(&ann(), "list --format = js"), ["json"], "a script may part words at `=`");
    assert_eq!(offered(&ann(), "completion "), ["bash", "zsh", "fish"]);
    assert_eq!(ann().completion("list --filter na"), "name=\n:6\n");
    assert_eq!(offered(&ann(), "list -f since=m"), ["since=monday"]);
    assert_eq!(offered(&ann(), "list -f target="), ["target=pg"]);
    assert_eq!(offered(&ann(), "targets -f status=s"), ["status=standby"]);
    assert_eq!(offered(&ann(), "targets --filter name="), ["name=pg"]);
}

#[test]
fn a_command_line_that_is_wrong_is_no_trouble() {
    for line in [
        "nothing ",
        "list --nothing ",
        "inspect --format",
        "-- ",
        "create --jobs x --",
        "list --filter=color=",
    ] {
        assert!(ann().completion(line).lines().last().unwrap().starts_with(':'), "{line}");
    }
}

#[test]
fn without_a_repository_and_a_platform_nothing_is_offered_and_nothing_is_made() {
    let person = Person::new();
    for line in ["inspect ", "create ", "restore x -d ", "list -f name="] {
        assert_eq!(offered(&person, line), Vec::<String>::new(), "{line}");
    }
    assert_eq!(std::fs::read_dir(person.home()).unwrap().count(), 0);
}
