//! Which servers are meant: by what was said, by what runs, and if need be by asking.

use super::caller::Caller;
use crate::{
    error::{Error, Kind, Result},
    report::{harmless, plural},
    target::{Runtime, Selection, Target, select},
};

/// What is looked for.
const SERVER: &str = "PostgreSQL server";

/// Containers that an error names before it only counts.
const NAMED: usize = 8;

/// How many servers a command works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Exactly one; the user picks if there are several. Where nobody can pick, these hints tell
    /// how one is named; in the first, `{}` stands for a server's name.
    One(&'static [&'static str]),
    /// At least one; the user picks some if there are several, as with `One`.
    Some(&'static [&'static str]),
    /// Every one, but at least one.
    All,
}

impl Caller<'_> {
    /// Returns the containers that `selection` means and in which a server runs.
    ///
    /// # Errors
    ///
    /// [`Kind::Target`] if there is none, or more than one where one is wanted and nobody can
    /// pick.
    pub fn choose(
        &self,
        runtime: &dyn Runtime,
        selection: &Selection,
        wanted: Wanted,
    ) -> Result<Vec<Target>> {
        let servers = self.servers(runtime, selection)?;
        match wanted {
            Wanted::One(hints) if servers.len() > 1 => {
                let what = format!("{} run here, and one is meant", plural(servers.len() as u64, SERVER));
                self.pick(servers, &what, hints).map(|target| vec![target])
            }
            Wanted::Some(hints) if servers.len() > 1 => {
                let what = format!("{} run here, and one is meant", plural(servers.len() as u64, SERVER));
                self.pick_servers(&servers, &what, hints)
            }
            Wanted::One(_) | Wanted::Some(_) | Wanted::All => Ok(servers),
        }
    }

    /// Returns the containers that `selection` means and in which a server runs: at least one.
    ///
    /// # Errors
    ///
    /// [`Kind::Target`] if there is none.
    pub fn servers(&self, runtime: &dyn Runtime, selection: &Selection) -> Result<Vec<Target>> {
        let running = runtime.targets()?;
        let meant = match select(&running, selection) {
            Ok(meant) => meant,
            Err(error) => {
                // One that exists and does not run deserves better words than one that does not.
                let stopped = selection.name.as_deref().map(|name| runtime.stopped(name)).transpose()?;
                return Err(stopped
                    .flatten()
                    .unwrap_or_else(|| error.hint("see what runs here with `pgbackup targets`")));
            }
        };
        let servers = self.servers_among(runtime, &meant)?;
        if servers.is_empty() {
            return Err(none_found(runtime, selection, running.len(), &meant));
        }
        Ok(servers)
    }

    /// Returns those of `targets` in which a server runs.
    pub fn servers_among(&self, runtime: &dyn Runtime, targets: &[Target]) -> Result<Vec<Target>> {
        self.cancel.check()?;
        let servers = runtime.runs_postgres(targets)?;
        Ok(targets
            .iter()
            .zip(servers)
            .filter(|(_, server)| *server)
            .map(|(target, _)| target.clone())
            .collect())
    }

    /// Has the user pick one of several servers.
    ///
    /// # Errors
    ///
    /// [`Kind::Target`] with `what` and `hints` where nobody can pick.
    pub fn pick(&self, mut servers: Vec<Target>, what: &str, hints: &[&str]) -> Result<Target> {
        let Some(terminal) = self.asks() else {
            return Err(several_found(&servers, what, hints));
        };
        let lines: Vec<String> = servers.iter().map(described).collect();
        let number = self.pick_one(terminal, "Which server?", &lines)?;
        Ok(servers.swap_remove(number))
    }

    /// Has the user pick some of several servers.
    ///
    /// # Errors
    ///
    /// [`Kind::Target`] with `what` and `hints` where nobody can pick.
    fn pick_servers(&self, servers: &[Target], what: &str, hints: &[&str]) -> Result<Vec<Target>> {
        let Some(terminal) = self.asks() else {
            return Err(several_found(servers, what, hints));
        };
        let lines: Vec<String> = servers.iter().map(described).collect();
        let picked = self.pick_some(terminal, "Which servers?", &lines)?;
        Ok(picked.into_iter().filter_map(|number| servers.get(number).cloned()).collect())
    }
}

/// A server in a list: name, image, and what Compose calls it.
pub(super) fn described(target: &Target) -> String {
    let compose = match (&target.project, &target.service) {
        (Some(project), Some(service)) => format!(", {project}/{service}"),
        _ => String::new(),
    };
    harmless(&format!("{} ({}{compose})", target.name, target.image)).into_owned()
}

fn several_found(servers: &[Target], what: &str, hints: &[&str]) -> Error {
    let first = servers.first().map_or("", |target| target.name.as_str());
    let mut error = Error::new(Kind::Target, what);
    for server in servers {
        error = error.caused_by(format!("there is {}", quoted(server)));
    }
    for hint in hints {
        error = error.hint(hint.replace("{}", first));
    }
    error.hint("or say which with `--service`, `--project` or `--filter`")
}

/// A server in an error: its name in backticks, and what else tells it from others.
fn quoted(target: &Target) -> String {
    described(target).replacen(&target.name, &format!("`{}`", target.name), 1)
}

fn none_found(runtime: &dyn Runtime, selection: &Selection, running: usize, meant: &[Target]) -> Error {
    let said = selection.said();
    let error = match &selection.name {
        Some(name) => Error::new(Kind::Target, format!("no {SERVER} runs in `{name}`")),
        None if said.is_empty() => Error::new(Kind::Target, format!("no {SERVER} runs here")),
        None if meant.is_empty() => Error::new(Kind::Target, format!("no running container fits `{said}`")),
        None => Error::new(Kind::Target, format!("no {SERVER} runs in what fits `{said}`")),
    };
    if meant.is_empty() {
        let containers = plural(running as u64, "running container");
        let error = error.caused_by(format!("looked at {containers} at {}", runtime.describe()));
        return error.hint("start the container of the server first");
    }
    let names: Vec<_> =
        meant.iter().take(NAMED).map(|target| format!("`{}`", harmless(&target.name))).collect();
    let more = match meant.len() - names.len() {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    error
        .caused_by(format!(
            "looked for a server's process in {} of {running} running containers at {}",
            meant.len(),
            runtime.describe()
        ))
        .caused_by(format!("none runs in {}{more}", names.join(", ")))
        .hint("start the server first; one that is just being made can be found as soon as it runs")
}
