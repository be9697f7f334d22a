//! A session at the server: psql with statements on its standard input.

use super::{
    hands::PlainHands,
    statement::joined,
    stream::{Stream, new_mark},
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

/// One psql in the container. Dropping it closes its input and cuts the stream.
pub(in crate::mover) struct PlainSession<'o> {
    pub(super) hands: Arc<PlainHands<'o>>,
    pub(super) stream: Stream,
    number: u64,
    /// Ends each answer.
    pub(super) mark: String,
    /// Stands for NULL, and between rows.
    null: String,
    between_rows: String,
    backend_pid: u32,
}

impl<'o> PlainSession<'o> {
    pub(super) fn open(
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
        let mut arguments = reach_arguments(hands, endpoint, source, &settings);
        let database = database.replace('\\', r"\\").replace('\'', r"\'");
        arguments.push(format!("--dbname=dbname='{database}'"));
        let (stream, number) = hands.exec(&format!("{REACH}{PSQL}"), &arguments)?;
        let mut session = Self {
            hands: Arc::clone(hands),
            stream,
            number,
            mark: new_mark(),
            null: new_mark(),
            between_rows: new_mark(),
            backend_pid: 0,
        };
        match session.greet() {
            Ok(backend_pid) => {
                session.backend_pid = backend_pid;
                Ok(session)
            }
            Err(error) => {
                let said = session.stream.last_words();
                // Nothing is left of a session that never was.
                hands.streams.remove(number, true);
                match said.trim_start_matches("psql: ").trim_start_matches("error: ") {
                    "" => Err(error),
                    said => Err(Error::failed(said)),
                }
            }
        }
    }

    fn greet(&mut self) -> Result<u32> {
        let setup = format!(
            "\\set VERBOSITY default\n\\set SHOW_CONTEXT errors\n\\set SHOW_ALL_RESULTS off\n\
             \\pset format unaligned\n\\pset footer off\n\\pset fieldsep_zero\n\
             \\pset null {}\n\\pset recordsep {}\n",
            self.null, self.between_rows
        );
        self.stream.write(setup.as_bytes())?;
        let answer = self.query("SELECT pg_catalog.pg_backend_pid()")?;
        let value = answer.rows.first().and_then(|row| row.first().cloned().flatten()).unwrap_or_default();
        std::str::from_utf8(&value)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| Error::failed("psql gave another answer than was asked for"))
    }

    pub fn backend_pid(&self) -> u32 {
        self.backend_pid
    }

    pub fn control(&self) -> Arc<dyn SessionControl> {
        Arc::clone(&self.stream.control)
    }

    /// Runs statements as one message; gives the rows of the last one.
    pub fn query(&mut self, sql: &str) -> Result<Rows, ServerError> {
        self.begin(&format!("{}\n;", joined(sql)))?;
        self.ask_how_it_ended()?;
        let payload = self.stream.all_until(&self.mark)?;
        self.ended()?;
        Ok(self.rows(&payload))
    }

    /// Sends what is to be done.
    pub(super) fn begin(&mut self, command: &str) -> Result<()> {
        self.stream.forget_complaints();
        let text = format!("\\set LAST_ERROR_SQLSTATE 00000\n\\set LAST_ERROR_MESSAGE ''\n{command}\n");
        self.stream.write(&text::to_bytes(&text))
    }

    /// Asks for the mark, how it ended, and the mark again.
    pub(super) fn ask_how_it_ended(&mut self) -> Result<()> {
        let mark = &self.mark;
        let text = format!(
            "\\echo {mark}\n\\echo :LAST_ERROR_SQLSTATE :ROW_COUNT\n\\echo :LAST_ERROR_MESSAGE\n\\echo {mark}\n"
        );
        self.stream.write(text.as_bytes())?;
        self.stream.flush()
    }

    /// Reads how it ended, behind the first mark; gives the count of rows of its tag.
    pub(super) fn ended(&mut self) -> Result<u64, ServerError> {
        let status = self.stream.all_until(&self.mark)?;
        self.stream.line()?;
        let status = String::from_utf8_lossy(&status);
        let mut lines = status.trim_start_matches('\n').splitn(2, '\n');
        let (first, message) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        let (code, rows) = first.split_once(' ').unwrap_or((first, ""));
        if code == "00000" {
            let rows = rows.trim().parse();
            return rows.map_err(|_| Error::failed("psql did not tell how many rows there were").into());
        }
        let failure = Failure {
            message: message.trim().to_owned(),
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
