//! One attack on one run: the run through a proxy, how long it took, what it said.

use super::{Fault, Proxy};
use crate::{
    command::text,
    faults,
    plugin::{Outcome, Plugin},
};
use rand::{SeedableRng, rngs::StdRng};
use std::{
    io::Read,
    process::Child,
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

/// No run may take longer, whatever happens to its streams: a silent stream is given up after
/// 60 s at most, a second mover may be needed to clean up, and the machine may be slow.
const LIMIT: Duration = Duration::from_mins(4);

/// An attack that has been carried out.
pub struct Attack {
    /// What was done to the streams; its proxy still holds what it holds.
    pub proxy: Arc<Proxy>,
    /// How the run ended.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

/// Runs the plugin through a proxy to its end.
pub fn attack(plugin: &Plugin, arguments: &[&str], proxy: impl Into<Arc<Proxy>>) -> Attack {
    let proxy = proxy.into();
    let begun = Instant::now();
    let mut command = plugin.command(arguments);
    command.env("DOCKER_HOST", proxy.address());
    let child = command.spawn().expect("the plugin can be started");
    let outcome = wait(child, arguments);
    Attack { proxy, outcome, took: begun.elapsed() }
}

/// Runs the plugin with one fault on its streams.
pub fn hurt(plugin: &Plugin, arguments: &[&str], fault: Fault) -> Attack {
    attack(plugin, arguments, Proxy::hurting(fault))
}

fn wait(mut child: Child, arguments: &[&str]) -> Outcome {
    let begun = Instant::now();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut pipes = (child.stdout.take().expect("it is piped"), child.stderr.take().expect("it is piped"));
    std::thread::scope(|scope| {
        scope.spawn(|| pipes.0.read_to_end(&mut stdout));
        scope.spawn(|| pipes.1.read_to_end(&mut stderr));
        while child.try_wait().expect("the plugin can be waited for").is_none() {
            if begun.elapsed() > LIMIT {
                drop(child.kill());
                break;
            }
            sleep(Duration::from_millis(10));
        }
    });
    let status = child.wait().expect("the plugin can be waited for").code();
    let outcome = Outcome { status, stdout: text(&stdout), stderr: text(&stderr) };
    assert!(begun.elapsed() <= LIMIT, "{arguments:?} did not end in {} s: {outcome:?}", LIMIT.as_secs());
    outcome
}

/// The random numbers of the so many-th case of a test, and the words by which it is repeated.
pub fn case(number: u32) -> (StdRng, String) {
    let seed = faults::seed() + u64::from(number);
    (StdRng::seed_from_u64(seed), format!("repeat with PGBACKUP_TEST_SEED={seed} PGBACKUP_TEST_ROUNDS=1"))
}

impl Attack {
    /// Lets go of what the proxy holds back.
    #[must_use]
    pub fn let_go(self) -> Self {
        Self { proxy: Proxy::start().into(), ..self }
    }

    /// Panics unless an error says what failed and at what stage, when there was one.
    pub fn assert_the_stage_is_named(&self, what: &str, case: &str) {
        const STAGES: [&str; 10] = [
            "place the mover",
            "start the mover",
            "mover that was placed",
            "no folder in",
            "stream from the mover",
            "stream from the container",
            "stream to the container",
            "run a program in the container",
            "learn how a program",
            "cannot reach Docker",
        ];
        if self.outcome.status == Some(0) {
            return;
        }
        let said = &self.outcome.stderr;
        assert!(said.contains(what), "{case}: `{what}` is not in: {said}");
        assert!(STAGES.iter().any(|stage| said.contains(stage)), "{case}: no stage is in: {said}");
    }
}
