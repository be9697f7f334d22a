//! The server's own tools, run in the container, and files in its memory for them to read.

use super::{
    channel::{Arrived, Channel},
    conversation::Conversation,
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
pub struct ToolRun {
    channel: Channel,
    program: String,
    received: u64,
    exit: Option<Exit>,
    rest: io::Cursor<Vec<u8>>,
}

impl ToolRun {
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
        let rest = io::Cursor::default();
        Ok(Self { channel, program: program.to_owned(), received: 0, exit: None, rest })
    }

    /// The next bytes of its output, as they come; `None` once it has ended, and only if all
    /// that it wrote has arrived.
    ///
    /// # Errors
    ///
    /// When the program could not be run, or the stream to the mover has failed. How the
    /// program ended is for [`ToolRun::wait`] to tell.
    pub fn read(&mut self) -> Result<Option<Vec<u8>>> {
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

    /// Asks the program to end (SIGTERM).
    pub fn stop(&self) {
        self.stop_handle().stop();
    }

    /// Stops the program from another thread.
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle::of(&self.channel)
    }

    /// Waits for its end; output that was not read is let go.
    ///
    /// # Errors
    ///
    /// As [`ToolRun::read`].
    pub fn wait(mut self) -> Result<Exit> {
        loop {
            if let Some(exit) = self.exit.take() {
                self.channel.close()?;
                return Ok(exit);
            }
            self.read()?;
        }
    }
}

impl Read for ToolRun {
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

/// A file in the container's memory, for a program's argument. It is gone when dropped.
pub struct MemoryFile {
    channel: Channel,
}

impl MemoryFile {
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
            Reply::FileReady { bytes: there } if there == bytes.len() as u64 => Ok(Self { channel }),
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
        Argument::File(self.channel.number())
    }
}
