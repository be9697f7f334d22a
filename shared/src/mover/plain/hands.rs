//! One run of the plain path in one target: opens sessions, runs tools, cleans up.

use super::{
    arguments,
    look::{self, Seen},
    packing::Packing,
    session::PlainSession,
    stream::{GOODBYE, Stream, Traffic, new_mark},
    tool::PlainRun,
};
use crate::{
    cancel::{Cancel, Waiting},
    error::{Context as _, Error, Result},
    event::{Event, Observer},
    target::{Runtime, SessionControl, Target},
};
use pgbackup_wire::message::{Argument, Endpoint, Environment, PasswordSource, Space};
use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// What is left of the run is looked for so often, each time this long before the next.
const ROUNDS: u32 = 60;
const BETWEEN_ROUNDS: Duration = Duration::from_millis(100);
/// Sessions whose input has ended get this many rounds to go by themselves.
const PATIENT_ROUNDS: u32 = 10;
/// How long the shell that looks around may take to end after its last word.
const SHELL_ENDS_WITHIN: Duration = Duration::from_secs(30);

/// The streams that are open, and whether all that ended did so in an orderly way.
#[derive(Default)]
pub(in crate::mover) struct Streams {
    open: Mutex<HashMap<u64, Weak<dyn SessionControl>>>,
    next: AtomicU64,
    left_behind: AtomicBool,
}

impl Streams {
    fn add(&self, control: &Arc<dyn SessionControl>) -> u64 {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.open).insert(number, Arc::downgrade(control));
        number
    }

    /// A stream is gone; `orderly` if its program is known to have ended.
    pub fn remove(&self, number: u64, orderly: bool) {
        if lock(&self.open).remove(&number).is_some() && !orderly {
            self.left_behind.store(true, Ordering::SeqCst);
        }
    }

    pub fn abort_all(&self) {
        lock(&self.open).values().filter_map(Weak::upgrade).for_each(|control| control.abort());
    }
}

/// The server's own tools in place of a mover.
pub(in crate::mover) struct PlainHands<'o> {
    runtime: &'o dyn Runtime,
    target: Target,
    shell: String,
    pub(super) seen: Seen,
    run: String,
    pub traffic: Arc<Traffic>,
    pub streams: Arc<Streams>,
    passwords: Mutex<HashMap<(String, u16, String), Option<PasswordSource>>>,
    /// Where a session was opened last: who ends what was left goes the same way.
    last: Mutex<Option<(Endpoint, String)>>,
    known: Mutex<Arc<HashSet<u64>>>,
    files: Mutex<HashMap<u32, Arc<Vec<u8>>>>,
    next_number: AtomicU32,
    /// The user's wish to stop does not stop the cleaning up.
    cleaning_up: AtomicBool,
    cancel: Cancel,
    _waiting: Waiting,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'o> PlainHands<'o> {
    pub fn start(
        runtime: &'o dyn Runtime,
        target: &Target,
        shell: Option<&str>,
        observer: &dyn Observer,
        cancel: &Cancel,
    ) -> Result<Self> {
        cancel.check()?;
        let streams = Arc::new(Streams::default());
        let aborting = Arc::clone(&streams);
        let waiting = cancel.on_cancel(move || aborting.abort_all());
        let mut hands = Self {
            runtime,
            target: target.clone(),
            shell: shell.unwrap_or("sh").to_owned(),
            seen: Seen::default(),
            run: format!("{:016x}", rand::random::<u64>()),
            traffic: Arc::default(),
            streams,
            passwords: Mutex::default(),
            last: Mutex::default(),
            known: Mutex::default(),
            files: Mutex::default(),
            next_number: AtomicU32::new(1),
            cleaning_up: AtomicBool::new(false),
            cancel: cancel.clone(),
            _waiting: waiting,
        };
        let mark = new_mark();
        let [variables, secrets] = look::names();
        let mut seen = Seen::default();
        hands.converse(look::LOOK, &[mark.clone(), variables, secrets], |stream| {
            seen = look::read(stream, &mark)?;
            Ok(())
        })?;
        hands.seen = seen;
        let packing = hands.packing().name();
        let what =
            format!("work through the server's own tools in `{}`, rows packed by {packing}", target.name);
        observer.event(&Event::Step { what });
        Ok(hands)
    }

    /// How rows are packed on their way out: by what the image has.
    pub(super) fn packing(&self) -> Packing {
        let has = |tool: &str| self.seen.tools.contains(tool);
        match (has("zstd"), has("gzip")) {
            (true, _) => Packing::Zstd,
            (false, true) => Packing::Gzip,
            (false, false) => Packing::Nothing,
        }
    }

    /// Runs a script; the stream's number is for [`Streams::remove`].
    pub(super) fn exec(&self, script: &str, arguments: &[String]) -> Result<(Stream<'o>, u64)> {
        let may_cancel = !self.cleaning_up.load(Ordering::SeqCst);
        if may_cancel {
            self.cancel.check()?;
        }
        let mut argv = vec![self.shell.clone(), "-c".to_owned()];
        argv.extend(arguments::with_script(script, arguments));
        let session = self.runtime.exec(&self.target, &argv)?;
        let number = self.streams.add(&session.control);
        // A wish to stop between the check and here has not reached this stream.
        if may_cancel && self.cancel.is_cancelled() {
            session.control.abort();
        }
        Ok((Stream::new(session, &self.traffic, &self.target.name), number))
    }

    /// Runs a script that connects to nothing, and waits for its end.
    fn converse(
        &self,
        script: &str,
        arguments: &[String],
        each: impl FnOnce(&mut Stream<'o>) -> Result<()>,
    ) -> Result<()> {
        let (mut stream, number) = self.exec(&format!("{script}{GOODBYE}"), arguments)?;
        let done = each(&mut stream);
        stream.close_input();
        let ended = done.and_then(|()| stream.control.wait(SHELL_ENDS_WITHIN).map(|_| ()));
        // It holds no session, so nothing is left behind whatever came of it.
        self.streams.remove(number, true);
        self.cancel.check()?;
        ended
    }

    /// Where a session was opened last.
    pub(super) fn last(&self) -> Option<(Endpoint, String)> {
        lock(&self.last).clone()
    }

    pub fn run_id(&self) -> &str {
        &self.run
    }

    pub fn environment(&self) -> Environment {
        self.seen.environment.clone()
    }

    pub fn space(&self, paths: &[String]) -> Result<Vec<Option<Space>>> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let mark = new_mark();
        let mut arguments = vec![mark.clone()];
        arguments.extend_from_slice(paths);
        let mut found = Vec::new();
        self.converse(look::SPACE, &arguments, |stream| {
            found = look::read_space(stream, &mark)?;
            Ok(())
        })?;
        if found.len() != paths.len() {
            return Err(Error::failed("measure the free space").caused_by(format!(
                "{} answers came to {} questions",
                found.len(),
                paths.len()
            )));
        }
        Ok(found)
    }

    pub fn forget_known(&self) {
        *lock(&self.known) = Arc::default();
    }

    pub fn add_known(&self, prefixes: &[u64]) {
        Arc::make_mut(&mut lock(&self.known)).extend(prefixes);
    }

    pub(super) fn known(&self) -> Arc<HashSet<u64>> {
        Arc::clone(&lock(&self.known))
    }

    /// Opens a session, with the password that its container keeps where one is asked for.
    pub fn connect(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        database: &str,
        settings: &[(String, String)],
    ) -> Result<PlainSession<'o>> {
        let account = (endpoint.host.clone(), endpoint.port, endpoint.user.clone());
        let worked = lock(&self.passwords).get(&account).cloned();
        let mut sources = vec![worked.clone().flatten()];
        sources.extend(endpoint.passwords.iter().filter(|_| worked.is_none()).cloned().map(Some));
        let mut first = None;
        for source in sources {
            match PlainSession::open(self, endpoint, source.as_ref(), database, settings) {
                Ok(session) => {
                    lock(&self.passwords).insert(account, source);
                    *lock(&self.last) = Some((endpoint.clone(), database.to_owned()));
                    return Ok(session);
                }
                Err(error) => {
                    self.cancel.check()?;
                    // libpq says so itself, in the words of the locale C.
                    let asks = error.to_string().contains("no password supplied")
                        || error.causes.iter().any(|cause| cause.contains("no password supplied"));
                    if source.is_none() && !asks {
                        return Err(error);
                    }
                    first.get_or_insert(error);
                }
            }
        }
        Err(first.unwrap_or_else(|| Error::failed("no way to connect")))
    }

    /// The password source that worked for an account.
    pub(super) fn password(&self, endpoint: &Endpoint) -> Option<PasswordSource> {
        let account = (endpoint.host.clone(), endpoint.port, endpoint.user.clone());
        lock(&self.passwords).get(&account).cloned().flatten()
    }

    /// Keeps bytes for a tool's standard input; gives their number.
    pub fn keep(&self, bytes: &[u8]) -> u32 {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        lock(&self.files).insert(number, Arc::new(bytes.to_vec()));
        number
    }

    pub fn forget(&self, number: u32) {
        lock(&self.files).remove(&number);
    }

    /// Runs a tool. One argument may be a file, the last: it becomes its standard input.
    pub fn run(
        self: &Arc<Self>,
        program: &str,
        arguments: &[Argument],
        endpoint: &Endpoint,
        settings: &[(String, String)],
    ) -> Result<PlainRun<'o>> {
        let mut argv = vec![program.to_owned()];
        let mut input = None;
        for argument in arguments {
            match argument {
                Argument::Text(text) => argv.push(text.clone()),
                Argument::File(number) => input = lock(&self.files).get(number).cloned(),
            }
        }
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        let name = format!("pgbackup/{}/{number}", self.run);
        PlainRun::start(self, endpoint, &argv, name, settings, input)
    }

    /// Ends the sessions whose name is this run's and begins with `name`, and waits until they
    /// are gone. `patient` ones may go by themselves first.
    pub(super) fn end_sessions(self: &Arc<Self>, name: &str, patient: bool) -> Result<()> {
        let Some((endpoint, database)) = self.last() else { return Ok(()) };
        let settings = [("client_encoding".to_owned(), "UTF8".to_owned())];
        let source = self.password(&endpoint);
        let mut session = PlainSession::open(self, &endpoint, source.as_ref(), &database, &settings)?;
        for round in 0..ROUNDS {
            let verb = if patient && round < PATIENT_ROUNDS { "" } else { "pg_catalog.pg_terminate_backend" };
            let answer = session.query(&format!(
                "SELECT count({verb}(pid)) FROM pg_catalog.pg_stat_activity \
                 WHERE pid <> pg_catalog.pg_backend_pid() AND (application_name = '{name}' \
                 OR pg_catalog.left(application_name, {}) = '{name}/')",
                name.len() + 1
            ))?;
            let count = answer.rows.first().and_then(|row| row.first().cloned().flatten());
            if count.as_deref() == Some(b"0") {
                return session.close();
            }
            thread::sleep(BETWEEN_ROUNDS);
        }
        Err(Error::failed("sessions of this run would not end")
            .caused_by(format!("there are still sessions named `{name}`")))
    }

    /// Ends what this run began and has not ended; nothing to do after an orderly run.
    pub fn finish(self: &Arc<Self>) -> Result<()> {
        let open = std::mem::take(&mut *lock(&self.streams.open));
        let left = self.streams.left_behind.swap(false, Ordering::SeqCst);
        if open.is_empty() && !left {
            return Ok(());
        }
        open.values().filter_map(Weak::upgrade).for_each(|control| control.abort());
        self.cleaning_up.store(true, Ordering::SeqCst);
        let ended = self.end_sessions(&format!("pgbackup/{}", self.run), true);
        self.cleaning_up.store(false, Ordering::SeqCst);
        ended.context("end the sessions that were left behind")
    }
}
