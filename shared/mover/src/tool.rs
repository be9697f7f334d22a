//! The server's own tools as children, and files in memory for them to read.
//!
//! In the official images process 1 is the server's main process. It takes an orphan that
//! ends by a signal, or with a status other than 0 or 1, for a crashed backend, and then ends
//! all sessions. So a child ignores SIGPIPE (it then ends with status 1 when this program is
//! gone), is never killed but asked to end, and is always waited for. It also begins with SIGTERM
//! ignored, and so cannot die of it before it has a handler: pg_dump and pg_restore set theirs
//! when they connect. (pg_dumpall has none, and is done at once.)
//!
//! Source: PostgreSQL, `src/bin/pg_dump/parallel.c`, `set_archive_cancel_info`.

use crate::{
    channel::Busy, child::Running, out_of_memory, password::Passwords, processes, session::Task,
    trouble::Trouble,
};
use pgbackup_wire::{
    Argument, Endpoint, FrameKind, Reply,
    frame::{self, HEADER_BYTES},
    text,
};
use rustix::{
    fs::{MemfdFlags, memfd_create},
    process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid},
};
use std::{
    collections::HashMap,
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read},
    os::{
        fd::AsRawFd,
        unix::{ffi::OsStrExt, process::ExitStatusExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// One read takes at most so much of a program's output.
const PIECE: usize = 64 << 10;

/// So much of a program's standard error is kept.
const STDERR_TAIL: usize = 16 << 10;

/// Rust resets SIGPIPE in children, so a shell ignores it again. It ends with 1 if the program
/// cannot be run, since it may be an orphan by then.
const WITHOUT_SIGNALS: &str = r#"trap '' PIPE TERM; [ -x "$1" ] || exit 1; exec "$@""#;

/// Files in memory, by the channel that made them.
#[derive(Default)]
pub struct Files(Mutex<HashMap<u32, Arc<File>>>);

impl Files {
    /// Makes an empty file. It has no flag that would close it in children.
    pub fn make(&self, channel: u32) -> io::Result<Arc<File>> {
        let file = Arc::new(File::from(memfd_create("pgbackup", MemfdFlags::empty())?));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(channel, Arc::clone(&file));
        Ok(file)
    }

    pub fn remove(&self, channel: u32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&channel);
    }

    fn get(&self, channel: u32) -> Option<Arc<File>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&channel).cloned()
    }
}

/// What to run.
pub struct Run {
    pub program: String,
    pub arguments: Vec<Argument>,
    pub endpoint: Endpoint,
    pub application_name: String,
    pub settings: Vec<(String, String)>,
}

/// Runs a program to its end and sends its output.
pub fn run(task: &Task<'_>, run: &Run, files: &Files, passwords: &Passwords) -> Result<(), Trouble> {
    task.check()?;
    let program = find(&run.program)
        .ok_or_else(|| Trouble::plain(format!("no program `{}` is in the container", run.program)))?;
    let mut command = Command::new("sh");
    command.args(["-c", WITHOUT_SIGNALS, "sh"]).arg(&program);
    // The files must stay open until the program has them.
    let mut open = Vec::new();
    for argument in &run.arguments {
        match argument {
            Argument::Text(argument) => {
                command.arg(OsStr::from_bytes(&text::to_bytes(argument)));
            }
            Argument::File(channel) => {
                let file = files.get(*channel).ok_or_else(|| {
                    Trouble::plain("an argument names a file in memory that does not exist")
                })?;
                // Opened again through this path it has a position of its own in each process.
                command.arg(format!("/proc/self/fd/{}", file.as_raw_fd()));
                open.push(file);
            }
        }
    }
    environment(&mut command, run, passwords);
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|error| Trouble::plain(format!("cannot run `{}`: {error}", program.display())))?;
    drop(open);
    let Some(pid) = Pid::from_raw(child.id() as i32) else {
        return Err(Trouble::plain("a child has no number"));
    };
    out_of_memory::let_go_first(pid);
    let running = Running::new(pid);
    task.channel.set_busy(task.command, Busy::Child(running.clone()));
    let complaints =
        child.stderr.take().map(|stderr| thread::Builder::new().stack_size(64 << 10).spawn(|| tail(stderr)));
    let sent = forward(task, &mut child);
    let ended = wait(task, &mut child, pid, &running);
    let stderr = match complaints {
        Some(Ok(thread)) => thread.join().unwrap_or_default(),
        _ => String::new(),
    };
    let bytes = sent?;
    let status = ended.map_err(Trouble::plain)?;
    task.reply(&Reply::Exited { status: status.code(), signal: status.signal(), bytes, stderr })
}

/// Sends the output until it ends or the engine wants no more; the pipe is closed then.
fn forward(task: &Task<'_>, child: &mut Child) -> Result<u64, Trouble> {
    let Some(mut stdout) = child.stdout.take() else { return Ok(0) };
    let mut bytes = 0;
    let mut out = Vec::with_capacity(PIECE + 64);
    loop {
        out.clear();
        frame::begin(&mut out, FrameKind::Data, task.channel.number());
        out.resize(HEADER_BYTES + PIECE, 0);
        let length = match stdout.read(out.get_mut(HEADER_BYTES..).unwrap_or_default()) {
            Ok(0) => return Ok(bytes),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Trouble::plain(error)),
        };
        out.truncate(HEADER_BYTES + length);
        match task.channel.spend(task.command, length) {
            Ok(()) => {}
            // It was asked to end; how it ends is the answer.
            Err(Trouble::Failed(_)) => return Ok(bytes),
            Err(Trouble::Gone) => return Err(Trouble::Gone),
        }
        frame::seal(&mut out, 0).map_err(Trouble::plain)?;
        task.output.write(&mut out, 1).map_err(|_| Trouble::Gone)?;
        bytes += length as u64;
    }
}

/// Waits for the child. Nobody may signal its number once it is free for another process, so
/// all let go of it between its end and the wait that frees it.
fn wait(
    task: &Task<'_>,
    child: &mut Child,
    pid: Pid,
    running: &Running,
) -> io::Result<std::process::ExitStatus> {
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), ended) {}
    running.let_go();
    task.channel.set_busy(task.command, Busy::Nothing);
    child.wait()
}

/// The last part of a program's complaints.
fn tail(mut stderr: impl Read) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stderr.read(&mut buffer) {
        kept.extend_from_slice(buffer.get(..length).unwrap_or_default());
        let surplus = kept.len().saturating_sub(STDERR_TAIL);
        kept.drain(..surplus);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// The connection as libpq reads it, and nothing else of the kind.
fn environment(command: &mut Command, run: &Run, passwords: &Passwords) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    let endpoint = &run.endpoint;
    command
        .env("PGHOST", &endpoint.host)
        .env("PGPORT", endpoint.port.to_string())
        .env("PGUSER", &endpoint.user)
        .env("PGAPPNAME", &run.application_name)
        .env("LC_ALL", "C");
    if !run.settings.is_empty() {
        command.env("PGOPTIONS", options(&run.settings));
    }
    if let Some(password) = passwords.candidates(endpoint, "*").first() {
        command.env("PGPASSWORD", password);
    }
}

/// Settings as `PGOPTIONS` takes them: parted by spaces, a backslash before what is not to part.
/// Source: PostgreSQL manual, "Database Connection Control Functions", `options`.
fn options(settings: &[(String, String)]) -> String {
    let plain = |text: &str| text.replace('\\', r"\\").replace(' ', r"\ ");
    let each = settings.iter().map(|(name, value)| format!("-c {}={}", plain(name), plain(value)));
    each.collect::<Vec<_>>().join(" ")
}

/// Asks all programs to end that run under this name and whose mover is gone; tells how many
/// there were. SIGTERM is safe for them, as for children of this program.
pub fn end_all_of(application_name: &str) -> u32 {
    let entry = format!("PGAPPNAME={application_name}");
    let is_of_run = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == entry.as_bytes())
    };
    let mut count = 0;
    for pid in processes::all().into_iter().filter(is_of_run) {
        let Some(pid) = Pid::from_raw(pid as i32) else { continue };
        count += u32::from(kill_process(pid, Signal::TERM).is_ok());
    }
    count
}

/// The program in the server's own folder, on the path, or where images keep it.
fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return None;
    }
    let servers =
        processes::find().into_iter().filter_map(|server| server.program_directory).map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    versions.sort();
    let fixed = ["/usr/local/bin", "/opt/bitnami/postgresql/bin"].map(PathBuf::from);
    servers
        .chain(path)
        .chain(versions.into_iter().rev())
        .chain(fixed)
        .map(|folder| folder.join(program))
        .find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(file).is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_with_spaces_and_backslashes_are_one_option_each() {
        let settings = [("a".to_owned(), "b c".to_owned()), ("d".to_owned(), r"e\".to_owned())];
        assert_eq!(options(&settings), r"-c a=b\ c -c d=e\\");
    }
}
