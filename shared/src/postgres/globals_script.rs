//! `globals.sql` where pg_dumpall cannot write it: it puts names into statements of its own, and
//! the server refuses one that is not in its encoding.

use super::{globals_sql::plan_globals, role_changes::RolePolicy, version::Version};
use crate::{
    catalog::manifest::Globals,
    error::{Context as _, Result},
};
use pgbackup_wire::text;
use std::io::Write as _;

/// Returns what makes these globals on an empty server, for people with psql, if the name of a
/// role is not UTF-8; none if pg_dumpall can write it. Names are the bytes that the server has.
pub fn globals_script(globals: &Globals, version: Version) -> Result<Option<Vec<u8>>> {
    let is_raw = |name: &str| name.chars().any(|letter| text::byte_of(letter).is_some());
    if !globals.roles.iter().any(|role| is_raw(&role.name)) {
        return Ok(None);
    }
    let plan = plan_globals(globals, &Globals::default(), version, RolePolicy::Create, "")?;
    let mut script =
        b"-- Names are in more than one encoding: see to each before you feed them to psql.\n".to_vec();
    for statement in &plan.statements {
        script.extend_from_slice(&text::to_bytes(&statement.sql));
        script.extend_from_slice(b";\n");
    }
    for space in &plan.tablespaces {
        writeln!(script, "-- tablespace {:?} was at {:?}", space.name, space.location)
            .context("write roles, settings and tablespaces")?;
    }
    Ok(Some(script))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::manifest::Role;

    fn globals(name: &str) -> Globals {
        Globals { roles: vec![Role { name: name.to_owned(), ..Role::default() }], ..Globals::default() }
    }

    #[test]
    fn a_role_whose_name_is_not_utf_8_stands_there_with_its_own_bytes() {
        let script = globals_script(&globals("m\u{effc}ller"), Version(170_000)).unwrap().unwrap();
        assert!(script.windows(8).any(|bytes| bytes == b"\"m\xfcller\""));
    }

    #[test]
    fn ordinary_names_are_left_to_pg_dumpall() {
        assert_eq!(globals_script(&globals("müller"), Version(170_000)).unwrap(), None);
    }
}
