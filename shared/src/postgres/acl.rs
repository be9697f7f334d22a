//! Access privileges: from the server's `aclitem` text to GRANT and REVOKE.

use super::quote::identifier;
use crate::error::{Error, Result};

/// One `aclitem`: `bob=C*Tc/alice`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclItem {
    /// Who has the privileges; none is PUBLIC.
    pub grantee: Option<String>,
    /// What.
    pub privileges: Vec<Privilege>,
    /// Who granted them.
    pub grantor: String,
}

/// One privilege of an `aclitem`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Privilege {
    /// Its letter: `C`.
    pub letter: char,
    /// WITH GRANT OPTION (`C*`).
    pub grant_option: bool,
}

/// What privileges are granted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AclObject<'a> {
    /// A database.
    Database(&'a str),
    /// A tablespace.
    Tablespace(&'a str),
    /// A configuration parameter (15 and later).
    Parameter(&'a str),
}

impl AclObject<'_> {
    fn sql(self) -> Result<String> {
        match self {
            Self::Database(name) => Ok(format!("DATABASE {}", identifier(name))),
            Self::Tablespace(name) => Ok(format!("TABLESPACE {}", identifier(name))),
            Self::Parameter(name) => {
                let safe = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_.$".contains(c));
                if !safe {
                    return Err(Error::failed(format!("`{name}` is not a parameter's name")));
                }
                Ok(format!("PARAMETER {name}"))
            }
        }
    }

    /// The key word of a privilege's letter. Source: manual, "Privileges", ACL abbreviations.
    fn privilege(self, letter: char) -> Result<&'static str> {
        match (self, letter) {
            (Self::Database(_) | Self::Tablespace(_), 'C') => Ok("CREATE"),
            (Self::Database(_), 'T') => Ok("TEMPORARY"),
            (Self::Database(_), 'c') => Ok("CONNECT"),
            (Self::Parameter(_), 's') => Ok("SET"),
            (Self::Parameter(_), 'A') => Ok("ALTER SYSTEM"),
            _ => Err(Error::failed(format!("the privilege `{letter}` is not known"))),
        }
    }
}

impl AclItem {
    /// Reads the server's text form.
    pub fn parse(text: &str) -> Result<Self> {
        parse(text).ok_or_else(|| Error::failed(format!("the access privilege `{text}` is not understood")))
    }
}

fn parse(text: &str) -> Option<AclItem> {
    let (grantee, rest) = name(text)?;
    let rest = rest.strip_prefix('=')?;
    let (letters, rest) = rest.split_once('/')?;
    let (grantor, rest) = name(rest)?;
    if !rest.is_empty() || grantor.is_empty() {
        return None;
    }
    let mut privileges: Vec<Privilege> = Vec::new();
    for letter in letters.chars() {
        if letter == '*' {
            privileges.last_mut()?.grant_option = true;
        } else {
            privileges.push(Privilege { letter, grant_option: false });
        }
    }
    let grantee = if grantee.is_empty() { None } else { Some(grantee) };
    Some(AclItem { grantee, privileges, grantor })
}

/// Takes a role's name, in double quotes where it has other than letters, digits and `_`.
fn name(text: &str) -> Option<(String, &str)> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find(['=', '/']).unwrap_or(text.len());
        return Some((text.get(..end)?.to_owned(), text.get(end..)?));
    };
    let mut name = String::new();
    loop {
        let (part, after) = rest.split_once('"')?;
        name.push_str(part);
        match after.strip_prefix('"') {
            Some(further) => {
                name.push('"');
                rest = further;
            }
            None => return Some((name, after)),
        }
    }
}

/// Gives the statements that turn a fresh object's privileges into `acl`.
///
/// A grant by somebody else than the owner is made in that role's name, which a superuser may.
/// Statements come in an order in which every grantor already has the grant option.
pub fn acl_statements(object: AclObject<'_>, owner: &str, acl: &[String]) -> Result<Vec<String>> {
    let items = acl.iter().map(|item| AclItem::parse(item)).collect::<Result<Vec<_>>>()?;
    let sql = object.sql()?;
    let mut statements = Vec::new();
    if !matches!(object, AclObject::Parameter(_)) {
        statements.push(format!("REVOKE ALL ON {sql} FROM PUBLIC"));
        statements.push(format!("REVOKE ALL ON {sql} FROM {}", identifier(owner)));
    }
    let (by_owner, by_others): (Vec<_>, Vec<_>) = items.iter().partition(|item| item.grantor == owner);
    for item in by_owner {
        statements.extend(grants(object, &sql, item)?);
    }
    for item in in_grant_order(owner, by_others) {
        statements.push(format!("SET SESSION AUTHORIZATION {}", identifier(&item.grantor)));
        statements.extend(grants(object, &sql, item)?);
        statements.push("RESET SESSION AUTHORIZATION".to_owned());
    }
    Ok(statements)
}

/// Puts each item behind those that give its grantor the grant option.
fn in_grant_order<'a>(owner: &str, mut left: Vec<&'a AclItem>) -> Vec<&'a AclItem> {
    let mut ordered: Vec<&AclItem> = Vec::new();
    while !left.is_empty() {
        let waiting = |item: &&AclItem| {
            left.iter().any(|other| {
                other.grantee.as_deref() == Some(item.grantor.as_str())
                    && other.grantor != item.grantor
                    && item.grantor != owner
            })
        };
        let (later, now): (Vec<_>, Vec<_>) = left.iter().copied().partition(waiting);
        if now.is_empty() {
            // The server allows no circle of grants; should there be one, its order stays.
            ordered.extend(later);
            break;
        }
        ordered.extend(now);
        left = later;
    }
    ordered
}

fn grants(object: AclObject<'_>, sql: &str, item: &AclItem) -> Result<Vec<String>> {
    let grantee = item.grantee.as_deref().map_or_else(|| "PUBLIC".to_owned(), identifier);
    let mut statements = Vec::new();
    for (grant_option, ending) in [(false, ""), (true, " WITH GRANT OPTION")] {
        let words = item
            .privileges
            .iter()
            .filter(|privilege| privilege.grant_option == grant_option)
            .map(|privilege| object.privilege(privilege.letter))
            .collect::<Result<Vec<_>>>()?;
        if !words.is_empty() {
            statements.push(format!("GRANT {} ON {sql} TO {grantee}{ending}", words.join(", ")));
        }
    }
    Ok(statements)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn an_item_with_quoted_names_and_grant_options_is_read() {
        let item = AclItem::parse("\"Al \"\"ice\"=C*Tc/\"a=b/c\"").unwrap();
        assert_eq!(item.grantee.as_deref(), Some("Al \"ice"));
        assert_eq!(item.grantor, "a=b/c");
        assert_eq!(item.privileges.len(), 3);
        assert!(item.privileges[0].grant_option && !item.privileges[1].grant_option);
        assert_eq!(AclItem::parse("=Tc/postgres").unwrap().grantee, None);
    }

    #[test]
    fn what_is_not_an_item_is_refused() {
        for text in ["", "bob", "bob=C", "bob=*C/x", "\"bob=C/x", "bob=C/x/y\"", "bob=C/"] {
            assert!(AclItem::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_grant_by_another_role_is_made_in_its_name_after_it_may() {
        let acl = texts(&["carol=c/bob", "bob=c*/postgres", "=T/postgres"]);
        let statements = acl_statements(AclObject::Database("d"), "postgres", &acl).unwrap();
        assert_eq!(
            statements,
            [
                "REVOKE ALL ON DATABASE \"d\" FROM PUBLIC",
                "REVOKE ALL ON DATABASE \"d\" FROM \"postgres\"",
                "GRANT CONNECT ON DATABASE \"d\" TO \"bob\" WITH GRANT OPTION",
                "GRANT TEMPORARY ON DATABASE \"d\" TO PUBLIC",
                "SET SESSION AUTHORIZATION \"bob\"",
                "GRANT CONNECT ON DATABASE \"d\" TO \"carol\"",
                "RESET SESSION AUTHORIZATION",
            ]
        );
    }

    #[test]
    fn chains_of_grants_come_in_their_order() {
        let acl = texts(&["dave=c/carol", "carol=c*/bob", "bob=c*/postgres"]);
        let statements = acl_statements(AclObject::Database("d"), "postgres", &acl).unwrap();
        let roles: Vec<_> = statements.iter().filter(|s| s.starts_with("SET SESSION")).collect();
        assert_eq!(roles, ["SET SESSION AUTHORIZATION \"bob\"", "SET SESSION AUTHORIZATION \"carol\""]);
    }

    #[test]
    fn a_privilege_of_another_kind_of_object_is_refused() {
        assert!(acl_statements(AclObject::Tablespace("t"), "o", &texts(&["x=c/o"])).is_err());
        assert!(acl_statements(AclObject::Parameter("a;b"), "o", &[]).is_err());
    }
}
