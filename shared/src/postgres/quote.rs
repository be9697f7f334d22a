//! Names and values in statements and connection strings.

/// Quotes an identifier, always: `a"b` becomes `"a""b"`.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a string constant so that it means the same whatever `standard_conforming_strings`
/// says: with a backslash in it, it is an escape string (`E'...'`).
pub fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if doubled.contains('\\') {
        return format!("E'{}'", doubled.replace('\\', "\\\\"));
    }
    format!("'{doubled}'")
}

/// Gives a connection string that names a database and nothing else: `dbname='a=b'`.
///
/// libpq takes a database name with `=` or a `postgres://` at its beginning for a connection
/// string, so a bare name is never handed to one of the server's tools (F43).
pub fn conninfo(database: &str) -> String {
    format!("dbname='{}'", database.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_quoted_with_its_quotes_doubled() {
        assert_eq!(identifier("We \"ird\""), "\"We \"\"ird\"\"\"");
    }

    #[test]
    fn a_literal_with_a_backslash_becomes_an_escape_string() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"a\'b"), r"E'a\\''b'");
    }

    #[test]
    fn a_database_name_that_looks_like_a_connection_string_stays_a_name() {
        assert_eq!(conninfo("a=b"), "dbname='a=b'");
        assert_eq!(conninfo(r"postgres://x\'"), r"dbname='postgres://x\\\''");
    }
}
