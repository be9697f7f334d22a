//! One running mover, from its placing to its goodbye, or what stands in for it.

use super::{
    channel::Channel,
    conversation::Conversation,
    place::{self, PlaceOptions},
    plain::PlainHands,
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

/// Whether the mover is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MoverUse {
    /// Where it can be placed and started; elsewhere the server's own tools.
    #[default]
    Auto,
    /// The server's own tools.
    Never,
}

/// How a server was read or filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By the mover.
    Mover,
    /// By the server's own tools behind a shell.
    Plain,
}

/// One running mover in one target, and the conversation with it; or, where none may run, the
/// server's own tools in its place.
///
/// Dropping it without [`Mover::finish`] cuts the stream; the mover then ends its sessions and
/// programs by itself. After any failure another can be started to clean up.
pub struct Mover<'o> {
    hands: Hands<'o>,
    observer: &'o dyn Observer,
}

enum Hands<'o> {
    Beside(Box<Beside>),
    Plain(Arc<PlainHands<'o>>),
}

/// A mover that runs.
struct Beside {
    conversation: Arc<Conversation>,
    run: String,
    general: Mutex<Channel>,
    _waiting: Waiting,
}

impl<'o> Mover<'o> {
    /// Places the mover in the target and starts it; where that is not possible, or not wanted,
    /// looks for the server's own tools instead.
    ///
    /// # Errors
    ///
    /// When neither works; the causes say why there is no mover.
    pub fn start(
        runtime: &'o dyn Runtime,
        target: &Target,
        options: &PlaceOptions,
        observer: &'o dyn Observer,
        cancel: &Cancel,
    ) -> Result<Self> {
        let why = match options.mover {
            MoverUse::Never => "the command line says so".to_owned(),
            MoverUse::Auto => match Beside::start(runtime, target, options, cancel) {
                Ok(beside) => return Ok(Self { hands: Hands::Beside(Box::new(beside)), observer }),
                Err(error) if error.is_cancelled() || cancel.is_cancelled() => return Err(error),
                Err(error) => error.to_string(),
            },
        };
        let what = format!("no mover is used in `{}`: {why}", target.name);
        observer.event(&Event::Step { what: what.clone() });
        let plain = PlainHands::start(runtime, target, options.shell.as_deref(), observer, cancel);
        let plain = plain.map_err(|error| error.caused_by(what))?;
        Ok(Self { hands: Hands::Plain(Arc::new(plain)), observer })
    }

    /// Which of the two it is.
    pub fn way(&self) -> Way {
        match &self.hands {
            Hands::Beside(_) => Way::Mover,
            Hands::Plain(_) => Way::Plain,
        }
    }

    /// Names this run: sessions should say `pgbackup/<run id>` as their `application_name`.
    pub fn run_id(&self) -> &str {
        match &self.hands {
            Hands::Beside(mover) => &mover.run,
            Hands::Plain(hands) => hands.run_id(),
        }
    }

    /// What the mover sees of its container.
    ///
    /// # Errors
    ///
    /// When the stream has failed.
    pub fn environment(&self) -> Result<Environment> {
        let mover = match &self.hands {
            Hands::Beside(mover) => mover,
            Hands::Plain(hands) => return Ok(hands.environment()),
        };
        match mover.ask(&Command::Environment).context("look around in the container")? {
            Reply::Environment(environment) => Ok(environment),
            other => Err(mover.out_of_order(&other)),
        }
    }

    /// Free space at each path, none where it cannot be read.
    ///
    /// # Errors
    ///
    /// When the stream has failed.
    pub fn space(&self, paths: &[String]) -> Result<Vec<Option<Space>>> {
        let mover = match &self.hands {
            Hands::Beside(mover) => mover,
            Hands::Plain(hands) => return hands.space(paths),
        };
        match mover.ask(&Command::Space { paths: paths.to_vec() }).context("measure the free space")? {
            Reply::Space(found) if found.len() == paths.len() => Ok(found),
            other => Err(mover.out_of_order(&other)),
        }
    }

    /// Makes the mover forget all chunks it was told the repository holds.
    ///
    /// # Errors
    ///
    /// When the stream has failed.
    pub fn forget_known(&self) -> Result<()> {
        match &self.hands {
            Hands::Beside(mover) => mover.conversation.command(0, &Command::ForgetKnown),
            Hands::Plain(hands) => {
                hands.forget_known();
                Ok(())
            }
        }
    }

    /// Tells the mover of chunks that the repository holds, by their prefixes
    /// ([`ChunkId::prefix`](crate::entry::ChunkId::prefix)).
    ///
    /// # Errors
    ///
    /// When the stream has failed.
    pub fn add_known(&self, prefixes: &[u64]) -> Result<()> {
        match &self.hands {
            Hands::Beside(mover) => prefixes.chunks(PREFIXES_AT_ONCE).try_for_each(|part| {
                mover.conversation.command(0, &Command::Known { prefixes: part.to_vec() })
            }),
            Hands::Plain(hands) => {
                hands.add_known(prefixes);
                Ok(())
            }
        }
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
        match &self.hands {
            Hands::Beside(mover) => {
                ServerSession::open(&mover.conversation, self.observer, endpoint, database, settings)
            }
            Hands::Plain(hands) => {
                let session = hands
                    .connect(endpoint, database, settings)
                    .context(format!("connect to the database `{database}` as `{}`", endpoint.user))?;
                Ok(ServerSession::plain(session, self.observer, database))
            }
        }
    }

    /// Makes a file that a tool can read as its last argument.
    ///
    /// # Errors
    ///
    /// When there is no memory for it in the container, or the stream has failed.
    pub fn file(&self, bytes: &[u8]) -> Result<MemoryFile<'o>> {
        match &self.hands {
            Hands::Beside(mover) => MemoryFile::make(&mover.conversation, bytes),
            Hands::Plain(hands) => Ok(MemoryFile::plain(hands, bytes)),
        }
    }

    /// Runs one of the server's tools with the connection in its environment.
    ///
    /// # Errors
    ///
    /// When the stream has failed; that the program cannot be run is told by reading from it.
    pub fn run(&self, program: &str, arguments: Vec<Argument>, endpoint: &Endpoint) -> Result<ToolRun<'o>> {
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
    ) -> Result<ToolRun<'o>> {
        let mut argv = vec![program.to_owned()];
        argv.extend(arguments.iter().map(|argument| match argument {
            Argument::Text(text) => text.clone(),
            Argument::File(_) => "(file in memory)".to_owned(),
        }));
        self.observer.event(&Event::Command { argv });
        match &self.hands {
            Hands::Beside(mover) => {
                let application_name = format!("pgbackup/{}", mover.run);
                ToolRun::start(&mover.conversation, program, arguments, endpoint, application_name, settings)
            }
            Hands::Plain(hands) => Ok(ToolRun::plain(hands.run(program, &arguments, endpoint, settings)?)),
        }
    }

    /// Asks the tools of another run to end, whose mover was killed; tells how many there are.
    /// Without a mover they end with their sessions, which are not this room's to end.
    ///
    /// # Errors
    ///
    /// When the stream has failed.
    pub fn end_programs_of(&self, run: &str) -> Result<u32> {
        let Hands::Beside(mover) = &self.hands else { return Ok(0) };
        let application_name = format!("pgbackup/{run}");
        match mover.ask(&Command::EndPrograms { application_name })? {
            Reply::ProgramsEnded(count) => Ok(count),
            other => Err(mover.out_of_order(&other)),
        }
    }

    /// Says goodbye: compares what the mover says it has sent with what has arrived, and waits
    /// until it is gone. Without a mover it ends the sessions that were left behind, if any.
    ///
    /// # Errors
    ///
    /// When anything is missing, or would not end.
    pub fn finish(self) -> Result<Summary> {
        let mover = match &self.hands {
            Hands::Beside(mover) => mover,
            Hands::Plain(hands) => return hands.finish().map(|()| Summary::default()),
        };
        let summary = mover.conversation.goodbye().context("end the mover")?;
        mover.conversation.wait_for_exit()?;
        let what = format!("the mover has ended, having used {} kB of memory", summary.peak_memory / 1024);
        self.observer.event(&Event::Step { what });
        Ok(summary)
    }

    /// Ends what is under way: every call that waits fails. What the mover began it ends by
    /// itself; without one the sessions end with their streams.
    pub fn abandon(&self, error: Error) {
        match &self.hands {
            Hands::Beside(mover) => mover.conversation.fail(error),
            Hands::Plain(hands) => hands.streams.abort_all(),
        }
    }

    /// Whether a mover is there, so that a question costs no exec.
    pub fn is_beside(&self) -> bool {
        matches!(self.hands, Hands::Beside(_))
    }

    /// Bytes that came from the container so far.
    pub fn received(&self) -> u64 {
        match &self.hands {
            Hands::Beside(mover) => mover.conversation.received(),
            Hands::Plain(hands) => hands.traffic.received(),
        }
    }

    /// Bytes that went into the container so far.
    pub fn sent(&self) -> u64 {
        match &self.hands {
            Hands::Beside(mover) => mover.conversation.sent(),
            Hands::Plain(hands) => hands.traffic.sent(),
        }
    }
}

impl Beside {
    /// Places the mover in the target, starts it and exchanges greetings.
    ///
    /// # Errors
    ///
    /// When there is no folder in which a program can be written and run, none fits the
    /// machine, or what answers is not the mover that was placed.
    fn start(
        runtime: &dyn Runtime,
        target: &Target,
        options: &PlaceOptions,
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
        Ok(Self { conversation, run, general, _waiting: waiting })
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
        match &self.hands {
            Hands::Beside(mover) => {
                mover.conversation.fail(Error::failed("conversation with the mover is over"));
            }
            Hands::Plain(hands) => {
                // Whoever wants to know whether it worked calls [`Mover::finish`].
                let _ = hands.finish();
            }
        }
    }
}
