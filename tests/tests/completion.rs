//! The tabulator key in a real bash, by Docker's own scripts and by ours.

use pgbackup_tests::{
    Plugin, Server,
    command::{docker_is_here, must, text},
    plugin::program,
};
use std::{
    fs,
    io::Write,
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Debian's package bash-completion, without which no script for bash works.
const BASH_COMPLETION: &str = "/usr/share/bash-completion/bash_completion";

/// The script in Debian's docker.io: written by hand, it knows plugins by `__completeNoDesc`.
const DEBIANS_SCRIPT: &str = "/usr/share/bash-completion/completions/docker";

/// The keys that go to the line's beginning and to its end.
const HOME: char = '\x01';
const END: char = '\x05';

/// A person with a plugin that `docker` finds, and a bash.
struct Person {
    plugin: Plugin,
}

impl Person {
    fn new() -> Self {
        let plugin = Plugin::new();
        let plugins = plugin.home().join(".docker/cli-plugins");
        fs::create_dir_all(&plugins).unwrap();
        symlink(program(), plugins.join("docker-pgbackup")).unwrap();
        Self { plugin }
    }

    fn command(&self, program: &str) -> Command {
        let like = self.plugin.command(&[]);
        let mut command = Command::new(program);
        command.env_clear().current_dir(self.plugin.home());
        command.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("TERM", "dumb").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// What a line is after its tabulators were pressed in an interactive bash that has read
    /// `setup`.
    fn line(&self, setup: &str, typed: &str) -> String {
        let rc = self.plugin.home().join("bashrc");
        fs::write(&rc, format!("PS1=\nHISTFILE=\n. {BASH_COMPLETION}\n{setup}\n")).unwrap();
        let bash = format!("bash --noprofile --rcfile {} -i", rc.display());
        // `script` gives it a terminal.
        let mut child = self.command("script").args(["-qec", &bash, "/dev/null"]).spawn().unwrap();
        let keys = format!("{typed}{HOME}echo '[{END}]'\nexit\n");
        child.stdin.take().unwrap().write_all(keys.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let screen = text(&output.stdout).replace('\r', "");
        let echoed = screen.lines().rev().find_map(|line| line.strip_prefix('[')?.strip_suffix(']'));
        echoed.unwrap_or_else(|| panic!("bash echoed nothing: {screen}")).to_owned()
    }

    /// The answer of `docker` to a shell.
    fn asked(&self, words: &[&str], host: Option<&str>) -> String {
        let mut command = self.command("docker");
        command.arg("__complete").args(words);
        if let Some(host) = host {
            command.env("DOCKER_HOST", host);
        }
        text(&command.output().unwrap().stdout)
    }
}

/// Presses keys in a bash with this setup, and compares the lines.
fn assert_completes(person: &Person, setup: &str, pairs: &[(&str, String)]) {
    for (typed, expected) in pairs {
        assert_eq!(person.line(setup, typed), *expected, "{typed:?}");
    }
}

fn with_a_backup() -> (Person, Server) {
    let (person, server) = (Person::new(), Server::start(17));
    server.sql("postgres", "CREATE DATABASE shop");
    person.plugin.must(&["create", &server.name, "--name", "pre_test"]);
    (person, server)
}

#[test]
fn the_tabulator_completes_behind_docker_as_dockers_own_script_does() {
    if !docker_is_here() || !Path::new(BASH_COMPLETION).exists() {
        return;
    }
    let (person, server) = with_a_backup();
    let part = &server.name[..server.name.len() - 3];

    let line = |words: &str| format!("docker pgbackup {words}");
    assert_completes(
        &person,
        ". <(docker completion bash)",
        &[
            ("docker pgb\t", "docker pgbackup ".into()),
            ("docker pgbackup insp\t", line("inspect ")),
            ("docker pgbackup inspect p\t", line("inspect pre_test ")),
            ("docker pgbackup restore pre_test -d sh\t", line("restore pre_test -d shop ")),
            ("docker pgbackup list --fil\t", line("list --filter ")),
            ("docker pgbackup list --filter data\tsh\t", line("list --filter database=shop ")),
            ("docker pgbackup list --format=js\t", line("list --format=json ")),
            ("docker pgbackup create --mover nev\t", line("create --mover never ")),
            (&format!("docker pgbackup create {part}\t"), line(&format!("create {} ", server.name))),
        ],
    );
}

#[test]
fn the_tabulator_completes_behind_docker_as_debians_script_does() {
    if !docker_is_here() || !Path::new(DEBIANS_SCRIPT).exists() || !Path::new(BASH_COMPLETION).exists() {
        return;
    }
    let (person, _server) = with_a_backup();

    let line = |words: &str| format!("docker pgbackup {words}");
    assert_completes(
        &person,
        &format!(". {DEBIANS_SCRIPT}"),
        &[
            ("docker pgbackup insp\t", line("inspect ")),
            ("docker pgbackup inspect p\t", line("inspect pre_test ")),
            ("docker pgbackup export pre_test --database sh\t", line("export pre_test --database shop ")),
        ],
    );
}

#[test]
fn the_tabulator_completes_behind_the_program_itself_by_its_own_script() {
    if !docker_is_here() || !Path::new(BASH_COMPLETION).exists() {
        return;
    }
    let (person, server) = with_a_backup();
    let folder = program().parent().unwrap().display().to_string();
    let setup = format!("PATH={folder}:$PATH\n. <(docker-pgbackup completion bash)");
    let part = &server.name[..server.name.len() - 3];

    let line = |words: &str| format!("docker-pgbackup {words}");
    assert_completes(
        &person,
        &setup,
        &[
            ("docker-pgbackup insp\t", line("inspect ")),
            ("docker-pgbackup inspect p\t", line("inspect pre_test ")),
            ("docker-pgbackup list --filter data\tsh\t", line("list --filter database=shop ")),
            ("docker-pgbackup list --format=js\t", line("list --format=json ")),
            ("docker-pgbackup export pre_test .do\t", line("export pre_test .docker/")),
            (&format!("docker-pgbackup create {part}\t"), line(&format!("create {} ", server.name))),
        ],
    );
}

#[test]
fn scripts_for_other_shells_are_read_by_them_without_a_word() {
    let plugin = Plugin::new();
    for (shell, check) in [("zsh", "-n"), ("fish", "-n")] {
        let script = plugin.home().join(shell);
        fs::write(&script, plugin.must(&["completion", shell])).unwrap();
        // A shell that is not installed has nothing to say.
        if let Ok(output) = Command::new(shell).arg(check).arg(&script).output() {
            assert!(output.status.success() && output.stderr.is_empty(), "{shell}: {}", text(&output.stderr));
        }
    }
}

#[test]
fn a_platform_that_does_not_answer_holds_nobody_up() {
    if !docker_is_here() {
        return;
    }
    let person = Person::new();
    // It takes connections and says nothing.
    let socket = person.plugin.home().join("silent.sock");
    let _silent = UnixListener::bind(&socket).unwrap();
    let host = format!("unix://{}", socket.display());

    let began = Instant::now();
    let away = person.asked(&["pgbackup", "create", ""], Some("unix:///nowhere/docker.sock"));
    let mute = person.asked(&["pgbackup", "create", ""], Some(&host));
    let commands = person.asked(&["pgbackup", "cre"], Some(&host));

    assert_eq!((away.as_str(), mute.as_str()), (":4\n", ":1\n"));
    assert!(commands.starts_with("create\tBack up"), "{commands}");
    // `docker` itself asks nobody for this; 2 s are ours, the rest is a busy machine's.
    assert!(began.elapsed() < Duration::from_secs(20), "it took {:?}", began.elapsed());
    assert!(!person.plugin.repository().exists(), "a question made a repository");
}

#[test]
fn docker_knows_the_plugin_by_its_name_and_hands_every_answer_on() {
    if !docker_is_here() {
        return;
    }
    let person = Person::new();

    let answer = person.asked(&["pgbackup", ""], None);

    assert!(answer.contains("restore\tRestore databases from a backup\n"), "{answer}");
    assert!(answer.ends_with(":4\n"), "{answer}");
    assert!(must("docker", &["--version"]).starts_with("Docker version"));
}
