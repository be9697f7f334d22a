//! The scripts themselves, run by the `sh` of this machine on a platform that loses what Docker
//! may lose.

use super::hands::PlainHands;
use crate::{
    cancel::Cancel,
    error::{Error, Result},
    event::Silent,
    target::{Finished, Runtime, Session, SessionControl, Target},
};
use pgbackup_wire::message::{Argument, Endpoint};
use std::{
    io::{self, Read},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex},
    thread::sleep,
    time::{Duration, Instant},
};

/// A program that ends when it has written gets so long to do so.
const ENDS_AT_ONCE: Duration = Duration::from_millis(400);

/// Runs programs here. What was not taken before its program ended is lost.
#[derive(Default)]
struct Forgetful(Mutex<Vec<Arc<Program>>>);

struct Program(Mutex<Child>);

impl Program {
    fn has_ended_within(&self, limit: Duration) -> bool {
        let begun = Instant::now();
        loop {
            if self.0.lock().unwrap().try_wait().unwrap().is_some() {
                return true;
            }
            if begun.elapsed() > limit {
                return false;
            }
            sleep(Duration::from_millis(5));
        }
    }
}

impl SessionControl for Program {
    fn wait(&self, limit: Duration) -> Result<Finished> {
        if self.has_ended_within(limit) {
            return Ok(Finished { status: Some(0) });
        }
        Err(Error::failed("it still runs"))
    }

    fn abort(&self) {}
}

struct Output(ChildStdout, Arc<Program>);

impl Read for Output {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.0.read(buffer)?;
        Ok(if self.1.has_ended_within(ENDS_AT_ONCE) { 0 } else { length })
    }
}

impl Runtime for Forgetful {
    fn describe(&self) -> String {
        "this machine".to_owned()
    }

    fn targets(&self) -> Result<Vec<Target>> {
        Ok(Vec::new())
    }

    fn stopped(&self, _: &str) -> Result<Option<Error>> {
        Ok(None)
    }

    fn runs_postgres(&self, targets: &[Target]) -> Result<Vec<bool>> {
        Ok(vec![true; targets.len()])
    }

    fn exec(&self, _: &Target, argv: &[String]) -> Result<Session> {
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let stderr = child.stderr.take().unwrap();
        let program = Arc::new(Program(Mutex::new(child)));
        self.0.lock().unwrap().push(Arc::clone(&program));
        Ok(Session {
            stdin: Box::new(stdin),
            stdout: Box::new(Output(stdout, Arc::clone(&program))),
            stderr: Box::new(stderr),
            control: program,
        })
    }
}

fn hands(runtime: &Forgetful) -> Arc<PlainHands<'_>> {
    let hands = PlainHands::start(runtime, &Target::default(), None, &Silent, &Cancel::default());
    Arc::new(hands.unwrap())
}

fn endpoint() -> Endpoint {
    Endpoint { host: "/nowhere".into(), port: 5432, user: "nobody".into(), passwords: Vec::new() }
}

#[test]
fn what_a_tool_says_last_is_not_lost_with_its_wrapper() {
    let runtime = Forgetful::default();
    let hands = hands(&runtime);
    let arguments = ["-c", "echo some rows; echo trouble >&2; exit 3"];
    let arguments = arguments.map(|text| Argument::Text(text.to_owned()));

    let mut run = hands.run("sh", &arguments, &endpoint(), &[]).unwrap();
    let mut output = Vec::new();
    while let Some(bytes) = run.read().unwrap() {
        output.extend(bytes);
    }
    let exit = run.wait().unwrap();

    assert_eq!(output, b"some rows\n");
    assert_eq!((exit.status, exit.stderr.as_str()), (Some(3), "trouble"));
}

#[test]
fn what_a_tool_was_given_arrives_and_its_wrapper_ends() {
    let runtime = Forgetful::default();
    let hands = hands(&runtime);
    let number = hands.keep(&b"an archive\n".repeat(20_000));

    let run = hands.run("wc", &[Argument::Text("-l".into()), Argument::File(number)], &endpoint(), &[]);
    let exit = run.unwrap().wait().unwrap();

    assert_eq!(exit.status, Some(0), "{exit:?}");
    let programs = runtime.0.lock().unwrap();
    assert!(programs.iter().all(|program| program.has_ended_within(Duration::from_secs(20))));
}

#[test]
fn a_wrapper_whose_engine_is_gone_ends_by_itself() {
    let runtime = Forgetful::default();
    let hands = hands(&runtime);
    let run = hands.run("echo", &[], &endpoint(), &[]).unwrap();

    drop(run);

    let programs = runtime.0.lock().unwrap();
    assert!(programs.iter().all(|program| program.has_ended_within(Duration::from_secs(20))));
}
