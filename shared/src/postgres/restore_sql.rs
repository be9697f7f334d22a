//! What the method asks and says to fill a new database.

use super::{
    query::{Query, Row},
    quote::{conninfo, identifier, literal},
    tables,
    version::Version,
};
use crate::error::Result;
use base64::Engine as _;
use pgbackup_wire::text;

/// The part of an archive that pg_restore makes in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreSection {
    /// What the data needs: schemas, types, tables, functions.
    PreData,
    /// Sequences' values, and what belongs to large objects.
    Data,
    /// Indexes, constraints, triggers, refreshes.
    PostData,
}

impl RestoreSection {
    /// As pg_restore and people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::PreData => "pre-data",
            Self::Data => "data",
            Self::PostData => "post-data",
        }
    }
}

/// The arguments of pg_restore but for the archive; the first error ends it.
pub fn restore_arguments(section: RestoreSection, database: &str, jobs: u32) -> Vec<String> {
    let mut arguments = vec![
        "--no-password".into(),
        "--exit-on-error".into(),
        format!("--section={}", section.name()),
        format!("--dbname={}", conninfo(database)),
    ];
    if jobs > 1 {
        arguments.push(format!("--jobs={jobs}"));
    }
    arguments
}

/// The arguments of a pg_restore that writes a section as a script to its standard output.
pub fn script_arguments(section: RestoreSection) -> Vec<String> {
    vec![format!("--section={}", section.name()), "--file=-".into()]
}

/// What is added to a database that is in use waits no longer than this for a lock, while it
/// holds others.
pub const LOCK_PATIENCE: &str = "SET LOCAL lock_timeout = '30s'";

/// Constraints that may wait are looked at when the transaction ends.
pub const KEYS_AT_THE_END: &str = "SET CONSTRAINTS ALL DEFERRED";

/// Strings are written as our own statements write them, whatever an archive's did.
pub const STRINGS_AS_EVER: &str = "SET standard_conforming_strings = on";

/// The statement that gives one table its statistics.
pub fn analyze_table(schema: &str, name: &str) -> String {
    format!("ANALYZE {}.{}", identifier(schema), identifier(name))
}

/// Settings of a loading session beside [`super::tables::session_settings`]: pg_restore's own,
/// no wait for the disk at each commit (the swap's commit waits for all of them), and no event
/// triggers, which are the restored database's, for its users.
pub fn load_settings(version: Version) -> Vec<(String, String)> {
    let settings =
        vec![("check_function_bodies", "off"), ("xmloption", "content"), ("synchronous_commit", "off")];
    let own = settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    own.chain(restore_settings(version)).collect()
}

/// Settings of pg_restore's sessions: without event triggers where the server can leave them out.
/// They are made before views are filled, and may forbid that, or anybody to come in.
pub fn restore_settings(version: Version) -> Option<(String, String)> {
    (version.major() >= 17).then(|| ("event_triggers".to_owned(), "off".to_owned()))
}

/// Settings of a session that builds indexes in so many bytes, by itself: each of the server's
/// helpers would take memory of its own.
pub fn index_settings(bytes: Option<u64>) -> Vec<(String, String)> {
    let Some(bytes) = bytes else { return Vec::new() };
    vec![
        ("maintenance_work_mem".to_owned(), format!("{}kB", bytes >> 10)),
        ("max_parallel_maintenance_workers".to_owned(), "0".to_owned()),
    ]
}

/// Gives text of an archive as statements of a session take it: turned into UTF-8 by the
/// server's own tables where it is in another encoding. Where the server turns nothing, bytes
/// that are not UTF-8 are kept as they are ([`pgbackup_wire::text`]).
///
/// # Errors
///
/// When the server cannot turn it.
pub fn text_of_archive(session: &mut dyn Query, bytes: &[u8], encoding: &str) -> Result<String> {
    if bytes.is_ascii() || tables::is_unconverted(encoding) || encoding == "UTF8" {
        return Ok(text::from_bytes(bytes).into_owned());
    }
    let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
    let sql = format!(
        "SELECT pg_catalog.convert_from(pg_catalog.decode('{encoded}', 'base64'), {}) AS text",
        literal(encoding)
    );
    session.query(&sql)?.only()?.string("text")
}

/// Counts the tables that pg_dump would name: users' own, without extensions' and temporary ones.
pub fn count_tables(session: &mut dyn Query) -> Result<u64> {
    let answer = session.query(
        "SELECT count(*) AS tables FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' \
         AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS ( \
         SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
         AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e')",
    )?;
    answer.only()?.number("tables")
}

/// Names the indexes of partitioned tables that are invalid though every partition has its valid
/// part attached (F46).
pub fn useless_indexes(session: &mut dyn Query) -> Result<Vec<String>> {
    let answer = session.query(
        "SELECT n.nspname, c.relname FROM pg_catalog.pg_index i \
         JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid AND c.relkind = 'I' \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE NOT i.indisvalid AND NOT EXISTS ( \
         SELECT FROM pg_catalog.pg_inherits t WHERE t.inhparent = i.indrelid AND NOT EXISTS ( \
         SELECT FROM pg_catalog.pg_inherits p JOIN pg_catalog.pg_index x ON x.indexrelid = p.inhrelid \
         WHERE p.inhparent = i.indexrelid AND x.indrelid = t.inhrelid AND x.indisvalid)) ORDER BY 1, 2",
    )?;
    let name = |row: Row<'_>| {
        Ok(format!("{}.{}", identifier(row.text("nspname")?), identifier(row.text("relname")?)))
    };
    answer.iter().map(name).collect()
}

/// When tables get their statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnalyzeStage {
    /// As soon as they are loaded.
    Loaded,
    /// Once indexes, statistics objects and materialized views are there.
    Finished,
}

/// The ANALYZE statements of a stage, each with schema and name of its table. A partitioned
/// table's covers its partitions.
///
/// After the load that is every table. In the end it is what did not exist or was not filled then,
/// and the tables of which an index on an expression or a statistics object wants to know more.
pub fn analyze_statements(session: &mut dyn Query, stage: AnalyzeStage) -> Result<Vec<AnalyzeStatement>> {
    let which = match stage {
        AnalyzeStage::Loaded => {
            "c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname <> 'pg_catalog'"
        }
        AnalyzeStage::Finished => {
            "c.relkind = 'm' OR c.relname IN ('pg_largeobject', 'pg_largeobject_metadata') \
             AND n.nspname = 'pg_catalog' OR c.oid IN ( \
             SELECT coalesce(pg_catalog.pg_partition_root(w.relation), w.relation) FROM ( \
             SELECT i.indrelid AS relation FROM pg_catalog.pg_index i WHERE i.indexprs IS NOT NULL \
             UNION SELECT s.stxrelid FROM pg_catalog.pg_statistic_ext s) w)"
        }
    };
    let answer = session.query(&format!(
        "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE ({which}) AND c.relpersistence <> 't' \
         AND n.nspname !~ '^pg_toast' AND n.nspname <> 'information_schema' \
         ORDER BY CASE WHEN c.relkind = 'p' THEN 1 ELSE 0 END DESC, c.relpages DESC, c.oid",
    ))?;
    let statement = |row: Row<'_>| {
        let (schema, name) = (row.string("nspname")?, row.string("relname")?);
        let sql = format!("ANALYZE {}.{}", identifier(&schema), identifier(&name));
        Ok(AnalyzeStatement { schema, name, sql })
    };
    answer.iter().map(statement).collect()
}

/// What gives one table its statistics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnalyzeStatement {
    /// The table's schema, unquoted.
    pub schema: String,
    /// Its name, unquoted.
    pub name: String,
    /// The statement.
    pub sql: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pg_restore_is_told_the_database_as_a_name_and_stops_at_the_first_error() {
        let arguments = restore_arguments(RestoreSection::PostData, "a=b", 2);
        assert!(arguments.contains(&"--dbname=dbname='a=b'".to_owned()));
        assert!(arguments.contains(&"--exit-on-error".to_owned()));
        assert!(arguments.contains(&"--jobs=2".to_owned()));
    }

    #[test]
    fn event_triggers_are_left_out_only_where_the_server_knows_how() {
        let has = |number| load_settings(Version(number)).iter().any(|(name, _)| name == "event_triggers");
        assert!(has(170_000) && !has(160_002));
    }
}
