//! Putting a database in the place of another: renames, marks, and who must leave before.
//!
//! A rename locks the database against new sessions before it waits (5 s) for those that are
//! there, so once the statement runs, nobody who reconnects can win against it (F44).

use super::{
    database_sql::finish_database,
    mark::Mark,
    query::Query,
    quote::{identifier, literal},
};
use crate::{catalog::manifest::DatabaseProperties, error::Result};

/// SQLSTATE object_in_use: sessions are still in the database.
pub const IN_USE: &str = "55006";

/// The statement that marks a database as ours.
pub fn mark_database(name: &str, mark: &Mark) -> String {
    format!("COMMENT ON DATABASE {} IS {}", identifier(name), literal(&mark.to_comment()))
}

/// A database that is put aside.
#[derive(Clone, Debug, PartialEq)]
pub struct Aside {
    /// Its name now.
    pub name: String,
    /// The name it is kept under.
    pub kept_as: String,
    /// What its comment will say.
    pub mark: Mark,
}

impl Aside {
    /// The statements that close it, mark it and give its name away. The rename comes first,
    /// for it is what locks the database.
    pub fn statements(&self) -> Vec<String> {
        let kept = identifier(&self.kept_as);
        vec![
            format!("ALTER DATABASE {} RENAME TO {kept}", identifier(&self.name)),
            format!("ALTER DATABASE {kept} WITH ALLOW_CONNECTIONS false"),
            mark_database(&self.kept_as, &self.mark),
        ]
    }
}

/// The statements that give a finished new database its name, its settings and its privileges.
pub fn install_statements(
    loaded_as: &str,
    name: &str,
    properties: &DatabaseProperties,
) -> Result<Vec<String>> {
    let mut statements =
        vec![format!("ALTER DATABASE {} RENAME TO {}", identifier(loaded_as), identifier(name))];
    statements.extend(finish_statements(name, properties)?);
    Ok(statements)
}

/// The statements that give a database its settings, comment, limits and privileges.
pub fn finish_statements(name: &str, properties: &DatabaseProperties) -> Result<Vec<String>> {
    finish_database(name, properties)
}

/// The statements that bring a kept database back under its name.
pub fn bring_back_statements(kept: &str, mark: &Mark) -> Vec<String> {
    let name = identifier(&mark.database);
    let comment = mark.comment.as_deref().map_or_else(|| "NULL".to_owned(), literal);
    vec![
        format!("ALTER DATABASE {} RENAME TO {name}", identifier(kept)),
        format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true"),
        format!("COMMENT ON DATABASE {name} IS {comment}"),
    ]
}

/// Whether there is a database of this name.
pub fn database_exists(session: &mut dyn Query, name: &str) -> Result<bool> {
    let answer = session.query(&format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = {}) AS there",
        literal(name)
    ))?;
    answer.only()?.flag("there")
}

/// Whether a DROP DATABASE was interrupted in this database: it can be dropped, and nothing else.
pub fn database_is_half_dropped(session: &mut dyn Query, name: &str) -> Result<bool> {
    let answer = session.query(&format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = {} AND datconnlimit = -2) AS half",
        literal(name)
    ))?;
    answer.only()?.flag("half")
}

/// The statement that drops a database, with whoever is in it.
pub fn drop_statement(name: &str) -> String {
    format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", identifier(name))
}

/// Ends all other sessions of these databases; tells how many there were.
pub fn end_sessions(session: &mut dyn Query, databases: &[&str]) -> Result<u64> {
    let names: Vec<String> = databases.iter().map(|name| literal(name)).collect();
    let answer = session.query(&format!(
        "SELECT count(pg_catalog.pg_terminate_backend(pid)) AS ended FROM pg_catalog.pg_stat_activity \
         WHERE datname IN ({}) AND pid <> pg_catalog.pg_backend_pid()",
        names.join(", ")
    ))?;
    answer.only()?.number("ended")
}

/// Ends all sessions of a run of ours, and tells how many there were.
pub fn end_sessions_of_run(session: &mut dyn Query, run: &str) -> Result<u64> {
    let answer = session.query(&format!(
        "SELECT count(pg_catalog.pg_terminate_backend(pid)) AS ended FROM pg_catalog.pg_stat_activity \
         WHERE pg_catalog.split_part(application_name, '/', 1) = 'pgbackup' \
         AND pg_catalog.split_part(application_name, '/', 2) = {} AND pid <> pg_catalog.pg_backend_pid()",
        literal(run)
    ))?;
    answer.only()?.number("ended")
}

/// The statements that drop a database with whoever is in it. Each is a transaction of its own.
pub fn drop_statements(name: &str) -> [String; 2] {
    [
        format!("ALTER DATABASE {} WITH IS_TEMPLATE false ALLOW_CONNECTIONS false", identifier(name)),
        drop_statement(name),
    ]
}

/// The statement that lets sessions of ours into a kept database again, to drop its subscriptions.
pub fn open_statement(name: &str) -> String {
    format!("ALTER DATABASE {} WITH ALLOW_CONNECTIONS true CONNECTION LIMIT 0", identifier(name))
}

/// The statements that drop a subscription and leave the publisher alone: the slot there may be
/// the one that the database in service uses.
pub fn drop_subscription_statements(name: &str) -> [String; 3] {
    let name = identifier(name);
    [
        format!("ALTER SUBSCRIPTION {name} DISABLE"),
        format!("ALTER SUBSCRIPTION {name} SET (slot_name = NONE)"),
        format!("DROP SUBSCRIPTION {name}"),
    ]
}

/// Drops the roles that a restore which then failed had made.
pub fn drop_role_statement(name: &str) -> String {
    format!("DROP ROLE IF EXISTS {}", identifier(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::MarkKind;

    fn mark() -> Mark {
        Mark {
            kind: MarkKind::KeptByRestore,
            run: "7f3a".into(),
            backup: "pre_test".into(),
            time: "2026-11-21T10:00:00Z".parse().unwrap(),
            database: "a=b".into(),
            comment: Some("it's".into()),
        }
    }

    #[test]
    fn a_database_is_renamed_before_anything_else_is_done_to_it() {
        let aside = Aside { name: "a=b".into(), kept_as: "kept".into(), mark: mark() };
        let statements = aside.statements();
        assert_eq!(statements[0], "ALTER DATABASE \"a=b\" RENAME TO \"kept\"");
        assert_eq!(statements[1], "ALTER DATABASE \"kept\" WITH ALLOW_CONNECTIONS false");
    }

    #[test]
    fn what_comes_back_gets_its_own_comment_back() {
        let statements = bring_back_statements("kept", &mark());
        assert_eq!(statements[2], "COMMENT ON DATABASE \"a=b\" IS 'it''s'");
    }
}
