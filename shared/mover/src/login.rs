//! Beginning a session: startup packet, and the password if the server asks for one.
//!
//! Source: PostgreSQL manual, "Message Flow", "Start-up", and "SASL Authentication".

use crate::{
    connection::{Cancelling, Connection, failure},
    password::Passwords,
    trouble::Trouble,
};
use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use pgbackup_wire::{Endpoint, Failure, text};
use postgres_protocol::{
    authentication::{
        md5_hash,
        sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256},
    },
    message::{backend::Message, frontend},
};

/// SQLSTATE `invalid_password`.
const INVALID_PASSWORD: &str = "28P01";

/// A session that has begun.
pub struct LoggedIn {
    pub connection: Connection,
    pub cancelling: Cancelling,
    pub backend_pid: u32,
    pub parameters: Vec<(String, String)>,
}

enum Attempt {
    Done(Box<LoggedIn>),
    /// The server asks for a password and there was none to try.
    Asked,
    Refused(Failure),
}

/// Connects, and answers with what the container itself keeps if the server asks for a password:
/// the first candidate on the same connection, each further one on a connection of its own,
/// since a server that was told a wrong one closes.
pub fn login(
    endpoint: &Endpoint,
    database: &str,
    settings: &[(String, String)],
    passwords: &Passwords,
) -> Result<LoggedIn, Trouble> {
    let mut last = Failure {
        message: format!(
            "the server asks for the password of `{}`, and none was found in the container",
            endpoint.user
        ),
        code: INVALID_PASSWORD.into(),
        hint: "set POSTGRES_PASSWORD, POSTGRES_PASSWORD_FILE or PGPASSFILE in the container".into(),
        fatal: true,
        ..Failure::default()
    };
    // They are looked for when the server asks, and not before.
    let mut candidates: Option<std::vec::IntoIter<String>> = None;
    loop {
        let mut given = None;
        let mut ask = || {
            let candidates =
                candidates.get_or_insert_with(|| passwords.candidates(endpoint, database).into_iter());
            given = candidates.next();
            given.clone()
        };
        match attempt(endpoint, database, settings, &mut ask)? {
            Attempt::Done(session) => {
                passwords.worked(endpoint, given.as_deref());
                return Ok(*session);
            }
            Attempt::Refused(failure) => last = failure,
            Attempt::Asked => break,
        }
        let more = candidates.as_ref().is_some_and(|candidates| candidates.len() > 0);
        if last.code != INVALID_PASSWORD || !more {
            break;
        }
    }
    Err(Trouble::Failed(Box::new(last)))
}

/// Begins one session; `ask` gives the password to try, if there is one.
fn attempt(
    endpoint: &Endpoint,
    database: &str,
    settings: &[(String, String)],
    ask: &mut dyn FnMut() -> Option<String>,
) -> Result<Attempt, Trouble> {
    let cannot = |error| Trouble::fatal(format!("cannot reach the server at `{}`: {error}", endpoint.host));
    let mut connection = Connection::open(endpoint).map_err(cannot)?;
    let mut out = BytesMut::new();
    connection.send(&startup(&endpoint.user, database, settings)?)?;

    let mut scram: Option<ScramSha256> = None;
    loop {
        out.clear();
        match connection.message()? {
            Message::AuthenticationOk => {
                connection.let_in();
                break;
            }
            Message::AuthenticationCleartextPassword => {
                let Some(password) = ask() else { return Ok(Attempt::Asked) };
                frontend::password_message(password.as_bytes(), &mut out).map_err(Trouble::fatal)?;
            }
            Message::AuthenticationMd5Password(body) => {
                let Some(password) = ask() else { return Ok(Attempt::Asked) };
                let hash = md5_hash(endpoint.user.as_bytes(), password.as_bytes(), body.salt());
                frontend::password_message(hash.as_bytes(), &mut out).map_err(Trouble::fatal)?;
            }
            Message::AuthenticationSasl(body) => {
                let Some(password) = ask() else { return Ok(Attempt::Asked) };
                let offered =
                    body.mechanisms().any(|name| Ok(name == SCRAM_SHA_256)).map_err(Trouble::fatal)?;
                if !offered {
                    return Err(Trouble::fatal("the server offers no way to log in that is known here"));
                }
                let begun = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
                frontend::sasl_initial_response(SCRAM_SHA_256, begun.message(), &mut out)
                    .map_err(Trouble::fatal)?;
                scram = Some(begun);
            }
            Message::AuthenticationSaslContinue(body) => {
                let Some(begun) = scram.as_mut() else { return Err(unexpected()) };
                begun.update(body.data()).map_err(Trouble::fatal)?;
                frontend::sasl_response(begun.message(), &mut out).map_err(Trouble::fatal)?;
            }
            Message::AuthenticationSaslFinal(body) => {
                let Some(begun) = scram.as_mut() else { return Err(unexpected()) };
                begun.finish(body.data()).map_err(Trouble::fatal)?;
            }
            Message::ErrorResponse(body) => return Ok(refused(failure(body.fields()))),
            Message::NoticeResponse(_) => {}
            Message::AuthenticationGss | Message::AuthenticationSspi | Message::AuthenticationKerberosV5 => {
                return Err(Trouble::fatal("the server asks for a way to log in that is not known here"));
            }
            _ => return Err(unexpected()),
        }
        if !out.is_empty() {
            connection.send(&out)?;
        }
    }
    greeted(connection, endpoint)
}

fn refused(failure: Failure) -> Attempt {
    Attempt::Refused(Failure { fatal: true, ..failure })
}

/// Takes what the server tells of itself, until it is ready.
fn greeted(mut connection: Connection, endpoint: &Endpoint) -> Result<Attempt, Trouble> {
    let mut parameters = Vec::new();
    let mut key = (0, 0);
    loop {
        match connection.message()? {
            Message::ParameterStatus(body) => {
                if let (Ok(name), Ok(value)) = (body.name(), body.value()) {
                    parameters.push((name.to_owned(), value.to_owned()));
                }
            }
            Message::BackendKeyData(body) => key = (body.process_id(), body.secret_key()),
            Message::NoticeResponse(_) => {}
            Message::ErrorResponse(body) => return Ok(refused(failure(body.fields()))),
            Message::ReadyForQuery(_) => break,
            _ => return Err(unexpected()),
        }
    }
    let cancelling = connection.cancelling(endpoint, key.0, key.1).map_err(Trouble::fatal)?;
    let backend_pid = u32::try_from(key.0).unwrap_or_default();
    Ok(Attempt::Done(Box::new(LoggedIn { connection, cancelling, backend_pid, parameters })))
}

/// The first message of a session: length, version 3.0 of the protocol, names and values.
fn startup(user: &str, database: &str, settings: &[(String, String)]) -> Result<Vec<u8>, Trouble> {
    let own = [("user", user), ("database", database)];
    let all = own.into_iter().chain(settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let mut body = (3_u32 << 16).to_be_bytes().to_vec();
    for word in all.flat_map(|(name, value)| [name, value]) {
        let word = text::to_bytes(word);
        if word.contains(&0) {
            return Err(Trouble::fatal("a name or a setting of the session holds a byte 0"));
        }
        body.extend_from_slice(&word);
        body.push(0);
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).map_err(Trouble::fatal)?;
    Ok([&length.to_be_bytes()[..], &body].concat())
}

fn unexpected() -> Trouble {
    Trouble::fatal("the server answered out of order while the session began")
}
