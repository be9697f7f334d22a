//! What has to be made on a server so that a backup's databases find their roles and
//! tablespaces there. What exists is kept as it is.
//!
//! `globals.sql` is for people with psql; a restore never feeds it to one. It compares the
//! recorded globals with the server's and makes what is missing.

use super::{
    acl::{AclItem, AclObject, acl_statements},
    quote::{identifier, literal},
    role_changes::{RolePolicy, role_changes},
    setting::alter_setting,
    version::Version,
};
use crate::{
    catalog::manifest::{Globals, Membership, Role, Tablespace},
    error::Result,
};
use std::collections::{BTreeMap, BTreeSet};

/// A statement, and whether a secret is in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its text.
    pub sql: String,
    /// Holds a password's hash: to be sent by [`super::Query::query_secret`].
    pub secret: bool,
}

impl Statement {
    /// Whether it makes a role that is not there.
    pub fn makes_role(&self) -> bool {
        self.sql.starts_with("CREATE ROLE")
    }
}

impl std::fmt::Debug for Statement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.secret { "***" } else { &self.sql })
    }
}

impl From<String> for Statement {
    fn from(sql: String) -> Self {
        Self { sql, secret: false }
    }
}

/// What is missing on a server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GlobalsPlan {
    /// What becomes of roles.
    pub policy: RolePolicy,
    /// The roles that will be made, in the order of their names.
    pub roles: Vec<String>,
    /// Those of them that could log in with a password, and come without it because the backup
    /// has no hashes.
    pub without_password: Vec<String>,
    /// Everything that makes them, in order: roles, memberships, settings, parameters'
    /// privileges. Each must succeed.
    pub statements: Vec<Statement>,
    /// What gives roles that exist the backup's attributes, where that is wanted: for the moment
    /// at which everything else is proven.
    pub changes: Vec<Statement>,
    /// What these change, in words for the user.
    pub changed: Vec<String>,
    /// The tablespaces that are not there. They are not made: whether their folder exists and is
    /// empty is for the plan to find out.
    pub tablespaces: Vec<Tablespace>,
    /// What cannot be brought back just as it was, in words for the user.
    pub remarks: Vec<String>,
}

/// Compares the recorded globals with a server's own, and gives what makes the missing ones on a
/// server of `version`, and what `policy` says of those that exist. The role `own`, which does all
/// this, is never changed.
pub fn plan_globals(
    recorded: &Globals,
    existing: &Globals,
    version: Version,
    policy: RolePolicy,
    own: &str,
) -> Result<GlobalsPlan> {
    let mut plan = GlobalsPlan { policy, ..GlobalsPlan::default() };
    let spaces: BTreeSet<&str> = existing.tablespaces.iter().map(|space| space.name.as_str()).collect();
    plan.tablespaces =
        recorded.tablespaces.iter().filter(|space| !spaces.contains(space.name.as_str())).cloned().collect();
    plan_changes(&mut plan, recorded, existing, policy, own);
    if policy == RolePolicy::Skip {
        return Ok(plan);
    }
    let present: BTreeSet<&str> = existing.roles.iter().map(|role| role.name.as_str()).collect();
    let missing: Vec<&Role> =
        recorded.roles.iter().filter(|role| !present.contains(role.name.as_str())).collect();
    for role in &missing {
        plan.roles.push(role.name.clone());
        if role.login && !recorded.with_passwords {
            plan.without_password.push(role.name.clone());
        }
        plan.statements.push(create_role(role));
        if let Some(comment) = &role.comment {
            let sql = format!("COMMENT ON ROLE {} IS {}", identifier(&role.name), literal(comment));
            plan.statements.push(sql.into());
        }
    }
    let new: BTreeSet<&str> = missing.iter().map(|role| role.name.as_str()).collect();
    let all: BTreeSet<&str> = present.union(&new).copied().collect();
    let known = |name: &str| all.contains(name) || name.starts_with("pg_");
    plan_memberships(&mut plan, recorded, &new, &known, version);
    for (role, settings) in &recorded.role_settings {
        if role.is_empty() {
            plan_settings_of_all(&mut plan, settings, existing);
        } else if new.contains(role.as_str()) {
            let whom = format!("ROLE {}", identifier(role));
            for setting in settings {
                plan.statements.push(alter_setting(&whom, setting)?.into());
            }
        }
    }
    if version.major() >= 15 {
        plan_parameters(&mut plan, &recorded.parameter_privileges, &new)?;
    }
    Ok(plan)
}

/// Roles that exist with other attributes: they are kept and said, or changed.
fn plan_changes(
    plan: &mut GlobalsPlan,
    recorded: &Globals,
    existing: &Globals,
    policy: RolePolicy,
    own: &str,
) {
    for change in role_changes(recorded, existing).into_iter().filter(|change| change.name != own) {
        let differences = change.differences.join("; ");
        if policy == RolePolicy::Replace {
            plan.changed.push(format!("`{}`: {differences}", change.name));
            plan.changes.push(change.statement);
        } else {
            plan.remarks.push(format!("role `{}` stays as it is: {differences}", change.name));
        }
    }
}

fn create_role(role: &Role) -> Statement {
    let word = |set: bool, word: &str| if set { word.to_owned() } else { format!("NO{word}") };
    let mut sql = format!(
        "CREATE ROLE {} WITH {} {} {} {} {} {} {} CONNECTION LIMIT {}",
        identifier(&role.name),
        word(role.superuser, "SUPERUSER"),
        word(role.inherit, "INHERIT"),
        word(role.create_role, "CREATEROLE"),
        word(role.create_db, "CREATEDB"),
        word(role.login, "LOGIN"),
        word(role.replication, "REPLICATION"),
        word(role.bypass_rls, "BYPASSRLS"),
        role.connection_limit
    );
    if let Some(hash) = &role.password_hash {
        sql.push_str(" PASSWORD ");
        sql.push_str(&literal(hash.expose()));
    }
    if let Some(until) = &role.valid_until {
        sql.push_str(" VALID UNTIL ");
        sql.push_str(&literal(until));
    }
    Statement { sql, secret: role.password_hash.is_some() }
}

/// Grants between roles of which at least one is new, each after the grant that gives its
/// grantor the admin option.
fn plan_memberships(
    plan: &mut GlobalsPlan,
    recorded: &Globals,
    new: &BTreeSet<&str>,
    known: &dyn Fn(&str) -> bool,
    version: Version,
) {
    let mut left: Vec<&Membership> = Vec::new();
    for membership in &recorded.memberships {
        if !new.contains(membership.role.as_str()) && !new.contains(membership.member.as_str()) {
            continue;
        }
        if known(&membership.role) && known(&membership.member) {
            left.push(membership);
        } else {
            plan.remarks.push(format!(
                "the membership of `{}` in `{}` is left out: one of them does not exist",
                membership.member, membership.role
            ));
        }
    }
    while !left.is_empty() {
        let waits = |membership: &&Membership| {
            left.iter().any(|other| {
                other.admin
                    && other.role == membership.role
                    && Some(other.member.as_str()) == membership.grantor.as_deref()
                    && other.grantor != membership.grantor
            })
        };
        let (mut later, mut now): (Vec<_>, Vec<_>) = left.iter().copied().partition(waits);
        if now.is_empty() {
            // The server allows no circle; should there be one, its order stays.
            now.append(&mut later);
        }
        for membership in now {
            let grantor = grantor_of(membership, recorded, known, version);
            plan.statements.push(grant(membership, grantor, version).into());
        }
        left = later;
    }
}

/// The role in whose name the grant is made; none for the connected one.
///
/// From 16 on the grantor must have the admin option itself (or be the bootstrap superuser, who
/// may bear another name here), so a grantor of whom that is not recorded is left out.
fn grantor_of<'a>(
    membership: &'a Membership,
    recorded: &Globals,
    known: &dyn Fn(&str) -> bool,
    version: Version,
) -> Option<&'a str> {
    let grantor = membership.grantor.as_deref().filter(|name| known(name))?;
    let has_admin = recorded
        .memberships
        .iter()
        .any(|other| other.admin && other.role == membership.role && other.member == grantor);
    (version.major() < 16 || has_admin).then_some(grantor)
}

fn grant(membership: &Membership, grantor: Option<&str>, version: Version) -> String {
    let mut options = Vec::new();
    if version.major() >= 16 {
        if membership.admin {
            options.push("ADMIN OPTION".to_owned());
        }
        if let Some(inherit) = membership.inherit {
            options.push(format!("INHERIT {inherit}"));
        }
        if let Some(set) = membership.set {
            options.push(format!("SET {set}"));
        }
    } else if membership.admin {
        options.push("ADMIN OPTION".to_owned());
    }
    let mut sql = format!("GRANT {} TO {}", identifier(&membership.role), identifier(&membership.member));
    if !options.is_empty() {
        sql.push_str(" WITH ");
        sql.push_str(&options.join(", "));
    }
    if let Some(grantor) = grantor {
        sql.push_str(" GRANTED BY ");
        sql.push_str(&identifier(grantor));
    }
    sql
}

/// Settings of all roles belong to the server: they are not changed, and said if they differ.
fn plan_settings_of_all(plan: &mut GlobalsPlan, settings: &[String], existing: &Globals) {
    let present = existing.role_settings.get("").map(Vec::as_slice).unwrap_or_default();
    for setting in settings.iter().filter(|setting| !present.contains(setting)) {
        plan.remarks.push(format!("`ALTER ROLE ALL SET {setting}` is in the backup and is not set here"));
    }
}

/// Privileges on parameters for roles that are new.
fn plan_parameters(
    plan: &mut GlobalsPlan,
    privileges: &BTreeMap<String, Vec<String>>,
    new: &BTreeSet<&str>,
) -> Result<()> {
    for (parameter, acl) in privileges {
        for text in acl {
            let item = AclItem::parse(text)?;
            if !item.grantee.as_deref().is_some_and(|grantee| new.contains(grantee)) {
                continue;
            }
            // Given as the connected superuser's own, whom the server takes for the owner.
            let owner = item.grantor;
            let statements =
                acl_statements(AclObject::Parameter(parameter), &owner, std::slice::from_ref(text))?;
            plan.statements.extend(statements.into_iter().map(Statement::from));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Version = Version(170_002);
    const OLD: Version = Version(150_004);

    fn role(name: &str) -> Role {
        Role { name: name.into(), inherit: true, login: true, connection_limit: -1, ..Role::default() }
    }

    fn member(role: &str, member: &str, grantor: &str, admin: bool) -> Membership {
        Membership {
            role: role.into(),
            member: member.into(),
            grantor: Some(grantor.into()),
            admin,
            ..Membership::default()
        }
    }

    fn recorded() -> Globals {
        Globals {
            roles: ["app", "grp", "mid"].map(role).into(),
            memberships: vec![
                member("grp", "app", "mid", false),
                member("grp", "mid", "postgres", true),
                member("gone", "app", "postgres", false),
            ],
            with_passwords: true,
            ..Globals::default()
        }
    }

    fn server(roles: &[&str]) -> Globals {
        Globals { roles: roles.iter().map(|name| role(name)).collect(), ..Globals::default() }
    }

    fn made(recorded: &Globals, existing: &Globals, version: Version) -> Result<GlobalsPlan> {
        plan_globals(recorded, existing, version, RolePolicy::Create, "postgres")
    }

    fn grants(plan: &GlobalsPlan) -> Vec<&str> {
        plan.statements.iter().map(|s| s.sql.as_str()).filter(|sql| sql.starts_with("GRANT")).collect()
    }

    #[test]
    fn a_role_that_exists_is_kept_with_its_settings() {
        let mut given = recorded();
        given.role_settings.insert("app".into(), vec!["work_mem=8MB".into()]);
        given.role_settings.insert("mid".into(), vec!["work_mem=9MB".into()]);
        let plan = made(&given, &server(&["app", "grp", "postgres"]), NEW).unwrap();
        assert_eq!(plan.roles, ["mid"]);
        let settings: Vec<_> =
            plan.statements.iter().map(|s| s.sql.as_str()).filter(|s| s.starts_with("ALTER")).collect();
        assert_eq!(settings, ["ALTER ROLE \"mid\" SET \"work_mem\" TO '9MB'"]);
        assert_eq!(grants(&plan), ["GRANT \"grp\" TO \"mid\" WITH ADMIN OPTION"]);
    }

    #[test]
    fn a_grant_comes_after_the_one_that_lets_its_grantor_grant() {
        let plan = made(&recorded(), &server(&["postgres"]), NEW).unwrap();
        assert_eq!(
            grants(&plan),
            ["GRANT \"grp\" TO \"mid\" WITH ADMIN OPTION", "GRANT \"grp\" TO \"app\" GRANTED BY \"mid\""]
        );
        assert_eq!(plan.remarks.len(), 1);
        assert!(plan.remarks[0].contains("`gone`"), "{:?}", plan.remarks);
    }

    #[test]
    fn options_of_16_are_said_where_the_server_knows_them() {
        let mut given = recorded();
        given.memberships = vec![Membership {
            inherit: Some(false),
            set: Some(true),
            ..member("grp", "mid", "postgres", false)
        }];
        let new = made(&given, &server(&["postgres"]), NEW).unwrap();
        assert_eq!(grants(&new), ["GRANT \"grp\" TO \"mid\" WITH INHERIT false, SET true"]);
        let old = made(&given, &server(&["postgres"]), OLD).unwrap();
        assert_eq!(grants(&old), ["GRANT \"grp\" TO \"mid\" GRANTED BY \"postgres\""]);
    }

    #[test]
    fn a_password_hash_makes_a_statement_secret_in_every_form_of_print() {
        let mut given = recorded();
        given.roles[0].password_hash = Some(crate::catalog::manifest::PasswordHash::new("SCRAM-SHA-256$x"));
        let plan = made(&given, &server(&[]), NEW).unwrap();
        let statement = &plan.statements[0];
        assert!(statement.secret && statement.sql.ends_with(" PASSWORD 'SCRAM-SHA-256$x'"));
        assert!(!format!("{plan:?}").contains("SCRAM"));
    }

    #[test]
    fn roles_that_come_without_their_password_are_named() {
        let mut given = recorded();
        given.with_passwords = false;
        given.roles[1].login = false;
        let plan = made(&given, &server(&[]), NEW).unwrap();
        assert_eq!(plan.without_password, ["app", "mid"]);
    }

    #[test]
    fn tablespaces_that_are_missing_are_named_and_not_made() {
        let mut given = recorded();
        given.tablespaces = vec![Tablespace { name: "fast".into(), ..Tablespace::default() }];
        let plan = made(&given, &server(&["app", "grp", "mid"]), NEW).unwrap();
        assert_eq!(plan.tablespaces.len(), 1);
        assert!(plan.statements.iter().all(|statement| !statement.sql.contains("TABLESPACE")));
    }

    #[test]
    fn roles_are_left_alone_or_changed_as_it_is_said() {
        let mut here = server(&["app", "postgres"]);
        here.roles[0].login = false;
        let plan = |policy, own: &str| plan_globals(&recorded(), &here, NEW, policy, own).unwrap();
        let kept = plan(RolePolicy::Create, "postgres");
        assert!(kept.changes.is_empty() && kept.remarks[0].contains("`app` stays as it is: NOLOGIN here"));
        let replaced = plan(RolePolicy::Replace, "postgres");
        assert!(replaced.changes[0].sql.starts_with("ALTER ROLE \"app\" WITH"), "{replaced:?}");
        assert_eq!(replaced.roles, ["grp", "mid"]);
        assert!(plan(RolePolicy::Replace, "app").changes.is_empty(), "the role that works is changed");
        let skipped = plan(RolePolicy::Skip, "postgres");
        assert!(skipped.roles.is_empty() && skipped.statements.is_empty() && skipped.changes.is_empty());
    }
}
