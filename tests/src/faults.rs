//! Ways to hurt a run: signals to what runs in the container, at moments that can be named.

use crate::{
    command::{must, output, text, wait_for},
    server::Server,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{process::Child, time::Duration};

/// A program of the plugin's in the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// The mover.
    Mover,
    /// The server's pg_dump.
    PgDump,
    /// The server's pg_restore.
    PgRestore,
    /// psql that runs in the mover's place, and nobody else's.
    Psql,
}

/// Returns the process ids, as this machine counts, of a program that runs in the container.
///
/// A child of such a program that has not become another one yet is not counted: the server would
/// be the parent that learns how it ended.
pub fn processes(server: &Server, victim: Victim) -> Vec<String> {
    let top = must("docker", &["top", &server.name, "-eo", "pid,ppid,comm,args"]);
    let mut found: Vec<(String, String)> = Vec::new();
    for line in top.lines().skip(1) {
        let mut fields = line.split_whitespace();
        let mut next = || fields.next().unwrap_or("").to_owned();
        let (pid, parent, name, program) = (next(), next(), next(), next());
        let is_it = match victim {
            Victim::Mover => name.contains("pgbackup") || program.contains("pgbackup"),
            Victim::PgDump => name == "pg_dump",
            Victim::PgRestore => name == "pg_restore",
            // Its own sign on the command line; a test's psql gives other options.
            Victim::Psql => name == "psql" && line.contains("psql -X -q -w"),
        };
        if is_it {
            found.push((pid, parent));
        }
    }
    let is_child = |parent: &String| victim == Victim::Psql && found.iter().any(|(pid, _)| pid == parent);
    found.iter().filter(|(_, parent)| !is_child(parent)).map(|(pid, _)| pid.clone()).collect()
}

/// Sends a signal to every process of that kind in the container; returns how many there were.
pub fn signal(server: &Server, victim: Victim, signal: &str) -> usize {
    let pids = processes(server, victim);
    for pid in &pids {
        // It may have ended since it was listed.
        output("kill", &[&format!("-{signal}"), pid], b"");
    }
    pids.len()
}

/// Waits until a program of that kind runs in the container, or the plugin has ended.
///
/// Returns whether it was seen.
pub fn wait_until_it_runs(server: &Server, victim: Victim, plugin: &mut Child) -> bool {
    wait_for("process of that kind", || {
        if !processes(server, victim).is_empty() {
            return Some(true);
        }
        plugin.try_wait().expect("the plugin can be waited for").map(|_| false)
    })
}

/// Returns how many rounds a test of random instants runs: `in_ci`, or `PGBACKUP_TEST_ROUNDS`.
pub fn rounds(in_ci: u32) -> u32 {
    std::env::var("PGBACKUP_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(in_ci)
}

/// Returns the random numbers of a test: the same in every run, or from `PGBACKUP_TEST_SEED`.
pub fn random() -> StdRng {
    let seed = seed();
    crate::command::say(&format!("seed {seed}, set PGBACKUP_TEST_SEED for another"));
    StdRng::seed_from_u64(seed)
}

/// Returns the seed of a test's random numbers: always the same, or `PGBACKUP_TEST_SEED`.
pub fn seed() -> u64 {
    std::env::var("PGBACKUP_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(41)
}

/// Returns a moment between nothing and `longest`.
pub fn moment(random: &mut StdRng, longest: Duration) -> Duration {
    Duration::from_micros(random.random_range(0..=longest.as_micros() as u64))
}

/// Sends SIGINT, as Ctrl-C does, to the plugin itself.
pub fn interrupt(plugin: &Child) {
    let output = output("kill", &["-INT", &plugin.id().to_string()], b"");
    assert!(output.status.success(), "{}", text(&output.stderr));
}
