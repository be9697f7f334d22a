//! Comparing two databases: what they hold, how they are made, and what they do when written to.
//!
//! In: a server and a database's name. Out: text that is equal when the databases are. The text
//! comes from `data/fingerprint.sql` and from the server's own `pg_dump --schema-only`, so a
//! difference reads as what it is.

use crate::{command::data_text, server::Server};

/// What a database was at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portrait {
    /// Rows and checksums of tables, large objects, sequences, properties.
    pub content: String,
    /// The schema as SQL.
    pub schema: String,
}

/// Takes the portrait of a database.
pub fn portrait(server: &Server, database: &str) -> Portrait {
    Portrait {
        content: server.sql(database, &data_text("fingerprint.sql")),
        schema: schema(server, database),
    }
}

/// Panics with the first lines that differ, unless both portraits are equal.
pub fn assert_same(what: &str, before: &Portrait, after: &Portrait) {
    assert_same_text(&format!("{what}: content"), &before.content, &after.content);
    assert_same_text(&format!("{what}: schema"), &before.schema, &after.schema);
}

/// Panics with the first lines that differ, unless both texts are equal.
pub fn assert_same_text(what: &str, before: &str, after: &str) {
    if before == after {
        return;
    }
    let only = |of: &str, other: &str| {
        let other: std::collections::HashSet<&str> = other.lines().collect();
        let lines: Vec<String> = of.lines().filter(|line| !other.contains(line)).take(10).map(cut).collect();
        lines.join("\n  ")
    };
    panic!("{what} differs\nonly before:\n  {}\nonly after:\n  {}", only(before, after), only(after, before));
}

/// Takes the next value of every sequence on both and panics where they differ (F14).
pub fn assert_writes_alike(before: &Server, database: &str, after: &Server, restored: &str) {
    let script = data_text("nextvals.sql");
    assert_same_text(
        "next values of sequences",
        &before.sql(database, &script),
        &after.sql(restored, &script),
    );
}

/// Returns the schema as the server's pg_dump writes it, without what differs in every run.
fn schema(server: &Server, database: &str) -> String {
    let place = format!("dbname='{}'", database.replace('\\', "\\\\").replace('\'', "\\'"));
    let dump = server.exec(&["pg_dump", "-U", &server.user, "--schema-only", "-d", &place]);
    // `\restrict` carries a random word since the minor versions of August 2025.
    let differs = |line: &&str| {
        !(line.starts_with("\\restrict") || line.starts_with("\\unrestrict") || line.starts_with("-- Dumped"))
    };
    dump.lines().filter(differs).collect::<Vec<_>>().join("\n")
}

/// Returns the roles, memberships and settings as pg_dumpall writes them.
pub fn globals(server: &Server) -> String {
    let dump = server.exec(&["pg_dumpall", "-U", &server.user, "--roles-only"]);
    // The first superuser is there already in every server, with a hash of its own.
    let own = format!("ALTER ROLE {} WITH", server.user);
    let differs = |line: &&str| {
        !(line.starts_with("\\restrict")
            || line.starts_with("\\unrestrict")
            || line.starts_with("--")
            || line.starts_with(&own))
    };
    dump.lines().filter(differs).collect::<Vec<_>>().join("\n")
}

fn cut(line: &str) -> String {
    line.chars().take(300).collect()
}
