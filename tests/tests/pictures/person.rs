//! A person with a home folder and perhaps a keyboard, whose command lines are pictured.

use pgbackup_engine::{
    cancel::Cancel,
    catalog::{
        Record,
        manifest::{Globals, Manifest, SCHEMA, ServerRecord, TargetRecord},
    },
    cli::{Environment, Host, complete, main},
    error::{Error, Result},
    repository::{Lock, NewSnapshot, Options, Repository, S3Variables, StoredFile, open_or_create},
    target::{Runtime, Target},
    testing::{FakeRuntime, FixedClock},
};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};
use tempfile::TempDir;

/// The words of a command line. In a template `_` stands for a blank.
fn words(line: &str) -> Vec<OsString> {
    let word = |word: &str| if word.contains("{{") { word.replace('_', " ") } else { word.to_owned() };
    line.split_whitespace().map(|text| word(text).into()).collect()
}

/// A stream that is kept.
#[derive(Clone, Default)]
pub struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Kept {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Standard output whose reader has gone away.
pub struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Someone at a keyboard, or nobody.
pub struct Person {
    home: TempDir,
    targets: Vec<(&'static str, bool)>,
    types: Option<&'static str>,
}

impl Person {
    pub fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), targets: Vec::new(), types: None }
    }

    pub fn with(mut self, container: &'static str, runs_postgres: bool) -> Self {
        self.targets.push((container, runs_postgres));
        self
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    fn platform(&self) -> FakeRuntime {
        let silent = FakeRuntime::new(|_| 1);
        self.targets.iter().fold(silent, |platform, (name, server)| {
            let target = Target {
                id: format!("{name:0<64}"),
                name: (*name).into(),
                image: "postgres:17".into(),
                state: "running".into(),
                ..Target::default()
            };
            if *server { platform.with_server(target) } else { platform.with_target(target) }
        })
    }

    pub fn run_with(&self, line: &str, stdout: Box<dyn Write + Send>, stderr: &Kept) -> i32 {
        self.as_host(words(line), stdout, stderr, main)
    }

    /// What a shell is offered for the last word of a line, which may be empty.
    pub fn completion(&self, line: &str) -> String {
        let words = line.split(' ').map(Into::into).collect();
        self.as_host(words, Box::new(io::sink()), &Kept::default(), complete).written(true)
    }

    fn as_host<T>(
        &self,
        argv: Vec<OsString>,
        stdout: Box<dyn Write + Send>,
        stderr: &Kept,
        run: impl FnOnce(Host<'_>) -> T,
    ) -> T {
        let open = || -> Result<Box<dyn Runtime>> {
            if self.targets.is_empty() {
                return Err(Error::failed("the platform does not answer"));
            }
            Ok(Box::new(self.platform()))
        };
        let stdin: Box<dyn Read + Send> = Box::new(self.types.unwrap_or_default().as_bytes());
        run(Host {
            argv,
            environment: Environment {
                home: Some(self.home().into()),
                columns: Some(100),
                host_name: "laptop".into(),
                ..Environment::default()
            },
            brand: "docker pgbackup",
            platform: "docker",
            clock: &FixedClock::at("2026-11-21T12:00:00Z".parse().unwrap()),
            cancel: Cancel::default(),
            runtime: &open,
            stdin,
            stdout,
            stderr: Box::new(stderr.clone()),
            stdin_is_terminal: self.types.is_some(),
            stdout_is_terminal: false,
            stderr_is_terminal: self.types.is_some(),
            terminal: None,
        })
    }

    /// What was typed and everything that came back, the home folder as `$HOME`.
    pub fn picture(&self, line: &str) -> String {
        let (stdout, stderr) = (Kept::default(), Kept::default());
        let status = self.run_with(line, Box::new(stdout.clone()), &stderr);
        format!(
            "$ docker pgbackup {line}\n{}------- stderr -------\n{}[exit status: {status}]",
            stdout.text(),
            stderr.text()
        )
        .replace(&self.home().display().to_string(), "$HOME")
    }

    /// What standard output alone says.
    pub fn stdout(&self, line: &str) -> String {
        let stdout = Kept::default();
        self.run_with(line, Box::new(stdout.clone()), &Kept::default());
        stdout.text()
    }

    /// This person at a keyboard, typing this.
    pub fn who_types(mut self, text: &'static str) -> Self {
        self.types = Some(text);
        self
    }

    /// Where backups are kept by default.
    pub fn repository(&self) -> PathBuf {
        self.home().join(".local/share/pgbackup/repository")
    }

    /// The repository, which is made if there is none.
    fn opened(&self) -> Repository {
        let config = self.home().join(".config/pgbackup");
        open_or_create(&Options {
            repository: self.repository().display().to_string(),
            keys_folder: config.join("keys"),
            known_places_file: config.join("known-places.json"),
            password: None,
            s3: S3Variables::default(),
            cancel: Cancel::default(),
            host: "laptop".into(),
        })
        .unwrap()
        .0
    }

    /// Keeps all others from the repository.
    pub fn holds_the_lock(&self) -> Lock {
        let clock = FixedClock::at("2026-11-21T12:00:00Z".parse().unwrap());
        self.opened().lock_alone("repo prune", &clock).unwrap()
    }

    /// Puts a backup without databases into the repository. Each is an hour younger.
    pub fn has_backup(&self, name: &str) {
        let repository = self.opened();
        let earlier = repository.snapshots().unwrap().there.len();
        let time = ["2026-11-21T09:00:00Z", "2026-11-21T10:00:00Z"][earlier];
        let manifest = Manifest {
            schema: SCHEMA,
            name: name.into(),
            started: time.into(),
            finished: time.into(),
            target: TargetRecord {
                platform: "docker".into(),
                name: "pg".into(),
                image: "postgres:17".into(),
                ..TargetRecord::default()
            },
            server: ServerRecord { version: "17.2 (Debian 17.2-1)".into(), ..ServerRecord::default() },
            method: "logical".into(),
            kind: "full".into(),
            whole_server: true,
            globals: Globals { with_passwords: true, ..Globals::default() },
            databases: Vec::new(),
            labels: BTreeMap::new(),
            tools: BTreeMap::new(),
        };
        let text = serde_json::to_vec(&manifest).unwrap();
        let clock = FixedClock::at(time.parse().unwrap());
        let _lock = repository.lock_shared("create", &clock).unwrap();
        let writer = repository.writer().unwrap();
        let file = |path: &str, content: &[u8]| StoredFile {
            path: vec![path.into()],
            chunks: vec![(writer.add_plain(content).unwrap(), u32::try_from(content.len()).unwrap())],
        };
        let files = vec![
            file("globals.sql", format!("CREATE ROLE {name};\n").as_bytes()),
            file("manifest.json", &text),
        ];
        let snapshot = NewSnapshot {
            time: time.parse().unwrap(),
            label: name.into(),
            host: "laptop".into(),
            tags: Vec::new(),
            description: Record::of(&manifest, &text, 1_400, 2.1).to_description().unwrap(),
        };
        writer.commit(files, snapshot).unwrap();
    }

    /// Changes one byte in the middle of every pack.
    pub fn damage_every_pack(&self) {
        for folder in fs::read_dir(self.repository().join("data")).unwrap() {
            for pack in fs::read_dir(folder.unwrap().path()).unwrap() {
                let path = pack.unwrap().path();
                let mut bytes = fs::read(&path).unwrap();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                fs::remove_file(&path).unwrap();
                fs::write(&path, bytes).unwrap();
            }
        }
    }
}

/// A picture in which whatever differs from run to run is covered: ids, and sizes of what is
/// sealed.
pub fn redacted(picture: &str) -> String {
    let mut text = String::new();
    for piece in picture.split_inclusive(|letter: char| !letter.is_ascii_hexdigit()) {
        let word = piece.trim_end_matches(|letter: char| !letter.is_ascii_hexdigit());
        let is_id =
            word.len() == 64 || (word.len() == 12 && word.chars().any(|letter| letter.is_ascii_digit()));
        if is_id {
            text.push_str(if word.len() == 64 { "<id>" } else { "<id..>      " });
            text.push_str(&piece[word.len()..]);
        } else {
            text.push_str(piece);
        }
    }
    text
}
