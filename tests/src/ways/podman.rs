//! Podman's service on a socket of the test's own, with storage of its own.

use crate::{
    command::{output, say, text, wait_for},
    server::{image, unique},
};
use std::{
    env, fs,
    os::unix::net::UnixStream,
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// Limits that every process may have, also where nobody may raise any.
const LIMITS: [&str; 4] = ["--ulimit", "nofile=1000:1000", "--ulimit", "nproc=4000:4000"];

/// A running service, and one server in a container of it. Both end when this is dropped.
pub struct Podman {
    folder: TempDir,
    service: Child,
    /// The container's name.
    pub name: String,
}

impl Podman {
    /// Starts the service and a server, of the image that Docker has of this major version.
    ///
    /// None where Podman is not installed or can run no container, which CI does not allow.
    pub fn start(major: u32) -> Option<Self> {
        let skip = |why: &str| {
            assert!(env::var_os("CI").is_none(), "tests of Podman need it: {why}");
            say(&format!("skipped: {why}"));
        };
        if !Command::new("podman").arg("--version").output().is_ok_and(|output| output.status.success()) {
            skip("Podman is not installed");
            return None;
        }
        let folder =
            tempfile::Builder::new().prefix("pgbackup-podman-").tempdir().expect("a folder can be made");
        let socket = format!("unix://{}", folder.path().join("podman.sock").display());
        let log = fs::File::create(folder.path().join("log")).expect("the folder can be written");
        let service = Command::new("podman")
            .args(own_storage(&folder))
            .args(["system", "service", "--time=0", &socket])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("podman can be started");
        let podman = Self { folder, service, name: unique("pgbackup-test") };
        wait_for("service of Podman", || UnixStream::connect(podman.folder.path().join("podman.sock")).ok());

        let archive = podman.folder.path().join("image.tar").display().to_string();
        let image = image(major);
        crate::command::must("docker", &["save", "--output", &archive, &image]);
        let loaded = podman.must(&["load", "--quiet", "--input", &archive]);
        let loaded = loaded.trim().rsplit(": ").next().unwrap_or_default().to_owned();
        drop(fs::remove_file(&archive));
        let mut run =
            vec!["run", "--detach", "--name", &podman.name, "--env", "POSTGRES_PASSWORD=not-a-secret"];
        run.extend(LIMITS);
        run.push(&loaded);
        let started = podman.podman(&run);
        if !started.status.success() {
            skip(&format!("Podman runs no container here: {}", text(&started.stderr).trim()));
            return None;
        }
        wait_for("server that answers", || {
            podman
                .podman(&["exec", &podman.name, "psql", "-h", "127.0.0.1", "-U", "postgres", "-w", "-c", ""])
                .status
                .success()
                .then_some(())
        });
        Some(podman)
    }

    /// Returns the address, as `DOCKER_HOST` holds it.
    pub fn address(&self) -> String {
        format!("unix://{}", self.folder.path().join("podman.sock").display())
    }

    /// Runs SQL by the server's own psql; panics when it fails.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        self.must(&["exec", &self.name, "psql", "-XqAt", "-U", "postgres", "-d", database, "-c", sql])
    }

    /// Runs `podman` with the service's storage; panics when it fails.
    pub fn must(&self, arguments: &[&str]) -> String {
        let output = self.podman(arguments);
        assert!(output.status.success(), "podman {arguments:?} failed: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn podman(&self, arguments: &[&str]) -> std::process::Output {
        let storage = own_storage(&self.folder);
        let storage = storage.iter().map(String::as_str);
        output("podman", &storage.chain(arguments.iter().copied()).collect::<Vec<_>>(), b"")
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        self.podman(&["rm", "--all", "--force", "--volumes", "--time", "0"]);
        drop(self.service.kill());
        drop(self.service.wait());
        // Podman leaves its storage mounted on itself, and a folder that is mounted cannot go; what
        // still ends there may hold it for a moment.
        let mounted = self.folder.path().join("root/overlay").display().to_string();
        output("umount", &["--lazy", &mounted], b"");
    }
}

/// Options by which nothing of the machine's own containers is seen or touched. Where runc is,
/// which Docker needs, it is taken: crun refuses machines with both versions of cgroups.
fn own_storage(folder: &TempDir) -> Vec<String> {
    let at = |name: &str| folder.path().join(name).display().to_string();
    let mut options: Vec<String> = [
        "--root",
        &at("root"),
        "--runroot",
        &at("run"),
        "--cgroup-manager",
        "cgroupfs",
        "--events-backend",
        "file",
    ]
    .map(str::to_owned)
    .to_vec();
    if Command::new("runc").arg("--version").output().is_ok_and(|output| output.status.success()) {
        options.extend(["--runtime", "runc"].map(str::to_owned));
    }
    options
}
