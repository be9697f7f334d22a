//! PostgreSQL servers in containers of their own, gone when the test ends.
//!
//! In: a major version, and where it matters arguments for `docker run` and the server. Out: a
//! server that answers, and ways to speak to it that do not pass through what is being tested:
//! `docker exec psql`. What a command must not leave behind is asked for by
//! [`Server::leftovers`] and [`Server::complaints`].

use crate::command::{must, output, text, wait_for};
use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// The password of the superuser of every test server.
pub const PASSWORD: &str = "not-a-secret";

/// A running server. Its container is removed when this is dropped.
pub struct Server {
    /// The container's name.
    pub name: String,
    /// The superuser.
    pub user: String,
    /// The server's major version.
    pub major: u32,
    /// What its folders held when it was started.
    files: BTreeSet<String>,
}

impl Server {
    /// Starts a server of this major version with nothing in it.
    pub fn start(major: u32) -> Self {
        Self::start_with(major, &[], &[])
    }

    /// Starts a server with more arguments for `docker run` and for `postgres`.
    pub fn start_with(major: u32, docker: &[&str], postgres: &[&str]) -> Self {
        Self::start_image(&image(major), major, docker, postgres)
    }

    /// Starts a server from an image that is not the version's usual one.
    pub fn start_image(image: &str, major: u32, docker: &[&str], postgres: &[&str]) -> Self {
        let name = unique("pgbackup-test");
        let password = format!("POSTGRES_PASSWORD={PASSWORD}");
        let mut arguments = vec!["run", "--detach", "--name", &name, "--label", "pgbackup-test=1"];
        arguments.extend(["--shm-size", "256m", "--env", &password]);
        arguments.extend(docker);
        arguments.push(image);
        arguments.extend(postgres);
        must("docker", &arguments);
        let mut server = Self { name, user: "postgres".into(), major, files: BTreeSet::new() };
        server.wait_until_it_answers();
        server.files = server.list_files();
        server
    }

    /// Waits for the final server: the entrypoint runs a temporary one first, without TCP.
    pub fn wait_until_it_answers(&self) {
        wait_for("server that answers", || {
            let answer = self.try_exec(&[
                "sh",
                "-c",
                "PGPASSWORD=$POSTGRES_PASSWORD psql -XAtq -h 127.0.0.1 -U postgres -c 'SELECT 1'",
            ]);
            answer.ok().filter(|answer| answer.trim() == "1").or_else(|| {
                let state = output("docker", &["inspect", "-f", "{{.State.Running}}", &self.name], b"");
                assert!(text(&state.stdout).trim() == "true", "{} ended: {}", self.name, self.log());
                None
            })
        });
    }

    /// Runs SQL in a database through the server's own psql; panics when it fails.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        self.try_sql(database, sql).unwrap_or_else(|error| panic!("{sql}\nfailed in {database}: {error}"))
    }

    /// Runs SQL, or a psql script, and returns standard output or what psql complained about.
    pub fn try_sql(&self, database: &str, sql: &str) -> Result<String, String> {
        self.try_sql_with(database, &[], sql)
    }

    /// The same with psql variables, `name=value`.
    pub fn try_sql_with(&self, database: &str, variables: &[&str], sql: &str) -> Result<String, String> {
        let place = format!("dbname='{}'", database.replace('\\', "\\\\").replace('\'', "\\'"));
        let mut arguments =
            vec!["exec", "-i", &self.name, "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-U", &self.user];
        for variable in variables {
            arguments.extend(["-v", variable]);
        }
        arguments.extend(["-d", &place]);
        let output = output("docker", &arguments, sql.as_bytes());
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// Runs a program in the container as its user; panics when it fails.
    pub fn exec(&self, command: &[&str]) -> String {
        self.try_exec(command).unwrap_or_else(|error| panic!("{command:?} failed in {}: {error}", self.name))
    }

    /// Runs a program in the container and returns standard output, or standard error.
    pub fn try_exec(&self, command: &[&str]) -> Result<String, String> {
        let mut arguments = vec!["exec", &self.name];
        arguments.extend(command);
        let output = output("docker", &arguments, b"");
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// Runs a program in the container and returns its standard output as it is.
    pub fn exec_bytes(&self, command: &[&str]) -> Vec<u8> {
        let mut arguments = vec!["exec", &self.name];
        arguments.extend(command);
        let output = output("docker", &arguments, b"");
        assert!(output.status.success(), "{command:?} failed: {}", text(&output.stderr));
        output.stdout
    }

    /// Copies a file of this machine into the container.
    pub fn copy_in(&self, from: &str, to: &str) {
        must("docker", &["cp", "--quiet", from, &format!("{}:{to}", self.name)]);
    }

    /// Copies a file or folder of the container to this machine.
    pub fn copy_out(&self, from: &str, to: &str) {
        must("docker", &["cp", "--quiet", &format!("{}:{from}", self.name), to]);
    }

    /// Returns the databases a backup is made of or could be swapped with, in order.
    pub fn databases(&self) -> Vec<String> {
        let list = self.sql(
            "template1",
            "SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname COLLATE \"C\"",
        );
        list.lines().map(Into::into).collect()
    }

    /// Returns all databases, also those that take no connections, in order.
    pub fn all_databases(&self) -> Vec<String> {
        let list = self.sql("template1", "SELECT datname FROM pg_database ORDER BY datname COLLATE \"C\"");
        list.lines().map(Into::into).collect()
    }

    /// Returns all that the server has logged.
    pub fn log(&self) -> String {
        let output = output("docker", &["logs", &self.name], b"");
        text(&output.stdout) + &text(&output.stderr)
    }

    /// Returns the lines of the log that no command of ours may cause, behind the first `seen` bytes.
    ///
    /// Sources: PostgreSQL's `postmaster.c` for the words around a crash and its recovery.
    pub fn complaints(&self, seen: usize) -> Vec<String> {
        const BAD: [&str; 8] = [
            "PANIC",
            "was terminated by signal",
            "terminating any other active server processes",
            "database system was interrupted",
            "database system was not properly shut down",
            "automatic recovery in progress",
            "all server processes terminated",
            "untracked child process",
        ];
        // From 18 on the server tells of every orphan that it reaps. One that ended with 0 or 1
        // is none of its concern.
        let harmless = |line: &str| {
            line.contains("untracked child process")
                && (line.ends_with("exited with exit code 0") || line.ends_with("exited with exit code 1"))
        };
        let log = self.log();
        log.get(seen..)
            .unwrap_or("")
            .lines()
            .filter(|line| BAD.iter().any(|bad| line.contains(bad)) && !harmless(line))
            .map(Into::into)
            .collect()
    }

    /// Returns what a command left in the container: processes, files, sessions, locks.
    ///
    /// Waits a while for the mover to notice that nobody speaks to it any more.
    pub fn leftovers(&self) -> Vec<String> {
        // A mover that hears nothing ends after 30 s.
        self.time_until_clean(Duration::from_secs(40)).err().unwrap_or_default()
    }

    /// Returns how long it took until nothing of ours was in the container, or what still was there
    /// after `limit`.
    pub fn time_until_clean(&self, limit: Duration) -> Result<Duration, Vec<String>> {
        let since = Instant::now();
        loop {
            // Asking takes its time too, on a busy machine; what is gone now was gone before.
            let asked = since.elapsed();
            let left = self.what_is_there();
            if left.is_empty() {
                return Ok(asked);
            }
            if asked > limit {
                return Err(left);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn what_is_there(&self) -> Vec<String> {
        let mut left = Vec::new();
        let processes = must("docker", &["top", &self.name, "-eo", "pid,args"]);
        // What else runs there are the server's own processes, titled `postgres: ...`.
        let ours = |line: &&str| {
            line.contains("pgbackup") || line.contains("pg_dump") || line.contains("pg_restore")
        };
        left.extend(processes.lines().skip(1).filter(ours).map(|line| format!("process {}", line.trim())));
        left.extend(self.list_files().difference(&self.files).map(|file| format!("file {file}")));
        let sessions = "SELECT 'session ' || pid || ' ' || datname || ' ' || state || ' ' || query FROM pg_stat_activity WHERE application_name LIKE 'pgbackup%'";
        left.extend(self.sql("template1", sessions).lines().map(Into::into));
        let prepared = "SELECT 'lock of ' || pid || ' on ' || relation FROM pg_locks WHERE pid <> pg_backend_pid() AND locktype = 'relation' AND mode = 'AccessShareLock' \
                        AND pid IN (SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'pg\\_%')";
        left.extend(self.sql("template1", prepared).lines().map(Into::into));
        left
    }

    /// Lists the folders a mover could have been put into, without the server's data.
    fn list_files(&self) -> BTreeSet<String> {
        let script =
            "find /tmp /var/tmp /dev/shm /run /root /var/lib/postgresql -xdev -maxdepth 2 2>/dev/null; true";
        let list = self.exec(&["sh", "-c", script]);
        // The server makes and removes these by itself; the zoo has a tablespace.
        let server_s = |line: &str| {
            line.contains("/PostgreSQL.")
                || line.contains("/data/")
                || line.contains(".s.PGSQL")
                || line.contains("/docker/")
                || line.contains("zoo_space")
        };
        list.lines().filter(|line| !server_s(line)).map(Into::into).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::env::var_os("PGBACKUP_TEST_KEEP").is_none() {
            output("docker", &["rm", "--force", "--volumes", &self.name], b"");
        }
    }
}

/// Returns the image of a major version: `postgres:17`, or what `PGBACKUP_TEST_IMAGE_17` says.
pub fn image(major: u32) -> String {
    std::env::var(format!("PGBACKUP_TEST_IMAGE_{major}")).unwrap_or_else(|_| format!("postgres:{major}"))
}

/// Returns a name that nothing else on this machine has.
pub fn unique(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    format!("{prefix}-{}-{:x}-{}", std::process::id(), now, COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A container that was started by hand, removed when this is dropped.
pub struct Removed(pub String);

impl Drop for Removed {
    fn drop(&mut self) {
        output("docker", &["rm", "--force", "--volumes", &self.0], b"");
    }
}

/// Makes a running server ask everybody for a password, and waits until it asks `psql`, a command
/// line that gives none.
pub fn ask_for_passwords(container: &str, psql: &str) {
    let change = "sed -i 's/trust$/scram-sha-256/' \"$PGDATA/pg_hba.conf\" && kill -HUP 1";
    must("docker", &["exec", container, "sh", "-c", change]);
    let ask = format!("{psql} -c 'SELECT 1'");
    wait_for("server that asks for a password", || {
        let answer = output("docker", &["exec", container, "sh", "-c", &ask], b"");
        (!answer.status.success()).then_some(())
    });
}
