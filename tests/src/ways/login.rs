//! A host to log in to: an sshd of the test's own on this machine, and an `ssh` that knows it.

use crate::{
    command::{must, say, text, wait_for},
    proxy::daemon,
};
use std::{
    env, fs,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// The name under which `ssh` knows the host.
pub const HOST: &str = "far";

/// Where Debian and most others have sshd, which has to be called by its path.
const SSHD: &str = "/usr/sbin/sshd";

/// A running sshd. It ends, and cuts what goes through it, when this is dropped.
pub struct Login {
    folder: TempDir,
    port: u16,
    sshd: Child,
}

impl Login {
    /// Starts one that lets this user in by a key. None where there is no sshd, which CI does not
    /// allow.
    pub fn start() -> Option<Self> {
        Self::with(&env::var("PATH").unwrap_or_default())
    }

    /// The same, with no program to be found by those who log in.
    pub fn without_docker() -> Option<Self> {
        Self::with("/nowhere")
    }

    fn with(path: &str) -> Option<Self> {
        if !Path::new(SSHD).exists() {
            assert!(
                env::var_os("CI").is_none(),
                "tests of ssh need `{SSHD}`: apt-get install openssh-server"
            );
            say("skipped: there is no sshd here");
            return None;
        }
        let folder =
            tempfile::Builder::new().prefix("pgbackup-ssh-").tempdir().expect("a folder can be made");
        let at = |name: &str| folder.path().join(name).display().to_string();
        for key in ["host", "user", "stranger"] {
            must("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", key, "-f", &at(key)]);
        }
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.expect("a port is free").port();
        let write = |name: &str, text: String| fs::write(at(name), text).expect("the folder can be written");
        write(
            "sshd_config",
            format!(
                "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
                 PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\n\
                 PermitRootLogin prohibit-password\nSetEnv PATH={path} DOCKER_HOST=unix://{}\n",
                at("host"),
                at("user.pub"),
                daemon().display()
            ),
        );
        let key = fs::read_to_string(at("host.pub")).expect("the key was made");
        write("known_hosts", format!("[127.0.0.1]:{port} {key}"));
        write(
            "ssh_config",
            format!(
                "Host {HOST} stranger\nHostName 127.0.0.1\nPort {port}\nIdentitiesOnly yes\n\
                 UserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\nStrictHostKeyChecking yes\n\
                 Host {HOST}\nIdentityFile {}\nHost stranger\nIdentityFile {}\n",
                at("known_hosts"),
                at("user"),
                at("stranger")
            ),
        );
        // ssh reads the home folder of the user database, whatever HOME says.
        let ssh = must("sh", &["-c", "command -v ssh"]);
        fs::create_dir(at("bin")).expect("the folder can be written");
        write("bin/ssh", format!("#!/bin/sh\nexec {} -F {} \"$@\"\n", ssh.trim(), at("ssh_config")));
        fs::set_permissions(at("bin/ssh"), fs::Permissions::from_mode(0o755)).expect("it is ours");
        // sshd's own place, which its service makes at each start of the machine.
        drop(fs::create_dir_all("/run/sshd"));

        let log = fs::File::create(at("log")).expect("the folder can be written");
        let sshd = Command::new(SSHD)
            .args(["-D", "-e", "-f", &at("sshd_config")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("sshd can be started");
        let mut login = Self { folder, port, sshd };
        wait_for("sshd that listens", || {
            let ended = login.sshd.try_wait().expect("sshd can be asked for");
            assert!(ended.is_none(), "sshd ended: {}", login.log());
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Some(login)
    }

    /// Returns the address, as `DOCKER_HOST` holds it.
    pub fn address(&self) -> String {
        format!("ssh://{HOST}")
    }

    /// Returns the address of the same host by a key that it does not know.
    pub fn stranger_s_address(&self) -> String {
        "ssh://stranger".to_owned()
    }

    /// Returns a PATH on which `ssh` is the one that knows the host.
    pub fn path(&self) -> String {
        format!("{}:{}", self.folder.path().join("bin").display(), env::var("PATH").unwrap_or_default())
    }

    /// Makes `ssh` forget the key of the host.
    pub fn forget_host(&self) {
        fs::write(self.folder.path().join("known_hosts"), "").expect("the folder can be written");
    }

    /// Returns the folder of the test's keys, to be taken out of pictures.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_path_buf()
    }

    /// Returns how often somebody was let in.
    pub fn logins(&self) -> usize {
        self.log().matches("Accepted publickey").count()
    }

    /// Returns the number of sshd's process, for a test in another process.
    pub fn process(&self) -> String {
        self.sshd.id().to_string()
    }

    /// Ends sshd's processes for the connections that are open, as a network that breaks.
    pub fn cut(&self) {
        Self::cut_connections_of(&self.process());
    }

    /// The same by the number of sshd's process.
    pub fn cut_connections_of(sshd: &str) {
        kill(&children_of(sshd));
    }

    /// Ends sshd and the connections that are open, as a network that breaks for good.
    pub fn stop(&self) {
        let children = children_of(&self.process());
        must("kill", &[&self.process()]);
        kill(&children);
        wait_for("end of sshd", || TcpStream::connect(("127.0.0.1", self.port)).is_err().then_some(()));
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        self.cut();
        drop(self.sshd.kill());
        drop(self.sshd.wait());
    }
}

fn children_of(process: &str) -> Vec<String> {
    let children = Command::new("pgrep").args(["-P", process]).output().expect("pgrep can be started");
    text(&children.stdout).split_whitespace().map(Into::into).collect()
}

fn kill(processes: &[String]) {
    for process in processes {
        drop(Command::new("kill").args(["-KILL", process]).output());
    }
}
