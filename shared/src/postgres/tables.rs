//! What the method asks and says to read the tables of one database in one snapshot.
//!
//! Sources: pg_dump's own statements as servers 13 to 18 log them, and the manual's "LOCK",
//! "SET TRANSACTION" and "COPY".

use super::{
    query::{Query, Row},
    quote::{identifier, literal},
    version::Version,
};
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};

/// Tables in one LOCK statement.
const LOCKED_AT_ONCE: usize = 500;

/// How a session must be set to read or write what pg_dump would, as settings of its startup.
///
/// They are pg_dump's own (seen with `log_statement = all` on 13, 17 and 18), so that text comes
/// out byte for byte as pg_dump writes it, whatever the database or the role is set to.
/// `client_encoding` is the one of statements and answers: UTF8, but the database's own where the
/// server can turn nothing into UTF8. A COPY names the encoding of its text itself.
pub fn session_settings(
    application_name: &str,
    database_encoding: &str,
    version: Version,
) -> Vec<(String, String)> {
    let client_encoding = if is_unconverted(database_encoding) { database_encoding } else { "UTF8" };
    let mut settings = vec![
        ("application_name", application_name),
        ("client_encoding", client_encoding),
        ("search_path", ""),
        ("DateStyle", "ISO"),
        ("IntervalStyle", "postgres"),
        ("extra_float_digits", "3"),
        ("synchronize_seqscans", "off"),
        ("standard_conforming_strings", "on"),
        ("row_security", "off"),
        ("default_transaction_read_only", "off"),
        ("statement_timeout", "0"),
        ("lock_timeout", "0"),
        ("idle_in_transaction_session_timeout", "0"),
    ];
    if version.major() >= 14 {
        settings.push(("idle_session_timeout", "0"));
    }
    if version.major() >= 17 {
        settings.push(("transaction_timeout", "0"));
    }
    settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Whether the server has no conversion between this encoding of a database and UTF8. Names and
/// data in such a database may be any bytes.
///
/// Source: the manual's "Character Set Support", table "Built-In Client/Server Character Set
/// Conversions".
pub fn is_unconverted(encoding: &str) -> bool {
    matches!(encoding, "SQL_ASCII" | "MULE_INTERNAL")
}

/// Closes the way by which a relation that is swapped for a view could run somebody's code in a
/// session of ours, on servers that know the setting, as pg_dump does.
pub fn restrict_relation_kinds(session: &mut dyn Query) -> Result<()> {
    session
        .query(
            "SELECT pg_catalog.set_config(name, 'view, foreign-table', false) FROM pg_catalog.pg_settings \
             WHERE name = 'restrict_nonsystem_relation_kind'",
        )
        .map(|_| ())
}

/// A relation by its name at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedTable {
    /// Its oid.
    pub oid: u32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
}

impl NamedTable {
    /// Schema and name as statements take them: `"archive"."file"`.
    pub fn quoted(&self) -> String {
        format!("{}.{}", identifier(&self.schema), identifier(&self.name))
    }
}

/// Reads the tables whose rows pg_dump may read: ordinary and partitioned ones of users' schemas,
/// without temporary ones and without those of extensions, of which only the configuration
/// tables count.
pub fn lockable_tables(session: &mut dyn Query) -> Result<Vec<NamedTable>> {
    let answer = session.query(
        "SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND ( \
           (n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS ( \
             SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
             AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e')) \
           OR EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE c.oid = ANY (e.extconfig))) \
         ORDER BY c.oid",
    )?;
    answer
        .iter()
        .map(|row| {
            Ok(NamedTable {
                oid: row.number("oid")?,
                schema: row.string("nspname")?,
                name: row.string("relname")?,
            })
        })
        .collect()
}

/// The beginning of the transaction that holds locks and snapshot. It takes no snapshot.
pub const BEGIN_COORDINATOR: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/// The statements that lock these tables, each with the tables it names.
pub fn lock_statements(tables: &[NamedTable]) -> Vec<(String, &[NamedTable])> {
    tables
        .chunks(LOCKED_AT_ONCE)
        .map(|batch| {
            let names: Vec<String> = batch.iter().map(NamedTable::quoted).collect();
            (format!("LOCK TABLE ONLY {} IN ACCESS SHARE MODE", names.join(", ONLY ")), batch)
        })
        .collect()
}

/// Takes the transaction's snapshot and gives its name for other sessions.
pub fn export_snapshot(session: &mut dyn Query) -> Result<String> {
    session.query("SELECT pg_catalog.pg_export_snapshot() AS snapshot")?.only()?.string("snapshot")
}

/// The beginning of a transaction in the same snapshot. `lock_timeout_ms` guards against waiting
/// behind somebody who waits for the coordinator itself.
pub fn begin_in_snapshot(snapshot: &str, lock_timeout_ms: u32) -> String {
    format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET TRANSACTION SNAPSHOT {}; \
         SET LOCAL lock_timeout = {lock_timeout_ms}",
        literal(snapshot)
    )
}

/// Reads which relations of this database the session itself holds a lock on.
pub fn locked_relations(session: &mut dyn Query) -> Result<BTreeSet<u32>> {
    let answer = session.query(
        "SELECT relation FROM pg_catalog.pg_locks WHERE pid = pg_catalog.pg_backend_pid() \
         AND locktype = 'relation' AND granted AND database = (SELECT oid FROM pg_catalog.pg_database \
         WHERE datname = pg_catalog.current_database())",
    )?;
    answer.iter().map(|row| row.number("relation")).collect()
}

/// What is needed to read one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFacts {
    /// Oid, schema and name.
    pub table: NamedTable,
    /// Its columns in the order of `attnum`, quoted by the server: `id, "número"`; without
    /// dropped and generated ones; empty if it has none.
    pub columns: String,
    /// Bytes of its main fork.
    pub heap_bytes: u64,
    /// Bytes with what is stored out of line, without indexes.
    pub bytes: u64,
    /// Whether rows are where `ctid` says, as in the server's own table access method.
    pub is_heap: bool,
    /// `WHERE ...`: the filter of an extension's configuration table.
    pub condition: Option<String>,
}

/// Reads what is needed to read these tables. They must be locked by the session.
pub fn table_facts(session: &mut dyn Query, oids: &[u32]) -> Result<BTreeMap<u32, TableFacts>> {
    let mut found = BTreeMap::new();
    for batch in oids.chunks(LOCKED_AT_ONCE) {
        let list: Vec<String> = batch.iter().map(ToString::to_string).collect();
        let answer = session.query(&format!(
            "SELECT c.oid, n.nspname, c.relname, a.amname, \
             pg_catalog.pg_relation_size(c.oid) AS heap_bytes, pg_catalog.pg_table_size(c.oid) AS bytes, \
             (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(t.attname), ', ' ORDER BY t.attnum) \
              FROM pg_catalog.pg_attribute t WHERE t.attrelid = c.oid AND t.attnum > 0 \
              AND NOT t.attisdropped AND t.attgenerated = '') AS columns, \
             (SELECT f.condition FROM pg_catalog.pg_extension e, \
              ROWS FROM (pg_catalog.unnest(e.extconfig), pg_catalog.unnest(e.extcondition)) \
              AS f (relation, condition) WHERE f.relation = c.oid AND f.condition <> '' LIMIT 1) AS condition \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam WHERE c.oid IN ({})",
            list.join(", ")
        ))?;
        for row in answer.iter() {
            let facts = facts_of(row)?;
            found.insert(facts.table.oid, facts);
        }
    }
    Ok(found)
}

fn facts_of(row: Row<'_>) -> Result<TableFacts> {
    Ok(TableFacts {
        table: NamedTable {
            oid: row.number("oid")?,
            schema: row.string("nspname")?,
            name: row.string("relname")?,
        },
        columns: row.optional_string("columns")?.unwrap_or_default(),
        heap_bytes: row.optional_number("heap_bytes")?.unwrap_or_default(),
        bytes: row.optional_number("bytes")?.unwrap_or_default(),
        is_heap: row.optional("amname")? == Some("heap"),
        condition: row.optional_string("condition")?,
    })
}

/// Which rows of a table a COPY reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All.
    Whole,
    /// Those on pages from the first on, up to and without the second; to the end without it.
    Pages(u64, Option<u64>),
}

/// The statement that reads a table as pg_dump does, its text in the database's encoding.
///
/// Page ranges put together in their order give what the whole would (compared byte by byte on
/// 15 to 18); the server reads just these pages from version 14 on.
pub fn copy_out(facts: &TableFacts, extent: Extent, encoding: &str) -> String {
    let table = facts.table.quoted();
    let source = match (extent, &facts.condition) {
        (Extent::Whole, None) if facts.columns.is_empty() => table,
        (Extent::Whole, None) => format!("{table} ({})", facts.columns),
        (Extent::Whole, Some(condition)) => {
            format!("(SELECT {} FROM ONLY {table} {condition})", facts.columns)
        }
        (Extent::Pages(first, end), _) => {
            let end = end.map(|end| format!(" AND ctid < '({end},0)'::pg_catalog.tid")).unwrap_or_default();
            format!(
                "(SELECT {} FROM ONLY {table} WHERE ctid >= '({first},0)'::pg_catalog.tid{end})",
                facts.columns
            )
        }
    };
    format!("COPY {source} TO STDOUT{}", encoding_option(encoding))
}

/// The statement that loads a table: the archive's own, ended by pg_dump with ` FROM stdin;`.
///
/// # Errors
///
/// When it has another form.
pub fn copy_in(copy_statement: &str, encoding: &str) -> Result<String> {
    let body = copy_statement
        .trim_end()
        .strip_suffix(';')
        .filter(|body| body.starts_with("COPY ") && body.ends_with(" FROM stdin"))
        .ok_or_else(|| {
            Error::failed(format!("the statement `{}` is not understood", copy_statement.trim()))
        })?;
    Ok(format!("{body}{}", encoding_option(encoding)))
}

fn encoding_option(encoding: &str) -> String {
    if encoding == "UTF8" { String::new() } else { format!(" WITH (ENCODING {})", literal(encoding)) }
}

/// The arguments of the pg_dump whose contents are taken.
///
/// It is ended while it sends the first rows, which a server writes into its log as three
/// errors. A superuser's session may keep that to itself (`quiet`); what goes wrong before is
/// still told by pg_dump.
pub fn dump_arguments(
    database: &str,
    snapshot: &str,
    encoding: &str,
    lock_timeout_ms: u128,
    quiet: bool,
) -> Vec<String> {
    let options = if quiet { " options='-c log_min_messages=panic'" } else { "" };
    vec![
        "--format=custom".into(),
        "--compress=0".into(),
        "--no-password".into(),
        format!("--encoding={encoding}"),
        format!("--lock-wait-timeout={lock_timeout_ms}"),
        format!("--snapshot={snapshot}"),
        format!("--dbname={}{options}", super::quote::conninfo(database)),
    ]
}

/// The arguments of the pg_dumpall that writes `globals.sql`.
pub fn globals_arguments(maintenance_database: &str, with_passwords: bool) -> Vec<String> {
    let mut arguments = vec![
        "--globals-only".into(),
        "--no-password".into(),
        format!("--dbname={}", super::quote::conninfo(maintenance_database)),
    ];
    if !with_passwords {
        arguments.push("--no-role-passwords".into());
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(columns: &str, condition: Option<&str>) -> TableFacts {
        TableFacts {
            table: NamedTable { oid: 1, schema: "s".into(), name: "T\"x".into() },
            columns: columns.into(),
            heap_bytes: 0,
            bytes: 0,
            is_heap: true,
            condition: condition.map(Into::into),
        }
    }

    #[test]
    fn a_table_without_columns_is_copied_without_a_column_list() {
        assert_eq!(copy_out(&facts("", None), Extent::Whole, "UTF8"), "COPY \"s\".\"T\"\"x\" TO STDOUT");
    }

    #[test]
    fn the_last_page_range_has_no_end() {
        assert_eq!(
            copy_out(&facts("a, b", None), Extent::Pages(8192, None), "UTF8"),
            "COPY (SELECT a, b FROM ONLY \"s\".\"T\"\"x\" WHERE ctid >= '(8192,0)'::pg_catalog.tid) TO STDOUT"
        );
    }

    #[test]
    fn an_extensions_filter_is_kept() {
        let sql = copy_out(&facts("a", Some("WHERE a > 1")), Extent::Whole, "LATIN1");
        assert_eq!(
            sql,
            "COPY (SELECT a FROM ONLY \"s\".\"T\"\"x\" WHERE a > 1) TO STDOUT WITH (ENCODING 'LATIN1')"
        );
    }

    #[test]
    fn a_copy_statement_of_another_form_is_refused() {
        assert_eq!(copy_in("COPY s.t (a) FROM stdin;\n", "UTF8").unwrap(), "COPY s.t (a) FROM stdin");
        assert!(copy_in("COPY s.t (a) FROM PROGRAM 'rm';\n", "UTF8").is_err());
        assert!(copy_in("DROP TABLE t; COPY t FROM stdin\n", "UTF8").is_err());
    }
}
