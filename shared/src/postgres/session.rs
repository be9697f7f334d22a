//! The mover's sessions as this room uses them.

use super::{
    probe::Door,
    query::{Query, Table},
};
use crate::{
    error::Result,
    mover::{Mover, Rows, ServerSession},
};
use pgbackup_wire::{
    message::{Endpoint, Environment},
    text,
};
use std::borrow::Cow;

/// Settings of a session that reads facts: text in UTF-8, and nothing that waits for long.
const SETTINGS: [(&str, &str); 3] =
    [("client_encoding", "UTF8"), ("search_path", "pg_catalog"), ("statement_timeout", "60s")];

impl Query for ServerSession<'_> {
    fn query(&mut self, sql: &str) -> Result<Table> {
        Ok(ServerSession::query(self, sql)?.into())
    }

    fn query_secret(&mut self, sql: &str) -> Result<Table> {
        Ok(ServerSession::query_secret(self, sql)?.into())
    }
}

impl From<Rows> for Table {
    fn from(rows: Rows) -> Self {
        // What is not UTF-8 is written so that its bytes come back in a statement.
        let value = |bytes: Vec<u8>| match text::from_bytes(&bytes) {
            Cow::Borrowed(_) => bytes,
            Cow::Owned(text) => text.into_bytes(),
        };
        let row = |row: Vec<Option<Vec<u8>>>| row.into_iter().map(|bytes| bytes.map(value)).collect();
        Self { columns: rows.columns, rows: rows.rows.into_iter().map(row).collect() }
    }
}

impl Door for Mover<'_> {
    fn environment(&self) -> Result<Environment> {
        Mover::environment(self)
    }

    fn connect(&self, endpoint: &Endpoint, database: &str) -> Result<Box<dyn Query + '_>> {
        let settings: Vec<(String, String)> =
            SETTINGS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Ok(Box::new(Mover::connect(self, endpoint, database, &settings)?))
    }
}
