//! Where a run of the plugin is, by what it tells with `--progress json`, and its end by SIGKILL
//! in a phase of the test's choice.

use crate::{Plugin, command::say, faults};
use rand::{Rng, rngs::StdRng};
use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// A part of a run: its name, and words in the line that it begins with. The first has none.
pub type Phase = (&'static str, &'static str);

/// The phases of a create.
pub const CREATE: [Phase; 4] = [
    ("connect", ""),
    ("roles", "read roles, settings"),
    ("tables", "\"database_started\""),
    ("record", "record the backup"),
];

/// The phases of a restore that replaces a database.
pub const RESTORE: [Phase; 6] = [
    ("plan", ""),
    ("schema", "make the schema of"),
    ("tables", "\"table_started\""),
    ("indexes", "build indexes and constraints of"),
    ("analyze", "\"analyze `"),
    ("swap", "\"swap `"),
];

/// The phases of an undo that swaps back.
pub const UNDO: [Phase; 2] = [("plan", ""), ("swap", "\"bring `")];

/// The phases of an undo that drops what was kept.
pub const DISCARD: [Phase; 2] = [("plan", ""), ("drop", "\"drop `")];

/// A run whose events are followed.
pub struct Watched {
    child: Child,
    phases: &'static [Phase],
    told: Arc<(Mutex<Told>, Condvar)>,
    reader: JoinHandle<()>,
}

#[derive(Default)]
struct Told {
    lines: Vec<(Instant, String)>,
    ended: bool,
}

/// How a watched run ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit status; `None` if it was killed.
    pub status: Option<i32>,
    /// The phase it ended in, by its position.
    pub phase: usize,
    /// Bytes that had been read from tables or loaded into them.
    pub moved: u64,
    /// All that it had told.
    pub told: String,
    /// How long each phase took.
    pub took: Vec<Duration>,
}

impl Watched {
    /// Starts the plugin with these arguments.
    pub fn start(plugin: &Plugin, arguments: &[&str], phases: &'static [Phase]) -> Self {
        let mut command = plugin.command(arguments);
        command.args(["--progress", "json"]).stdout(Stdio::null());
        let mut child = command.spawn().expect("the plugin was built");
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let told = Arc::new((Mutex::<Told>::default(), Condvar::new()));
        let shared = Arc::clone(&told);
        let reader = thread::spawn(move || {
            let (told, changed) = &*shared;
            for line in stderr.lines().map_while(Result::ok) {
                told.lock().unwrap_or_else(PoisonError::into_inner).lines.push((Instant::now(), line));
                changed.notify_all();
            }
            told.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
            changed.notify_all();
        });
        Self { child, phases, told, reader }
    }

    /// Waits until this phase has begun, or the run has ended.
    pub fn wait_for(&self, phase: usize) {
        self.wait(Duration::from_mins(5), |now| now >= phase);
    }

    /// Kills the run so long after the phase began, or at once if the phase is over before that.
    pub fn kill_in(mut self, phase: usize, delay: Duration) -> Ended {
        self.wait_for(phase);
        self.wait(delay, |now| now > phase);
        // It may have ended by itself.
        let _ = self.child.kill();
        self.end()
    }

    /// Waits for the run's end.
    pub fn end(mut self) -> Ended {
        let begun = Instant::now();
        let status = self.child.wait().expect("the plugin can be waited for").code();
        self.reader.join().expect("the reader does not fail");
        let told = self.told.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut took = vec![Duration::ZERO; self.phases.len()];
        let mut since = (0, told.lines.first().map_or(begun, |(at, _)| *at));
        for (at, line) in &told.lines {
            let phase = next(self.phases, since.0, line);
            if phase > since.0 {
                took[since.0] = *at - since.1;
                since = (phase, *at);
            }
        }
        took[since.0] = since.1.elapsed();
        let lines = told.lines.iter().map(|(_, line)| line.as_str());
        Ended {
            status,
            phase: since.0,
            moved: lines.clone().map(moved).sum(),
            told: lines.collect::<Vec<_>>().join("\n"),
            took,
        }
    }

    fn wait(&self, limit: Duration, over: impl Fn(usize) -> bool) {
        let told = self.told.0.lock().unwrap_or_else(PoisonError::into_inner);
        let goes_on = |told: &mut Told| {
            let now = told.lines.iter().fold(0, |phase, (_, line)| next(self.phases, phase, line));
            !told.ended && !over(now)
        };
        drop(self.told.1.wait_timeout_while(told, limit, goes_on));
    }
}

/// The phase that a line is in, after lines of the phase `current`.
fn next(phases: &[Phase], current: usize, line: &str) -> usize {
    (current + 1..phases.len()).rfind(|phase| line.contains(phases[*phase].1)).unwrap_or(current)
}

/// The bytes that one line tells of.
fn moved(line: &str) -> u64 {
    let event: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
    if event["event"] == "moved" { event["read"].as_u64().unwrap_or(0) } else { 0 }
}

/// Random kills, an equal number in every phase.
pub struct Kills {
    what: &'static str,
    names: Vec<&'static str>,
    each: u32,
    /// Kills in each phase so far.
    done: Vec<u32>,
    misses: Vec<u32>,
    slowest: Duration,
    random: StdRng,
}

impl Kills {
    /// Plans so many kills, or `PGBACKUP_TEST_ROUNDS`, shared out among the phases.
    pub fn plan(what: &'static str, phases: &[Phase], in_ci: u32) -> Self {
        let number = phases.len() as u32;
        Self {
            what,
            names: phases.iter().map(|(name, _)| *name).collect(),
            each: faults::rounds(in_ci).div_ceil(number),
            done: vec![0; phases.len()],
            misses: vec![0; phases.len()],
            slowest: Duration::ZERO,
            random: faults::random(),
        }
    }

    /// The phase to aim at next, until each has had its share.
    pub fn next_phase(&self) -> Option<usize> {
        let missed: u32 = self.misses.iter().sum();
        assert!(missed <= 10 + 3 * self.each * self.done.len() as u32, "{}", self.summary());
        (0..self.done.len())
            .filter(|phase| self.done[*phase] < self.each)
            .min_by_key(|phase| self.done[*phase])
    }

    /// A moment in a phase that takes so long; earlier each time that the phase was missed.
    pub fn moment(&mut self, phase: usize, takes: Duration) -> Duration {
        let takes = takes / 2_u32.pow(self.misses[phase].min(10));
        Duration::from_micros(self.random.random_range(0..=takes.as_micros() as u64))
    }

    /// Notes where a run that was aimed at `aim` was killed: in `phase`, or not at all.
    pub fn count(&mut self, aim: usize, phase: Option<usize>, moved: u64) {
        if phase != Some(aim) {
            self.misses[aim] += 1;
        }
        let Some(phase) = phase else { return };
        self.done[phase] += 1;
        let number: u32 = self.done.iter().sum();
        say(&format!("{} kill {number}: in `{}`, {moved} bytes moved", self.what, self.names[phase]));
    }

    /// Notes how long it took until nothing was left in the container.
    pub fn clean_after(&mut self, took: Duration) {
        self.slowest = self.slowest.max(took);
    }

    /// Says how many kills each phase got; no phase may have fewer than one in ten.
    pub fn conclude(&self) {
        say(&self.summary());
        let (all, fewest) = (self.done.iter().sum::<u32>(), self.done.iter().min());
        assert!(fewest.is_some_and(|fewest| fewest * 10 >= all), "{}", self.summary());
    }

    fn summary(&self) -> String {
        let phases = self.names.iter().zip(&self.done).map(|(name, kills)| format!("{name} {kills}"));
        let phases = phases.collect::<Vec<_>>().join(", ");
        let (all, missed): (u32, u32) = (self.done.iter().sum(), self.misses.iter().sum());
        let slowest = self.slowest.as_secs_f64();
        format!("{}: {all} kills ({phases}), {missed} missed; nothing left after {slowest:.1} s", self.what)
    }
}
