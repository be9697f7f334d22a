//! Questions in a real terminal: what is asked, what the answers do, and the command that would
//! have done the same. Where there is no terminal nothing is asked.

use pgbackup_tests::{
    Plugin, Server, Terminal,
    command::docker_is_here,
    server::unique,
    terminal::{DOWN, ENTER, SPACE},
};

fn shop_with(server: &Server, state: &str) {
    server
        .sql("shop", &format!("DROP TABLE IF EXISTS state; CREATE TABLE state AS SELECT '{state}' AS what"));
}

fn state(server: &Server, database: &str) -> String {
    server.sql(database, "SELECT what FROM state").trim().to_owned()
}

#[test]
fn a_restore_without_a_name_asks_for_everything_and_shows_the_command_that_asks_nothing() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server, other) = (Plugin::new(), Server::start(17), Server::start(17));
    server.sql("postgres", "CREATE DATABASE shop");
    for name in ["first", "second"] {
        shop_with(&server, name);
        plugin.must(&["create", &server.name, "--name", name]);
    }
    plugin.must(&["create", &other.name, "--name", "of_another"]);
    shop_with(&server, "now");

    // Whoever does not type the name replaces nothing.
    let mut terminal = Terminal::start(&plugin, &["restore", "-d", "shop", "--to", &server.name]);
    terminal.answer("Whose backup?", &[DOWN, ENTER]);
    terminal.answer("Which backup?", &[ENTER]);
    terminal.answer("Under which name?", &[ENTER]);
    terminal.answer("Type shop to replace it", &["shopp", ENTER]);
    let outcome = terminal.end();
    assert_eq!(outcome.status, Some(130), "{outcome:?}");
    assert!(outcome.stdout.contains("nothing was changed"), "{outcome:?}");
    assert_eq!((state(&server, "shop"), server.all_databases().len()), ("now".to_owned(), 4));

    // All answers: the newest stands first, so the older one is one below.
    let mut terminal = Terminal::start(&plugin, &["restore"]);
    terminal.answer("Whose backup?", &[DOWN, ENTER]);
    terminal.answer("first", &[DOWN, ENTER]);
    terminal.answer("How much of it?", &["database shop", ENTER]);
    terminal.answer("where it is from", &[ENTER]);
    terminal.answer("Under which name?", &[ENTER]);
    terminal.answer("Type shop to replace it", &["shop", ENTER]);
    let outcome = terminal.end();
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(state(&server, "shop"), "first");
    let command = format!("restore first -d shop --to {} --yes", server.name);
    assert!(outcome.stdout.contains(&command), "{command} is not in: {outcome:?}");

    // The command does the same, and a new name replaces nothing, so none is typed.
    let words: Vec<&str> = command.split(' ').collect();
    plugin.must(&words);
    let mut terminal = Terminal::start(&plugin, &["restore", "-d", "shop", "--to", &server.name]);
    terminal.answer("Whose backup?", &[DOWN, ENTER]);
    terminal.answer("Which backup?", &[ENTER]);
    terminal.answer("Under which name?", &[DOWN, ENTER]);
    terminal.answer("Name of the new database", &[ENTER]);
    terminal.answer("Restore?", &["y", ENTER]);
    let outcome = terminal.end();
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(state(&server, "shop_copy"), "second");
    assert!(outcome.stdout.contains("--into shop_copy"), "{outcome:?}");
}

#[test]
fn a_create_with_several_servers_backs_up_those_that_are_marked() {
    if !docker_is_here() {
        return;
    }
    let group = unique("group");
    let label = format!("group={group}");
    let servers: Vec<Server> = (0..3).map(|_| Server::start_with(17, &["--label", &label], &[])).collect();
    let plugin = Plugin::new();

    let mut terminal = Terminal::start(&plugin, &["create", "--filter", &format!("label={label}")]);
    terminal.answer("Which servers?", &[SPACE, DOWN, DOWN, SPACE, ENTER]);
    let outcome = terminal.end();

    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(plugin.backups().len(), 2, "{outcome:?}");
    for server in &servers {
        assert_eq!(server.leftovers(), Vec::<String>::new());
    }
}

#[test]
fn without_a_terminal_nothing_is_asked() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(17));
    plugin.must(&["create", &server.name, "--name", "b"]);

    let said = plugin.must_fail(125, &["restore", "--yes"]);

    assert!(said.contains("which backup to restore was not said"), "{said}");
    assert!(!said.contains('?'), "{said}");
}
