//! The statements that make a database what it was, apart from its contents.

use super::{
    acl::{AclObject, acl_statements},
    quote::{identifier, literal},
    setting::alter_setting,
    version::Version,
};
use crate::{
    catalog::manifest::DatabaseProperties,
    error::{Error, Result},
};

/// Who may connect to a database that is being made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Whoever its properties allow.
    AsRecorded,
    /// Superusers alone (`CONNECTION LIMIT 0`), until [`finish_database`] opens it.
    SuperusersOnly,
}

/// Gives the CREATE DATABASE statement for a server of `version`.
///
/// Made from template0, so that nothing is in it and the encoding and locale may differ from
/// the server's own. The collation version is not set: all indexes are built anew.
///
/// # Errors
///
/// When the properties need a newer server: ICU from 15 on, its rules from 16, the built-in
/// provider from 17.
pub fn create_database(
    name: &str,
    properties: &DatabaseProperties,
    version: Version,
    admission: Admission,
) -> Result<String> {
    let mut parts = vec![
        "TEMPLATE = template0".to_owned(),
        format!("OWNER = {}", identifier(&properties.owner)),
        format!("ENCODING = {}", literal(&properties.encoding)),
    ];
    parts.extend(locale(properties, version)?);
    if !properties.tablespace.is_empty() {
        parts.push(format!("TABLESPACE = {}", identifier(&properties.tablespace)));
    }
    let limit = match admission {
        Admission::AsRecorded => properties.connection_limit,
        Admission::SuperusersOnly => 0,
    };
    parts.push(format!("CONNECTION LIMIT = {limit}"));
    Ok(format!("CREATE DATABASE {} WITH {}", identifier(name), parts.join(" ")))
}

fn locale(properties: &DatabaseProperties, version: Version) -> Result<Vec<String>> {
    let needs = |major: u32, what: &str| {
        if version.major() < major {
            return Err(Error::failed(format!("{what} needs PostgreSQL {major} or later")));
        }
        Ok(())
    };
    let mut parts = Vec::new();
    let provider = match properties.locale_provider.as_str() {
        "c" | "" => "libc",
        "i" => {
            needs(15, "a database with an ICU locale")?;
            "icu"
        }
        "b" => {
            needs(17, "a database with the built-in locale provider")?;
            "builtin"
        }
        other => return Err(Error::failed(format!("the locale provider `{other}` is not known"))),
    };
    if version.major() >= 15 {
        parts.push(format!("LOCALE_PROVIDER = {provider}"));
    }
    parts.push(format!("LC_COLLATE = {}", literal(&properties.collate)));
    parts.push(format!("LC_CTYPE = {}", literal(&properties.ctype)));
    if let Some(locale) = &properties.locale {
        match provider {
            "icu" => parts.push(format!("ICU_LOCALE = {}", literal(locale))),
            "builtin" => parts.push(format!("BUILTIN_LOCALE = {}", literal(locale))),
            _ => {}
        }
    }
    if let Some(rules) = properties.icu_rules.as_ref().filter(|_| provider == "icu") {
        needs(16, "a database with ICU rules")?;
        parts.push(format!("ICU_RULES = {}", literal(rules)));
    }
    Ok(parts)
}

/// Gives the statements that follow when the contents are in: settings of the database and of
/// roles in it, comment, connection limit, template mark, and privileges last.
///
/// `name` is the name it has at that moment. The roles must exist. With `acl` none the
/// privileges stay as they are in a fresh database.
pub fn finish_database(name: &str, properties: &DatabaseProperties) -> Result<Vec<String>> {
    let quoted = identifier(name);
    let database = format!("DATABASE {quoted}");
    let mut statements = Vec::new();
    for setting in &properties.settings {
        statements.push(alter_setting(&database, setting)?);
    }
    for (role, settings) in &properties.role_settings {
        let whom = format!("ROLE {} IN {database}", identifier(role));
        for setting in settings {
            statements.push(alter_setting(&whom, setting)?);
        }
    }
    let comment = properties.comment.as_deref().map_or_else(|| "NULL".to_owned(), literal);
    statements.push(format!("COMMENT ON {database} IS {comment}"));
    if let Some(acl) = &properties.acl {
        statements.extend(acl_statements(AclObject::Database(name), &properties.owner, acl)?);
    }
    statements.push(format!(
        "ALTER {database} WITH CONNECTION LIMIT {} IS_TEMPLATE {}",
        properties.connection_limit, properties.is_template
    ));
    Ok(statements)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties() -> DatabaseProperties {
        DatabaseProperties {
            owner: "al ice".into(),
            encoding: "UTF8".into(),
            locale_provider: "c".into(),
            collate: "en_US.utf8".into(),
            ctype: "C".into(),
            tablespace: "pg_default".into(),
            connection_limit: -1,
            allow_connections: true,
            ..DatabaseProperties::default()
        }
    }

    #[test]
    fn a_libc_database_is_made_from_template0_on_every_version() {
        let old = create_database("a\"b", &properties(), Version(130_016), Admission::AsRecorded).unwrap();
        assert_eq!(
            old,
            "CREATE DATABASE \"a\"\"b\" WITH TEMPLATE = template0 OWNER = \"al ice\" ENCODING = 'UTF8' \
             LC_COLLATE = 'en_US.utf8' LC_CTYPE = 'C' TABLESPACE = \"pg_default\" CONNECTION LIMIT = -1"
        );
        let new = create_database("d", &properties(), Version(170_002), Admission::SuperusersOnly).unwrap();
        assert!(new.contains("LOCALE_PROVIDER = libc") && new.ends_with("CONNECTION LIMIT = 0"), "{new}");
    }

    #[test]
    fn an_icu_database_brings_its_locale_and_rules_and_is_refused_where_there_are_none() {
        let mut icu = properties();
        icu.locale_provider = "i".into();
        icu.locale = Some("de-DE".into());
        icu.icu_rules = Some("&V << w".into());
        let sql = create_database("d", &icu, Version(180_000), Admission::AsRecorded).unwrap();
        assert!(sql.contains("LOCALE_PROVIDER = icu"), "{sql}");
        assert!(sql.contains("ICU_LOCALE = 'de-DE' ICU_RULES = '&V << w'"), "{sql}");
        let error = create_database("d", &icu, Version(150_000), Admission::AsRecorded).unwrap_err();
        assert_eq!(error.what, "a database with ICU rules needs PostgreSQL 16 or later");
        assert!(create_database("d", &icu, Version(140_000), Admission::AsRecorded).is_err());
    }

    #[test]
    fn settings_comment_and_privileges_come_back_in_that_order() {
        let mut given = properties();
        given.settings = vec!["search_path=a, b".into()];
        given.role_settings.insert("bob".into(), vec!["work_mem=8MB".into()]);
        given.comment = Some("it's".into());
        given.acl = Some(vec!["bob=c/\"al ice\"".into()]);
        given.is_template = true;
        assert_eq!(
            finish_database("d", &given).unwrap(),
            [
                "ALTER DATABASE \"d\" SET \"search_path\" TO 'a', 'b'",
                "ALTER ROLE \"bob\" IN DATABASE \"d\" SET \"work_mem\" TO '8MB'",
                "COMMENT ON DATABASE \"d\" IS 'it''s'",
                "REVOKE ALL ON DATABASE \"d\" FROM PUBLIC",
                "REVOKE ALL ON DATABASE \"d\" FROM \"al ice\"",
                "GRANT CONNECT ON DATABASE \"d\" TO \"bob\"",
                "ALTER DATABASE \"d\" WITH CONNECTION LIMIT -1 IS_TEMPLATE true",
            ]
        );
    }
}
