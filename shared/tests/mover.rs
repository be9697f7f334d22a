//! The mover against real servers, through `docker exec`.
//!
//! Needs a Docker daemon and the image `postgres:17` (another by `PGBACKUP_TEST_IMAGE_17`).
//! Without Docker the tests say so and pass, but not where `CI` is set.

use pgbackup_engine::{
    cancel::Cancel,
    entry::Blob,
    error::{Error, Result},
    event::{Event, Observer, Silent},
    mover::{Mover, Piece, PlaceOptions, Way},
    target::{Finished, Runtime, Session, SessionControl, Target},
};
use pgbackup_wire::{Argument, CutSizes, Endpoint, PasswordSource};
use std::{
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

struct DockerExec;

struct Control(Mutex<Child>);

impl SessionControl for Control {
    fn wait(&self, limit: Duration) -> Result<Finished> {
        let begun = Instant::now();
        while begun.elapsed() < limit {
            if let Some(status) = self.0.lock().unwrap().try_wait().unwrap() {
                return Ok(Finished { status: status.code().map(i64::from) });
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err(Error::failed("still running"))
    }

    fn abort(&self) {
        let mut child = self.0.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Runtime for DockerExec {
    fn describe(&self) -> String {
        "docker exec".into()
    }

    fn targets(&self) -> Result<Vec<Target>> {
        Ok(Vec::new())
    }

    fn runs_postgres(&self, targets: &[Target]) -> Result<Vec<bool>> {
        Ok(vec![true; targets.len()])
    }

    fn stopped(&self, _: &str) -> Result<Option<Error>> {
        Ok(None)
    }

    fn exec(&self, target: &Target, argv: &[String]) -> Result<Session> {
        let mut child = Command::new("docker")
            .args(["exec", "-i", &target.name])
            .args(argv)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Ok(Session {
            stdin: Box::new(child.stdin.take().unwrap()),
            stdout: Box::new(child.stdout.take().unwrap()),
            stderr: Box::new(child.stderr.take().unwrap()),
            control: Arc::new(Control(Mutex::new(child))),
        })
    }
}

/// A server in a container of its own, removed when dropped.
struct Server {
    target: Target,
}

impl Server {
    /// None where there is no Docker.
    #[expect(clippy::print_stderr, reason = "a test that does nothing must not do so in silence")]
    fn start(name: &str, arguments: &[&str]) -> Option<Self> {
        if !Command::new("docker").arg("version").output().is_ok_and(|done| done.status.success()) {
            assert!(std::env::var_os("CI").is_none(), "these tests need Docker");
            eprintln!("skipped: there is no Docker");
            return None;
        }
        let image = std::env::var("PGBACKUP_TEST_IMAGE_17").unwrap_or_else(|_| "postgres:17".into());
        let name = format!("mover-{name}-{}", std::process::id());
        let run = ["run", "-d", "--rm", "--name", &name, "-e", "POSTGRES_PASSWORD=secret", "--shm-size=256m"];
        let done = Command::new("docker").args(run).args(arguments).arg(image).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let server = Self { target: Target { name, ..Target::default() } };
        server.wait_until("the server is ready", || {
            // The entrypoint's own first server listens on no address.
            let ask = ["pg_isready", "-h", "127.0.0.1"];
            server.docker_exec(&ask).status.success()
        });
        Some(server)
    }

    fn wait_until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < Duration::from_secs(90), "{what}: not within 90 s; {}", self.logs());
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn docker_exec(&self, argv: &[&str]) -> std::process::Output {
        Command::new("docker").args(["exec", &self.target.name]).args(argv).output().unwrap()
    }

    fn psql(&self, sql: &str) -> Vec<u8> {
        let done = self.docker_exec(&["psql", "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-qAtc", sql]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        done.stdout
    }

    fn sessions(&self) -> String {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgbackup/%'";
        String::from_utf8_lossy(&self.psql(sql)).trim().to_owned()
    }

    fn logs(&self) -> String {
        let done = Command::new("docker").args(["logs", &self.target.name]).output().unwrap();
        String::from_utf8_lossy(&done.stderr).into_owned()
    }

    fn mover(&self) -> Mover<'static> {
        Mover::start(&DockerExec, &self.target, &PlaceOptions::default(), &Silent, &Cancel::default())
            .unwrap()
    }

    /// Process ids in the container whose command line holds a word.
    fn processes(&self, word: &str) -> Vec<String> {
        let script = "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null | grep -q -- \"$1\" && echo ${p#/proc/}; done";
        let done = self.docker_exec(&["sh", "-c", script, "sh", word]);
        let own = String::from_utf8_lossy(&done.stdout).into_owned();
        own.lines()
            .filter(|pid| {
                let line = self.docker_exec(&["cat", &format!("/proc/{pid}/cmdline")]).stdout;
                !line.is_empty() && !String::from_utf8_lossy(&line).contains("/proc/[0-9]")
            })
            .map(str::to_owned)
            .collect()
    }

    /// Waits until nothing of ours is left, and the server has not recovered from a crash.
    fn is_clean(&self) {
        self.wait_until("no session is left", || self.sessions() == "0");
        self.wait_until("no process is left", || self.processes("pgbackup-mover").is_empty());
        assert!(!self.logs().contains("crash of another server process"), "{}", self.logs());
        assert!(!self.logs().contains("was terminated by"), "{}", self.logs());
        let left = self.docker_exec(&["sh", "-c", "ls /tmp/pgbackup-mover-* 2>/dev/null"]).stdout;
        assert!(left.is_empty(), "{}", String::from_utf8_lossy(&left));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rm", "-fv", &self.target.name]).output();
    }
}

fn socket() -> Endpoint {
    Endpoint {
        host: "/var/run/postgresql".into(),
        port: 5432,
        user: "postgres".into(),
        passwords: vec![
            PasswordSource::FileNamedBy("POSTGRES_PASSWORD_FILE".into()),
            PasswordSource::Environment("POSTGRES_PASSWORD".into()),
        ],
    }
}

fn settings(mover: &Mover<'_>) -> Vec<(String, String)> {
    vec![("application_name".into(), format!("pgbackup/{}", mover.run_id()))]
}

fn sizes() -> CutSizes {
    CutSizes::for_table(0)
}

const TABLE: &str = "CREATE TABLE t AS SELECT i AS id, md5(i::text) || E'\\\\ \\t \\n' AS text, \
    decode(md5(i::text), 'hex') AS bytes FROM generate_series(1, 200000) i";

#[test]
fn a_table_goes_out_and_in_again_and_its_text_is_that_of_psql() {
    let Some(server) = Server::start("copy", &[]) else { return };
    server.psql(TABLE);
    let mover = server.mover();
    let mut session = mover.connect(&socket(), "postgres", &settings(&mover)).unwrap();

    let mut blobs: Vec<Blob> = Vec::new();
    let mut text = Vec::new();
    let out = session
        .copy_out("COPY t TO STDOUT", sizes(), true, &mut |piece| {
            let Piece::New(blob) = piece else { panic!("nothing is known") };
            text.extend(zstd::decode_all(&blob.compressed[..]).unwrap());
            blobs.push(blob);
            Ok(())
        })
        .unwrap();
    assert!(text == server.psql("COPY t TO STDOUT"));
    assert_eq!((out.rows, out.bytes, out.chunks), (200_000, text.len() as u64, blobs.len() as u64));

    let prefixes: Vec<u64> = blobs.iter().map(|blob| blob.id.prefix()).collect();
    mover.add_known(&prefixes).unwrap();
    let mut known = 0;
    let again = session
        .copy_out("COPY t TO STDOUT", sizes(), true, &mut |piece| {
            known += usize::from(matches!(piece, Piece::Known { .. }));
            Ok(())
        })
        .unwrap();
    assert_eq!((again, known), (out, blobs.len()));

    session.query("CREATE TABLE u (LIKE t)").unwrap();
    let mut next = blobs.clone().into_iter();
    let copied = session.copy_in("COPY u FROM STDIN", out.bytes, &mut || Ok(next.next())).unwrap();
    assert_eq!((copied.rows, copied.bytes, copied.hash), (out.rows, out.bytes, out.hash));
    assert!(text == server.psql("COPY u TO STDOUT"));

    let mut wrong = blobs.clone();
    wrong[1].id = wrong[0].id;
    let mut next = wrong.into_iter();
    let error = session.copy_in("COPY u FROM STDIN", out.bytes, &mut || Ok(next.next())).unwrap_err();
    assert!(error.to_string().contains("does not hold what its name says"), "{error}");
    let mut next = blobs.clone().into_iter();
    let error = session.copy_in("COPY u (id) FROM STDIN", out.bytes, &mut || Ok(next.next())).unwrap_err();
    assert_eq!(error.code(), "22P04", "{error}");
    let rows = session.query("SELECT count(*) FROM u").unwrap();
    assert_eq!(rows.rows, [[Some(b"200000".to_vec())]]);

    session.close().unwrap();
    let summary = mover.finish().unwrap();
    assert!(summary.peak_memory < 24 << 20, "{} kB", summary.peak_memory / 1024);
    server.is_clean();
}

#[test]
fn a_row_of_100_mb_and_a_large_object_pass_through_little_memory() {
    let Some(server) = Server::start("large", &[]) else { return };
    server.psql("CREATE TABLE big AS SELECT repeat('0123456789', 10000000) AS text");
    server.psql("SELECT lo_from_bytea(4242, convert_to(repeat('large', 1000000), 'UTF8'))");
    let mover = server.mover();
    let mut session = mover.connect(&socket(), "postgres", &settings(&mover)).unwrap();

    let out = session.copy_out("COPY big TO STDOUT", sizes(), false, &mut |_| Ok(())).unwrap();
    assert_eq!((out.rows, out.bytes), (1, 100_000_001));

    let mut blobs = Vec::new();
    session.query("BEGIN").unwrap();
    let object = session
        .large_object_out(4242, sizes(), false, &mut |piece| {
            if let Piece::New(blob) = piece {
                blobs.push(blob);
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(object.bytes, 5_000_000);
    session.query("SELECT lo_create(4343)").unwrap();
    let mut next = blobs.into_iter();
    let written = session.large_object_in(4343, &mut || Ok(next.next())).unwrap();
    assert_eq!((written.bytes, written.hash), (object.bytes, object.hash));
    let same = session.query("SELECT lo_get(4242) = lo_get(4343)").unwrap();
    assert_eq!(same.rows, [[Some(b"t".to_vec())]]);
    session.query("COMMIT").unwrap();
    let missing = session.large_object_out(1, sizes(), false, &mut |_| Ok(())).unwrap_err();
    assert_eq!(missing.code(), "42704");

    session.close().unwrap();
    let summary = mover.finish().unwrap();
    assert!(summary.peak_memory < 24 << 20, "{} kB", summary.peak_memory / 1024);
    server.is_clean();
}

#[test]
fn every_way_to_ask_for_a_password_is_answered() {
    for method in ["scram-sha-256", "md5", "password"] {
        let encryption = if method == "md5" { "md5" } else { "scram-sha-256" };
        let Some(server) = Server::start(method, &[]) else { return };
        let alter =
            format!("SET password_encryption = '{encryption}'; ALTER ROLE postgres PASSWORD 'secret'");
        server.psql(&alter);
        let rules =
            format!("printf 'local all all {method}\\nhost all all all {method}\\n' >$PGDATA/pg_hba.conf");
        assert!(server.docker_exec(&["sh", "-c", &rules]).status.success());
        server.psql("SELECT pg_reload_conf()");
        server.wait_until("a password is asked for", || {
            !server.docker_exec(&["psql", "-U", "postgres", "-wc", "SELECT 1"]).status.success()
        });
        let mover = server.mover();

        let session = mover.connect(&socket(), "postgres", &settings(&mover)).unwrap();
        assert!(session.backend_pid() > 0);
        let tcp = Endpoint { host: "localhost".into(), ..socket() };
        mover.connect(&tcp, "postgres", &settings(&mover)).unwrap();

        let none = Endpoint { passwords: Vec::new(), port: 5432, host: "127.0.0.1".into(), ..socket() };
        let error = mover.connect(&none, "postgres", &[]).err().unwrap();
        assert!(error.to_string().contains("none was found"), "{error}");
        let exit =
            mover.run("pg_dump", vec![Argument::Text("-s".into())], &socket()).unwrap().wait().unwrap();
        assert_eq!(exit.status, Some(0), "{}", exit.stderr);
        session.close().unwrap();
        mover.finish().unwrap();
    }
}

#[test]
fn a_dump_that_is_stopped_half_way_ends_with_1_and_leaves_nothing() {
    let Some(server) = Server::start("stop", &[]) else { return };
    server.psql(TABLE);
    let mover = server.mover();
    let mut dump = mover
        .run("pg_dump", vec![Argument::Text("-Z0".into()), Argument::Text("-Fc".into())], &socket())
        .unwrap();
    let mut read = 0;
    while read < 30_000 {
        read += dump.read().unwrap().unwrap().len();
    }
    dump.stop();
    let exit = dump.wait().unwrap();
    assert_eq!((exit.status, exit.signal), (Some(1), None), "{}", exit.stderr);
    mover.finish().unwrap();
    server.is_clean();
}

#[test]
fn a_mover_that_is_killed_does_not_take_the_server_with_it() {
    let Some(server) = Server::start("kill", &[]) else { return };
    server.psql(TABLE);
    for round in 0..5 {
        let mover = server.mover();
        let pid = server.processes("pgbackup-mover").pop().unwrap();
        let mut session = mover.connect(&socket(), "postgres", &settings(&mover)).unwrap();
        let mut dump = mover
            .run("pg_dump", vec![Argument::Text("-Z0".into()), Argument::Text("-Fc".into())], &socket())
            .unwrap();
        let mut bytes = 0;
        let copied = session.copy_out("COPY t TO STDOUT", sizes(), false, &mut |piece| {
            if let Piece::New(blob) = piece {
                bytes += blob.raw_length;
            }
            if bytes > round * 1_000_000 {
                server.docker_exec(&["kill", "-9", &pid]);
            }
            Ok(())
        });
        let error = copied.unwrap_err();
        assert!(error.to_string().contains("ended early"), "{error}");
        while let Ok(Some(_)) = dump.read() {}
        drop((session, dump, mover));
        server.is_clean();
    }
}

#[test]
fn a_cut_stream_ends_everything_in_the_container_within_seconds() {
    let Some(server) = Server::start("cut", &[]) else { return };
    server.psql(TABLE);
    let mover = server.mover();
    let mut session = mover.connect(&socket(), "postgres", &settings(&mover)).unwrap();
    let _dump = mover.run("pg_dump", vec![Argument::Text("-Z0".into())], &socket()).unwrap();
    let waiting = thread::scope(|scope| {
        let slow = scope.spawn(|| session.query("SELECT pg_sleep(600)"));
        server.wait_until("both are at work", || server.sessions() == "2");
        drop(mover);
        slow.join().unwrap()
    });
    assert!(waiting.is_err());
    let begun = Instant::now();
    server.is_clean();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

/// Keeps what was told of steps.
#[derive(Default)]
struct Steps(Mutex<String>);

impl Observer for Steps {
    fn event(&self, event: &Event) {
        if let Event::Step { what } = event {
            self.0.lock().unwrap().push_str(what);
        }
    }
}

#[test]
fn where_the_mover_cannot_be_placed_the_folders_are_named_and_the_servers_tools_do_the_work() {
    let Some(server) = Server::start("place", &[]) else { return };
    for (folder, why) in [("/proc", "/proc: cannot be written"), ("/dev/shm", "programs cannot be run")] {
        let options = PlaceOptions { folder: Some(folder.into()), ..PlaceOptions::default() };
        let steps = Steps::default();
        let mover = Mover::start(&DockerExec, &server.target, &options, &steps, &Cancel::default()).unwrap();
        assert_eq!(mover.way(), Way::Plain);
        assert!(steps.0.lock().unwrap().contains(why), "{:?}", steps.0);
        assert_eq!(mover.environment().unwrap().postmasters[0].port, Some(5432));
        mover.finish().unwrap();
    }

    let mover = server.mover();
    let environment = mover.environment().unwrap();
    let found = &environment.postmasters[0];
    assert_eq!((found.port, found.socket_directory.as_deref()), (Some(5432), Some("/var/run/postgresql")));
    assert!(found.program_directory.as_ref().unwrap().ends_with("/bin"));
    assert_eq!((environment.uid, environment.effective_uid), (0, found.uid));
    assert_eq!(environment.secret_variables, ["POSTGRES_PASSWORD"]);
    assert!(!format!("{environment:?}").contains("secret\""));
    let space = mover.space(&["/".into(), "/nowhere".into()]).unwrap();
    assert!(space[0].is_some() && space[1].is_none());
    mover.finish().unwrap();
}
