//! The server's own tools behind a shell wrapper that ends the stream with a trailer.

use super::{
    hands::PlainHands,
    session::{REACH, reach_arguments},
    silence::Whose,
    stream::{GOODBYE, Stream, damaged_in, damaged_out, new_mark, said_twice},
};
use crate::{error::Result, mover::Exit};
use pgbackup_wire::message::Endpoint;
use sha2::{Digest, Sha256};
use std::{io::Read, sync::Arc};

/// Bytes read at once.
const PIECE: usize = 64 << 10;

/// Runs a tool in the foreground. Behind its output stand a mark, the tool's exit status, and the
/// SHA-256 of what it wrote and (with input) of what it was given, both taken in here, twice, and the
/// mark again, which ends standard error too. `$1` is the mark, `$2` how many bytes of input there
/// are, if any; the tool and its arguments follow.
const RUN: &str = r#"
mark=$1 size=$2
shift 2
exec 3>&1
tell() {
  sum=$(sha256sum)
  echo "$1 ${sum%% *}" >&4
}
tool() {
  if command -v "$1" >/dev/null 2>&1; then "$@" 3>&- 4>&-; else echo "no program $1 is in the container" >&2; false; fi
  echo "status $?" >&4
}
said=$({
  if [ -n "$size" ]; then
    { head -c "$size" | tee /dev/fd/8 8>&1 >&9 9>&- | { exec 9>&-; tell input; }; } 9>&1 | tool "$@"
  else
    tool "$@" </dev/null
  fi | tee /dev/fd/8 8>&1 >&3 | tell output
} 4>&1)
printf '%s\n%s\n%s\n%s\n' "$mark" "$said" "$said" "$mark"
echo "$mark" >&2
"#;

/// A tool that runs, its standard output as a stream.
pub(in crate::mover) struct PlainRun<'o> {
    hands: Arc<PlainHands<'o>>,
    stream: Stream<'o>,
    number: u64,
    mark: String,
    program: String,
    application_name: String,
    received: Sha256,
    sent: Option<String>,
    exit: Option<Exit>,
}

impl<'o> PlainRun<'o> {
    pub(super) fn start(
        hands: &Arc<PlainHands<'o>>,
        endpoint: &Endpoint,
        argv: &[String],
        application_name: String,
        settings: &[(String, String)],
        input: Option<Arc<Vec<u8>>>,
    ) -> Result<Self> {
        let mut settings = settings.to_vec();
        settings.push(("application_name".to_owned(), application_name.clone()));
        let mark = new_mark();
        let mut arguments = reach_arguments(hands, endpoint, hands.password(endpoint).as_ref(), &settings);
        arguments.push(mark.clone());
        arguments.push(input.as_ref().map(|input| input.len().to_string()).unwrap_or_default());
        arguments.extend_from_slice(argv);
        let (mut stream, number) = hands.exec(&format!("{REACH}{RUN}{GOODBYE}"), &arguments)?;
        stream.ask(hands, Whose::Tool(application_name.clone()));
        let mut sent = None;
        if let Some(input) = input {
            sent = Some(format!("{:x}", Sha256::digest(input.as_slice())));
            stream.write(&input)?;
        }
        stream.flush()?;
        let program = argv.first().cloned().unwrap_or_default();
        Ok(Self {
            hands: Arc::clone(hands),
            stream,
            number,
            mark,
            program,
            application_name,
            received: Sha256::new(),
            sent,
            exit: None,
        })
    }

    /// The next bytes of its output; `None` once it has ended and all of it has arrived.
    pub fn read(&mut self) -> Result<Option<Vec<u8>>> {
        if self.exit.is_some() {
            return Ok(None);
        }
        let mut piece = vec![0; PIECE];
        let length = self.stream.until(&self.mark).read(&mut piece);
        let length = length.map_err(|error| {
            self.stream.lost(&error.to_string()).context(format!("read the output of `{}`", self.program))
        })?;
        piece.truncate(length);
        if length > 0 {
            self.received.update(&piece);
            return Ok(Some(piece));
        }
        self.exit = Some(self.trailer()?);
        Ok(None)
    }

    /// What the wrapper says behind the output.
    fn trailer(&mut self) -> Result<Exit> {
        let trailer = self.stream.all_until(&self.mark)?;
        let Some(trailer) = trailer.strip_prefix(b"\n").and_then(said_twice) else {
            return Err(damaged_out(&self.stream.container)
                .caused_by(format!("it says in two ways how `{}` ended", self.program)));
        };
        let trailer = String::from_utf8_lossy(trailer).into_owned();
        let word = |key: &str| {
            let line = trailer.lines().find_map(|line| line.strip_prefix(key));
            line.map(|value| value.trim().to_owned())
        };
        let received = format!("{:x}", std::mem::take(&mut self.received).finalize());
        if word("output ").as_ref() != Some(&received) {
            return Err(damaged_out(&self.stream.container).caused_by(format!(
                "the SHA-256 of what `{}` wrote is not the one of what arrived",
                self.program
            )));
        }
        let status: Option<i32> = word("status ").and_then(|status| status.parse().ok());
        // A tool that failed may have left input unread.
        if status == Some(0) && self.sent != word("input ") {
            return Err(damaged_in(&self.stream.container).caused_by(format!(
                "the SHA-256 of what `{}` was given is not the one of what was sent",
                self.program
            )));
        }
        let stderr = self.stream.said_before(&self.mark).trim().to_owned();
        // All is here, so the wrapper may end; it has nothing more to say.
        self.stream.close_input();
        // A shell tells the number of a signal as a status above 128.
        let signal = status.filter(|status| *status > 128).map(|status| status - 128);
        self.hands.streams.remove(self.number, true);
        Ok(Exit { status: status.filter(|_| signal.is_none()), signal, stderr })
    }

    pub fn stop_handle(&self) -> PlainStop<'o> {
        PlainStop { hands: Arc::clone(&self.hands), application_name: self.application_name.clone() }
    }

    /// Waits for its end; output that was not read is let go.
    pub fn wait(mut self) -> Result<Exit> {
        loop {
            if let Some(exit) = self.exit.take() {
                return Ok(exit);
            }
            self.read()?;
        }
    }
}

/// Stops a tool that a shell runs.
pub struct PlainStop<'o> {
    hands: Arc<PlainHands<'o>>,
    application_name: String,
}

impl PlainStop<'_> {
    /// Lets the server end the tool's sessions: it then ends by itself, with status 1.
    pub fn stop(&self) {
        // What cannot be stopped goes on to its end, which is waited for.
        let _ = self.hands.end_sessions(&self.application_name, false);
    }
}

impl Drop for PlainRun<'_> {
    fn drop(&mut self) {
        self.hands.streams.remove(self.number, false);
    }
}
