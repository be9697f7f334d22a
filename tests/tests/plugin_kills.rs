//! F8, F32, F41: `kill -9` of the plugin at random instants of create, restore and undo, an equal
//! number in every phase. What was not proven is never listed, the old database serves or the new
//! one, and nothing of ours stays in the container.

use pgbackup_tests::{
    Plugin, Server,
    command::docker_is_here,
    phases::{CREATE, DISCARD, Kills, Phase, RESTORE, UNDO, Watched},
    repository::{assert_restic_is_content, restic},
};
use std::time::Duration;

/// After a kill nothing may be left in the container so long after: the documents say five
/// seconds, and a machine that is busy with other tests gets some more.
const CLEAN: Duration = Duration::from_secs(15);

/// What the databases of a server without leftovers are called.
const DATABASES: [&str; 4] = ["postgres", "shop", "template0", "template1"];

/// What the backup holds, and what was changed since: a row each, and no row lost.
const BACKED_UP: &str = "backed up 60000 60000";
const CHANGED: &str = "changed 60000 60000";

/// What says on a command line that no mover is to be used.
const NEVER: &[&str] = &["--mover=never"];

/// A command line and more words.
fn line<'a>(words: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    words.iter().chain(more).copied().collect()
}

/// A shop that was backed up as `good` and then changed.
fn changed_shop(plugin: &Plugin) -> Server {
    let server = Server::start(17);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql(
        "shop",
        "CREATE TABLE orders AS SELECT i AS id, repeat(md5(i::text), 5) AS what FROM generate_series(1, 60000) i; CREATE INDEX ON orders (what); CREATE INDEX ON orders (id);
         CREATE TABLE items AS TABLE orders; CREATE INDEX ON items (what);
         CREATE TABLE fresh (what text); CREATE TABLE state AS SELECT 'backed up' AS what",
    );
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "good"]);
    server.sql("shop", "UPDATE state SET what = 'changed'");
    server
}

fn serving(server: &Server) -> String {
    server.sql(
        "shop",
        "SELECT (SELECT what FROM state) || ' ' || (SELECT count(DISTINCT id) FROM orders) || ' ' || (SELECT count(DISTINCT what) FROM items)",
    ).trim().to_owned()
}

/// How long each phase takes when nothing disturbs it.
fn undisturbed(plugin: &Plugin, arguments: &[&str], phases: &'static [Phase]) -> Vec<Duration> {
    let ended = Watched::start(plugin, arguments, phases).end();
    assert_eq!(ended.status, Some(0), "{ended:?}");
    ended.took
}

/// Kills one run in the phase whose turn it is, and looks at what every kill must leave alone.
fn kill_one(
    kills: &mut Kills,
    (plugin, server): (&Plugin, &Server),
    arguments: &[&str],
    phases: &'static [Phase],
    takes: &[Duration],
    aim: usize,
) {
    let log = server.log().len();
    let moment = kills.moment(aim, takes[aim]);
    let ended = Watched::start(plugin, arguments, phases).kill_in(aim, moment);
    kills.count(aim, ended.status.is_none().then_some(ended.phase), ended.moved);
    match server.time_until_clean(CLEAN) {
        Ok(took) => kills.clean_after(took),
        Err(left) => panic!("still there: {left:?} after {ended:?}"),
    }
    assert!(matches!(ended.status, None | Some(0)), "{ended:?}");
    assert_eq!(server.complaints(log), Vec::<String>::new(), "{ended:?}");
    let said = restic(plugin, &["check"]);
    assert!(said.contains("no errors were found"), "restic says: {said}\nafter {ended:?}");
}

/// The repository takes on, and everything listed is whole.
fn assert_all_is_well(plugin: &Plugin, server: &Server) {
    for name in plugin.backups() {
        plugin.must(&["verify", &name]);
    }
    plugin.must(&["repo", "prune", "--yes"]);
    plugin.must(&["create", &server.name, "-d", "shop", "--name", "after"]);
    plugin.must(&["verify", "after"]);
    assert_restic_is_content(plugin);
}

fn killed_in_a_create(kills: Kills, way: &[&str]) {
    if !docker_is_here() {
        return;
    }
    let plugin = Plugin::new();
    let server = changed_shop(&plugin);
    let again = ["create", &server.name, "-d", "shop", "--name", "again"];
    let takes = undisturbed(&plugin, &line(&again, way), &CREATE);
    let (mut kills, mut round) = (kills, 0);
    while let Some(aim) = kills.next_phase() {
        round += 1;
        let name = format!("round-{round}");
        // Something that no earlier round has stored.
        server.sql("shop", "TRUNCATE fresh; INSERT INTO fresh SELECT repeat(md5(random()::text), 3) FROM generate_series(1, 30000)");
        let arguments = line(&["create", &server.name, "-d", "shop", "--name", &name], way);
        kill_one(&mut kills, (&plugin, &server), &arguments, &CREATE, &takes, aim);

        let listed = plugin.backups();
        assert!(listed.contains(&"good".to_owned()), "{listed:?}");
        if listed.contains(&name) {
            plugin.must(&["verify", &name]);
        }
        assert_eq!(serving(&server), CHANGED);
    }
    kills.conclude();
    assert_all_is_well(&plugin, &server);
}

#[test]
fn killing_the_plugin_in_any_phase_of_a_create_lists_no_backup_that_is_not_whole() {
    killed_in_a_create(Kills::plan("create", &CREATE, 12), &[]);
}

#[test]
fn without_a_mover_killing_the_plugin_in_any_phase_of_a_create_lists_no_backup_that_is_not_whole() {
    killed_in_a_create(Kills::plan("create without a mover", &CREATE, 4), NEVER);
}

fn killed_in_a_restore(mut kills: Kills, way: &[&str]) {
    if !docker_is_here() {
        return;
    }
    let plugin = Plugin::new();
    let server = changed_shop(&plugin);
    let arguments = line(&["restore", "good", "-d", "shop", "--yes"], way);
    let takes = undisturbed(&plugin, &arguments, &RESTORE);
    assert_eq!(serving(&server), BACKED_UP);
    while let Some(aim) = kills.next_phase() {
        if server.all_databases().len() > DATABASES.len() {
            plugin.must(&["undo", &server.name, "--discard", "--yes"]);
        }
        assert_eq!(server.all_databases(), DATABASES, "{}", server.log());
        server.sql("shop", "UPDATE state SET what = 'changed'");

        kill_one(&mut kills, (&plugin, &server), &arguments, &RESTORE, &takes, aim);

        let now = serving(&server);
        // The old one is there until the new one is, and then it is kept.
        assert!(now == CHANGED || now == BACKED_UP, "{now}");
        if now == BACKED_UP {
            plugin.must(&["undo", &server.name, "--yes"]);
            assert_eq!(serving(&server), CHANGED);
        }
    }
    kills.conclude();
    assert_all_is_well(&plugin, &server);
}

#[test]
fn killing_the_plugin_in_any_phase_of_a_restore_leaves_the_old_database_or_the_new_one_serving() {
    killed_in_a_restore(Kills::plan("restore", &RESTORE, 12), &[]);
}

#[test]
fn without_a_mover_killing_the_plugin_in_any_phase_of_a_restore_leaves_one_database_serving() {
    killed_in_a_restore(Kills::plan("restore without a mover", &RESTORE, 6), NEVER);
}

fn killed_in_an_undo(mut kills: Kills, way: &[&str]) {
    if !docker_is_here() {
        return;
    }
    let plugin = Plugin::new();
    let server = changed_shop(&plugin);
    plugin.must(&["restore", "good", "-d", "shop", "--yes"]);
    let arguments = line(&["undo", &server.name, "--yes"], way);
    let takes = undisturbed(&plugin, &arguments, &UNDO);
    while let Some(aim) = kills.next_phase() {
        kill_one(&mut kills, (&plugin, &server), &arguments, &UNDO, &takes, aim);

        let now = serving(&server);
        assert!(now == CHANGED || now == BACKED_UP, "{now}");
        assert_eq!(server.all_databases().len(), DATABASES.len() + 1, "{:?}", server.all_databases());
        plugin.must(&arguments);
        assert_eq!(serving(&server), if now == CHANGED { BACKED_UP } else { CHANGED });
    }
    kills.conclude();
    assert_all_is_well(&plugin, &server);
}

#[test]
fn killing_the_plugin_in_an_undo_leaves_one_of_both_databases_serving_and_the_other_kept() {
    killed_in_an_undo(Kills::plan("undo", &UNDO, 6), &[]);
}

#[test]
fn without_a_mover_killing_the_plugin_in_an_undo_leaves_one_database_serving_and_the_other_kept() {
    killed_in_an_undo(Kills::plan("undo without a mover", &UNDO, 2), NEVER);
}

#[test]
fn killing_the_plugin_while_it_drops_what_was_kept_touches_nothing_else() {
    if !docker_is_here() {
        return;
    }
    let plugin = Plugin::new();
    let server = changed_shop(&plugin);
    // Small, since what is kept is made anew for each round.
    server.sql("postgres", "CREATE DATABASE little");
    server.sql("little", "CREATE TABLE one AS SELECT 1 AS id");
    plugin.must(&["create", &server.name, "-d", "little", "--name", "little"]);
    let restore = || plugin.must(&["restore", "little", "-d", "little", "--yes"]);
    let arguments = ["undo", &server.name, "--discard", "--yes"];
    restore();
    let takes = undisturbed(&plugin, &arguments, &DISCARD);
    let mut kills = Kills::plan("undo --discard", &DISCARD, 6);
    while let Some(aim) = kills.next_phase() {
        if server.all_databases().len() == DATABASES.len() + 1 {
            restore();
        }
        kill_one(&mut kills, (&plugin, &server), &arguments, &DISCARD, &takes, aim);

        assert_eq!(serving(&server), CHANGED);
        assert_eq!(server.sql("little", "SELECT id FROM one").trim(), "1");
        if server.all_databases().len() > DATABASES.len() + 1 {
            plugin.must(&arguments);
        }
        assert_eq!(server.all_databases(), ["little", "postgres", "shop", "template0", "template1"]);
    }
    kills.conclude();
    assert_all_is_well(&plugin, &server);
}
