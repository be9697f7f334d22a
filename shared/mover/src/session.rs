//! A session at the server: statements by the simple protocol, and how their answers end.

use crate::{
    channel::{Busy, Channel},
    connection::{Cancelling, Connection, failure},
    output::Output,
    trouble::Trouble,
};
use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use pgbackup_wire::{Failure, Reply, text};
use postgres_protocol::message::{
    backend::{DataRowBody, Message},
    frontend,
};

/// Rows are gathered up to so many bytes before they are sent.
const ROWS_AT_ONCE: usize = 256 << 10;

/// One command at work.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    pub channel: &'a Channel,
    pub output: &'a Output,
    /// The command's place in the channel's order.
    pub command: u64,
}

impl Task<'_> {
    pub fn reply(&self, reply: &Reply) -> Result<(), Trouble> {
        self.output.reply(self.channel.number(), reply).map_err(|_| Trouble::Gone)
    }

    pub fn check(&self) -> Result<(), Trouble> {
        self.channel.check(self.command)
    }
}

/// A session that is open.
pub struct Session {
    pub connection: Connection,
    cancelling: Cancelling,
    /// The connection is of no use any more.
    pub lost: bool,
}

impl Session {
    pub fn new(connection: Connection, cancelling: Cancelling) -> Self {
        Self { connection, cancelling, lost: false }
    }

    /// Does a command during which the session can be interrupted, and notes whether the
    /// session is still of use after it.
    pub fn busy<T>(
        &mut self,
        task: &Task<'_>,
        work: impl FnOnce(&mut Self) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        if self.lost {
            return Err(Trouble::fatal("the session at the server is over"));
        }
        task.check()?;
        task.channel.set_busy(task.command, Busy::Session(self.cancelling.clone()));
        let done = work(self);
        task.channel.set_busy(task.command, Busy::Nothing);
        match &done {
            Err(Trouble::Failed(failure)) if failure.fatal => self.lost = true,
            Err(Trouble::Gone) => self.lost = true,
            _ => {}
        }
        done
    }

    pub fn begin(&mut self, sql: &str) -> Result<(), Trouble> {
        let sql = text::to_bytes(sql);
        if sql.contains(&0) {
            return Err(Trouble::plain("a statement holds a byte 0"));
        }
        // Tag, length with itself and without the tag, statement, end.
        let length = i32::try_from(sql.len() + 5).map_err(Trouble::plain)?;
        let message = [&b"Q"[..], &length.to_be_bytes(), &sql, b"\0"].concat();
        self.connection.send(&message)
    }

    /// Takes messages until the server is ready again; gives the command tag. `answer` holds
    /// what was said before.
    pub fn end(&mut self, mut answer: Answer) -> Result<String, Trouble> {
        while !answer.is_over() {
            let message = self.connection.message().map_err(|trouble| answer.or(trouble))?;
            answer.take(&message);
        }
        answer.result()
    }

    /// Runs statements and sends their rows; gives the last command's tag.
    pub fn query(&mut self, task: &Task<'_>, sql: &str) -> Result<String, Trouble> {
        self.begin(sql)?;
        let mut answer = Answer::default();
        let mut batch = Batch::default();
        while !answer.is_over() {
            match self.connection.message()? {
                Message::RowDescription(body) => {
                    batch.send(task)?;
                    let names = body.fields().map(|field| Ok(field.name().to_owned())).collect();
                    let columns: Vec<String> = names.map_err(Trouble::fatal)?;
                    task.reply(&Reply::Rows { columns, rows: Vec::new() })?;
                }
                Message::DataRow(body) => {
                    batch.add(&body)?;
                    if batch.bytes >= ROWS_AT_ONCE {
                        batch.send(task)?;
                    }
                }
                Message::CopyInResponse(_) => {
                    let mut out = BytesMut::new();
                    frontend::copy_fail("a COPY FROM STDIN is no query", &mut out).map_err(Trouble::fatal)?;
                    self.connection.send(&out)?;
                }
                Message::CopyOutResponse(_) => {
                    answer.refuse("a COPY TO STDOUT is no query");
                    self.skip_copy()?;
                }
                other => answer.take(&other),
            }
        }
        let tag = answer.result()?;
        batch.send(task)?;
        Ok(tag)
    }

    fn skip_copy(&mut self) -> Result<(), Trouble> {
        use crate::connection::Part;
        loop {
            match self.connection.part()? {
                Part::Message(Message::CopyDone) => return Ok(()),
                Part::Message(Message::ErrorResponse(body)) => {
                    return Err(Trouble::Failed(Box::new(Failure { fatal: true, ..failure(body.fields()) })));
                }
                Part::Content(_) | Part::Message(_) => {}
            }
        }
    }
}

/// What the messages at the end of a command say together.
#[derive(Default)]
pub struct Answer {
    refused: Option<Box<Failure>>,
    tag: String,
    over: bool,
}

impl Answer {
    /// Takes any message that is not content. The first failure is kept: later ones follow
    /// from it.
    pub fn take(&mut self, message: &Message) {
        match message {
            Message::ErrorResponse(body) => {
                let failure = failure(body.fields());
                // The server closes the connection after it; no ReadyForQuery comes.
                self.over |= failure.fatal;
                match &mut self.refused {
                    Some(first) => first.fatal |= failure.fatal,
                    none => *none = Some(Box::new(failure)),
                }
            }
            Message::CommandComplete(body) => body.tag().unwrap_or_default().clone_into(&mut self.tag),
            Message::ReadyForQuery(_) => self.over = true,
            _ => {}
        }
    }

    /// Refuses for a reason of our own.
    pub fn refuse(&mut self, why: &str) {
        let failure = Failure { message: why.to_owned(), ..Failure::default() };
        self.refused.get_or_insert_with(|| Box::new(failure));
    }

    pub fn is_over(&self) -> bool {
        self.over
    }

    pub fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// Why the connection is lost: what the server said last, if it did.
    pub fn or(&self, trouble: Trouble) -> Trouble {
        match &self.refused {
            Some(failure) => Trouble::Failed(Box::new(Failure { fatal: true, ..(**failure).clone() })),
            None => trouble,
        }
    }

    pub fn result(self) -> Result<String, Trouble> {
        match self.refused {
            Some(failure) => Err(Trouble::Failed(failure)),
            None => Ok(self.tag),
        }
    }
}

/// Rows of a command tag such as `COPY 5`.
pub fn rows_of(tag: &str) -> Option<u64> {
    tag.strip_prefix("COPY ")?.parse().ok()
}

#[derive(Default)]
struct Batch {
    rows: Vec<Vec<Option<Vec<u8>>>>,
    bytes: usize,
}

impl Batch {
    fn add(&mut self, body: &DataRowBody) -> Result<(), Trouble> {
        let row = body
            .ranges()
            .map(|range| Ok(range.map(|range| body.buffer().get(range).unwrap_or_default().to_vec())))
            .collect::<Vec<_>>();
        self.rows.push(row.map_err(Trouble::fatal)?);
        self.bytes += body.buffer().len();
        Ok(())
    }

    fn send(&mut self, task: &Task<'_>) -> Result<(), Trouble> {
        self.bytes = 0;
        if self.rows.is_empty() {
            return Ok(());
        }
        task.reply(&Reply::Rows { columns: Vec::new(), rows: std::mem::take(&mut self.rows) })
    }
}
