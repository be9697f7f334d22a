//! Pictures of what lists and objects look like in other forms, and of which lines are listed.

use super::person::{Kept, Person};

fn ann() -> Person {
    let person = Person::new();
    person.has_backup("monday");
    person.has_backup("pre_test");
    person
}

#[test]
fn several_backups_are_inspected_as_one_array_and_what_is_missing_is_said_apart() {
    let ann = ann();
    let (stdout, stderr) = (Kept::default(), Kept::default());
    let status = ann.run_with("inspect monday nothing pre_test nowhere", Box::new(stdout.clone()), &stderr);
    let shown: serde_json::Value = serde_json::from_str(&stdout.text()).unwrap();
    let names: Vec<_> = shown.as_array().unwrap().iter().map(|backup| &backup["name"]).collect();
    assert_eq!(names, ["monday", "pre_test"]);
    assert!(stderr.text().contains("there is no backup `nothing`"), "{}", stderr.text());
    assert!(stderr.text().contains("there is no backup `nowhere`"), "{}", stderr.text());
    assert_eq!(status, 1);
}

#[test]
fn several_backups_can_still_be_inspected_as_text() {
    let picture = ann().picture("inspect monday pre_test --format table");
    assert!(
        picture.contains("Name:         monday\n") && picture.contains("Name:         pre_test\n"),
        "{picture}"
    );
}

#[test]
fn a_template_says_what_is_inspected() {
    insta::assert_snapshot!(ann().picture("inspect -f {{.name}}:{{.Target.Image}} pre_test monday"), @r"
    $ docker pgbackup inspect -f {{.name}}:{{.Target.Image}} pre_test monday
    pre_test:postgres:17
    monday:postgres:17
    ------- stderr -------
    [exit status: 0]
    ");
}

#[test]
fn a_list_is_what_a_template_makes_of_it() {
    insta::assert_snapshot!(ann().picture("list --format table_{{.Name}}\\t{{upper_.Container}}\\t{{.CreatedAt}}"), @r"
    $ docker pgbackup list --format table_{{.Name}}\t{{upper_.Container}}\t{{.CreatedAt}}
    NAME       CONTAINER   CREATED AT
    pre_test   PG          2026-11-21 10:00:00 +0000 UTC
    monday     PG          2026-11-21 09:00:00 +0000 UTC
    ------- stderr -------
    [exit status: 0]
    ");
    insta::assert_snapshot!(ann().picture("list --format {{.Name}}={{.new_bytes}}"), @r#"
    $ docker pgbackup list --format {{.Name}}={{.new_bytes}}
    ------- stderr -------
    error: template parsing error: template: :1: function "bytes" not defined
    [exit status: 125]
    "#);
}

#[test]
fn a_wrong_template_is_wrong_usage_in_dockers_words() {
    insta::assert_snapshot!(ann().picture("list --format {{.Name"), @r"
    $ docker pgbackup list --format {{.Name
    ------- stderr -------
    error: template parsing error: template: :1: unclosed action
    [exit status: 125]
    ");
    insta::assert_snapshot!(ann().picture("list --format {{.Sise}}"), @r#"
    $ docker pgbackup list --format {{.Sise}}
    ------- stderr -------
    error: template parsing error: template: :1:2: executing "" at <.Sise>: can't evaluate field Sise in type map
    hint: there are .Name, .ID, .Container, .PostgreSQL, .Databases, .Size, .New, .CreatedSince, .CreatedAt, .Took, .Host, .Platform, .Labels, and those of `--format json`
    [exit status: 125]
    "#);
    insta::assert_snapshot!(ann().picture("inspect --format {{.Sise}} pre_test"), @r#"
    $ docker pgbackup inspect --format {{.Sise}} pre_test
    ------- stderr -------
    error: template parsing error: template: :1:2: executing "" at <.Sise>: map has no entry for key "Sise"
    [exit status: 125]
    "#);
}

#[test]
fn ids_and_versions_are_whole_where_nothing_may_be_cut() {
    let picture = ann().picture("list --no-trunc");
    let line = picture.lines().nth(2).unwrap();
    assert!(line.contains("17.2 (Debian 17.2-1)"), "{picture}");
    assert_eq!(line.split_whitespace().nth(1).unwrap().len(), 64, "{picture}");
}

#[test]
fn filters_say_which_backups_are_listed() {
    let ann = ann();
    let listed = |filters: &str| {
        ann.stdout(&format!("list -q {filters}")).lines().map(Into::into).collect::<Vec<String>>()
    };
    assert_eq!(listed("--filter name=test"), ["pre_test"]);
    assert_eq!(listed("-f name=^mon -f name=_test$"), ["pre_test", "monday"]);
    assert_eq!(listed("--filter name=mon --filter target=other"), Vec::<String>::new());
    assert_eq!(listed("--filter since=monday"), ["pre_test"]);
    assert_eq!(listed("--filter before=150m"), ["monday"]);
}

#[test]
fn a_filter_that_there_is_not_is_wrong_usage() {
    insta::assert_snapshot!(ann().picture("list --filter color=red"), @r#"
    $ docker pgbackup list --filter color=red
    ------- stderr -------
    error: invalid argument "color=red" for "--filter" flag: invalid filter 'color': must be one of before, database, label, name, since, target
    See 'docker pgbackup list --help'.
    [exit status: 125]
    "#);
    insta::assert_snapshot!(ann().picture("list --filter name"), @r#"
    $ docker pgbackup list --filter name
    ------- stderr -------
    error: invalid argument "name" for "--filter" flag: bad format of filter (expected name=value)
    See 'docker pgbackup list --help'.
    [exit status: 125]
    "#);
    insta::assert_snapshot!(ann().picture("list --filter since=never"), @r"
    $ docker pgbackup list --filter since=never
    ------- stderr -------
    error: invalid filter 'since=never'
      caused by: `never` is no backup, no time and no duration
    hint: name a backup, or a time like `2026-11-21`, `2026-11-21T10:00:00Z`, `24h` or `7d`
    [exit status: 125]
    ");
}

#[test]
fn what_a_repository_is_can_be_asked_for_by_template() {
    assert_eq!(ann().stdout("repo info --format {{.backups}}_backups"), "2 backups\n");
}
