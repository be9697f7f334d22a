//! A session at the server: psql with statements on its standard input.

use super::{
    hands::PlainHands,
    silence::Whose,
    statement::{bare, joined},
    stream::{Stream, damaged_in, damaged_out, new_mark, said_twice},
};
use crate::{
    error::{Context as _, Error, Result},
    mover::{Rows, ServerError},
    target::SessionControl,
};
use pgbackup_wire::{
    Failure,
    message::{Endpoint, PasswordSource},
    text,
};
use std::{sync::Arc, time::Duration};

/// How long psql may take to end once its input has.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// Sets what libpq reads, and nothing else of the kind: password source and its name, host, port,
/// user, application, options, encoding, folder of the server's programs. A password is read in
/// here and stands in no argument. SIGPIPE is ignored because PID 1 may be the server, which takes
/// an orphan that ended by a signal for a crashed backend (F41).
pub(super) const REACH: &str = r#"
trap '' PIPE
secret= passfile=
case $1 in
  variable) eval "secret=\${$2-}" ;;
  named) eval "file=\${$2-}"; read -r secret <"$file" ;;
  file) read -r secret <"$2" ;;
  passfile) passfile=$2 ;;
esac
unset PGDATABASE PGHOSTADDR PGSERVICE PGSERVICEFILE PGDATESTYLE PGTZ PGGEQO PGSSLMODE PGREQUIRESSL \
  PGSSLNEGOTIATION PGREQUIREAUTH PGCHANNELBINDING PGTARGETSESSIONATTRS PGLOADBALANCEHOSTS \
  PGCONNECT_TIMEOUT PGPASSWORD PGPASSFILE PSQLRC
export PGHOST="$3" PGPORT="$4" PGUSER="$5" PGAPPNAME="$6" PGOPTIONS="$7" PGCLIENTENCODING="$8" LC_ALL=C
[ -n "$8" ] || unset PGCLIENTENCODING
[ -z "$secret" ] || export PGPASSWORD="$secret"
[ -z "$passfile" ] || export PGPASSFILE="$passfile"
for folder in /usr/local/bin /opt/bitnami/postgresql/bin /usr/lib/postgresql/*/bin; do
  PATH=$PATH:$folder
done
PATH=${9:+$9:}$PATH
export PATH
shift 9
cd /
"#;

/// psql takes the shell's place, so that nobody in the container has to reap it. Programs that it
/// runs write to the same stream through descriptor 5.
const PSQL: &str = r#"
exec 5>&1
exec psql -X -q -w "$@"
"#;

/// The arguments of [`REACH`].
pub(super) fn reach_arguments(
    hands: &PlainHands<'_>,
    endpoint: &Endpoint,
    source: Option<&PasswordSource>,
    settings: &[(String, String)],
) -> Vec<String> {
    let (kind, value) = match source {
        None => ("none", ""),
        Some(PasswordSource::Environment(name)) => ("variable", name.as_str()),
        Some(PasswordSource::FileNamedBy(name)) => ("named", name.as_str()),
        Some(PasswordSource::File(path)) => ("file", path.as_str()),
        Some(PasswordSource::PassFile(path)) => ("passfile", path.as_str()),
    };
    let setting = |wanted: &str| {
        settings.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    // A backslash stands before what is not to part. Source: PostgreSQL manual, "Database
    // Connection Control Functions", `options`.
    let plain = |text: &str| text.replace('\\', r"\\").replace(' ', r"\ ");
    let options: Vec<String> = settings
        .iter()
        .filter(|(name, _)| name != "application_name" && name != "client_encoding")
        .map(|(name, value)| format!("-c {}={}", plain(name), plain(value)))
        .collect();
    let programs = hands.seen.environment.postmasters.iter().find_map(|one| one.program_directory.clone());
    vec![
        kind.to_owned(),
        value.to_owned(),
        endpoint.host.clone(),
        endpoint.port.to_string(),
        endpoint.user.clone(),
        setting("application_name"),
        options.join(" "),
        setting("client_encoding"),
        programs.unwrap_or_default(),
    ]
}

/// The encoding in which psql changes nothing of what it writes: from UTF-8 it takes out every byte
/// that is none, and names may have such bytes. The server converts nothing either, so it stands for
/// UTF-8 where the database's text is UTF-8 or of no encoding.
///
/// Source: PostgreSQL, `mbvalidate` in `src/fe_utils/mbprint.c`; manual, "Character Set Support".
const AS_IT_IS: &str = "SQL_ASCII";
const UTF8: &str = "UTF8";

/// One psql in the container. Dropping it closes its input and cuts the stream.
pub(in crate::mover) struct PlainSession<'o> {
    pub(super) hands: Arc<PlainHands<'o>>,
    pub(super) stream: Stream<'o>,
    number: u64,
    /// How many requests there were.
    requests: u32,
    /// Ends the answer to the last one. Each has its own, so that no answer is taken for another's.
    pub(super) mark: String,
    /// Stands for NULL, and between rows.
    null: String,
    between_rows: String,
    backend_pid: u32,
    /// Text is to be UTF-8, whatever the database's is.
    wants_utf8: bool,
}

impl<'o> PlainSession<'o> {
    pub(super) fn open(
        hands: &Arc<PlainHands<'o>>,
        endpoint: &Endpoint,
        source: Option<&PasswordSource>,
        database: &str,
        settings: &[(String, String)],
    ) -> Result<Self> {
        let mut session = Self::start(hands, endpoint, source, database, settings)?;
        session.greet().map_err(|(error, _)| error)?;
        session.stream.ask(hands, Whose::Session(session.backend_pid));
        Ok(session)
    }

    /// The same for a session that is given up when it does not answer soon; none if psql or the
    /// server refuse it.
    pub(super) fn open_hastily(
        hands: &Arc<PlainHands<'o>>,
        endpoint: &Endpoint,
        source: Option<&PasswordSource>,
        database: &str,
        settings: &[(String, String)],
    ) -> Result<Option<Self>> {
        let mut session = Self::start(hands, endpoint, source, database, settings)?;
        session.stream.be_hasty();
        match session.greet() {
            Ok(()) => Ok(Some(session)),
            Err((_, true)) => Ok(None),
            Err((error, false)) => Err(error),
        }
    }

    fn start(
        hands: &Arc<PlainHands<'o>>,
        endpoint: &Endpoint,
        source: Option<&PasswordSource>,
        database: &str,
        settings: &[(String, String)],
    ) -> Result<Self> {
        let mut settings = settings.to_vec();
        if !settings.iter().any(|(name, _)| name == "application_name") {
            settings.push(("application_name".to_owned(), format!("pgbackup/{}", hands.run_id())));
        }
        let mut wants_utf8 = false;
        for (_, value) in
            settings.iter_mut().filter(|(name, value)| name == "client_encoding" && value == UTF8)
        {
            wants_utf8 = true;
            AS_IT_IS.clone_into(value);
        }
        let mut arguments = reach_arguments(hands, endpoint, source, &settings);
        let database = database.replace('\\', r"\\").replace('\'', r"\'");
        arguments.push(format!("--dbname=dbname='{database}'"));
        let (stream, number) = hands.exec(&format!("{REACH}{PSQL}"), &arguments)?;
        Ok(Self {
            hands: Arc::clone(hands),
            stream,
            number,
            requests: 0,
            mark: String::new(),
            null: new_mark(),
            between_rows: new_mark(),
            backend_pid: 0,
            wants_utf8,
        })
    }

    /// Begins to speak with psql; an error comes with whether it is psql's own word.
    fn greet(&mut self) -> Result<(), (Error, bool)> {
        match self.set_up() {
            Ok(backend_pid) => {
                self.backend_pid = backend_pid;
                Ok(())
            }
            Err(error) => {
                let said = self.stream.last_words();
                // Nothing is left of a session that never was.
                self.hands.streams.remove(self.number, true);
                match said.trim_start_matches("psql: ").trim_start_matches("error: ") {
                    "" => Err((error, false)),
                    said => Err((Error::failed(said), true)),
                }
            }
        }
    }

    /// Says how answers are to be written, and sees that they are.
    fn set_up(&mut self) -> Result<u32> {
        let setup = format!(
            "\\set VERBOSITY default\n\\set SHOW_CONTEXT errors\n\\set SHOW_ALL_RESULTS off\n\
             \\pset format unaligned\n\\pset footer off\n\\pset fieldsep_zero\n\
             \\pset null {}\n\\pset recordsep {}\n",
            self.null, self.between_rows
        );
        self.stream.write(setup.as_bytes())?;
        let answer = self.query(
            "SELECT pg_catalog.pg_backend_pid(), NULL UNION ALL SELECT 0, pg_catalog.getdatabaseencoding()",
        )?;
        let text = |value: &Option<Vec<u8>>| {
            value.as_ref().map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
        };
        let (backend_pid, encoding) = match answer.rows.as_slice() {
            [first, second] => match (first.as_slice(), second.as_slice()) {
                ([pid, None], [zero, encoding]) if text(zero) == "0" => {
                    (text(pid).parse().ok(), text(encoding))
                }
                _ => (None, String::new()),
            },
            _ => (None, String::new()),
        };
        let Some(backend_pid) = backend_pid else {
            return Err(
                damaged_out(&self.stream.container).caused_by("psql gave another answer than was asked for")
            );
        };
        if self.wants_utf8 && !matches!(encoding.as_str(), UTF8 | AS_IT_IS | "MULE_INTERNAL") {
            self.query(&format!("SET client_encoding = '{UTF8}'"))?;
        }
        Ok(backend_pid)
    }

    pub fn backend_pid(&self) -> u32 {
        self.backend_pid
    }

    pub fn control(&self) -> Arc<dyn SessionControl> {
        Arc::clone(&self.stream.control)
    }

    /// Runs statements as one message; gives the rows of the last one.
    pub fn query(&mut self, sql: &str) -> Result<Rows, ServerError> {
        let (rows, count) = self.query_counted(sql)?;
        if rows.rows.len() as u64 == count {
            return Ok(rows);
        }
        let error = damaged_out(&self.stream.container)
            .caused_by(format!("the server gave {count}, and {} arrived", rows.rows.len()));
        Err(self.give_up(error))
    }

    /// Runs statements as one message; gives the rows of the last one, and the count of its tag.
    pub(super) fn query_counted(&mut self, sql: &str) -> Result<(Rows, u64), ServerError> {
        self.run(sql)?;
        let mut payload = Vec::new();
        let packed = self.stream.all_until(&self.mark)?;
        // What has no rows is given to no program.
        let unpacked = if packed.is_empty() {
            Ok(())
        } else {
            self.hands.packing().unpack(&self.stream.container, &mut packed.as_slice(), &mut |text| {
                payload.extend_from_slice(text);
                Ok(())
            })
        };
        let count = self.ended()?;
        match unpacked {
            Ok(()) => Ok((self.rows(&payload), count)),
            Err(error) => Err(self.give_up(error)),
        }
    }

    /// Sends statements and, once psql has them as they are here, has them run, what they give
    /// packed.
    ///
    /// Nothing says that bytes reach psql as they were sent. So it holds them until they have been
    /// compared, and runs them once: what comes twice finds nothing to do.
    pub(super) fn run(&mut self, sql: &str) -> Result<()> {
        self.next_request();
        let (statement, mark, request) = (bare(sql), &self.mark, self.requests);
        self.stream.forget_complaints();
        let text = format!(
            "\\r\n\\set LAST_ERROR_SQLSTATE 00000\n\\set LAST_ERROR_MESSAGE ''\n\\set request_{request} 1\n\
             {}\n\\p\n\\echo {mark}\n",
            joined(&statement)
        );
        self.stream.write(&text::to_bytes(&text))?;
        self.stream.flush()?;
        let there = self.stream.all_until(mark)?;
        self.stream.line()?;
        if there.strip_suffix(b"\n") != Some(&text::to_bytes(&statement)) {
            self.stream.control.abort();
            return Err(damaged_in(&self.stream.container)
                .caused_by("psql there has got another statement than was sent; it was not run"));
        }
        self.next_request();
        let begin = format!(
            "\\if :{{?request_{request}}}\n\\unset request_{request}\n\\g |{}\n",
            self.hands.packing().program()
        );
        self.ask_how_it_ended(&begin, "\\endif\n")
    }

    /// The next answer has a mark of its own.
    pub(super) fn next_request(&mut self) {
        self.requests += 1;
        self.mark = new_mark();
    }

    /// Asks for the mark, how it ended, and the mark again. The status comes twice, so that none can
    /// become another on the way.
    pub(super) fn ask_how_it_ended(&mut self, before: &str, behind: &str) -> Result<()> {
        let mark = &self.mark;
        let status = "\\echo :LAST_ERROR_SQLSTATE :ROW_COUNT\n";
        let text = format!(
            "{before}\\echo {mark}\n{status}{status}\\echo {mark}\n\\echo :LAST_ERROR_MESSAGE\n\\echo {mark}\n{behind}"
        );
        self.stream.write(text.as_bytes())?;
        self.stream.flush()
    }

    /// Reads how it ended, behind the first mark; gives the count of rows of its tag.
    pub(super) fn ended(&mut self) -> Result<u64, ServerError> {
        let status = self.stream.all_until(&self.mark)?;
        let message = self.stream.all_until(&self.mark)?;
        self.stream.line()?;
        let status = status.strip_prefix(b"\n").and_then(said_twice).unwrap_or_default();
        let status = String::from_utf8_lossy(status);
        let Some((code, Ok(rows))) = status.split_once(' ').map(|(code, rows)| (code, rows.parse())) else {
            let error =
                damaged_out(&self.stream.container).caused_by("psql said in two ways how a statement ended");
            return Err(self.give_up(error));
        };
        if code == "00000" {
            return Ok(rows);
        }
        let failure = Failure {
            message: String::from_utf8_lossy(&message).trim().to_owned(),
            code: code.to_owned(),
            ..self.what_else_was_said()?
        };
        Err(failure.into())
    }

    /// The server's DETAIL, HINT and CONTEXT, which psql writes to standard error only.
    fn what_else_was_said(&mut self) -> Result<Failure> {
        let end = new_mark();
        self.stream.write(format!("\\warn {end}\n").as_bytes())?;
        self.stream.flush()?;
        let said = self.stream.said_before(&end);
        let part = |name: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(name));
            line.map(|text| text.trim().to_owned()).unwrap_or_default()
        };
        Ok(Failure {
            detail: part("DETAIL:"),
            hint: part("HINT:"),
            place: part("CONTEXT:"),
            ..Failure::default()
        })
    }

    /// Takes psql's unaligned output apart: names, then rows, NUL between their values.
    fn rows(&self, payload: &[u8]) -> Rows {
        let payload = payload.strip_suffix(b"\n").unwrap_or(payload);
        let mut result = Rows::default();
        if payload.is_empty() {
            return result;
        }
        let separator = self.between_rows.as_bytes();
        let mut start = 0;
        let ends = memchr::memmem::find_iter(payload, separator).chain([payload.len()]);
        for (index, end) in ends.enumerate() {
            let line = payload.get(start..end).unwrap_or_default();
            start = end + separator.len();
            let values = line.split(|byte| *byte == 0);
            if index == 0 {
                result.columns = values.map(|name| String::from_utf8_lossy(name).into_owned()).collect();
            } else {
                let value = |value: &[u8]| (value != self.null.as_bytes()).then(|| value.to_vec());
                result.rows.push(values.map(value).collect());
            }
        }
        result
    }

    /// The session cannot be used any more, because what it writes is not understood.
    pub(super) fn give_up(&mut self, error: Error) -> ServerError {
        self.stream.control.abort();
        error.into()
    }

    /// Ends psql and waits until it is gone.
    pub fn close(mut self) -> Result<()> {
        self.stream.close_input();
        self.stream.control.wait(ENDS_WITHIN).context("end a session")?;
        self.hands.streams.remove(self.number, true);
        Ok(())
    }
}

impl Drop for PlainSession<'_> {
    fn drop(&mut self) {
        self.hands.streams.remove(self.number, false);
    }
}
