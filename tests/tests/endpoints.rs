//! Whole runs over every way to a daemon, chosen as people choose them, and what breaks there.

use pgbackup_tests::{
    Plugin, Server,
    command::docker_is_here,
    faults::{self, Victim},
    plugin::{self, Outcome},
    ways::{Certificates, Login, Port, add_context},
};
use std::process::Child;

/// What a person has set up and types in front of the command.
struct Way {
    plugin: Plugin,
    variables: Vec<(&'static str, String)>,
    options: Vec<String>,
}

impl Way {
    fn by_variables(variables: &[(&'static str, &str)]) -> Self {
        let variables = variables.iter().map(|&(name, value)| (name, value.to_owned())).collect();
        Self { plugin: Plugin::new(), variables, options: Vec::new() }
    }

    fn by_options(options: &[&str]) -> Self {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Self { plugin: Plugin::new(), variables: Vec::new(), options }
    }

    fn start(&self, arguments: &[&str]) -> Child {
        let options = self.options.iter().map(String::as_str);
        let all: Vec<&str> = options.chain(["pgbackup"]).chain(arguments.iter().copied()).collect();
        let mut command = self.plugin.command(&all);
        command.env_remove("DOCKER_HOST").envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.spawn().expect("the plugin can be started")
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        plugin::wait(self.start(arguments))
    }

    fn must(&self, arguments: &[&str]) -> String {
        let outcome = self.run(arguments);
        assert_eq!(outcome.status, Some(0), "{arguments:?}: {outcome:?}");
        outcome.stdout
    }

    /// What comes back where the daemon cannot be reached, with `hidden` words for what differs
    /// from run to run.
    fn complaint(&self, hidden: &[(&str, &str)]) -> String {
        let outcome = self.run(&["targets"]);
        let mut said = outcome.stderr;
        for (what, word) in hidden {
            said = said.replace(what, word);
        }
        format!("{said}[exit status: {}]", outcome.status.expect("it ends by itself"))
    }
}

/// Backs a server up, looks at the backup, damages the server and restores it.
fn a_server_goes_there_and_back(way: &Way) {
    let server = server_with_a_shop();
    let log = server.log().len();
    let orders = "SELECT count(*), sum(hashtext(orders::text)::bigint) FROM orders";
    let before = server.sql("shop", orders);

    way.must(&["create", &server.name, "--name", "b"]);
    way.must(&["verify", "b"]);
    server.sql("shop", "DELETE FROM orders WHERE id % 3 = 0");
    way.must(&["restore", "b", "-d", "shop", "--yes"]);

    assert_eq!(server.sql("shop", orders), before);
    assert_eq!(server.leftovers(), Vec::<String>::new());
    assert_eq!(server.complaints(log), Vec::<String>::new());
}

fn server_with_a_shop() -> Server {
    let server = Server::start(17);
    server.sql("postgres", "CREATE DATABASE shop");
    server.sql(
        "shop",
        "CREATE TABLE orders AS SELECT i AS id, repeat(md5(i::text), 5) AS what FROM generate_series(1, 150000) i; CREATE INDEX ON orders (what)",
    );
    server
}

#[test]
fn a_server_is_backed_up_and_restored_over_a_plain_port() {
    if !docker_is_here() {
        return;
    }
    let port = Port::plain();
    a_server_goes_there_and_back(&Way::by_options(&["-H", &port.address()]));
    assert!(port.connections() > 0);
}

#[test]
fn a_server_is_backed_up_and_restored_over_tls_that_the_environment_asks_for() {
    if !docker_is_here() {
        return;
    }
    let certificates = Certificates::new();
    let port = Port::tls(&certificates);
    let folder = certificates.folder().display().to_string();
    a_server_goes_there_and_back(&Way::by_variables(&[
        ("DOCKER_HOST", &port.address()),
        ("DOCKER_CERT_PATH", &folder),
        ("DOCKER_TLS_VERIFY", "1"),
    ]));
    assert!(port.connections() > 0);
}

#[test]
fn a_server_is_backed_up_and_restored_over_tls_by_a_context_of_docker_s() {
    if !docker_is_here() {
        return;
    }
    let certificates = Certificates::new();
    let port = Port::tls(&certificates);
    let way = Way::by_options(&["--context", "far"]);
    add_context(&way.plugin.home().join(".docker"), "far", &port.address(), Some(certificates.folder()));
    a_server_goes_there_and_back(&way);
    assert!(port.connections() > 0);
}

#[test]
fn a_server_is_backed_up_and_restored_through_ssh() {
    if !docker_is_here() {
        return;
    }
    let Some(login) = Login::start() else { return };
    let way = Way::by_variables(&[("PATH", &login.path())]);
    let config = way.plugin.home().join(".docker");
    add_context(&config, "far", &login.address(), None);
    std::fs::write(config.join("config.json"), r#"{"currentContext":"far"}"#).unwrap();

    a_server_goes_there_and_back(&way);

    assert!(login.logins() > 0);
}

#[test]
fn an_unproven_daemon_is_spoken_to_only_when_nobody_asks_for_proof() {
    if !docker_is_here() {
        return;
    }
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let port = Port::tls(&certificates);
    let file = |folder: &Certificates, name: &str| folder.folder().join(name).display().to_string();
    let (wrong, own) = (file(&others, "ca.pem"), file(&certificates, "cert.pem"));
    let key = file(&certificates, "key.pem");
    let files = ["--tlscacert", &wrong, "--tlscert", &own, "--tlskey", &key, "-H", &port.address()];

    let unproven = Way::by_options(&[&["--tls"], &files[..]].concat()).run(&["targets"]);
    let proven = Way::by_options(&[&["--tlsverify"], &files[..]].concat()).run(&["targets"]);

    assert_eq!(unproven.status, Some(0), "{unproven:?}");
    assert_eq!(proven.status, Some(1), "{proven:?}");
}

#[test]
fn the_version_that_the_environment_names_is_spoken() {
    if !docker_is_here() {
        return;
    }
    let way = Way::by_variables(&[("DOCKER_API_VERSION", "1.5")]);
    let refused = way.run(&["targets"]);
    assert_eq!(refused.status, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("1.5 is too old"), "{}", refused.stderr);
}

/// A folder with the authority's certificate and no client's.
fn without_a_client(certificates: &Certificates) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(certificates.folder().join("ca.pem"), folder.path().join("ca.pem")).unwrap();
    folder
}

/// What is said when a daemon at `host` is spoken to by TLS with the files of a folder.
fn complaint_with_tls(host: &str, folder: &std::path::Path) -> String {
    let path = folder.display().to_string();
    let way =
        Way::by_variables(&[("DOCKER_HOST", host), ("DOCKER_CERT_PATH", &path), ("DOCKER_TLS_VERIFY", "1")]);
    way.complaint(&[(host, "tcp://HOST:PORT"), (&path, "CERTIFICATES")])
}

#[test]
fn a_daemon_whose_certificate_is_not_trusted_is_refused() {
    if !docker_is_here() {
        return;
    }
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let port = Port::tls(&certificates);
    insta::assert_snapshot!(complaint_with_tls(&port.address(), others.folder()), @r"
    error: cannot reach Docker at `tcp://HOST:PORT` (from `DOCKER_HOST`)
      caused by: the daemon's certificate is not trusted
      caused by: no authority in `CERTIFICATES/ca.pem` has signed it
    hint: take the `ca.pem` by which this daemon's certificate was signed
    [exit status: 1]
    ");
}

#[test]
fn a_daemon_that_wants_a_certificate_says_so_to_clients_that_have_none() {
    if !docker_is_here() {
        return;
    }
    let certificates = Certificates::new();
    let (port, folder) = (Port::tls(&certificates), without_a_client(&certificates));
    insta::assert_snapshot!(complaint_with_tls(&port.address(), folder.path()), @r"
    error: cannot reach Docker at `tcp://HOST:PORT` (from `DOCKER_HOST`)
      caused by: the daemon asks for a client's certificate, and there is none
    hint: name it: `--tlscert FILE` and `--tlskey FILE`, `cert.pem` and `key.pem` in `DOCKER_CERT_PATH`, or a context with both
    [exit status: 1]
    ");
}

#[test]
fn a_client_s_certificate_by_another_authority_is_not_accepted() {
    if !docker_is_here() {
        return;
    }
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let (port, folder) = (Port::tls(&certificates), without_a_client(&certificates));
    for name in ["cert.pem", "key.pem"] {
        std::fs::copy(others.folder().join(name), folder.path().join(name)).unwrap();
    }
    insta::assert_snapshot!(complaint_with_tls(&port.address(), folder.path()), @r"
    error: cannot reach Docker at `tcp://HOST:PORT` (from `DOCKER_HOST`)
      caused by: the daemon does not accept `CERTIFICATES/cert.pem`
      caused by: received fatal alert: UnknownCA
    hint: take a certificate that is signed by the daemon's `--tlscacert` and not expired
    [exit status: 1]
    ");
}

#[test]
fn a_daemon_under_a_name_that_its_certificate_does_not_hold_is_refused() {
    if !docker_is_here() {
        return;
    }
    let certificates = Certificates::of_hosts(&["docker.example.com"]);
    let port = Port::tls(&certificates);
    insta::assert_snapshot!(complaint_with_tls(&port.address(), certificates.folder()), @r#"
    error: cannot reach Docker at `tcp://HOST:PORT` (from `DOCKER_HOST`)
      caused by: the daemon's certificate is not made for `127.0.0.1`
      caused by: invalid peer certificate: certificate not valid for name "127.0.0.1"; certificate is only valid for DnsName("docker.example.com")
    hint: use a name that it is made for, or have it made with this one (`subjectAltName`)
    [exit status: 1]
    "#);
}

#[test]
fn files_for_tls_that_are_missing_are_named() {
    insta::assert_snapshot!(complaint_with_tls("tcp://far:2376", std::path::Path::new("/nowhere")), @r"
    error: read `CERTIFICATES/ca.pem`, which TLS needs
      caused by: No such file or directory (os error 2)
    hint: say where the files for TLS are: `DOCKER_CERT_PATH=FOLDER`, or `--tlscacert FILE`, `--tlscert FILE`, `--tlskey FILE`
    [exit status: 1]
    ");
}

#[test]
fn tls_with_a_daemon_that_speaks_none_is_told_from_the_other_way_round() {
    if !docker_is_here() {
        return;
    }
    let certificates = Certificates::new();
    let port = Port::plain();
    insta::assert_snapshot!(complaint_with_tls(&port.address(), certificates.folder()), @r"
    error: cannot reach Docker at `tcp://HOST:PORT` (from `DOCKER_HOST`)
      caused by: what listens there does not speak TLS
    hint: leave out `--tls`, `--tlsverify`, `DOCKER_TLS` and `DOCKER_TLS_VERIFY`, or name the port for TLS
    [exit status: 1]
    ");
}

#[test]
fn a_port_at_which_nobody_listens_is_told_at_once() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).unwrap();
    let host = format!("tcp://{nobody}");
    let way = Way::by_variables(&[("DOCKER_HOST", &host)]);
    insta::assert_snapshot!(way.complaint(&[(&host, "tcp://HOST:PORT")]), @r"
    error: cannot reach Docker at `tcp://HOST:PORT` (from `DOCKER_HOST`)
      caused by: connection refused: nothing listens there
    hint: see the address with `docker context inspect`, and on that host whether the daemon listens on it
    [exit status: 1]
    ");
}

/// Panics unless all of these words are in what was said; ssh's own differ from one to the next.
fn assert_says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "`{word}` is not in: {said}");
    }
    assert!(said.ends_with("[exit status: 1]"), "{said}");
}

#[test]
fn a_login_that_fails_is_told_in_ssh_s_own_words() {
    let Some(login) = Login::start() else { return };
    let at = |host: &str| Way::by_variables(&[("DOCKER_HOST", host), ("PATH", &login.path())]).complaint(&[]);

    let not_let_in = at(&login.stranger_s_address());
    login.forget_host();
    let not_known = at(&login.address());

    assert_says(
        &not_let_in,
        &[
            "error: cannot reach Docker at `ssh://stranger` (from `DOCKER_HOST`)",
            "Permission denied (publickey)",
            "hint: `ssh stranger docker version` has to work without a question: see the keys with `ssh-add -l`",
        ],
    );
    assert_says(
        &not_known,
        &["Host key verification failed.", "hint: look at the host's key and accept it once: `ssh far true`"],
    );
}

#[test]
fn a_host_without_docker_is_told_from_one_that_lets_nobody_in() {
    let Some(login) = Login::without_docker() else { return };
    let way = Way::by_variables(&[("DOCKER_HOST", &login.address()), ("PATH", &login.path())]);
    assert_says(
        &way.complaint(&[]),
        &[
            "caused by: there is no `docker` for programs that ssh runs there",
            "hint: install Docker's command line there",
        ],
    );
}

#[test]
fn a_host_that_is_away_is_told_in_ssh_s_own_words() {
    let Some(login) = Login::start() else { return };
    let way = Way::by_variables(&[("DOCKER_HOST", &login.address()), ("PATH", &login.path())]);
    login.stop();
    assert_says(&way.complaint(&[]), &["Connection refused", "hint: see what `ssh far docker version` says"]);
}

#[test]
fn a_machine_without_ssh_says_so() {
    let way = Way::by_variables(&[("DOCKER_HOST", "ssh://far"), ("PATH", "/nowhere")]);
    insta::assert_snapshot!(way.complaint(&[]), @r"
    error: cannot reach Docker at `ssh://far` (from `DOCKER_HOST`)
      caused by: there is no `ssh` on this machine
    hint: install OpenSSH's client
    [exit status: 1]
    ");
}

#[test]
fn a_host_s_name_that_ssh_would_take_for_an_option_is_refused() {
    let way = Way::by_options(&["-H", "ssh://-oProxyCommand=id"]);
    insta::assert_snapshot!(way.complaint(&[]), @r"
    error: cannot use the Docker endpoint `ssh://-oProxyCommand=id`
      caused by: `-oProxyCommand=id` can be no host and no user
      caused by: it comes from `--host`
    [exit status: 1]
    ");
}

/// Starts a backup, breaks its way to the daemon, and returns how it ended.
fn a_backup_whose_way_breaks(way: &Way, server: &Server, breaks: impl Fn()) -> Outcome {
    let mut running = way.start(&["create", &server.name, "-d", "shop", "--name", "b"]);
    assert!(faults::wait_until_it_runs(server, Victim::Mover, &mut running));
    breaks();
    plugin::wait(running)
}

#[test]
fn a_network_that_breaks_ends_a_backup_and_records_none() {
    if !docker_is_here() {
        return;
    }
    let server = server_with_a_shop();
    let certificates = Certificates::new();
    let port = Port::tls(&certificates);
    let folder = certificates.folder().display().to_string();
    let by_tls = Way::by_variables(&[
        ("DOCKER_HOST", &port.address()),
        ("DOCKER_CERT_PATH", &folder),
        ("DOCKER_TLS_VERIFY", "1"),
    ]);

    let outcome = a_backup_whose_way_breaks(&by_tls, &server, || port.stop());

    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    assert_eq!(by_tls.must(&["list", "--quiet"]), "");
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn a_login_that_breaks_ends_a_backup_and_records_none() {
    if !docker_is_here() {
        return;
    }
    let Some(login) = Login::start() else { return };
    let server = server_with_a_shop();
    let by_ssh = Way::by_variables(&[("DOCKER_HOST", &login.address()), ("PATH", &login.path())]);

    let outcome = a_backup_whose_way_breaks(&by_ssh, &server, || login.stop());

    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    assert_eq!(by_ssh.must(&["list", "--quiet"]), "");
    assert_eq!(server.leftovers(), Vec::<String>::new());
}

#[test]
fn ctrl_c_ends_a_backup_through_ssh_with_130_and_leaves_nothing() {
    if !docker_is_here() {
        return;
    }
    let Some(login) = Login::start() else { return };
    let server = server_with_a_shop();
    let way = Way::by_variables(&[("DOCKER_HOST", &login.address()), ("PATH", &login.path())]);
    let mut running = way.start(&["create", &server.name, "-d", "shop", "--name", "b"]);
    assert!(faults::wait_until_it_runs(&server, Victim::Mover, &mut running));

    faults::interrupt(&running);
    let outcome = plugin::wait(running);

    assert_eq!(outcome.status, Some(130), "{outcome:?}");
    assert_eq!(server.leftovers(), Vec::<String>::new());
}
