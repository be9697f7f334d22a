//! Roles that exist with other attributes than the backup's: what differs, and what changes it.

use super::{
    globals_sql::Statement,
    quote::{identifier, literal},
};
use crate::catalog::manifest::{Globals, Role};

/// What becomes of the backup's roles in a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RolePolicy {
    /// None is made and none is changed.
    Skip,
    /// Those that are missing are made; those that exist stay as they are.
    #[default]
    Create,
    /// Those that are missing are made; those that exist get the backup's attributes.
    Replace,
}

/// A role that exists with other attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleChange {
    /// Its name.
    pub name: String,
    /// What differs: `LOGIN here, NOLOGIN in the backup`.
    pub differences: Vec<String>,
    /// What gives it the backup's attributes.
    pub statement: Statement,
}

/// Compares the roles that are in the backup and in the server.
pub fn role_changes(recorded: &Globals, existing: &Globals) -> Vec<RoleChange> {
    let with_passwords = recorded.with_passwords && existing.with_passwords;
    recorded
        .roles
        .iter()
        .filter_map(|role| {
            let here = existing.roles.iter().find(|here| here.name == role.name)?;
            let differences = differences(role, here, with_passwords);
            (!differences.is_empty()).then(|| RoleChange {
                name: role.name.clone(),
                differences,
                statement: alter_role(role, here, with_passwords),
            })
        })
        .collect()
}

fn word(set: bool, word: &str) -> String {
    if set { word.to_owned() } else { format!("NO{word}") }
}

/// The attributes that are set or not.
fn flags(role: &Role) -> [(bool, &'static str); 7] {
    [
        (role.superuser, "SUPERUSER"),
        (role.inherit, "INHERIT"),
        (role.create_role, "CREATEROLE"),
        (role.create_db, "CREATEDB"),
        (role.login, "LOGIN"),
        (role.replication, "REPLICATION"),
        (role.bypass_rls, "BYPASSRLS"),
    ]
}

/// Until when its password is valid, for ever being said in one way.
fn valid_until(role: &Role) -> &str {
    role.valid_until.as_deref().unwrap_or("infinity")
}

fn differences(role: &Role, here: &Role, with_passwords: bool) -> Vec<String> {
    let mut found: Vec<String> = flags(role)
        .into_iter()
        .zip(flags(here))
        .filter(|((recorded, _), (now, _))| recorded != now)
        .map(|((recorded, name), (now, _))| {
            format!("{} here, {} in the backup", word(now, name), word(recorded, name))
        })
        .collect();
    if role.connection_limit != here.connection_limit {
        found.push(format!(
            "CONNECTION LIMIT {} here, {} in the backup",
            here.connection_limit, role.connection_limit
        ));
    }
    if valid_until(role) != valid_until(here) {
        found.push(format!("VALID UNTIL {} here, {} in the backup", valid_until(here), valid_until(role)));
    }
    if with_passwords && role.password_hash != here.password_hash {
        found.push(
            match (&here.password_hash, &role.password_hash) {
                (None, _) => "no password here, one in the backup",
                (_, None) => "a password here, none in the backup",
                _ => "another password in the backup",
            }
            .to_owned(),
        );
    }
    found
}

fn alter_role(role: &Role, here: &Role, with_passwords: bool) -> Statement {
    let words: Vec<String> = flags(role).into_iter().map(|(set, name)| word(set, name)).collect();
    let mut sql = format!(
        "ALTER ROLE {} WITH {} CONNECTION LIMIT {} VALID UNTIL {}",
        identifier(&role.name),
        words.join(" "),
        role.connection_limit,
        literal(valid_until(role))
    );
    let is_other = with_passwords && role.password_hash != here.password_hash;
    if is_other {
        sql.push_str(" PASSWORD ");
        sql.push_str(
            &role.password_hash.as_ref().map_or_else(|| "NULL".into(), |hash| literal(hash.expose())),
        );
    }
    Statement { sql, secret: is_other && role.password_hash.is_some() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::manifest::PasswordHash;

    fn role() -> Role {
        Role { name: "app".into(), inherit: true, login: true, connection_limit: -1, ..Role::default() }
    }

    fn globals(role: Role) -> Globals {
        Globals { roles: vec![role], with_passwords: true, ..Globals::default() }
    }

    #[test]
    fn roles_that_are_alike_are_not_named() {
        let forever = Role { valid_until: Some("infinity".into()), ..role() };
        assert_eq!(role_changes(&globals(role()), &globals(forever)), []);
    }

    #[test]
    fn each_attribute_that_differs_is_named_and_given_back() {
        let recorded = Role { login: false, connection_limit: 3, ..role() };
        let changes = role_changes(&globals(recorded), &globals(role()));
        assert_eq!(
            changes[0].differences,
            ["LOGIN here, NOLOGIN in the backup", "CONNECTION LIMIT -1 here, 3 in the backup"]
        );
        assert_eq!(
            changes[0].statement.sql,
            "ALTER ROLE \"app\" WITH NOSUPERUSER INHERIT NOCREATEROLE NOCREATEDB NOLOGIN NOREPLICATION \
             NOBYPASSRLS CONNECTION LIMIT 3 VALID UNTIL 'infinity'"
        );
        assert!(!changes[0].statement.secret);
    }

    #[test]
    fn another_password_is_said_without_its_hash_and_is_a_secret_in_its_statement() {
        let with = |hash: &str| Role { password_hash: Some(PasswordHash::new(hash)), ..role() };
        let changes = role_changes(&globals(with("SCRAM-SHA-256$a")), &globals(with("SCRAM-SHA-256$b")));
        assert_eq!(changes[0].differences, ["another password in the backup"]);
        assert!(changes[0].statement.secret && changes[0].statement.sql.ends_with("'SCRAM-SHA-256$a'"));
        assert!(!format!("{changes:?}").contains("SCRAM"));
    }

    #[test]
    fn a_password_that_could_not_be_read_is_not_taken_away() {
        let here = Role { password_hash: Some(PasswordHash::new("x")), ..role() };
        let mut recorded = globals(Role { login: false, ..role() });
        recorded.with_passwords = false;
        let changes = role_changes(&recorded, &globals(here));
        assert!(!changes[0].statement.sql.contains("PASSWORD"));
    }
}
