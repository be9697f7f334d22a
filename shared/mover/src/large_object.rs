//! Large objects, piece by piece through `lo_get` and `lo_put`, which all supported servers
//! have. Their content travels in binary form.
//!
//! Source: PostgreSQL manual, "Server-side Functions" of large objects, and "Extended Query".

use crate::{
    copy_in::Incoming,
    copy_out::Chunks,
    session::{Answer, Session, Task},
    trouble::Trouble,
};
use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::{
    IsNull,
    message::{
        backend::Message,
        frontend::{self, BindError},
    },
};

/// Bytes read or written by one call; fits the connection's buffer, and a multiple of the
/// 2 KiB in which the server keeps large objects.
const PIECE: usize = 240 << 10;

const OID: u32 = 26;
const INT8: u32 = 20;
const INT4: u32 = 23;
const BYTEA: u32 = 17;

const GET: &str = "SELECT pg_catalog.lo_get($1, $2, $3)";
const PUT: &str = "SELECT pg_catalog.lo_put($1, $2, $3)";

/// Reads one object whole, in the session's transaction if there is one.
pub fn out(session: &mut Session, task: &Task<'_>, oid: u32, chunks: &mut Chunks<'_>) -> Result<(), Trouble> {
    let mut offset = 0_i64;
    loop {
        task.check()?;
        let parameters =
            [&oid.to_be_bytes()[..], &offset.to_be_bytes()[..], &(PIECE as i32).to_be_bytes()[..]];
        let piece = call(session, GET, [OID, INT8, INT4], &parameters)?;
        let piece = piece.ok_or_else(|| Trouble::plain(format!("large object {oid} gave no content")))?;
        chunks.push(&piece)?;
        offset += piece.len() as i64;
        if piece.len() < PIECE {
            return Ok(());
        }
    }
}

/// Writes one object that exists and is empty.
pub fn into(session: &mut Session, oid: u32, incoming: &mut Incoming<'_>) -> Result<(), Trouble> {
    let mut offset = 0_i64;
    while let Some(content) = incoming.next()? {
        for piece in content.chunks(PIECE) {
            let parameters = [&oid.to_be_bytes()[..], &offset.to_be_bytes()[..], piece];
            call(session, PUT, [OID, INT8, BYTEA], &parameters)?;
            offset += piece.len() as i64;
        }
    }
    Ok(())
}

/// Calls a function of three parameters in binary form; gives its one value, none for NULL
/// or no row.
fn call(
    session: &mut Session,
    sql: &str,
    types: [u32; 3],
    parameters: &[&[u8]],
) -> Result<Option<Vec<u8>>, Trouble> {
    let mut out = BytesMut::new();
    frontend::parse("", sql, types, &mut out).map_err(Trouble::plain)?;
    let write = |value: &&[u8], out: &mut BytesMut| {
        out.extend_from_slice(value);
        Ok(IsNull::No)
    };
    frontend::bind("", "", [1], parameters, write, [1], &mut out).map_err(|error| match error {
        BindError::Conversion(error) => Trouble::plain(error),
        BindError::Serialization(error) => Trouble::plain(error),
    })?;
    frontend::execute("", 0, &mut out).map_err(Trouble::plain)?;
    frontend::sync(&mut out);
    session.connection.send(&out)?;
    let mut answer = Answer::default();
    let mut value = None;
    while !answer.is_over() {
        match session.connection.message()? {
            Message::DataRow(body) => {
                let first = body.ranges().next().map_err(Trouble::fatal)?.flatten();
                value = first.and_then(|range| Some(body.buffer().get(range)?.to_vec()));
            }
            message => answer.take(&message),
        }
    }
    answer.result()?;
    Ok(value)
}
