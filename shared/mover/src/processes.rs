//! The servers that run in this container, from /proc.

use pgbackup_wire::Postmaster;
use std::{
    collections::{HashMap, HashSet},
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
};

/// A process as /proc/PID/stat tells it.
struct Process {
    pid: u32,
    name: String,
    parent: u32,
    started: u64,
}

/// Running servers, oldest first. A server's main process is one named `postgres` (or
/// `postmaster`) whose parent is not; what can only be read as its user is left out otherwise.
pub fn find() -> Vec<Postmaster> {
    let servers: HashMap<u32, Process> = processes()
        .into_iter()
        .filter(|process| process.name == "postgres" || process.name == "postmaster")
        .map(|process| (process.pid, process))
        .collect();
    let mut mains: Vec<&Process> =
        servers.values().filter(|process| !servers.contains_key(&process.parent)).collect();
    mains.sort_by_key(|process| (process.started, process.pid));
    mains.into_iter().filter_map(|process| describe(process.pid)).collect()
}

/// The environment of a process, where it may be read.
pub fn environment(pid: u32) -> Vec<(String, String)> {
    let bytes = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    bytes
        .split(|byte| *byte == 0)
        .filter_map(|entry| {
            let entry = String::from_utf8_lossy(entry);
            entry.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
        })
        .collect()
}

/// The numbers of all processes in here.
pub fn all() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn processes() -> Vec<Process> {
    all()
        .into_iter()
        .filter_map(|pid| stat(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?))
        .collect()
}

/// Reads `pid (name) state parent ... starttime`. The name may hold anything, also brackets.
/// Source: proc(5).
fn stat(pid: u32, line: &str) -> Option<Process> {
    let (front, rest) = line.rsplit_once(')')?;
    let (_, name) = front.split_once('(')?;
    let mut fields = rest.split_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    let started = fields.nth(17)?.parse().ok()?;
    Some(Process { pid, name: name.to_owned(), parent, started })
}

fn describe(pid: u32) -> Option<Postmaster> {
    let uid = fs::metadata(format!("/proc/{pid}")).ok()?.uid();
    let link = |name: &str| fs::read_link(format!("/proc/{pid}/{name}")).ok();
    let text = |path: &Path| path.to_str().map(str::to_owned);
    let mut found = Postmaster { pid, uid, ..Postmaster::default() };
    found.program_directory = link("exe").as_deref().and_then(Path::parent).and_then(text);
    if let Some(folder) = link("cwd") {
        // The server's main process changes into PGDATA and stays there.
        if let Ok(lines) = fs::read_to_string(folder.join("postmaster.pid")) {
            read_pid_file(&mut found, &lines);
        }
        if folder.join("PG_VERSION").exists() {
            found.data_directory = text(&folder);
        }
    }
    found.sockets = sockets(&fs::read_to_string("/proc/net/unix").unwrap_or_default());
    if let Some(port) = found.port {
        found.sockets.retain(|(_, of)| *of == port);
    }
    Some(found)
}

/// Lines of `postmaster.pid`: process id, data folder, start time, port, first socket folder,
/// first listen address, shared memory, state. Source: PostgreSQL, `src/include/utils/pidfile.h`.
fn read_pid_file(found: &mut Postmaster, lines: &str) {
    let lines: Vec<&str> = lines.lines().map(str::trim).collect();
    if lines.first().and_then(|pid| pid.parse().ok()) != Some(found.pid) {
        return;
    }
    let line = |at: usize| lines.get(at).filter(|text| !text.is_empty()).map(|text| (*text).to_owned());
    found.port = line(3).and_then(|port| port.parse().ok());
    found.socket_directory = line(4);
    found.listen_address = line(5);
}

/// Folders and ports of listening sockets named `.s.PGSQL.<port>`. Source: proc_net(5); the
/// flag is `__SO_ACCEPTCON`.
fn sockets(table: &str) -> Vec<(String, u16)> {
    let mut seen = HashSet::new();
    table
        .lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            if fields.nth(3)? != "00010000" {
                return None;
            }
            let (folder, name) = fields.nth(3)?.rsplit_once('/')?;
            let port = name.strip_prefix(".s.PGSQL.")?.parse().ok()?;
            Some((folder.to_owned(), port))
        })
        .filter(|socket| seen.insert(socket.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_brackets_is_read_whole() {
        let line = "42 (a) b) S 7 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9876 1 2";
        let read = stat(42, line).unwrap();
        assert_eq!((read.name.as_str(), read.parent, read.started), ("a) b", 7, 9876));
    }

    #[test]
    fn only_listening_sockets_of_servers_are_found() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000: 00000002 00000000 00010000 0001 01 1 /var/run/postgresql/.s.PGSQL.5433\n\
            0000: 00000003 00000000 00000000 0001 03 2 /var/run/postgresql/.s.PGSQL.5433\n\
            0000: 00000002 00000000 00010000 0001 01 3 /run/other.sock\n";
        assert_eq!(sockets(table), [("/var/run/postgresql".to_owned(), 5433)]);
    }

    #[test]
    fn a_pid_file_of_another_process_is_not_believed() {
        let lines = "7\n/data\n1\n5432\n/tmp\n*\n";
        let mut found = Postmaster { pid: 8, ..Postmaster::default() };
        read_pid_file(&mut found, lines);
        assert_eq!(found.port, None);
        found.pid = 7;
        read_pid_file(&mut found, lines);
        assert_eq!((found.port, found.socket_directory.as_deref()), (Some(5432), Some("/tmp")));
    }
}
