//! What is said on a channel: commands of the engine, replies of the mover.
//!
//! The engine opens channels by using a new number. Channel 0 is the mover itself; every other
//! channel is one thing at a time: a server session, a run of one of the server's tools, or a
//! file held in memory. Commands of one channel are done in their order; channels are
//! independent of each other. Bulk data travels in frames of its own kinds
//! ([`FrameKind::Data`](crate::FrameKind), `Blob`, `Known`), under the channel's credit.
//!
//! Statements, names of databases and arguments are text as [`text`](crate::text) makes it of
//! bytes; the mover turns them into the bytes again. Rows come as the server sent them.

use serde::{Deserialize, Serialize};

/// Where and as whom to reach the server, as seen from inside its container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Folder of the unix socket (begins with `/`), or a host name or address.
    pub host: String,
    /// The port, which is also part of the socket's name.
    pub port: u16,
    /// The role.
    pub user: String,
    /// Where a password may be found if the server asks for one, best first. The mover reads
    /// it there; it never travels.
    pub passwords: Vec<PasswordSource>,
}

/// A place inside the container that holds a password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PasswordSource {
    /// An environment variable of the mover's own environment or of the server's process.
    Environment(String),
    /// A file that an environment variable names.
    FileNamedBy(String),
    /// A file; its first line is the password.
    File(String),
    /// A libpq password file.
    PassFile(String),
}

/// How a stream is cut into chunks. Sizes in bytes; `min <= average <= max <= MAX_CHUNK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutSizes {
    /// No chunk but the last of a stream is shorter.
    pub min: u32,
    /// The aim; a power of two.
    pub average: u32,
    /// No chunk is longer.
    pub max: u32,
}

/// What the engine asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Channel 0: what is known in here of the server. Answer: [`Reply::Environment`].
    Environment,
    /// Channel 0: free and total bytes of the file systems of these paths. Answer: [`Reply::Space`].
    Space {
        /// Absolute paths.
        paths: Vec<String>,
    },
    /// Channel 0: adds 8-byte prefixes (big-endian) of chunks that the repository holds. Sent
    /// again and again until all are known; no answer.
    Known {
        /// The first eight bytes of each chunk's id.
        prefixes: Vec<u64>,
    },
    /// Channel 0: forgets all prefixes. No answer.
    ForgetKnown,
    /// Channel 0: asks the programs to end (SIGTERM) that an earlier mover ran under this name
    /// and did not outlive. Answer: [`Reply::ProgramsEnded`].
    EndPrograms {
        /// The `PGAPPNAME` in their environment.
        application_name: String,
    },

    /// Makes the channel a server session. Answer: [`Reply::Connected`].
    Connect {
        /// Where and as whom.
        endpoint: Endpoint,
        /// The database, taken literally (never as a connection string).
        database: String,
        /// Settings sent with the startup packet (`application_name`, `DateStyle` ...).
        settings: Vec<(String, String)>,
    },
    /// Runs statements by the simple protocol. Answers: [`Reply::Rows`] (none or many), then
    /// [`Reply::Done`] with the last command's tag.
    Query {
        /// One or more statements.
        sql: String,
    },
    /// Runs one `COPY ... TO STDOUT`, cuts the text, hashes each chunk and sends those whose
    /// prefix is not known as `Blob` frames, the others as `Known` frames, in order. Answer
    /// after the last: [`Reply::CopiedOut`].
    CopyOut {
        /// The statement.
        sql: String,
        /// How to cut.
        sizes: CutSizes,
        /// Whether known prefixes count; if not, every chunk is sent.
        use_known: bool,
    },
    /// Reads one large object whole and treats it like the text of a `CopyOut`.
    LargeObjectOut {
        /// Its oid.
        oid: u32,
        /// How to cut.
        sizes: CutSizes,
        /// As in `CopyOut`.
        use_known: bool,
    },
    /// Runs one `COPY ... FROM STDIN`; the text follows as `Blob` frames, then [`Command::End`].
    /// Each blob is decompressed and its hash compared before it is passed on. Answer:
    /// [`Reply::CopiedIn`]. No transaction is begun or ended by it.
    CopyIn {
        /// The statement.
        sql: String,
    },
    /// Writes a large object that exists and is empty from `Blob` frames, then [`Command::End`].
    /// Answer: [`Reply::CopiedIn`]. Must stand inside a transaction that the engine began.
    LargeObjectIn {
        /// Its oid.
        oid: u32,
    },

    /// Makes the channel a file in memory; its bytes follow as `Data` frames, then
    /// [`Command::End`]. Answer: [`Reply::FileReady`]. It lives until [`Command::Close`].
    File,
    /// Makes the channel a run of one program, with the connection in its environment, its
    /// standard output as `Data` frames. Answer at its end: [`Reply::Exited`].
    Run {
        /// Name in the server's own folder of programs, or else on the path: `pg_dump`.
        program: String,
        /// Its arguments.
        arguments: Vec<Argument>,
        /// The server it connects to.
        endpoint: Endpoint,
        /// Becomes `PGAPPNAME`.
        application_name: String,
        /// Settings of its sessions; become `PGOPTIONS`.
        settings: Vec<(String, String)>,
    },
    /// The stream that goes to a `CopyIn`, `LargeObjectIn` or `File` has ended.
    End,
    /// Stops what the channel is doing: cancels the running statement, or asks the program to
    /// end (SIGTERM). The pending answer still comes, as an error or an exit.
    Stop,
    /// Ends the channel: session, program or file. Answer: [`Reply::Closed`].
    Close,
}

/// One argument of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Argument {
    /// As it is.
    Text(String),
    /// The path under which the program finds the file in memory of that channel.
    File(u32),
}

/// What the mover answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To [`Command::Environment`].
    Environment(Environment),
    /// To [`Command::Space`]: per path; none where it cannot be read.
    Space(Vec<Option<Space>>),
    /// To [`Command::EndPrograms`]: how many were asked.
    ProgramsEnded(u32),
    /// To [`Command::Connect`].
    Connected {
        /// The server's process id of this session.
        backend_pid: u32,
        /// `server_version`, `client_encoding`, `in_hot_standby` ... as the server reports them.
        parameters: Vec<(String, String)>,
    },
    /// Some rows of a query, in text form; `None` is NULL.
    Rows {
        /// Names of the columns.
        columns: Vec<String>,
        /// The rows. Large results come in several replies.
        rows: Vec<Vec<Option<Vec<u8>>>>,
    },
    /// A query has ended.
    Done {
        /// The last command tag: `SELECT 5`.
        tag: String,
    },
    /// A `CopyOut` or `LargeObjectOut` has ended; everything was sent before this.
    CopiedOut {
        /// Rows by the server's own command tag (1 for a large object).
        rows: u64,
        /// Bytes of text.
        bytes: u64,
        /// Chunks sent as `Blob` or `Known`.
        chunks: u64,
        /// [`ChunksHash`](crate::ChunksHash) over the chunks' ids in order.
        hash: [u8; 32],
    },
    /// A `CopyIn` or `LargeObjectIn` has ended at the server.
    CopiedIn {
        /// Rows by the server's own command tag (1 for a large object).
        rows: u64,
        /// Bytes passed on.
        bytes: u64,
        /// Chunks taken.
        chunks: u64,
        /// [`ChunksHash`](crate::ChunksHash) over the ids as computed in here.
        hash: [u8; 32],
    },
    /// All bytes of a file in memory have arrived.
    FileReady {
        /// How many.
        bytes: u64,
    },
    /// A program has ended and all its output was sent before this.
    Exited {
        /// Its exit status, or none if a signal ended it.
        status: Option<i32>,
        /// The signal that ended it.
        signal: Option<i32>,
        /// Bytes of standard output sent.
        bytes: u64,
        /// The tail of its standard error.
        stderr: String,
    },
    /// A channel has been closed.
    Closed,
    /// The command failed. A server session stays usable unless `fatal`.
    Failed(Failure),
}

/// Why a command failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The server's message, or what the operating system said.
    pub message: String,
    /// SQLSTATE, if the server sent it.
    pub code: String,
    /// The server's DETAIL.
    pub detail: String,
    /// The server's HINT.
    pub hint: String,
    /// The server's CONTEXT ("COPY t, line 3").
    pub place: String,
    /// The session, program or file is gone.
    pub fatal: bool,
}

/// What the mover sees of its container. No secret is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// The servers whose main processes run here, oldest first.
    pub postmasters: Vec<Postmaster>,
    /// Variables whose names begin with PG or POSTGRES and that hold no secret.
    pub variables: Vec<(String, String)>,
    /// Names of variables that hold a password, or (`_FILE`) the path of one.
    pub secret_variables: Vec<String>,
    /// The user the container started the mover as.
    pub uid: u32,
    /// The user it works as (the server's own, where that was allowed).
    pub effective_uid: u32,
    /// Processors that may be used, by affinity and control group.
    pub cpus: u32,
    /// The control group's memory limit in bytes.
    pub memory_limit: Option<u64>,
    /// What it uses of it now that could not be taken back from it: without files' pages.
    pub memory_used: Option<u64>,
    /// What of this is shared memory.
    pub memory_shared: Option<u64>,
    /// The control group's limit of processes and threads.
    pub processes_limit: Option<u64>,
    /// How many there are now.
    pub processes_used: Option<u64>,
    /// `x86_64`, `aarch64` ...
    pub machine: String,
}

/// One running server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Postmaster {
    /// Its process id in here.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// PGDATA, where it can be found.
    pub data_directory: Option<String>,
    /// The folder that holds its programs, where it can be found.
    pub program_directory: Option<String>,
    /// Its port, from `postmaster.pid`.
    pub port: Option<u16>,
    /// The folder of its first socket, from `postmaster.pid`.
    pub socket_directory: Option<String>,
    /// The first address it listens on, from `postmaster.pid`.
    pub listen_address: Option<String>,
    /// Folders in which a socket `.s.PGSQL.<port>` is open, from `/proc/net/unix`.
    pub sockets: Vec<(String, u16)>,
}

/// Free space of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// What an ordinary user may still write.
    pub free: u64,
    /// Its size.
    pub total: u64,
    /// Tells file systems apart.
    pub device: u64,
}

/// The first message of each side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// SHA-256 of the mover's program. The engine speaks with the mover it brought and no other.
    pub build: [u8; 32],
    /// The engine's: random, names this run in `application_name`. The mover's: the same again.
    pub run: String,
    /// The mover's process id inside the container (0 from the engine).
    pub pid: u32,
}

/// The mover's last message: what it did, to be compared with what arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Frames sent before this one, heartbeats included.
    pub frames: u64,
    /// Payload bytes in them.
    pub bytes: u64,
    /// Sessions opened.
    pub sessions: u32,
    /// Programs run.
    pub programs: u32,
    /// The most memory it ever used, in bytes.
    pub peak_memory: u64,
}
