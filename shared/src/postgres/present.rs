//! What a database has already, as far as it matters to what is added to it.

use super::{
    archive::TocEntry,
    query::{Query, Row},
    quote::{identifier, literal},
};
use crate::error::Result;
use std::collections::{BTreeMap, BTreeSet};

/// Tables that one statement asks about.
const AT_ONCE: usize = 200;

/// The names in a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Present {
    schemas: BTreeSet<String>,
    extensions: BTreeSet<String>,
    /// Schema and name.
    relations: BTreeSet<(String, String)>,
    types: BTreeSet<(String, String)>,
    /// Schema and signature as an archive's tags have it: `f(integer, text)`.
    functions: BTreeSet<(String, String)>,
}

impl Present {
    /// Reads all names of the session's database. Its `search_path` must be empty, so that types
    /// in signatures come with their schemas.
    pub fn read(session: &mut dyn Query) -> Result<Self> {
        let pairs = |session: &mut dyn Query, sql: &str| -> Result<BTreeSet<(String, String)>> {
            let answer = session.query(sql)?;
            answer.iter().map(|row: Row<'_>| Ok((row.string("nspname")?, row.string("name")?))).collect()
        };
        let names = |session: &mut dyn Query, sql: &str| -> Result<BTreeSet<String>> {
            session.query(sql)?.iter().map(|row| row.string("name")).collect()
        };
        Ok(Self {
            schemas: names(session, "SELECT nspname AS name FROM pg_catalog.pg_namespace")?,
            extensions: names(session, "SELECT extname AS name FROM pg_catalog.pg_extension")?,
            relations: pairs(
                session,
                "SELECT n.nspname, c.relname AS name FROM pg_catalog.pg_class c \
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_toast'",
            )?,
            types: pairs(
                session,
                "SELECT n.nspname, t.typname AS name FROM pg_catalog.pg_type t \
                 JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE t.typrelid = 0",
            )?,
            functions: pairs(
                session,
                "SELECT n.nspname, p.proname || '(' || COALESCE((SELECT pg_catalog.string_agg( \
                 pg_catalog.format_type(a.type, NULL), ', ' ORDER BY a.place) \
                 FROM pg_catalog.unnest(p.proargtypes) WITH ORDINALITY AS a (type, place)), '') || ')' AS name \
                 FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace",
            )?,
        })
    }

    /// Whether the database has what an entry makes; none if the kind of thing is not looked at.
    pub fn has(&self, entry: &TocEntry) -> Option<bool> {
        let key = (entry.schema_text(), entry.tag_text());
        match entry.desc.as_ref()?.to_string().as_str() {
            "TABLE" | "VIEW" | "MATERIALIZED VIEW" | "FOREIGN TABLE" | "SEQUENCE" | "INDEX" => {
                Some(self.relations.contains(&key))
            }
            "TYPE" | "DOMAIN" | "SHELL TYPE" => {
                Some(self.types.contains(&key) || self.relations.contains(&key))
            }
            "FUNCTION" | "PROCEDURE" => Some(self.functions.contains(&key)),
            "EXTENSION" => Some(self.extensions.contains(&key.1)),
            "SCHEMA" => Some(self.schemas.contains(&key.1)),
            _ => None,
        }
    }

    /// Whether it has a relation.
    pub fn has_relation(&self, schema: &str, name: &str) -> bool {
        self.relations.contains(&(schema.to_owned(), name.to_owned()))
    }
}

/// Gives those of these tables (schema and name) that have rows.
pub fn tables_with_rows(
    session: &mut dyn Query,
    tables: &[(String, String)],
) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for batch in tables.chunks(AT_ONCE) {
        let parts: Vec<String> = batch
            .iter()
            .enumerate()
            .map(|(place, (schema, name))| {
                let (schema, name) = (identifier(schema), identifier(name));
                format!("SELECT {place} AS place WHERE EXISTS (SELECT FROM {schema}.{name})")
            })
            .collect();
        let answer = session.query(&parts.join(" UNION ALL "))?;
        for row in answer.iter() {
            found.extend(batch.get(row.number::<usize>("place")?).cloned());
        }
    }
    Ok(found)
}

/// Gives those of these tables that have triggers of their users, which fire for each row.
pub fn tables_with_triggers(
    session: &mut dyn Query,
    tables: &[(String, String)],
) -> Result<Vec<(String, String)>> {
    let answer = session.query(
        "SELECT DISTINCT n.nspname, c.relname FROM pg_catalog.pg_trigger t \
         JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')",
    )?;
    let there: BTreeSet<(String, String)> = answer
        .iter()
        .map(|row| Ok((row.string("nspname")?, row.string("relname")?)))
        .collect::<Result<_>>()?;
    Ok(tables.iter().filter(|table| there.contains(*table)).cloned().collect())
}

/// Puts tables into an order in which no row comes before the one that its foreign key names, by
/// their places in the list. The second part names those whose keys go round in a circle in which
/// none can wait for the end of the transaction, and those behind them.
pub fn in_order_of_keys(
    session: &mut dyn Query,
    tables: &[(String, String)],
) -> Result<(Vec<usize>, Vec<usize>)> {
    let answer = session.query(
        "SELECT DISTINCT n.nspname, c.relname, m.nspname AS other_schema, d.relname AS other \
         FROM pg_catalog.pg_constraint k \
         JOIN pg_catalog.pg_class c ON c.oid = k.conrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_class d ON d.oid = k.confrelid \
         JOIN pg_catalog.pg_namespace m ON m.oid = d.relnamespace \
         WHERE k.contype = 'f' AND k.conrelid <> k.confrelid AND NOT k.condeferrable",
    )?;
    let places: BTreeMap<&(String, String), usize> =
        tables.iter().enumerate().map(|(place, table)| (table, place)).collect();
    let mut waits: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); tables.len()];
    for row in answer.iter() {
        let from = (row.string("nspname")?, row.string("relname")?);
        let to = (row.string("other_schema")?, row.string("other")?);
        if let (Some(from), Some(to)) = (places.get(&from), places.get(&to))
            && let Some(waits) = waits.get_mut(*from)
        {
            waits.insert(*to);
        }
    }
    Ok(order(&waits))
}

/// Takes one after the other that waits for none that is left. Gives the order, and those that
/// wait for each other.
fn order(waits: &[BTreeSet<usize>]) -> (Vec<usize>, Vec<usize>) {
    let mut order = Vec::new();
    let mut left: Vec<usize> = (0..waits.len()).collect();
    while !left.is_empty() {
        let is_free = |place: &usize| {
            waits.get(*place).is_none_or(|waits| !waits.iter().any(|other| left.contains(other)))
        };
        let (free, rest): (Vec<usize>, Vec<usize>) = left.iter().copied().partition(is_free);
        if free.is_empty() {
            return (order, rest);
        }
        order.extend(free);
        left = rest;
    }
    (order, Vec::new())
}

/// The statement that sets a sequence that is new. `name` is quoted, `arguments` are those of
/// `setval`.
pub fn set_sequence(name: &str, arguments: &str) -> String {
    format!("SELECT pg_catalog.setval({}, {arguments})", literal(name))
}

/// The statement that moves a sequence to a value, unless it is farther already: what has been
/// given out is not given out again. `name` is quoted, `arguments` are those of `setval`.
pub fn move_sequence_on(name: &str, arguments: &str) -> String {
    let (value, called) = arguments.split_once(", ").unwrap_or((arguments, "true"));
    format!(
        "SELECT pg_catalog.setval({text}::pg_catalog.regclass, {value}, {called}) FROM {name} AS now, \
         pg_catalog.pg_sequence AS own WHERE own.seqrelid = {text}::pg_catalog.regclass \
         AND CASE WHEN now.last_value = {value} THEN {called} AND NOT now.is_called \
         ELSE (own.seqincrement > 0) = ({value} > now.last_value) END",
        text = literal(name)
    )
}

/// The number of the transaction that the session is in, given out if it had none.
pub fn transaction_number(session: &mut dyn Query) -> Result<String> {
    session
        .query("SELECT pg_catalog.pg_current_xact_id()::pg_catalog.text AS number")?
        .only()?
        .string("number")
}

/// Whether a transaction was committed; none while it is under way, or forgotten.
pub fn was_committed(session: &mut dyn Query, number: &str) -> Result<Option<bool>> {
    let answer = session.query(&format!(
        "SELECT pg_catalog.pg_xact_status({}::pg_catalog.xid8) AS status",
        literal(number)
    ))?;
    Ok(match answer.only()?.optional("status")? {
        Some("committed") => Some(true),
        Some("aborted") => Some(false),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_comes_after_those_that_its_keys_name() {
        let waits = [BTreeSet::from([1, 2]), BTreeSet::from([2]), BTreeSet::new()];
        assert_eq!(order(&waits), (vec![2, 1, 0], vec![]));
    }

    #[test]
    fn tables_that_wait_for_each_other_are_told() {
        let waits = [BTreeSet::from([1]), BTreeSet::from([0]), BTreeSet::new()];
        assert_eq!(order(&waits), (vec![2], vec![0, 1]));
    }

    #[test]
    fn a_sequence_is_moved_by_its_quoted_name() {
        let sql = move_sequence_on("public.\"s'q\"", "5, true");
        assert!(sql.contains("setval('public.\"s''q\"'::pg_catalog.regclass, 5, true)"), "{sql}");
        assert!(sql.contains("FROM public.\"s'q\" AS now"), "{sql}");
    }
}
