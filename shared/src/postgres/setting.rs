//! `ALTER DATABASE ... SET` and `ALTER ROLE ... SET` from `pg_db_role_setting`.

use super::quote::{identifier, literal};
use crate::error::{Error, Result};

/// Settings whose stored value is a list of names, quoted one by one (`GUC_LIST_QUOTE`).
///
/// Source: `variable_is_guc_list_quote` in PostgreSQL's `dumputils.c`, 13 to 18. Extensions
/// may not add to them.
const LISTS_OF_NAMES: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// Gives the statement that sets one stored `name=value` again.
///
/// `whom` is what stands between ALTER and SET: `DATABASE "shop"`, `ROLE "bob" IN DATABASE
/// "shop"`. A list of names stays a list: quoted as one text, `search_path` would name one
/// schema with commas in its name.
///
/// # Errors
///
/// When `setting` has no `=`, or a list is not written as the server writes it.
pub fn alter_setting(whom: &str, setting: &str) -> Result<String> {
    let (name, value) = setting
        .split_once('=')
        .ok_or_else(|| Error::failed(format!("the stored setting `{setting}` has no value")))?;
    let quoted_name = name.split('.').map(identifier).collect::<Vec<_>>().join(".");
    let lower = name.to_ascii_lowercase();
    if !LISTS_OF_NAMES.contains(&lower.as_str()) {
        return Ok(format!("ALTER {whom} SET {quoted_name} TO {}", literal(value)));
    }
    let names = split_names(value)
        .ok_or_else(|| Error::failed(format!("the stored setting `{setting}` is not a list of names")))?;
    if names.is_empty() {
        // SET needs a value; the empty name is how pg_dump writes an empty list.
        return Ok(format!("ALTER {whom} SET {quoted_name} TO ''"));
    }
    let names: Vec<String> = names.iter().map(|name| literal(name)).collect();
    Ok(format!("ALTER {whom} SET {quoted_name} TO {}", names.join(", ")))
}

/// Splits `"$user", public` into its names; none if a quote is open or a comma stands alone.
fn split_names(value: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = value.trim_start();
    if rest.is_empty() {
        return Some(names);
    }
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (name, after) = closed_quote(quoted)?;
            names.push(name);
            rest = after.trim_start();
        } else {
            let end = rest.find([',', ' ', '\t', '\n']).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            if name.is_empty() {
                return None;
            }
            names.push(name.to_owned());
            rest = after.trim_start();
        }
        if rest.is_empty() {
            return Some(names);
        }
        rest = rest.strip_prefix(',')?.trim_start();
    }
}

/// Takes a name up to its closing quote; a doubled quote stands for one.
fn closed_quote(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_value_is_quoted_as_one_text() {
        assert_eq!(
            alter_setting("DATABASE \"shop\"", "TimeZone=Europe/O'x").unwrap(),
            "ALTER DATABASE \"shop\" SET \"TimeZone\" TO 'Europe/O''x'"
        );
        assert_eq!(
            alter_setting("ROLE \"b\"", "my.list=a, b=c").unwrap(),
            "ALTER ROLE \"b\" SET \"my\".\"list\" TO 'a, b=c'"
        );
    }

    #[test]
    fn a_search_path_stays_a_list_of_names() {
        assert_eq!(
            alter_setting("DATABASE \"d\"", "search_path=\"$user\", public, \"We \"\"ird, x\"").unwrap(),
            "ALTER DATABASE \"d\" SET \"search_path\" TO '$user', 'public', 'We \"ird, x'"
        );
        assert_eq!(
            alter_setting("DATABASE \"d\"", "search_path=\"\"").unwrap(),
            "ALTER DATABASE \"d\" SET \"search_path\" TO ''"
        );
        assert_eq!(
            alter_setting("DATABASE \"d\"", "search_path=").unwrap(),
            "ALTER DATABASE \"d\" SET \"search_path\" TO ''"
        );
    }

    #[test]
    fn a_list_with_an_open_quote_is_refused() {
        assert!(alter_setting("DATABASE \"d\"", "search_path=\"a").is_err());
        assert!(alter_setting("DATABASE \"d\"", "search_path=a,,b").is_err());
        assert!(alter_setting("DATABASE \"d\"", "nothing").is_err());
    }
}
