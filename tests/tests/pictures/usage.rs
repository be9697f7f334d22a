//! Pictures of wrong usage, of help, and of how a server is found.

use super::person::{Broken, Kept, Person};

#[test]
fn without_a_command_the_help_is_shown() {
    let picture = Person::new().picture("");
    assert!(picture.contains("Usage: docker pgbackup [OPTIONS] [COMMAND]"), "{picture}");
    assert!(picture.ends_with("------- stderr -------\n[exit status: 0]"), "{picture}");
}

#[test]
fn a_command_that_does_not_exist_is_wrong_usage() {
    insta::assert_snapshot!(Person::new().picture("creat"), @r"
    $ docker pgbackup creat
    ------- stderr -------
    error: unknown command: docker pgbackup creat
    hint: did you mean `targets` or `create`?
    See 'docker pgbackup --help'.
    [exit status: 125]
    ");
}

#[test]
fn an_option_that_does_not_exist_is_wrong_usage() {
    insta::assert_snapshot!(Person::new().picture("create --exclude x"), @r"
    $ docker pgbackup create --exclude x
    ------- stderr -------
    error: unknown flag: --exclude
    See 'docker pgbackup create --help'.
    [exit status: 125]
    ");
}

#[test]
fn a_filter_that_is_not_understood_is_wrong_usage() {
    insta::assert_snapshot!(Person::new().picture("create --filter name=pg"), @r#"
    $ docker pgbackup create --filter name=pg
    ------- stderr -------
    error: invalid argument "name=pg" for "--filter" flag: only `label=KEY` and `label=KEY=VALUE` are understood
    See 'docker pgbackup create --help'.
    [exit status: 125]
    "#);
}

#[test]
fn a_backups_name_that_cannot_be_typed_is_wrong_usage() {
    insta::assert_snapshot!(Person::new().with("pg", true).picture("create --name a/b"), @r"
    $ docker pgbackup create --name a/b
    ------- stderr -------
    error: `a/b` cannot be a backup's name
      caused by: `/` is in it
    hint: use letters, digits, `.`, `_` and `-`, for example `before-release-7`
    [exit status: 125]
    ");
}

#[test]
fn a_platform_that_does_not_answer_is_a_failure() {
    insta::assert_snapshot!(Person::new().picture("create"), @r"
    $ docker pgbackup create
    ------- stderr -------
    error: the platform does not answer
    [exit status: 1]
    ");
}

#[test]
fn without_a_server_the_error_says_what_was_looked_for() {
    insta::assert_snapshot!(Person::new().with("web", false).with("cache", false).picture("create"), @r"
    $ docker pgbackup create
    ------- stderr -------
    error: no PostgreSQL server runs here
      caused by: looked for a server's process in 2 of 2 running containers at the fake platform
      caused by: none runs in `web`, `cache`
    hint: start the server first; one that is just being made can be found as soon as it runs
    [exit status: 4]
    ");
}

#[test]
fn a_container_without_a_server_is_no_target() {
    insta::assert_snapshot!(Person::new().with("web", false).picture("create web"), @r"
    $ docker pgbackup create web
    ------- stderr -------
    error: no PostgreSQL server runs in `web`
      caused by: looked for a server's process in 1 of 1 running containers at the fake platform
      caused by: none runs in `web`
    hint: start the server first; one that is just being made can be found as soon as it runs
    [exit status: 4]
    ");
}

#[test]
fn a_container_that_does_not_exist_is_no_target() {
    insta::assert_snapshot!(Person::new().with("pg", true).picture("create gp"), @r"
    $ docker pgbackup create gp
    ------- stderr -------
    error: no running container is called `gp`
    hint: see what runs here with `docker pgbackup targets`
    [exit status: 4]
    ");
}

#[test]
fn several_servers_are_listed_where_nobody_can_pick() {
    insta::assert_snapshot!(Person::new().with("pg", true).with("other", true).picture("create"), @r"
    $ docker pgbackup create
    ------- stderr -------
    error: 2 PostgreSQL servers run here, and one is meant
      caused by: there is `pg` (postgres:17)
      caused by: there is `other` (postgres:17)
    hint: name one: `docker pgbackup create pg`
    hint: or back up every one: `docker pgbackup create --all`
    hint: or say which with `--service`, `--project` or `--filter`
    [exit status: 4]
    ");
}

#[test]
fn nothing_is_made_before_a_server_was_chosen() {
    let person = Person::new().with("pg", true).with("other", true);
    person.picture("create");
    assert_eq!(std::fs::read_dir(person.home()).unwrap().count(), 0);
}

#[test]
fn a_list_without_a_repository_says_what_makes_one() {
    insta::assert_snapshot!(Person::new().picture("list"), @r"
    $ docker pgbackup list
    ------- stderr -------
    error: there is no repository at `$HOME/.local/share/pgbackup/repository`
    hint: the first `docker pgbackup create` makes one, or give its place with `--repository`
    [exit status: 1]
    ");
}

#[test]
fn a_problem_is_one_object_where_progress_is_json() {
    insta::assert_snapshot!(Person::new().picture("list --progress json"), @r#"
    $ docker pgbackup list --progress json
    ------- stderr -------
    {"causes":[],"event":"error","hints":["the first `docker pgbackup create` makes one, or give its place with `--repository`"],"kind":"failed","notes":[],"what":"there is no repository at `$HOME/.local/share/pgbackup/repository`"}
    [exit status: 1]
    "#);
}

#[test]
fn a_place_in_s3_that_names_no_host_is_refused() {
    insta::assert_snapshot!(Person::new().with("pg", true).picture("list --repository s3:bucket/x"), @r"
    $ docker pgbackup list --repository s3:bucket/x
    ------- stderr -------
    error: repository `s3:bucket/x`: it names no host with `https://` or `http://`
    hint: write `s3:https://HOST/BUCKET/PREFIX`, or `s3://BUCKET/PREFIX` for the endpoint of `AWS_ENDPOINT_URL` or AWS itself
    [exit status: 125]
    ");
}

#[test]
fn a_recovery_sheet_that_is_none_is_refused() {
    let person = Person::new();
    let sheet = person.home().join("sheet.txt");
    std::fs::write(&sheet, "nothing of ours\n").unwrap();
    insta::assert_snapshot!(person.picture(&format!("repo key import {}", sheet.display())), @r"
    $ docker pgbackup repo key import $HOME/sheet.txt
    ------- stderr -------
    error: this is not a recovery sheet
      caused by: no line begins with `repository:`
    hint: `docker pgbackup repo key export` on a host that has the key writes one
    [exit status: 1]
    ");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let stderr = Kept::default();
    let status = Person::new().run_with("--help", Box::new(Broken), &stderr);
    assert_eq!((status, stderr.text().as_str()), (0, ""));
}

#[test]
fn every_command_has_examples_and_exit_statuses_in_its_help() {
    let commands = [
        "targets",
        "create",
        "list",
        "inspect",
        "verify",
        "restore",
        "undo",
        "export",
        "delete",
        "repo info",
        "repo check",
        "repo prune",
        "repo unlock",
        "repo key export",
        "repo key import",
        "repo repair",
        "completion",
    ];
    for command in commands {
        let picture = Person::new().picture(&format!("{command} --help"));
        for part in
            [&format!("Usage: docker pgbackup {command}"), "Examples:", "Exit status:", "[exit status: 0]"]
        {
            assert!(picture.contains(part), "`{command} --help` lacks `{part}`:\n{picture}");
        }
        assert!(!picture.contains("{plugin}"), "{picture}");
        assert!(picture.lines().all(|line| line.chars().count() <= 100), "{picture}");
    }
}
