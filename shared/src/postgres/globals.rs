//! What belongs to the server and not to one database: roles, memberships, tablespaces,
//! settings of roles, privileges on parameters.

use super::{query::Query, version::Version};
use crate::{
    catalog::manifest::{Globals, Membership, PasswordHash, Role, Tablespace},
    error::Result,
};
use std::collections::BTreeMap;

/// Reads the globals, with password hashes where this role may read them.
///
/// [`Globals::with_passwords`] says whether it could: only superusers read `pg_authid`, unless
/// they granted it. `role_settings` has `ALTER ROLE ALL SET` under the empty name, which no role
/// can have. The server's own roles (`pg_*`) are left out, grants of them to others are not.
pub fn globals(session: &mut dyn Query, version: Version) -> Result<Globals> {
    let may =
        session.query("SELECT pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT') AS may")?;
    let with_passwords = may.only()?.flag("may")?;
    Ok(Globals {
        roles: roles(session, with_passwords)?,
        memberships: memberships(session, version)?,
        tablespaces: tablespaces(session)?,
        role_settings: role_settings(session)?,
        parameter_privileges: parameter_privileges(session, version)?,
        with_passwords,
    })
}

fn roles(session: &mut dyn Query, with_passwords: bool) -> Result<Vec<Role>> {
    let (catalog, password) = if with_passwords {
        ("pg_catalog.pg_authid", "r.rolpassword")
    } else {
        ("pg_catalog.pg_roles", "NULL::pg_catalog.text")
    };
    // to_json writes a time as ISO 8601, whatever DateStyle is; infinity stays a word.
    let answer = session.query_secret(&format!(
        "SELECT r.rolname, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin, \
         r.rolreplication, r.rolbypassrls, r.rolconnlimit, {password} AS password, \
         pg_catalog.to_json(r.rolvaliduntil) #>> '{{}}' AS valid_until, \
         pg_catalog.shobj_description(r.oid, 'pg_authid') AS comment \
         FROM {catalog} r WHERE r.rolname !~ '^pg_' ORDER BY r.rolname COLLATE \"C\""
    ))?;
    answer
        .iter()
        .map(|row| {
            Ok(Role {
                name: row.string("rolname")?,
                superuser: row.flag("rolsuper")?,
                inherit: row.flag("rolinherit")?,
                create_role: row.flag("rolcreaterole")?,
                create_db: row.flag("rolcreatedb")?,
                login: row.flag("rolcanlogin")?,
                replication: row.flag("rolreplication")?,
                bypass_rls: row.flag("rolbypassrls")?,
                connection_limit: row.number("rolconnlimit")?,
                password_hash: row.optional_string("password")?.map(PasswordHash::new),
                valid_until: row.optional_string("valid_until")?,
                comment: row.optional_string("comment")?,
            })
        })
        .collect()
}

fn memberships(session: &mut dyn Query, version: Version) -> Result<Vec<Membership>> {
    let (inherit, set) = if version.major() >= 16 {
        ("m.inherit_option", "m.set_option")
    } else {
        ("NULL::pg_catalog.bool", "NULL::pg_catalog.bool")
    };
    let answer = session.query(&format!(
        "SELECT r.rolname AS role, u.rolname AS member, g.rolname AS grantor, m.admin_option, \
         {inherit} AS inherit_option, {set} AS set_option FROM pg_catalog.pg_auth_members m \
         JOIN pg_catalog.pg_roles r ON r.oid = m.roleid JOIN pg_catalog.pg_roles u ON u.oid = m.member \
         LEFT JOIN pg_catalog.pg_roles g ON g.oid = m.grantor \
         WHERE NOT (r.rolname ~ '^pg_' AND u.rolname ~ '^pg_') \
         ORDER BY r.rolname COLLATE \"C\", u.rolname COLLATE \"C\", g.rolname COLLATE \"C\""
    ))?;
    answer
        .iter()
        .map(|row| {
            Ok(Membership {
                role: row.string("role")?,
                member: row.string("member")?,
                grantor: row.optional_string("grantor")?,
                admin: row.flag("admin_option")?,
                inherit: row.optional_flag("inherit_option")?,
                set: row.optional_flag("set_option")?,
            })
        })
        .collect()
}

fn tablespaces(session: &mut dyn Query) -> Result<Vec<Tablespace>> {
    let answer = session.query(
        "SELECT spcname, pg_catalog.pg_get_userbyid(spcowner) AS owner, \
         pg_catalog.pg_tablespace_location(oid) AS location, \
         pg_catalog.array_to_json(spcacl::pg_catalog.text[]) AS acl, \
         pg_catalog.array_to_json(spcoptions) AS options, \
         pg_catalog.shobj_description(oid, 'pg_tablespace') AS comment \
         FROM pg_catalog.pg_tablespace WHERE spcname !~ '^pg_' ORDER BY spcname COLLATE \"C\"",
    )?;
    answer
        .iter()
        .map(|row| {
            Ok(Tablespace {
                name: row.string("spcname")?,
                owner: row.string("owner")?,
                location: row.string("location")?,
                acl: row.optional_list("acl")?,
                options: row.list("options")?,
                comment: row.optional_string("comment")?,
            })
        })
        .collect()
}

fn role_settings(session: &mut dyn Query) -> Result<BTreeMap<String, Vec<String>>> {
    let answer = session.query(
        "SELECT COALESCE(r.rolname, '') AS role, pg_catalog.array_to_json(s.setconfig) AS settings \
         FROM pg_catalog.pg_db_role_setting s LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole \
         WHERE s.setdatabase = 0 AND (s.setrole = 0 OR r.oid IS NOT NULL)",
    )?;
    answer.iter().map(|row| Ok((row.string("role")?, row.list("settings")?))).collect()
}

fn parameter_privileges(session: &mut dyn Query, version: Version) -> Result<BTreeMap<String, Vec<String>>> {
    if version.major() < 15 {
        return Ok(BTreeMap::new());
    }
    let answer = session.query(
        "SELECT parname, pg_catalog.array_to_json(paracl::pg_catalog.text[]) AS acl \
         FROM pg_catalog.pg_parameter_acl",
    )?;
    answer.iter().map(|row| Ok((row.string("parname")?, row.list("acl")?))).collect()
}
