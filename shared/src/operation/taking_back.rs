//! Taking back what a restore that failed has made.

use super::{
    Surroundings,
    kept::drop_database,
    server::{elsewhere, end_rest_of, reach_again},
};
use crate::{
    error::Result,
    mover::PlaceOptions,
    postgres::{DatabaseInfo, Query, present, swap},
    target::Target,
};

/// What a restore has made so far and would take back.
#[derive(Default)]
pub(super) struct Made {
    pub databases: Vec<String>,
    pub roles: Vec<String>,
    pub swapped: bool,
    /// The name whose swap has begun and not been answered.
    pub at_stake: Option<String>,
    /// The number of the transaction that adds a part, when its commit has begun and has not been
    /// answered.
    pub committing: Option<String>,
}

impl Made {
    pub fn is_nothing(&self) -> bool {
        self.databases.is_empty() && self.roles.is_empty() && self.committing.is_none()
    }
}

/// The names that a swap deals with.
pub(super) struct SwapNames {
    /// The name that is at stake.
    pub name: String,
    /// What the new database is called before the swap, and never after it.
    pub loaded_as: String,
    /// What the old one is called after it, if there is one.
    pub kept_as: Option<String>,
}

/// Drops what was made, with a fresh mover; tells in what state the server is.
pub(super) fn take_back(
    at: &Surroundings<'_>,
    target: &Target,
    mover: &PlaceOptions,
    run: &str,
    names: &[SwapNames],
    made: &Made,
) -> Vec<String> {
    match clean(at, target, mover, run, names, made) {
        Ok(Cleaned { committed: true, .. }) => {
            vec!["it was committed all the same, though the answer was lost: all of it is there".to_owned()]
        }
        Ok(Cleaned { swapped_in, .. }) if swapped_in.is_empty() => vec![serving(made).to_owned()],
        Ok(Cleaned { swapped_in, .. }) => vec![format!(
            "swapped in all the same, though the answer was lost: {}; `pgbackup undo` swaps back",
            swapped_in.join(", ")
        )],
        Err(error) => {
            let left: Vec<&str> = made.databases.iter().chain(&made.roles).map(String::as_str).collect();
            if made.committing.is_some() {
                return vec![format!(
                    "either all of it is there or nothing: the answer to the commit was lost ({error})"
                )];
            }
            let serving = made.at_stake.as_ref().map_or_else(
                || "the databases that were there serve on".to_owned(),
                |name| {
                    format!(
                        "`{name}` is either what it was or whole and new: the answer to its swap was lost; see `pgbackup targets`"
                    )
                },
            );
            vec![
                serving,
                format!(
                    "left behind: {}; `pgbackup undo --discard` drops databases ({error})",
                    left.join(", ")
                ),
            ]
        }
    }
}

/// Looks, with a fresh mover, which of these swaps and drops took place although their answers
/// were lost; gives the names that databases had or have.
///
/// # Errors
///
/// When the server cannot be reached again.
pub(super) fn done_all_the_same(
    at: &Surroundings<'_>,
    target: &Target,
    mover: &PlaceOptions,
    run: &str,
    swaps: &[SwapNames],
    drops: &[String],
) -> Result<Vec<String>> {
    let reached = reach_again(at, target, mover)?;
    let mut session = reached.maintenance()?;
    end_rest_of(&reached, &mut session, run)?;
    let databases = reached.state(&mut session)?.databases;
    session.close()?;
    reached.mover.finish()?;
    let swapped = swaps.iter().filter(|names| took_place(&databases, names)).map(|names| &names.name);
    let dropped = drops.iter().filter(|name| !is_there(&databases, name));
    Ok(swapped.chain(dropped).cloned().collect())
}

/// Who serves after everything was taken back.
pub(super) fn serving(made: &Made) -> &'static str {
    if made.swapped {
        return "the other databases that were there serve on";
    }
    "the databases that were there serve on, and nothing new is left"
}

/// What was found when everything had been taken back.
struct Cleaned {
    /// Databases that were swapped in all the same.
    swapped_in: Vec<String>,
    /// A part was added all the same.
    committed: bool,
}

fn clean(
    at: &Surroundings<'_>,
    target: &Target,
    mover: &PlaceOptions,
    run: &str,
    names: &[SwapNames],
    made: &Made,
) -> Result<Cleaned> {
    let reached = reach_again(at, target, mover)?;
    let mut session = reached.maintenance()?;
    end_rest_of(&reached, &mut session, run)?;
    let committed = match &made.committing {
        Some(number) => present::was_committed(&mut session, number)? == Some(true),
        None => false,
    };
    let databases = reached.state(&mut session)?.databases;
    let left: Vec<&str> =
        made.databases.iter().map(String::as_str).filter(|name| is_there(&databases, name)).collect();
    session.close()?;
    let mut session = reached.session(&elsewhere(&reached.server, &databases, &left)?)?;
    for name in &left {
        drop_database(&reached, &mut session, name)?;
    }
    let swapped_in: Vec<String> = names
        .iter()
        .filter(|names| made.databases.contains(&names.loaded_as) && took_place(&databases, names))
        .map(|names| names.name.clone())
        .collect();
    if swapped_in.is_empty() && !committed {
        for role in made.roles.iter().rev() {
            Query::query(&mut session, &swap::drop_role_statement(role))?;
        }
    }
    session.close()?;
    reached.mover.finish()?;
    Ok(Cleaned { swapped_in, committed })
}

/// Whether a swap whose answer was lost took place: its names changed in one transaction.
fn took_place(databases: &[DatabaseInfo], names: &SwapNames) -> bool {
    !is_there(databases, &names.loaded_as)
        && is_there(databases, &names.name)
        && names.kept_as.as_ref().is_none_or(|kept| is_there(databases, kept))
}

fn is_there(databases: &[DatabaseInfo], name: &str) -> bool {
    databases.iter().any(|database| database.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn databases(names: &[&str]) -> Vec<DatabaseInfo> {
        names
            .iter()
            .map(|name| DatabaseInfo { name: (*name).to_owned(), ..DatabaseInfo::default() })
            .collect()
    }

    fn names(kept_as: Option<&str>) -> SwapNames {
        SwapNames { name: "shop".into(), loaded_as: "new_0".into(), kept_as: kept_as.map(Into::into) }
    }

    #[test]
    fn a_swap_took_place_when_all_its_names_have_changed() {
        assert!(took_place(&databases(&["shop", "kept_0"]), &names(Some("kept_0"))));
        assert!(took_place(&databases(&["shop"]), &names(None)));
    }

    #[test]
    fn a_database_that_still_has_its_first_name_was_not_swapped_in() {
        assert!(!took_place(&databases(&["shop", "new_0"]), &names(Some("kept_0"))));
        assert!(!took_place(&databases(&["shop"]), &names(Some("kept_0"))));
        assert!(!took_place(&databases(&["new_0"]), &names(None)));
    }
}
