//! What a server offers to a database that is restored into it: extensions, locales, tablespaces.

use super::{query::Query, quote::literal, version::Version};
use crate::{catalog::manifest::DatabaseProperties, error::Result};
use std::collections::{BTreeMap, BTreeSet};

/// Reads the extensions of the session's database and their versions.
pub fn installed_extensions(session: &mut dyn Query) -> Result<BTreeMap<String, String>> {
    let answer = session.query("SELECT extname, extversion FROM pg_catalog.pg_extension")?;
    answer.iter().map(|row| Ok((row.string("extname")?, row.string("extversion")?))).collect()
}

/// Reads the extensions whose files this server has, with the versions it can install.
pub fn available_extensions(session: &mut dyn Query) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let answer = session.query("SELECT name, version FROM pg_catalog.pg_available_extension_versions")?;
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in answer.iter() {
        found.entry(row.string("name")?).or_default().insert(row.string("version")?);
    }
    Ok(found)
}

/// Reads the names of all roles, the server's own included.
pub fn role_names(session: &mut dyn Query) -> Result<BTreeSet<String>> {
    let answer = session.query("SELECT rolname FROM pg_catalog.pg_roles")?;
    answer.iter().map(|row| row.string("rolname")).collect()
}

/// Reads the names of all tablespaces, the two built-in ones included.
pub fn tablespace_names(session: &mut dyn Query) -> Result<BTreeSet<String>> {
    let answer = session.query("SELECT spcname FROM pg_catalog.pg_tablespace")?;
    answer.iter().map(|row| row.string("spcname")).collect()
}

/// Tells whether this server has the locale that a database needs, as far as that can be known
/// without making one.
///
/// The server is asked to make a collation of it in a transaction that is rolled back: it loads
/// the locale for that, or says that it was built without ICU. For libc this works only for the
/// encoding of the session's own database, so for another encoding the answer is none, and
/// CREATE DATABASE will tell.
pub fn collation_of_database_exists(
    session: &mut dyn Query,
    version: Version,
    properties: &DatabaseProperties,
) -> Result<Option<bool>> {
    match properties.locale_provider.as_str() {
        "i" => {
            let locale = properties.locale.as_deref().unwrap_or_default();
            can_make_collation(session, &format!("provider = icu, locale = {}", literal(locale))).map(Some)
        }
        "b" => {
            let known: &[&str] = match version.major() {
                ..17 => &[],
                17 => &["C", "C.UTF-8", "C.UTF8"],
                18.. => &["C", "C.UTF-8", "C.UTF8", "PG_UNICODE_FAST"],
            };
            Ok(Some(properties.locale.as_deref().is_some_and(|locale| known.contains(&locale))))
        }
        _ => {
            let ours = session.query("SELECT pg_catalog.getdatabaseencoding() AS encoding")?;
            if ours.only()?.text("encoding")? != properties.encoding {
                return Ok(None);
            }
            libc_locale_exists(session, &properties.collate, &properties.ctype).map(Some)
        }
    }
}

fn libc_locale_exists(session: &mut dyn Query, collate: &str, ctype: &str) -> Result<bool> {
    let built_in = |name: &str| name == "C" || name == "POSIX";
    if built_in(collate) && built_in(ctype) {
        return Ok(true);
    }
    let options =
        format!("provider = libc, lc_collate = {}, lc_ctype = {}", literal(collate), literal(ctype));
    can_make_collation(session, &options)
}

/// Leaves nothing behind. The server writes its refusal to its log.
fn can_make_collation(session: &mut dyn Query, options: &str) -> Result<bool> {
    session.query("BEGIN")?;
    let made = session.query(&format!("CREATE COLLATION pg_temp.pgbackup_locale_check ({options})"));
    session.query("ROLLBACK")?;
    Ok(made.is_ok())
}
