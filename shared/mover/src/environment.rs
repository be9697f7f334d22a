//! What this program sees of its container, without any secret.

use crate::{control_group, processes};
use pgbackup_wire::{Environment, Space};
use std::{fs, thread};

/// Answers the engine's question.
pub fn look(started_as: u32) -> Environment {
    let postmasters = processes::find();
    let mut all: Vec<(String, String)> = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    for server in &postmasters {
        all.extend(processes::environment(server.pid));
    }
    let mut variables: Vec<(String, String)> = Vec::new();
    let mut secret_variables = Vec::new();
    for (name, value) in all {
        if !name.starts_with("PG") && !name.starts_with("POSTGRES") {
            continue;
        }
        if is_secret(&name, &value) {
            if !secret_variables.contains(&name) {
                secret_variables.push(name);
            }
        } else if !variables.iter().any(|(known, _)| *known == name) {
            variables.push((name, value));
        }
    }
    let memory = control_group::memory();
    let (processes_limit, processes_used) = control_group::processes();
    Environment {
        postmasters,
        variables,
        secret_variables,
        uid: started_as,
        effective_uid: rustix::process::geteuid().as_raw(),
        cpus: thread::available_parallelism().map_or(1, |cpus| cpus.get() as u32),
        memory_limit: memory.limit,
        memory_used: memory.used,
        memory_shared: memory.shared,
        processes_limit,
        processes_used,
        machine: rustix::system::uname().machine().to_string_lossy().into_owned(),
    }
}

/// Whether a variable may hold a secret, or say where one is.
fn is_secret(name: &str, value: &str) -> bool {
    const WORDS: [&str; 7] = ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "KEY", "URL", "DSN"];
    let value = value.to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word)) || value.contains("://") || value.contains("password")
}

/// Space of the file systems of these paths.
pub fn space(paths: &[String]) -> Vec<Option<Space>> {
    paths
        .iter()
        .map(|path| {
            let of = rustix::fs::statvfs(path.as_str()).ok()?;
            let device = rustix::fs::stat(path.as_str()).ok()?.st_dev;
            let (free, total) =
                (of.f_bavail.checked_mul(of.f_frsize)?, of.f_blocks.checked_mul(of.f_frsize)?);
            Some(Space { free, total, device })
        })
        .collect()
}

/// The most memory this program ever used, in bytes.
pub fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_hold_a_secret_is_told_by_name_only() {
        for (name, value) in [
            ("POSTGRES_PASSWORD", "x"),
            ("POSTGRES_PASSWORD_FILE", "/run/secrets/x"),
            ("PGURI", "postgres://u:p@h/d"),
            ("PGOPTS", "host=x password=y"),
        ] {
            assert!(is_secret(name, value), "{name}");
        }
        for (name, value) in [("PGDATA", "/var/lib"), ("POSTGRES_USER", "app"), ("PGPORT", "5433")] {
            assert!(!is_secret(name, value), "{name}");
        }
    }
}
