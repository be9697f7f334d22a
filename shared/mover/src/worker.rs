//! One thread a channel: does its commands in their order.

use crate::{
    channel::{Channel, Item},
    copy_in::{Incoming, copy_in},
    copy_out::{Chunks, Tools, copy_out},
    environment,
    known::{Known, Prefixes},
    large_object,
    login::login,
    output::Output,
    password::Passwords,
    session::{Session, Task},
    tool::{self, Files, Run},
    trouble::Trouble,
};
use pgbackup_wire::{Command, FrameKind, Reply};
use std::{
    fs::File,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

/// What all channels share.
pub struct Shared {
    pub output: Output,
    pub known: Known,
    pub passwords: Passwords,
    pub files: Files,
    pub sessions: AtomicU32,
    pub programs: AtomicU32,
    pub started_as: u32,
}

/// What a channel has become by its first command.
enum Content {
    Nothing,
    Session(Box<Session>),
    File,
}

struct Worker<'a> {
    shared: &'a Shared,
    channel: &'a Channel,
    content: Content,
    tools: Tools,
}

/// Works until the channel is closed or everything ends.
pub fn work(shared: &Shared, channel: &Arc<Channel>) {
    let mut worker = Worker { shared, channel, content: Content::Nothing, tools: Tools::default() };
    while let Ok((item, grant)) = channel.next() {
        let sent = match grant {
            Some(bytes) => shared.output.send(FrameKind::Credit, channel.number(), &bytes.to_le_bytes()),
            None => Ok(()),
        };
        // Bulk that no command waits for belongs to one that has failed.
        let Item::Command(place, command) = item else { continue };
        let closes = *command == Command::Close;
        let done = match sent {
            Ok(()) => worker.command(place, *command),
            Err(_) => Err(Trouble::Gone),
        };
        match done {
            Ok(()) if closes => break,
            Ok(()) => {}
            Err(Trouble::Gone) => break,
            Err(Trouble::Failed(failure)) => {
                if shared.output.reply(channel.number(), &Reply::Failed(*failure)).is_err() {
                    break;
                }
            }
        }
    }
    shared.files.remove(channel.number());
}

impl Worker<'_> {
    fn command(&mut self, place: u64, command: Command) -> Result<(), Trouble> {
        let task = Task { channel: self.channel, output: &self.shared.output, command: place };
        match command {
            Command::EndPrograms { application_name } => {
                task.reply(&Reply::ProgramsEnded(tool::end_all_of(&application_name)))
            }
            Command::Environment => {
                task.reply(&Reply::Environment(environment::look(self.shared.started_as)))
            }
            Command::Space { paths } => task.reply(&Reply::Space(environment::space(&paths))),
            Command::Connect { endpoint, database, settings } => {
                task.check()?;
                let session = login(&endpoint, &database, &settings, &self.shared.passwords)?;
                self.shared.sessions.fetch_add(1, Ordering::Relaxed);
                self.content =
                    Content::Session(Box::new(Session::new(session.connection, session.cancelling)));
                task.reply(&Reply::Connected {
                    backend_pid: session.backend_pid,
                    parameters: session.parameters,
                })
            }
            Command::Query { sql } => {
                // The answer comes when nothing runs any more: the engine may close upon it, and
                // a request to cancel a session that is gone would stand in the server's log.
                let tag = self.session()?.busy(&task, |session| session.query(&task, &sql))?;
                task.reply(&Reply::Done { tag })
            }
            Command::CopyOut { sql, sizes, use_known } => {
                let known = self.prefixes(use_known);
                let (session, tools) = self.session_and_tools()?;
                let mut chunks = Chunks::new(task, sizes, known, tools)?;
                let rows = session.busy(&task, |session| copy_out(session, &task, &sql, &mut chunks))?;
                chunks.finish(rows)
            }
            Command::LargeObjectOut { oid, sizes, use_known } => {
                let known = self.prefixes(use_known);
                let (session, tools) = self.session_and_tools()?;
                let mut chunks = Chunks::new(task, sizes, known, tools)?;
                session.busy(&task, |session| large_object::out(session, &task, oid, &mut chunks))?;
                chunks.finish(1)
            }
            Command::CopyIn { sql } => {
                self.copy_in(task, |session, incoming| copy_in(session, &sql, incoming))
            }
            Command::LargeObjectIn { oid } => {
                self.copy_in(task, |session, incoming| large_object::into(session, oid, incoming).map(|()| 1))
            }
            Command::File => self.file(task),
            Command::Run { program, arguments, endpoint, application_name, settings } => {
                self.shared.programs.fetch_add(1, Ordering::Relaxed);
                let run = Run { program, arguments, endpoint, application_name, settings };
                tool::run(&task, &run, &self.shared.files, &self.shared.passwords)
            }
            Command::Close => {
                self.content = Content::Nothing;
                self.shared.files.remove(self.channel.number());
                task.reply(&Reply::Closed)
            }
            // The end of what has failed before; the others never come here.
            Command::End | Command::Stop | Command::Known { .. } | Command::ForgetKnown => Ok(()),
        }
    }

    fn prefixes(&self, use_known: bool) -> Prefixes {
        if use_known { self.shared.known.snapshot() } else { Prefixes::default() }
    }

    fn session(&mut self) -> Result<&mut Session, Trouble> {
        self.session_and_tools().map(|(session, _)| session)
    }

    fn session_and_tools(&mut self) -> Result<(&mut Session, &mut Tools), Trouble> {
        match &mut self.content {
            Content::Session(session) => Ok((session, &mut self.tools)),
            Content::Nothing | Content::File => {
                Err(Trouble::plain("the channel is no session at the server"))
            }
        }
    }

    /// Answers a failure at once, so that the engine stops sending, and then lets go of what
    /// was sent before it knew.
    fn copy_in(
        &mut self,
        task: Task<'_>,
        into: impl FnOnce(&mut Session, &mut Incoming<'_>) -> Result<u64, Trouble>,
    ) -> Result<(), Trouble> {
        let mut incoming = Incoming::new(task)?;
        let done =
            self.session().and_then(|session| session.busy(&task, |session| into(session, &mut incoming)));
        match done {
            Ok(rows) => task.reply(&incoming.answer(rows)),
            Err(Trouble::Gone) => Err(Trouble::Gone),
            Err(Trouble::Failed(failure)) => {
                task.reply(&Reply::Failed(*failure))?;
                incoming.drain()
            }
        }
    }

    /// Takes the bytes of a file until their end.
    fn file(&mut self, task: Task<'_>) -> Result<(), Trouble> {
        let file = self.shared.files.make(self.channel.number()).map_err(Trouble::plain)?;
        self.content = Content::File;
        let mut file: &File = &file;
        let mut bytes = 0;
        loop {
            let (item, grant) = self.channel.next()?;
            if let Some(bytes) = grant {
                let sent = task.output.send(FrameKind::Credit, self.channel.number(), &bytes.to_le_bytes());
                sent.map_err(|_| Trouble::Gone)?;
            }
            match item {
                Item::Data(part) => {
                    file.write_all(&part).map_err(Trouble::plain)?;
                    bytes += part.len() as u64;
                }
                Item::Command(_, command) if *command == Command::End => {
                    return task.reply(&Reply::FileReady { bytes });
                }
                Item::Command(..) | Item::Blob(_) => {
                    return Err(Trouble::plain("the engine sent something else than the bytes of a file"));
                }
            }
        }
    }
}
