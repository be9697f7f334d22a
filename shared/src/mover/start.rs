//! One running mover, from its placing to its goodbye.

use super::{
    channel::Channel,
    conversation::Conversation,
    place::{self, PlaceOptions},
    server_error::ServerError,
    session::ServerSession,
    tool::{MemoryFile, ToolRun},
};
use crate::{
    cancel::{Cancel, Waiting},
    error::{Context as _, Error, Result},
    event::{Event, Observer},
    target::{Runtime, Target},
};
use pgbackup_wire::{
    Argument, Command, Endpoint, Environment, FrameKind, Hello, Reply, Space, Summary, payload,
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// Prefixes in one command, so that it fits a frame with room to spare.
const PREFIXES_AT_ONCE: usize = 64 << 10;

/// One running mover in one target, and the conversation with it.
///
/// Dropping it without [`Mover::finish`] cuts the stream; the mover then ends its sessions and
/// programs by itself. After any failure another can be started to clean up.
pub struct Mover<'o> {
    conversation: Arc<Conversation>,
    observer: &'o dyn Observer,
    run: String,
    general: Mutex<Channel>,
    _waiting: Waiting,
}

impl<'o> Mover<'o> {
    /// Places the mover in the target, starts it and exchanges greetings.
    ///
    /// # Errors
    ///
    /// When there is no folder in which a program can be written and run, none fits the
    /// machine, or what answers is not the mover that was placed.
    pub fn start(
        runtime: &dyn Runtime,
        target: &Target,
        options: &PlaceOptions,
        observer: &'o dyn Observer,
        cancel: &Cancel,
    ) -> Result<Self> {
        cancel.check()?;
        let placed = place::place(runtime, target, options, cancel)?;
        let session = runtime.exec(target, &[placed.path.clone(), "serve".into()])?;
        let conversation =
            Arc::new(Conversation::new(&target.name, session.stdin, Arc::clone(&session.control)));
        let waiting = conversation.ends_with(cancel);
        let (reader, listener) = (Arc::clone(&conversation), Arc::clone(&conversation));
        let (speaker, watch) = (Arc::clone(&conversation), Arc::clone(&conversation));
        thread::spawn(move || reader.read(session.stdout));
        thread::spawn(move || listener.read_stderr(session.stderr));
        thread::spawn(move || speaker.keep_alive());
        thread::spawn(move || watch.watch());

        let run = format!("{:016x}", rand::random::<u64>());
        let hello = Hello { build: placed.build, run: run.clone(), pid: 0 };
        let mut greeting = Vec::new();
        payload::write_message(&mut greeting, &hello).context("greet the mover")?;
        let greeted = conversation
            .send(FrameKind::Hello, 0, &greeting)
            .and_then(|()| conversation.hello())
            .context(format!("start the mover in `{}`", target.name));
        let answer = greeted.inspect_err(|error| conversation.fail(error.clone()))?;
        if answer.build != hello.build || answer.run != hello.run {
            let error =
                Error::failed(format!("what answers in `{}` is not the mover that was placed", target.name));
            conversation.fail(error.clone());
            return Err(error);
        }
        let general = Mutex::new(Channel::open(&conversation, 0));
        Ok(Self { conversation, observer, run, general, _waiting: waiting })
    }

    /// Names this run: sessions should say `pgbackup/<run id>` as their `application_name`.
    pub fn run_id(&self) -> &str {
        &self.run
    }

    /// What the mover sees of its container.
    ///
    /// # Errors
    ///
    /// When the stream has failed.
    pub fn environment(&self) -> Result<Environment> {
        match self.ask(&Command::Environment).context("look around in the container")? {
            Reply::Environment(environment) => Ok(environment),
            other => Err(self.out_of_order(&other)),
        }
    }

    /// Free space at each path, none where it cannot be read.
    ///
    /// # Errors
    ///
    /// When the stream has failed.
    pub fn space(&self, paths: &[String]) -> Result<Vec<Option<Space>>> {
        match self.ask(&Command::Space { paths: paths.to_vec() }).context("measure the free space")? {
            Reply::Space(found) if found.len() == paths.len() => Ok(found),
            other => Err(self.out_of_order(&other)),
        }
    }

    /// Makes the mover forget all chunks it was told the repository holds.
    ///
    /// # Errors
    ///
    /// When the stream has failed.
    pub fn forget_known(&self) -> Result<()> {
        self.conversation.command(0, &Command::ForgetKnown)
    }

    /// Tells the mover of chunks that the repository holds, by their prefixes
    /// ([`ChunkId::prefix`](crate::entry::ChunkId::prefix)).
    ///
    /// # Errors
    ///
    /// When the stream has failed.
    pub fn add_known(&self, prefixes: &[u64]) -> Result<()> {
        prefixes
            .chunks(PREFIXES_AT_ONCE)
            .try_for_each(|part| self.conversation.command(0, &Command::Known { prefixes: part.to_vec() }))
    }

    /// Opens a session at the server.
    ///
    /// # Errors
    ///
    /// The server's, or that it asks for a password and none of the sources holds it.
    pub fn connect(
        &self,
        endpoint: &Endpoint,
        database: &str,
        settings: &[(String, String)],
    ) -> Result<ServerSession<'o>> {
        ServerSession::open(&self.conversation, self.observer, endpoint, database, settings)
    }

    /// Makes a file in the container's memory.
    ///
    /// # Errors
    ///
    /// When there is no memory for it, or the stream has failed.
    pub fn file(&self, bytes: &[u8]) -> Result<MemoryFile> {
        MemoryFile::make(&self.conversation, bytes)
    }

    /// Runs one of the server's tools with the connection in its environment.
    ///
    /// # Errors
    ///
    /// When the stream has failed; that the program cannot be run is told by reading from it.
    pub fn run(&self, program: &str, arguments: Vec<Argument>, endpoint: &Endpoint) -> Result<ToolRun> {
        self.run_with_settings(program, arguments, endpoint, &[])
    }

    /// The same, with settings for the sessions of the tool.
    ///
    /// # Errors
    ///
    /// As [`Mover::run`].
    pub fn run_with_settings(
        &self,
        program: &str,
        arguments: Vec<Argument>,
        endpoint: &Endpoint,
        settings: &[(String, String)],
    ) -> Result<ToolRun> {
        let mut argv = vec![program.to_owned()];
        argv.extend(arguments.iter().map(|argument| match argument {
            Argument::Text(text) => text.clone(),
            Argument::File(_) => "(file in memory)".to_owned(),
        }));
        self.observer.event(&Event::Command { argv });
        let application_name = format!("pgbackup/{}", self.run);
        ToolRun::start(&self.conversation, program, arguments, endpoint, application_name, settings)
    }

    /// Asks the tools of another run to end, whose mover was killed; tells how many there are.
    ///
    /// # Errors
    ///
    /// When the stream has failed.
    pub fn end_programs_of(&self, run: &str) -> Result<u32> {
        let application_name = format!("pgbackup/{run}");
        match self.ask(&Command::EndPrograms { application_name })? {
            Reply::ProgramsEnded(count) => Ok(count),
            other => Err(self.out_of_order(&other)),
        }
    }

    /// Says goodbye: compares what the mover says it has sent with what has arrived, and waits
    /// until it is gone.
    ///
    /// # Errors
    ///
    /// When anything is missing.
    pub fn finish(self) -> Result<Summary> {
        let summary = self.conversation.goodbye().context("end the mover")?;
        self.conversation.wait_for_exit()?;
        let what = format!("the mover has ended, having used {} kB of memory", summary.peak_memory / 1024);
        self.observer.event(&Event::Step { what });
        Ok(summary)
    }

    /// Ends the conversation: every call that waits fails with this error. What the mover began
    /// it ends by itself.
    pub fn abandon(&self, error: Error) {
        self.conversation.fail(error);
    }

    /// Bytes that came from the container so far.
    pub fn received(&self) -> u64 {
        self.conversation.received()
    }

    /// Bytes that went into the container so far.
    pub fn sent(&self) -> u64 {
        self.conversation.sent()
    }

    fn ask(&self, command: &Command) -> Result<Reply> {
        let general = self.general.lock().unwrap_or_else(PoisonError::into_inner);
        general.command(command)?;
        match general.reply()? {
            Reply::Failed(failure) => Err(ServerError::from(failure).into()),
            reply => Ok(reply),
        }
    }

    fn out_of_order(&self, reply: &Reply) -> Error {
        self.general.lock().unwrap_or_else(PoisonError::into_inner).out_of_order(reply)
    }
}

impl Drop for Mover<'_> {
    fn drop(&mut self) {
        self.conversation.fail(Error::failed("conversation with the mover is over"));
    }
}
