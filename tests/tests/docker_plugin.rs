//! The plugin as `docker` runs it: found, asked about itself, called, and told to stop.

use pgbackup_tests::{
    Plugin, Server,
    command::{docker_is_here, must},
    faults::{self, Victim},
    plugin::{self, Outcome, program},
    ways::add_context,
};
use std::{
    fs,
    io::{self, Read, Write},
    net::Shutdown,
    os::unix::{
        fs::symlink,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

/// A home in which `docker` finds the plugin.
fn installed() -> Plugin {
    let plugin = Plugin::new();
    let folder = plugin.home().join(".docker/cli-plugins");
    fs::create_dir_all(&folder).unwrap();
    symlink(program(), folder.join("docker-pgbackup")).unwrap();
    plugin
}

/// Starts `docker` itself with these arguments.
fn start(plugin: &Plugin, arguments: &[&str]) -> Child {
    let like = plugin.command(&[]);
    let mut docker = Command::new("docker");
    docker.args(arguments).current_dir(plugin.home()).env_clear();
    docker.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    docker.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    docker.spawn().expect("docker can be started")
}

fn docker(plugin: &Plugin, arguments: &[&str]) -> Outcome {
    plugin::wait(start(plugin, arguments))
}

#[test]
fn what_docker_asks_of_every_plugin_is_answered_without_opening_anything() {
    let plugin = Plugin::new();
    let trace = plugin.home().join("trace");
    let like = plugin.command(&[]);
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-qq", "-e", "trace=%file,%network,clone,clone3,fork,vfork", "-o"])
        .arg(&trace)
        .arg(program())
        .arg("docker-cli-plugin-metadata")
        .env_clear()
        .envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));

    let answer = strace.output().expect("strace is installed");

    let told: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(told["SchemaVersion"], "0.1.0");
    // What every program does before its own first line: libraries, and the bounds of its stack.
    let before_main = |call: &str| {
        [
            "execve(",
            "/etc/ld.so",
            "/lib",
            "/usr/lib",
            "/proc/self/maps",
            "access(\"/etc/ld",
            "readlink(\"/proc/self/exe\"",
            "AT_EMPTY_PATH",
        ]
        .iter()
        .any(|known| call.contains(known))
    };
    let calls = fs::read_to_string(trace).unwrap();
    let own: Vec<&str> = calls.lines().filter(|call| !before_main(call)).collect();
    assert_eq!(own, Vec::<&str>::new(), "{calls}");
}

#[test]
fn docker_lists_the_plugin_shows_its_help_and_passes_its_exit_status_on() {
    if !docker_is_here() {
        return;
    }
    let plugin = installed();

    let list = docker(&plugin, &["--help"]);
    let help = docker(&plugin, &["help", "pgbackup"]);
    let help_of_command = docker(&plugin, &["pgbackup", "create", "--help"]);
    let wrong = docker(&plugin, &["pgbackup", "create", "--no-such-flag"]);
    let nothing = docker(&plugin, &["pgbackup", "create", "no-such-container"]);

    assert!(list.stdout.contains("pgbackup*"), "{list:?}");
    assert!(help.stdout.contains("Usage: docker pgbackup [OPTIONS] [COMMAND]"), "{help:?}");
    assert!(help_of_command.stdout.contains("Usage: docker pgbackup create"), "{help_of_command:?}");
    assert_eq!((help.status, help_of_command.status), (Some(0), Some(0)));
    assert_eq!((wrong.status, nothing.status), (Some(125), Some(4)), "{wrong:?} {nothing:?}");
    assert!(wrong.stderr.contains("See 'docker pgbackup create --help'."), "{wrong:?}");
}

#[test]
fn dockers_own_options_in_front_of_the_name_choose_the_daemon() {
    if !docker_is_here() {
        return;
    }
    let plugin = installed();
    let elsewhere = tempfile::tempdir().unwrap();
    let config = elsewhere.path().display().to_string();
    for folder in [&plugin.home().join(".docker"), elsewhere.path()] {
        add_context(folder, "gone", "unix:///nowhere.sock", None);
    }

    for (options, tried) in [
        (vec!["--context", "gone"], "`unix:///nowhere.sock` (from the Docker context `gone`)"),
        (vec!["-c=gone", "-D", "--log-level", "debug"], "`unix:///nowhere.sock`"),
        (vec!["-H", "unix:///not.here"], "`unix:///not.here` (from `--host`)"),
        (vec!["--context", "other"], "there is no Docker context `other`"),
    ] {
        let outcome = docker(&plugin, &[&options[..], &["pgbackup", "targets"]].concat());
        assert_eq!(outcome.status, Some(1), "{options:?}: {outcome:?}");
        assert!(outcome.stderr.contains(tried), "{options:?}: {outcome:?}");
    }
    // `--config` moves docker's plugins too, so here it is the plugin that is given it.
    let moved = plugin.run(&["--config", &config, "--context", "gone", "pgbackup", "targets"]);
    let behind = plugin.run(&["pgbackup", "--context", "gone", "targets"]);
    let both = plugin.run(&["--context", "gone", "-H", "unix:///x", "targets"]);
    assert!(moved.stderr.contains("unix:///nowhere.sock"), "{moved:?}");
    assert!(behind.stderr.contains("unix:///nowhere.sock"), "{behind:?}");
    assert_eq!(both.status, Some(125));
    assert!(both.stderr.contains("cannot specify both --host and --context"), "{both:?}");
}

#[test]
fn a_wrong_option_of_dockers_is_told_as_docker_tells_it() {
    let plugin = Plugin::new();
    insta::assert_snapshot!(plugin.must_fail(125, &["--tlsverify=perhaps", "targets"]), @r#"
    error: invalid argument "perhaps" for "--tlsverify" flag: it can be true or false
    See 'docker-pgbackup --help'.
    "#);
    insta::assert_snapshot!(plugin.must_fail(125, &["-H", "a", "-H", "b", "targets"]), @r"
    error: specify only one -H
    See 'docker-pgbackup --help'.
    ");
    insta::assert_snapshot!(plugin.must_fail(125, &["--context"]), @r"
    error: flag needs an argument: --context
    See 'docker-pgbackup --help'.
    ");
}

#[test]
fn a_docker_that_is_told_to_stop_takes_the_plugin_along_in_order() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (installed(), Server::start(17));
    server.sql(
        "postgres",
        "CREATE TABLE t AS SELECT i, repeat(md5(i::text), 9) FROM generate_series(1, 300000) i",
    );
    // Without a terminal docker closes a socket, and sends the plugin no signal.
    let mut running = start(&plugin, &["pgbackup", "create", &server.name, "--name", "b"]);
    assert!(faults::wait_until_it_runs(&server, Victim::Mover, &mut running));

    must("kill", &["-TERM", &running.id().to_string()]);
    let outcome = plugin::wait(running);

    assert_eq!(outcome.status, Some(130), "{outcome:?}");
    assert!(outcome.stderr.contains("cancelled"), "{outcome:?}");
    assert_eq!(plugin.backups(), Vec::<String>::new());
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn a_daemon_that_never_answers_can_be_left_by_one_ctrl_c() {
    let plugin = Plugin::new();
    let socket = plugin.home().join("silent.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let host = format!("unix://{}", socket.display());
    let running = plugin.start(&["-H", &host, "targets"]);
    let (_connection, _) = listener.accept().unwrap();
    let since = Instant::now();

    faults::interrupt(&running);
    let outcome = plugin::wait(running);

    assert_eq!(outcome.status, Some(130), "{outcome:?}");
    // An answer is waited for two minutes, and this is not that.
    assert!(since.elapsed() < Duration::from_mins(1));
}

#[test]
fn hooks_that_docker_offers_are_left_alone() {
    let plugin = Plugin::new();
    let outcome = plugin.run(&["pgbackup", "docker-cli-plugin-hooks", r#"{"RootCmd":"run"}"#]);
    assert_eq!((outcome.status, outcome.stdout.as_str(), outcome.stderr.as_str()), (Some(0), "", ""));
}

/// A daemon that answers everything but requests to run a program, which it only takes.
///
/// Returns its socket, and what is heard when such a request has come.
fn daemon_that_runs_nothing(folder: &Path) -> (PathBuf, Receiver<UnixStream>) {
    let socket = folder.join("half.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let (tell, told) = channel();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let tell = tell.clone();
            thread::spawn(move || {
                let mut head = vec![0; 64 << 10];
                let length = (&client).read(&mut head).unwrap_or(0);
                if head[..length].windows(5).any(|part| part == b"/exec") {
                    // Held open by the one who hears of it.
                    drop(tell.send(client));
                    return;
                }
                let daemon = UnixStream::connect("/var/run/docker.sock").unwrap();
                (&daemon).write_all(&head[..length]).unwrap();
                thread::scope(|scope| {
                    scope.spawn(|| {
                        drop(io::copy(&mut &client, &mut &daemon));
                        drop(daemon.shutdown(Shutdown::Write));
                    });
                    drop(io::copy(&mut &daemon, &mut &client));
                    drop(client.shutdown(Shutdown::Both));
                });
            });
        }
    });
    (socket, told)
}

#[test]
fn the_third_signal_ends_a_plugin_that_cannot_end_by_itself() {
    if !docker_is_here() {
        return;
    }
    let (plugin, server) = (Plugin::new(), Server::start(17));
    let (socket, told) = daemon_that_runs_nothing(plugin.home());
    let host = format!("unix://{}", socket.display());
    let mut running = plugin.start(&["-H", &host, "create", &server.name, "--name", "b"]);
    let _held = told.recv_timeout(Duration::from_mins(1)).expect("a program is to be run");
    let since = Instant::now();

    must("kill", &["-INT", &running.id().to_string()]);
    must("kill", &["-TERM", &running.id().to_string()]);
    assert!(running.try_wait().unwrap().is_none(), "two signals ended it");
    must("kill", &["-HUP", &running.id().to_string()]);
    let outcome = plugin::wait(running);

    assert_eq!(outcome.status, Some(130), "{outcome:?}");
    // It would have waited two minutes for the answer.
    assert!(since.elapsed() < Duration::from_mins(1));
    assert_eq!(plugin.backups(), Vec::<String>::new());
}
