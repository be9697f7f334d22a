//! Rows that are loaded as frozen: old enough for everybody from the start.
//!
//! Nobody has to visit them again to note that they are committed: not the first reader, such as
//! the build of an index, which would write every page once more, and not VACUUM later. The
//! server allows it in the transaction that has emptied the table.
//!
//! Source: PostgreSQL manual, "COPY", the option FREEZE.

use super::{query::Query, quote::identifier};
use crate::error::Result;
use std::collections::HashMap;

/// An emptied table costs a new file, so rows are frozen in tables that have at least so many
/// bytes of text.
const WORTH_IT: u64 = 1 << 20;

/// The tables of a database that may be loaded so: ordinary ones in the server's own storage that
/// no extension has made.
#[derive(Debug, Default)]
pub struct Freezable {
    /// Schema and name, and both as the archive's COPY statements write them.
    tables: HashMap<(String, String), String>,
}

impl Freezable {
    /// Asks the server which these are.
    pub fn find(session: &mut dyn Query) -> Result<Self> {
        let answer = session.query(
            "SELECT n.nspname, c.relname, pg_catalog.format('%I.%I', n.nspname, c.relname) AS quoted \
             FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_catalog.pg_am a ON a.oid = c.relam \
             WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND a.amname = 'heap' \
             AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d \
             WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
             AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e') \
             AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'",
        )?;
        let tables = answer
            .iter()
            .map(|row| Ok(((row.string("nspname")?, row.string("relname")?), row.string("quoted")?)))
            .collect::<Result<_>>()?;
        Ok(Self { tables })
    }

    /// The two statements that load a table frozen: one that empties it, and its COPY, made of the
    /// `statement` that would load it otherwise. None if that names another table (the root of a
    /// partition), or it is not worth it.
    pub fn statements(
        &self,
        schema: &str,
        name: &str,
        bytes: u64,
        statement: &str,
    ) -> Option<(String, String)> {
        let quoted = self.tables.get(&(schema.to_owned(), name.to_owned()))?;
        let rest = statement.strip_prefix("COPY ")?.strip_prefix(quoted.as_str())?;
        if bytes < WORTH_IT || !rest.starts_with(' ') {
            return None;
        }
        let copy = match statement.split_once(" FROM stdin WITH (") {
            Some((copy, options)) => format!("{copy} FROM stdin WITH (FREEZE, {options}"),
            None => format!("{statement} WITH (FREEZE)"),
        };
        Some((format!("TRUNCATE TABLE ONLY {}.{}", identifier(schema), identifier(name)), copy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn freezable() -> Freezable {
        let name = ("s".to_owned(), "T".to_owned());
        Freezable { tables: HashMap::from([(name, "s.\"T\"".to_owned())]) }
    }

    #[test]
    fn a_large_table_is_emptied_and_loaded_frozen() {
        let (truncate, copy) =
            freezable().statements("s", "T", WORTH_IT, "COPY s.\"T\" (a) FROM stdin").unwrap();
        assert_eq!(truncate, "TRUNCATE TABLE ONLY \"s\".\"T\"");
        assert_eq!(copy, "COPY s.\"T\" (a) FROM stdin WITH (FREEZE)");
        let latin = "COPY s.\"T\" (a) FROM stdin WITH (ENCODING 'LATIN1')";
        let (_, copy) = freezable().statements("s", "T", WORTH_IT, latin).unwrap();
        assert_eq!(copy, "COPY s.\"T\" (a) FROM stdin WITH (FREEZE, ENCODING 'LATIN1')");
    }

    #[test]
    fn a_small_table_an_unknown_one_and_another_than_the_statements_are_loaded_as_ever() {
        let copy = "COPY s.\"T\" (a) FROM stdin";
        assert_eq!(freezable().statements("s", "T", WORTH_IT - 1, copy), None);
        assert_eq!(freezable().statements("s", "t", WORTH_IT, copy), None);
        assert_eq!(freezable().statements("s", "T", WORTH_IT, "COPY s.root (a) FROM stdin"), None);
        assert_eq!(freezable().statements("s", "T", WORTH_IT, "COPY s.\"T\"\"\" (a) FROM stdin"), None);
    }
}
