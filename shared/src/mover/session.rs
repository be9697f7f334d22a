//! A session at the server, held by the mover or, where none runs, by psql.

use super::{
    channel::Channel,
    conversation::Conversation,
    copy::{self, CopiedIn, CopiedOut, Piece},
    plain::PlainSession,
    server_error::ServerError,
};
use crate::{
    entry::Blob,
    error::{Context as _, Result},
    event::{Event, Observer},
    target::SessionControl,
};
use pgbackup_wire::{Command, CutSizes, Endpoint, Reply};
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// SQLSTATE too_many_connections.
const TOO_MANY_CONNECTIONS: &str = "53300";

/// A session that was closed counts until its process is gone, so that where connections are few
/// the next one may have to wait for it.
const UNTIL_GONE: Duration = Duration::from_secs(2);
const BETWEEN_TRIES: Duration = Duration::from_millis(200);

/// The result of a query, held whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Names of the columns of the last result.
    pub columns: Vec<String>,
    /// Its rows, in text form; `None` is NULL.
    pub rows: Vec<Vec<Option<Vec<u8>>>>,
    /// The last command tag: `SELECT 5`.
    pub tag: String,
}

/// One session at the server. Dropping it closes it without waiting.
pub struct ServerSession<'o> {
    holder: Holder<'o>,
    observer: &'o dyn Observer,
    database: String,
}

/// Who holds the session.
enum Holder<'o> {
    Mover { channel: Channel, backend_pid: u32, parameters: Vec<(String, String)> },
    Psql(Box<PlainSession<'o>>),
}

/// Stops what a session or a program does, from any thread.
#[derive(Clone)]
pub struct StopHandle(Stopping);

#[derive(Clone)]
enum Stopping {
    Channel(Arc<Conversation>, u32),
    Stream(Arc<dyn SessionControl>),
}

impl StopHandle {
    pub(super) fn of(channel: &Channel) -> Self {
        Self(Stopping::Channel(Arc::clone(channel.conversation()), channel.number()))
    }

    /// Cancels the running statement, or asks the program to end. What waits for it gets an
    /// error, or its exit. Nothing happens when nothing runs; but psql is cut off either way, and
    /// what it left is ended at the end of the run.
    pub fn stop(&self) {
        match &self.0 {
            Stopping::Channel(conversation, channel) => {
                // A conversation that has failed has stopped everything already.
                let _ = conversation.command(*channel, &Command::Stop);
            }
            Stopping::Stream(control) => control.abort(),
        }
    }
}

impl<'o> ServerSession<'o> {
    pub(super) fn open(
        conversation: &Arc<Conversation>,
        observer: &'o dyn Observer,
        endpoint: &Endpoint,
        database: &str,
        settings: &[(String, String)],
    ) -> Result<Self> {
        let stage = || format!("connect to the database `{database}` as `{}`", endpoint.user);
        let since = Instant::now();
        loop {
            let channel = Channel::open(conversation, conversation.new_number());
            channel.command(&Command::Connect {
                endpoint: endpoint.clone(),
                database: database.to_owned(),
                settings: settings.to_vec(),
            })?;
            match channel.reply().context(stage())? {
                Reply::Connected { backend_pid, parameters } => {
                    let holder = Holder::Mover { channel, backend_pid, parameters };
                    return Ok(Self { holder, observer, database: database.to_owned() });
                }
                Reply::Failed(failure)
                    if failure.code == TOO_MANY_CONNECTIONS && since.elapsed() < UNTIL_GONE =>
                {
                    thread::sleep(BETWEEN_TRIES);
                }
                Reply::Failed(failure) => {
                    return Err(crate::error::Error::from(ServerError::from(failure)).context(stage()));
                }
                other => return Err(channel.out_of_order(&other)),
            }
        }
    }

    pub(super) fn plain(session: PlainSession<'o>, observer: &'o dyn Observer, database: &str) -> Self {
        Self { holder: Holder::Psql(Box::new(session)), observer, database: database.to_owned() }
    }

    /// A setting as the server reported it to the mover when the session began:
    /// `server_version` ...
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let Holder::Mover { parameters, .. } = &self.holder else { return None };
        parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The server's process id of this session.
    pub fn backend_pid(&self) -> u32 {
        match &self.holder {
            Holder::Mover { backend_pid, .. } => *backend_pid,
            Holder::Psql(session) => session.backend_pid(),
        }
    }

    /// The database of this session.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Runs one or more statements; gives the rows of the last one that has any.
    ///
    /// # Errors
    ///
    /// The server's, after which the session is still usable unless the failure is fatal.
    pub fn query(&mut self, sql: &str) -> Result<Rows, ServerError> {
        self.tell(sql);
        self.query_secret(sql)
    }

    /// Runs statements as [`ServerSession::query`] does, and tells nobody what they are: they
    /// hold a secret.
    ///
    /// # Errors
    ///
    /// As [`ServerSession::query`].
    pub fn query_secret(&mut self, sql: &str) -> Result<Rows, ServerError> {
        let channel = match &mut self.holder {
            Holder::Mover { channel, .. } => channel,
            Holder::Psql(session) => return session.query(sql),
        };
        channel.command(&Command::Query { sql: sql.to_owned() })?;
        let mut result = Rows::default();
        loop {
            match channel.reply().context(format!("query the database `{}`", self.database))? {
                Reply::Rows { columns, rows } if rows.is_empty() => {
                    result.columns = columns;
                    result.rows.clear();
                }
                Reply::Rows { mut rows, .. } => result.rows.append(&mut rows),
                Reply::Done { tag } => {
                    result.tag = tag;
                    return Ok(result);
                }
                Reply::Failed(failure) => return Err(failure.into()),
                other => return Err(channel.out_of_order(&other).into()),
            }
        }
    }

    /// Runs one `COPY ... TO STDOUT`; gives each chunk of its text to `each`, in order.
    ///
    /// Chunks, bytes and hash were counted on both sides when it returns. An error of `each`
    /// stops the statement and is returned.
    ///
    /// # Errors
    ///
    /// The server's, or those of `each`, or a count that does not match.
    pub fn copy_out(
        &mut self,
        sql: &str,
        sizes: CutSizes,
        use_known: bool,
        each: &mut dyn FnMut(Piece) -> Result<()>,
    ) -> Result<CopiedOut, ServerError> {
        self.tell(sql);
        match &mut self.holder {
            Holder::Mover { channel, .. } => {
                copy::out(channel, &Command::CopyOut { sql: sql.to_owned(), sizes, use_known }, each)
            }
            Holder::Psql(session) => session.copy_out(sql, sizes, use_known, each),
        }
    }

    /// Reads one large object whole, as [`ServerSession::copy_out`] does with a table. The
    /// session must be inside a transaction for the object to be of one moment.
    ///
    /// # Errors
    ///
    /// As [`ServerSession::copy_out`]; an object that does not exist is the server's error.
    pub fn large_object_out(
        &mut self,
        oid: u32,
        sizes: CutSizes,
        use_known: bool,
        each: &mut dyn FnMut(Piece) -> Result<()>,
    ) -> Result<CopiedOut, ServerError> {
        match &mut self.holder {
            Holder::Mover { channel, .. } => {
                copy::out(channel, &Command::LargeObjectOut { oid, sizes, use_known }, each)
            }
            Holder::Psql(session) => session.large_object_out(oid, sizes, use_known, each),
        }
    }

    /// Runs one `COPY ... FROM STDIN` with the content of the blobs that `blobs` gives until
    /// `None`, `bytes` in all. Neither begins nor ends a transaction.
    ///
    /// # Errors
    ///
    /// The server's, or those of `blobs`, or a chunk that is not what its name says, or a
    /// count that does not match. The transaction must then be rolled back.
    pub fn copy_in(
        &mut self,
        sql: &str,
        bytes: u64,
        blobs: &mut dyn FnMut() -> Result<Option<Blob>>,
    ) -> Result<CopiedIn, ServerError> {
        self.tell(sql);
        match &mut self.holder {
            Holder::Mover { channel, .. } => {
                copy::into(channel, &Command::CopyIn { sql: sql.to_owned() }, blobs)
            }
            Holder::Psql(session) => session.copy_in(sql, bytes, blobs),
        }
    }

    /// Writes a large object that exists and is empty; must stand inside a transaction.
    ///
    /// # Errors
    ///
    /// As [`ServerSession::copy_in`].
    pub fn large_object_in(
        &mut self,
        oid: u32,
        blobs: &mut dyn FnMut() -> Result<Option<Blob>>,
    ) -> Result<CopiedIn, ServerError> {
        match &mut self.holder {
            Holder::Mover { channel, .. } => copy::into(channel, &Command::LargeObjectIn { oid }, blobs),
            Holder::Psql(session) => session.large_object_in(oid, blobs),
        }
    }

    /// Stops what this session does, from another thread.
    pub fn stop_handle(&self) -> StopHandle {
        match &self.holder {
            Holder::Mover { channel, .. } => StopHandle::of(channel),
            Holder::Psql(session) => StopHandle(Stopping::Stream(session.control())),
        }
    }

    /// Ends the session and waits until it is gone.
    ///
    /// # Errors
    ///
    /// When the stream to the mover has failed.
    pub fn close(self) -> Result<()> {
        match self.holder {
            Holder::Mover { channel, .. } => channel.close(),
            Holder::Psql(session) => session.close(),
        }
    }

    fn tell(&self, sql: &str) {
        self.observer.event(&Event::Statement { database: self.database.clone(), sql: sql.to_owned() });
    }
}
