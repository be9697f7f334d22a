//! `targets`: the PostgreSQL servers that run here.

use super::{Surroundings, kept::kept, server::reach};
use crate::{
    error::{Error, Result},
    event::Event,
    mover::PlaceOptions,
    postgres::databases,
    target::{Selection, Target, select},
};
use serde::Serialize;

/// What [`targets`] found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetsOutcome {
    /// Servers that answered, in the platform's order.
    pub servers: Vec<ServerListing>,
    /// Places where a server runs that could not be asked, and why.
    pub unreachable: Vec<(Target, Error)>,
}

/// One server. Sizes are in bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ServerListing {
    /// Where it runs.
    pub target: Target,
    /// `17.2 (Debian 17.2-1)`.
    pub version: String,
    /// The role that sessions use.
    pub user: String,
    /// Whether that role is a superuser.
    pub superuser: bool,
    /// Whether it is a standby.
    pub in_recovery: bool,
    /// Its databases and their sizes, without those that are kept and template0.
    pub databases: Vec<(String, u64)>,
    /// Databases that restores and undos keep, or left behind.
    pub kept: Vec<KeptDatabase>,
}

/// A database that is ours: kept for `undo`, or left by an interrupted restore.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct KeptDatabase {
    /// Its name now.
    pub name: String,
    /// The name it had, or was going to have.
    pub database: String,
    /// Its size.
    pub size: u64,
    /// When it was put aside or begun, RFC 3339.
    pub time: String,
    /// The backup whose restore it comes from.
    pub backup: String,
    /// Whether it is what a restore replaced (true), or what an undo put aside.
    pub by_restore: bool,
    /// Whether an interrupted restore left it; `undo` cannot bring it back.
    pub unfinished: bool,
}

/// Finds the servers that are meant and asks each for its version, databases and sizes. Changes
/// nothing.
///
/// # Errors
///
/// When the platform cannot be asked. A server that cannot be asked is no error here.
pub fn targets(at: &Surroundings<'_>, selection: &Selection, mover: &PlaceOptions) -> Result<TargetsOutcome> {
    let places = select(&at.runtime.targets()?, selection)?;
    let with_server = at.runtime.runs_postgres(&places)?;
    let mut outcome = TargetsOutcome::default();
    for target in places.into_iter().zip(with_server).filter_map(|(place, has)| has.then_some(place)) {
        at.cancel.check()?;
        at.observer.event(&Event::Step { what: format!("ask the server in `{}`", target.name) });
        match ask(at, &target, mover) {
            Ok(server) => outcome.servers.push(server),
            Err(error) if at.cancel.is_cancelled() => return Err(error),
            Err(error) => {
                let error = error.context(format!("the server in `{}` could not be asked", target.name));
                outcome.unreachable.push((target, error));
            }
        }
    }
    Ok(outcome)
}

fn ask(at: &Surroundings<'_>, target: &Target, mover: &PlaceOptions) -> Result<ServerListing> {
    let reached = reach(at, target, mover)?;
    let mut session = reached.maintenance()?;
    let found = databases(&mut session, reached.server.version())?;
    session.close()?;
    let listing = ServerListing {
        target: target.clone(),
        version: reached.server.version.clone(),
        user: reached.server.endpoint.user.clone(),
        superuser: reached.server.superuser,
        in_recovery: reached.server.in_recovery,
        databases: found
            .iter()
            .filter(|database| kept(database).is_none() && database.name != "template0")
            .map(|database| (database.name.clone(), database.size.unwrap_or_default()))
            .collect(),
        kept: found.iter().filter_map(kept).collect(),
    };
    reached.mover.finish()?;
    Ok(listing)
}
