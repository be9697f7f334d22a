//! What a shell sees of its container: servers, variables, tools, limits, space.

use super::stream::{Stream, damaged_out, said_twice};
use crate::error::{Context as _, Result};
use pgbackup_wire::message::{Environment, Postmaster, Space};
use std::{
    collections::{BTreeSet, HashMap},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

/// Variables that are told, and those that may hold a secret and are named only.
const VARIABLES: &str = "POSTGRES_USER POSTGRESQL_USERNAME POSTGRESQL_USER PGUSER POSTGRES_DB \
    POSTGRESQL_DATABASE POSTGRES_DATABASE PGDATABASE PGPASSFILE PGPORT PGDATA";
const SECRETS: &str = "POSTGRESQL_POSTGRES_PASSWORD POSTGRES_POSTGRES_PASSWORD POSTGRES_PASSWORD \
    POSTGRESQL_PASSWORD PGPASSWORD";

/// Tells what is there, a fact a line, all of it twice; what cannot be read is left out. A server's
/// main process is a `postgres` whose parent is none. `$1` is the mark, `$2` and `$3` are the
/// variables.
pub(super) const LOOK: &str = r#"
look() {
echo "uid $(id -u)"
echo "machine $(uname -m)"
echo "cpus $(nproc 2>/dev/null)"
for file in /sys/fs/cgroup/cpu.max /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory.current \
  /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory/memory.usage_in_bytes; do
  read -r line 2>/dev/null <"$file" && echo "limit ${file##*/} $line"
done
for file in /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids.current /sys/fs/cgroup/pids/pids.max \
  /sys/fs/cgroup/pids/pids.current; do
  read -r line 2>/dev/null <"$file" && echo "limit ${file##*/} $line"
done
for file in /sys/fs/cgroup/memory.stat /sys/fs/cgroup/memory/memory.stat; do
  [ -r "$file" ] && while read -r key value; do
    case ${key#total_} in shmem | active_file | inactive_file) echo "stat $key $value" ;; esac
  done <"$file"
done
for name in $2; do
  eval "value=\${$name-}"
  [ -z "$value" ] || printf 'variable %s %s\n' "$name" "$value"
done
for name in $3; do
  eval "value=\${$name-} file=\${${name}_FILE-}"
  [ -z "$value" ] || echo "secret $name"
  [ -z "$file" ] || echo "secret ${name}_FILE"
done
for tool in psql zstd gzip; do command -v "$tool" >/dev/null 2>&1 && echo "tool $tool"; done
servers=' '
all=
for process in /proc/[0-9]*; do
  read -r line 2>/dev/null <"$process/stat" || continue
  case $line in *'(postgres)'* | *'(postmaster)'*) ;; *) continue ;; esac
  pid=${process##*/} fields=${line##*) }
  fields=${fields#* }
  servers="$servers$pid " all="$all $pid:${fields%% *}"
done
for one in $all; do
  pid=${one%%:*}
  case $servers in *" ${one##*:} "*) continue ;; esac
  owner=0
  while read -r key value rest; do
    [ "$key" != Uid: ] || owner=$value
  done 2>/dev/null <"/proc/$pid/status"
  echo "server $pid $owner"
  echo "programs $(readlink "/proc/$pid/exe" 2>/dev/null)"
  data=$(readlink "/proc/$pid/cwd" 2>/dev/null)
  [ -n "$data" ] || data=${PGDATA-}
  echo "data $data"
  [ -r "$data/postmaster.pid" ] && while read -r line; do
    echo "pidfile $line"
  done <"$data/postmaster.pid"
done
while read -r line; do
  case $line in *.s.PGSQL.*) echo "socket $line" ;; esac
done </proc/net/unix
}
seen=$(look "$@")
printf '%s\n%s\n%s\n' "$seen" "$seen" "$1"
"#;

/// Free space of each path, a line each as `df -P` writes it, all of it twice. `$1` is the mark.
pub(super) const SPACE: &str = r#"
mark=$1
shift
look() {
  for path do
    line=
    df -Pk "$path" 2>/dev/null | { read -r head; read -r line; echo "space $line"; }
  done
}
seen=$(look "$@")
printf '%s\n%s\n%s\n' "$seen" "$seen" "$mark"
"#;

/// The arguments of [`LOOK`] after the mark.
pub(super) fn names() -> [String; 2] {
    [VARIABLES.to_owned(), SECRETS.to_owned()]
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub environment: Environment,
    pub tools: BTreeSet<String>,
}

/// Reads the answer of [`LOOK`].
pub(super) fn read(stream: &mut Stream<'_>, mark: &str) -> Result<Seen> {
    answer(stream, mark).context("look around in the container").map(|answer| understand(&answer))
}

/// What is said before the mark, if it is the same twice.
fn answer(stream: &mut Stream<'_>, mark: &str) -> Result<String> {
    let answer = stream.all_until(mark)?;
    let answer = said_twice(&answer).ok_or_else(|| {
        damaged_out(&stream.container).caused_by("what was said twice is not the same twice")
    })?;
    Ok(String::from_utf8_lossy(answer).into_owned())
}

fn understand(answer: &str) -> Seen {
    let mut seen = Seen::default();
    let mut sockets: Vec<(String, u16)> = Vec::new();
    let mut pid_lines: Vec<Vec<String>> = Vec::new();
    let mut stat: HashMap<String, u64> = HashMap::new();
    let environment = &mut seen.environment;
    for line in answer.lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        let value = value.trim();
        match key {
            "uid" => {
                environment.uid = value.parse().unwrap_or_default();
                environment.effective_uid = environment.uid;
            }
            "machine" => value.clone_into(&mut environment.machine),
            "cpus" => environment.cpus = value.parse().unwrap_or(1),
            "limit" => limit(environment, value),
            "stat" => stat.extend(
                value
                    .split_once(' ')
                    .and_then(|(name, bytes)| Some((name.to_owned(), bytes.parse::<u64>().ok()?))),
            ),
            "variable" => {
                if let Some((name, value)) = value.split_once(' ') {
                    environment.variables.push((name.to_owned(), value.to_owned()));
                }
            }
            "secret" => environment.secret_variables.push(value.to_owned()),
            "tool" => {
                seen.tools.insert(value.to_owned());
            }
            "server" => {
                let mut numbers = value.split(' ').filter_map(|number| number.parse().ok());
                let (pid, uid) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
                environment.postmasters.push(Postmaster { pid, uid, ..Postmaster::default() });
                pid_lines.push(Vec::new());
            }
            "programs" | "data" if !value.is_empty() => {
                let Some(server) = environment.postmasters.last_mut() else { continue };
                if key == "data" {
                    server.data_directory = Some(value.to_owned());
                } else {
                    server.program_directory = value.rsplit_once('/').map(|(folder, _)| folder.to_owned());
                }
            }
            "pidfile" => pid_lines.last_mut().into_iter().for_each(|lines| lines.push(value.to_owned())),
            "socket" => sockets.extend(socket(value)),
            _ => {}
        }
    }
    sockets.dedup();
    for (server, lines) in environment.postmasters.iter_mut().zip(&pid_lines) {
        describe(server, lines, &sockets);
    }
    environment.cpus = environment.cpus.max(1);
    // Version 1 counts the groups below in names of its own.
    let of = |name: &str| stat.get(&format!("total_{name}")).or_else(|| stat.get(name)).copied();
    let of_files = of("active_file").unwrap_or(0) + of("inactive_file").unwrap_or(0);
    environment.memory_used = environment.memory_used.map(|used| used.saturating_sub(of_files));
    environment.memory_shared = of("shmem");
    seen
}

/// Lines of `postmaster.pid`: process id, data folder, start time, port, first socket folder,
/// first listen address. Source: PostgreSQL, `src/include/utils/pidfile.h`.
fn describe(server: &mut Postmaster, lines: &[String], sockets: &[(String, u16)]) {
    if lines.first().and_then(|pid| pid.parse().ok()) == Some(server.pid) {
        let line = |at: usize| lines.get(at).filter(|text| !text.is_empty()).cloned();
        server.port = line(3).and_then(|port| port.parse().ok());
        server.socket_directory = line(4);
        server.listen_address = line(5);
    }
    server.sockets = sockets.to_vec();
    if let Some(port) = server.port {
        server.sockets.retain(|(_, of)| *of == port);
    }
}

/// Folder and port of a listening socket. Source: proc_net(5); the flag is `__SO_ACCEPTCON`.
fn socket(line: &str) -> Option<(String, u16)> {
    let mut fields = line.split_whitespace();
    if fields.nth(3)? != "00010000" {
        return None;
    }
    let (folder, name) = fields.nth(3)?.rsplit_once('/')?;
    Some((folder.to_owned(), name.strip_prefix(".s.PGSQL.")?.parse().ok()?))
}

fn limit(environment: &mut Environment, text: &str) {
    let Some((file, value)) = text.split_once(' ') else { return };
    let number = value.parse::<u64>().ok();
    match file {
        "memory.max" => environment.memory_limit = number,
        // Version 1 says "no limit" by a number near 2^63.
        "memory.limit_in_bytes" => environment.memory_limit = number.filter(|limit| *limit < 1 << 60),
        "memory.current" | "memory.usage_in_bytes" => environment.memory_used = number,
        "pids.max" => environment.processes_limit = number,
        "pids.current" => environment.processes_used = number,
        "cpu.max" => {
            let mut numbers = value.split(' ').map(str::parse::<u64>);
            if let (Some(Ok(quota)), Some(Ok(period @ 1..))) = (numbers.next(), numbers.next()) {
                let whole = u32::try_from(quota.div_ceil(period)).unwrap_or(u32::MAX);
                environment.cpus = environment.cpus.min(whole.max(1));
            }
        }
        _ => {}
    }
}

/// Reads the answer of [`SPACE`]; a file system is told by the place where it is mounted.
pub(super) fn read_space(stream: &mut Stream<'_>, mark: &str) -> Result<Vec<Option<Space>>> {
    let answer = answer(stream, mark).context("measure the free space")?;
    Ok(answer.lines().filter_map(|line| line.strip_prefix("space")).map(space).collect())
}

fn space(line: &str) -> Option<Space> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    // Before the percentage: blocks in all, used, free. A device's name may hold a space.
    let percent = fields.iter().rposition(|field| field.ends_with('%'))?;
    let kibibytes = |back: usize| fields.get(percent.checked_sub(back)?)?.parse::<u64>().ok();
    let mut device = DefaultHasher::new();
    fields.get(percent + 1..)?.hash(&mut device);
    Some(Space { free: kibibytes(1)? * 1024, total: kibibytes(3)? * 1024, device: device.finish() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_described_by_its_pid_file_and_its_sockets() {
        let seen = understand(
            "uid 0\nmachine x86_64\ncpus 4\nlimit cpu.max 150000 100000\nlimit memory.max max\n\
             limit memory.current 100\nlimit pids.max max\nlimit pids.current 3\nstat shmem 10\n\
             stat active_file 20\nstat inactive_file 10\n\
             variable PGDATA /data\nsecret POSTGRES_PASSWORD\ntool zstd\nserver 7 999\n\
             programs /usr/lib/postgresql/17/bin/postgres\ndata /data\npidfile 7\npidfile /data\n\
             pidfile 1\npidfile 5433\npidfile /run/pg\npidfile *\n\
             socket 0000: 00000002 00000000 00010000 0001 01 1 /run/pg/.s.PGSQL.5433\n\
             socket 0000: 00000002 00000000 00010000 0001 01 1 /run/pg/.s.PGSQL.6000\n",
        );
        let server = &seen.environment.postmasters[0];
        assert_eq!((server.pid, server.uid, server.port), (7, 999, Some(5433)));
        assert_eq!(server.program_directory.as_deref(), Some("/usr/lib/postgresql/17/bin"));
        assert_eq!(server.sockets, [("/run/pg".to_owned(), 5433)]);
        assert_eq!((seen.environment.cpus, seen.environment.memory_limit), (2, None));
        assert!(seen.tools.contains("zstd"));
        assert_eq!((seen.environment.memory_used, seen.environment.memory_shared), (Some(70), Some(10)));
        assert_eq!((seen.environment.processes_limit, seen.environment.processes_used), (None, Some(3)));
        assert_eq!(seen.environment.secret_variables, ["POSTGRES_PASSWORD"]);
    }

    #[test]
    fn space_is_read_from_the_columns_before_the_percentage() {
        let found = space(" /dev/my disk 1000 400 600 40% /var/lib").unwrap();
        assert_eq!((found.free, found.total), (600 * 1024, 1000 * 1024));
        assert_eq!(space(""), None);
    }
}
