//! Which databases a server has, and everything about them that is not inside them.

use super::{mark::Mark, query::Query, version::Version};
use crate::{catalog::manifest::DatabaseProperties, error::Result};
use std::collections::BTreeMap;

/// One database of a server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DatabaseInfo {
    /// Its oid.
    pub oid: u32,
    /// Its name.
    pub name: String,
    /// What it is, for the manifest and for making it again.
    pub properties: DatabaseProperties,
    /// `pg_database_size()` in bytes, where this role may ask.
    pub size: Option<u64>,
    /// Other clients' sessions in it now.
    pub sessions: u32,
    /// The version that its collation has on this machine now (15 and later); differs from the
    /// recorded one after the operating system's library changed (F18).
    pub actual_collation_version: Option<String>,
    /// Ours: kept, or not finished.
    pub mark: Option<Mark>,
    /// Half dropped by an interrupted DROP DATABASE: it cannot be connected to.
    pub invalid: bool,
    /// Whether this role may connect to it by its privileges.
    pub may_connect: bool,
}

/// Reads all databases of a server, in the order of their names (by bytes).
pub fn databases(session: &mut dyn Query, version: Version) -> Result<Vec<DatabaseInfo>> {
    let mut role_settings = settings_of_roles(session)?;
    let answer = session.query(&statement(version))?;
    let mut found = Vec::new();
    for row in answer.iter() {
        let oid = row.number("oid")?;
        let comment = row.optional_string("comment")?;
        let mark = comment.as_deref().and_then(Mark::from_comment);
        // pg_database.datconnlimit is -2 while DROP DATABASE is at work or was interrupted.
        let limit: i64 = row.number("connection_limit")?;
        found.push(DatabaseInfo {
            oid,
            name: row.string("name")?,
            properties: DatabaseProperties {
                owner: row.string("owner")?,
                encoding: row.string("encoding")?,
                locale_provider: row.string("provider")?,
                collate: row.string("collate")?,
                ctype: row.string("ctype")?,
                locale: row.optional_string("locale")?,
                icu_rules: row.optional_string("icu_rules")?,
                collation_version: row.optional_string("collation_version")?,
                tablespace: row.string("tablespace")?,
                is_template: row.flag("is_template")?,
                allow_connections: row.flag("allow_connections")?,
                connection_limit: limit.max(-1),
                acl: row.optional_list("acl")?,
                settings: row.list("settings")?,
                role_settings: role_settings.remove(&oid).unwrap_or_default(),
                comment,
            },
            size: row.optional_number("size")?,
            sessions: row.number("sessions")?,
            actual_collation_version: row.optional_string("actual_collation_version")?,
            mark,
            invalid: limit == -2,
            may_connect: row.flag("may_connect")?,
        });
    }
    Ok(found)
}

/// The columns changed their names: `daticulocale` (15, 16) became `datlocale` (17).
fn statement(version: Version) -> String {
    let major = version.major();
    let provider = if major >= 15 { "d.datlocprovider::text" } else { "'c'" };
    let locale = match major {
        ..15 => "NULL",
        15 | 16 => "d.daticulocale",
        17.. => "d.datlocale",
    };
    let rules = if major >= 16 { "d.daticurules" } else { "NULL" };
    let (recorded, actual) = if major >= 15 {
        ("d.datcollversion", "pg_catalog.pg_database_collation_actual_version(d.oid)")
    } else {
        ("NULL", "NULL")
    };
    format!(
        "SELECT d.oid, d.datname AS name, pg_catalog.pg_get_userbyid(d.datdba) AS owner, \
         pg_catalog.pg_encoding_to_char(d.encoding) AS encoding, {provider} AS provider, \
         d.datcollate AS collate, d.datctype AS ctype, {locale} AS locale, {rules} AS icu_rules, \
         {recorded} AS collation_version, {actual} AS actual_collation_version, \
         t.spcname AS tablespace, d.datistemplate AS is_template, \
         d.datallowconn AS allow_connections, d.datconnlimit AS connection_limit, \
         pg_catalog.array_to_json(d.datacl::pg_catalog.text[]) AS acl, \
         pg_catalog.shobj_description(d.oid, 'pg_database') AS comment, \
         pg_catalog.has_database_privilege(d.oid, 'CONNECT') AS may_connect, \
         CASE WHEN pg_catalog.has_database_privilege(d.oid, 'CONNECT') \
         OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') \
         THEN pg_catalog.pg_database_size(d.oid) END AS size, \
         (SELECT count(*) FROM pg_catalog.pg_stat_activity a WHERE a.datid = d.oid \
         AND a.backend_type = 'client backend' AND a.pid <> pg_catalog.pg_backend_pid()) AS sessions, \
         (SELECT pg_catalog.array_to_json(s.setconfig) FROM pg_catalog.pg_db_role_setting s \
         WHERE s.setdatabase = d.oid AND s.setrole = 0) AS settings \
         FROM pg_catalog.pg_database d JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace \
         ORDER BY d.datname COLLATE \"C\""
    )
}

/// `ALTER ROLE ... IN DATABASE ... SET`: database to role to settings.
fn settings_of_roles(session: &mut dyn Query) -> Result<BTreeMap<u32, BTreeMap<String, Vec<String>>>> {
    let answer = session.query(
        "SELECT s.setdatabase AS oid, r.rolname AS role, \
         pg_catalog.array_to_json(s.setconfig) AS settings \
         FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_roles r ON r.oid = s.setrole \
         WHERE s.setdatabase <> 0",
    )?;
    let mut found: BTreeMap<u32, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for row in answer.iter() {
        found.entry(row.number("oid")?).or_default().insert(row.string("role")?, row.list("settings")?);
    }
    Ok(found)
}
