//! A `COPY ... FROM stdin`, taken apart as far as psql needs it.

use crate::error::{Error, Result};

/// The temporary table that rows go through on their way to a table that `\copy` cannot name.
const BETWEEN: &str = "pg_temp.pgbackup_rows";

/// One statement that loads rows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CopyIn<'a> {
    /// Table and columns.
    pub target: &'a str,
    /// What stands behind `FROM stdin`.
    pub options: &'a str,
    table: &'a str,
    columns: Vec<&'a str>,
}

impl<'a> CopyIn<'a> {
    /// Takes a statement apart.
    ///
    /// # Errors
    ///
    /// When it is another kind of statement.
    pub fn of(sql: &'a str) -> Result<Self> {
        let not_understood = || Error::failed(format!("the statement `{sql}` is not understood"));
        let rest = sql.strip_prefix("COPY ").ok_or_else(not_understood)?;
        let (target, options) = rest.rsplit_once(" FROM stdin").ok_or_else(not_understood)?;
        let target = target.trim();
        let Some(open) = outside_quotes(target).find(|(_, letter)| *letter == '(').map(|(at, _)| at) else {
            return Ok(Self { target, options, table: target, columns: Vec::new() });
        };
        let (table, list) = target.split_at(open);
        let list =
            list.strip_prefix('(').and_then(|list| list.strip_suffix(')')).ok_or_else(not_understood)?;
        let mut columns = Vec::new();
        let mut start = 0;
        for (at, _) in outside_quotes(list).filter(|(_, letter)| *letter == ',') {
            columns.push(list.get(start..at).unwrap_or_default().trim());
            start = at + 1;
        }
        columns.push(list.get(start..).unwrap_or_default().trim());
        Ok(Self { target, options, table: table.trim(), columns })
    }

    /// Whether psql's `\copy` can name the table and its columns.
    pub fn fits_one_line(&self) -> bool {
        !self.target.contains(['\n', '\r'])
    }

    /// Statements that bring rows through a temporary table: one that makes it, the COPY into it, one
    /// that brings its rows on, and one that drops it.
    ///
    /// Its columns are of the same types, so values are the same. As COPY does, the second takes
    /// what is given for a column that the server would always fill by itself.
    pub fn by_way_of_another(&self) -> (String, String, String, String) {
        let Self { table, columns, options, .. } = self;
        let of_other: Vec<String> = (1..=columns.len()).map(|number| format!("c{number}")).collect();
        let named: Vec<String> =
            columns.iter().zip(&of_other).map(|(column, other)| format!("{column} AS {other}")).collect();
        let list = |columns: String| if columns.is_empty() { columns } else { format!(" ({columns})") };
        (
            format!("CREATE TABLE {BETWEEN} AS SELECT {} FROM {table} WITH NO DATA", named.join(", ")),
            format!("COPY {BETWEEN}{} FROM stdin{options}", list(of_other.join(", "))),
            format!(
                "INSERT INTO {table}{} OVERRIDING SYSTEM VALUE SELECT {} FROM {BETWEEN}",
                list(columns.join(", ")),
                of_other.join(", ")
            ),
            format!("DROP TABLE {BETWEEN}"),
        )
    }
}

/// The letters that are not part of a quoted name.
fn outside_quotes(text: &str) -> impl Iterator<Item = (usize, char)> + '_ {
    let mut quoted = false;
    text.char_indices().filter(move |(_, letter)| {
        quoted ^= *letter == '"';
        !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_taken_apart_at_what_stands_outside_of_names() {
        let sql = "COPY \"s(\".\"t,\"\"(\" (a, \"b, )\", \"c\"\"\") FROM stdin WITH (ENCODING 'LATIN1')";
        let copy = CopyIn::of(sql).unwrap();
        assert_eq!(copy.table, "\"s(\".\"t,\"\"(\"");
        assert_eq!(copy.columns, ["a", "\"b, )\"", "\"c\"\"\""]);
        assert_eq!(copy.options, " WITH (ENCODING 'LATIN1')");
        assert!(copy.fits_one_line());
        let bare = CopyIn::of("COPY s.nothing  FROM stdin").unwrap();
        assert_eq!((bare.target, bare.columns.len()), ("s.nothing", 0));
        assert!(CopyIn::of("COPY t TO STDOUT").is_err());
    }

    #[test]
    fn a_name_with_a_line_break_is_loaded_through_another_table() {
        let copy = CopyIn::of("COPY s.\"a\nb\" (\"c\nd\", e) FROM stdin WITH (FREEZE)").unwrap();
        assert!(!copy.fits_one_line());
        let (make, through, on, drop) = copy.by_way_of_another();
        assert_eq!(
            make,
            "CREATE TABLE pg_temp.pgbackup_rows AS SELECT \"c\nd\" AS c1, e AS c2 FROM s.\"a\nb\" WITH NO DATA"
        );
        assert_eq!(through, "COPY pg_temp.pgbackup_rows (c1, c2) FROM stdin WITH (FREEZE)");
        assert_eq!(
            on,
            "INSERT INTO s.\"a\nb\" (\"c\nd\", e) OVERRIDING SYSTEM VALUE SELECT c1, c2 FROM pg_temp.pgbackup_rows"
        );
        assert_eq!(drop, "DROP TABLE pg_temp.pgbackup_rows");
    }

    #[test]
    fn a_table_without_columns_goes_the_same_way() {
        let (make, through, on, _) = CopyIn::of("COPY \"a\nb\" FROM stdin").unwrap().by_way_of_another();
        assert_eq!(make, "CREATE TABLE pg_temp.pgbackup_rows AS SELECT  FROM \"a\nb\" WITH NO DATA");
        assert_eq!(through, "COPY pg_temp.pgbackup_rows FROM stdin");
        assert_eq!(on, "INSERT INTO \"a\nb\" OVERRIDING SYSTEM VALUE SELECT  FROM pg_temp.pgbackup_rows");
    }
}
