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
}

/// Returns the process ids, as this machine counts, of a program that runs in the container.
pub fn processes(server: &Server, victim: Victim) -> Vec<String> {
    let top = must("docker", &["top", &server.name, "-eo", "pid,comm,args"]);
    let is_it = |line: &&str| {
        let mut fields = line.split_whitespace().skip(1);
        let (name, program) = (fields.next().unwrap_or(""), fields.next().unwrap_or(""));
        match victim {
            Victim::Mover => name.contains("pgbackup") || program.contains("pgbackup"),
            Victim::PgDump => name == "pg_dump",
            Victim::PgRestore => name == "pg_restore",
        }
    };
    top.lines()
        .skip(1)
        .filter(is_it)
        .filter_map(|line| line.split_whitespace().next())
        .map(Into::into)
        .collect()
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
