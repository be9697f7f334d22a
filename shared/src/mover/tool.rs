//! The server's own tools, run in the container, and files in its memory for them to read.

use super::{
    channel::{Arrived, Channel},
    conversation::Conversation,
    plain::{PlainHands, PlainRun, PlainStop},
    server_error::ServerError,
    session::StopHandle,
};
use crate::error::{Context as _, Error, Result};
use pgbackup_wire::{Argument, Command, Endpoint, FrameKind, Reply, frame};
use std::{
    io::{self, Read},
    sync::Arc,
};

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Its exit status, or none if a signal ended it.
    pub status: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The tail of its standard error.
    pub stderr: String,
}

/// A program that runs in the container, its standard output as a stream. Dropping it asks the
/// program to end, without waiting.
pub struct ToolRun<'o> {
    runner: Runner<'o>,
    rest: io::Cursor<Vec<u8>>,
}

/// Who runs it.
enum Runner<'o> {
    Mover(Box<MoverRun>),
    Shell(Box<PlainRun<'o>>),
}

impl<'o> ToolRun<'o> {
    pub(super) fn start(
        conversation: &Arc<Conversation>,
        program: &str,
        arguments: Vec<Argument>,
        endpoint: &Endpoint,
        application_name: String,
        settings: &[(String, String)],
    ) -> Result<Self> {
        let channel = Channel::open(conversation, conversation.new_number());
        channel.command(&Command::Run {
            program: program.to_owned(),
            arguments,
            endpoint: endpoint.clone(),
            application_name,
            settings: settings.to_vec(),
        })?;
        let run = MoverRun { channel, program: program.to_owned(), received: 0, exit: None };
        Ok(Self { runner: Runner::Mover(Box::new(run)), rest: io::Cursor::default() })
    }

    pub(super) fn plain(run: PlainRun<'o>) -> Self {
        Self { runner: Runner::Shell(Box::new(run)), rest: io::Cursor::default() }
    }

    /// The next bytes of its output, as they come; `None` once it has ended, and only if all
    /// that it wrote has arrived.
    ///
    /// # Errors
    ///
    /// When the program could not be run, or the stream from the container has failed. How the
    /// program ended is for [`ToolRun::wait`] to tell.
    pub fn read(&mut self) -> Result<Option<Vec<u8>>> {
        match &mut self.runner {
            Runner::Mover(run) => run.read(),
            Runner::Shell(run) => run.read(),
        }
    }

    /// Asks the program to end (SIGTERM, or by ending its session).
    pub fn stop(&self) {
        self.stop_handle().stop();
    }

    /// Does so from another thread.
    pub fn stop_handle(&self) -> ToolStop<'o> {
        match &self.runner {
            Runner::Mover(run) => ToolStop::Mover(StopHandle::of(&run.channel)),
            Runner::Shell(run) => ToolStop::Shell(run.stop_handle()),
        }
    }

    /// Waits for its end; output that was not read is let go.
    ///
    /// # Errors
    ///
    /// As [`ToolRun::read`].
    pub fn wait(self) -> Result<Exit> {
        match self.runner {
            Runner::Mover(run) => run.wait(),
            Runner::Shell(run) => run.wait(),
        }
    }
}

/// Stops a tool.
pub enum ToolStop<'o> {
    /// One that the mover runs.
    Mover(StopHandle),
    /// One that a shell runs.
    Shell(PlainStop<'o>),
}

impl ToolStop<'_> {
    /// Asks the program to end; it may have ended.
    pub fn stop(&self) {
        match self {
            Self::Mover(stop) => stop.stop(),
            Self::Shell(stop) => stop.stop(),
        }
    }
}

/// A program that the mover runs.
struct MoverRun {
    channel: Channel,
    program: String,
    received: u64,
    exit: Option<Exit>,
}

impl MoverRun {
    fn read(&mut self) -> Result<Option<Vec<u8>>> {
        if self.exit.is_some() {
            return Ok(None);
        }
        match self.channel.next().context(format!("read the output of `{}`", self.program))? {
            Arrived::Data(bytes) => {
                self.received += bytes.len() as u64;
                Ok(Some(bytes))
            }
            Arrived::Reply(reply) => match *reply {
                Reply::Exited { status, signal, bytes, stderr } => {
                    if bytes != self.received {
                        return Err(Error::failed(format!("output of `{}` is not whole", self.program))
                            .caused_by(format!("it wrote {bytes} bytes, and {} arrived", self.received)));
                    }
                    self.exit = Some(Exit { status, signal, stderr });
                    Ok(None)
                }
                Reply::Failed(failure) => {
                    Err(Error::from(ServerError::from(failure)).context(format!("run `{}`", self.program)))
                }
                other => Err(self.channel.out_of_order(&other)),
            },
            other => Err(self.channel.out_of_order(&other)),
        }
    }

    fn wait(mut self) -> Result<Exit> {
        loop {
            if let Some(exit) = self.exit.take() {
                self.channel.close()?;
                return Ok(exit);
            }
            self.read()?;
        }
    }
}

impl Read for ToolRun<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.rest.read(buffer)?;
            if length > 0 || buffer.is_empty() {
                return Ok(length);
            }
            match ToolRun::read(self).map_err(io::Error::other)? {
                Some(bytes) => self.rest = io::Cursor::new(bytes),
                None => return Ok(0),
            }
        }
    }
}

/// A file for a program's argument, in the container's memory, or on this side to become the
/// program's standard input. It is gone when dropped.
pub struct MemoryFile<'o>(Place<'o>);

enum Place<'o> {
    Container(Channel),
    Here(Arc<PlainHands<'o>>, u32),
}

impl<'o> MemoryFile<'o> {
    pub(super) fn plain(hands: &Arc<PlainHands<'o>>, bytes: &[u8]) -> Self {
        Self(Place::Here(Arc::clone(hands), hands.keep(bytes)))
    }

    pub(super) fn make(conversation: &Arc<Conversation>, bytes: &[u8]) -> Result<Self> {
        let channel = Channel::open(conversation, conversation.new_number());
        channel.command(&Command::File)?;
        for part in bytes.chunks(256 << 10) {
            let mut frame =
                frame::encode(FrameKind::Data, channel.number(), part).context("send a file to the mover")?;
            if !channel.send_bulk(&mut frame, part.len())? {
                break;
            }
        }
        channel.command(&Command::End)?;
        match channel.reply().context("make a file in the container's memory")? {
            Reply::FileReady { bytes: there } if there == bytes.len() as u64 => {
                Ok(Self(Place::Container(channel)))
            }
            Reply::FileReady { bytes: there } => {
                Err(Error::failed("file in the container's memory is not whole")
                    .caused_by(format!("{} bytes were sent, and {there} arrived", bytes.len())))
            }
            Reply::Failed(failure) => {
                Err(Error::from(ServerError::from(failure)).context("make a file in the container's memory"))
            }
            other => Err(channel.out_of_order(&other)),
        }
    }

    /// The argument by which a program finds it.
    pub fn argument(&self) -> Argument {
        Argument::File(match &self.0 {
            Place::Container(channel) => channel.number(),
            Place::Here(_, number) => *number,
        })
    }
}

impl Drop for MemoryFile<'_> {
    fn drop(&mut self) {
        if let Place::Here(hands, number) = &self.0 {
            hands.forget(*number);
        }
    }
}
