//! Values that are looked up: in the repository, and where servers run.

use super::{
    answer::{Candidate, Completion},
    words::{Place, value_name},
};
use crate::{
    catalog::{self, Backup},
    cli::{
        caller::Caller,
        filter::{BACKUP_KEYS, TARGET_KEYS},
    },
    operation::ServerStatus,
    report::{age, size},
    target::Target,
};
use clap::Arg;
use std::collections::{BTreeMap, BTreeSet};

/// Looks values up for one place on a command line.
pub(super) struct Lookup<'a> {
    pub caller: &'a Caller<'a>,
    pub place: &'a Place<'a>,
}

impl Lookup<'_> {
    /// Returns the values of an argument: what it may be one of, or what its help calls it.
    pub fn values(&self, argument: &Arg) -> Completion {
        let possible = argument.get_possible_values();
        if !possible.is_empty() {
            let values = possible.iter().filter(|value| !value.is_hide_set()).map(|value| {
                Candidate::new(
                    value.get_name(),
                    value.get_help().map(ToString::to_string).unwrap_or_default(),
                )
            });
            return Completion::of(values.collect());
        }
        match value_name(argument).unwrap_or_default() {
            "BACKUP" => {
                let named: Vec<&str> = self.place.values_of(argument.get_id().as_str()).collect();
                let mut backups = self.backups();
                backups.retain(|backup| !named.contains(&backup.name()));
                Completion::in_order(self.described(&backups))
            }
            "CONTAINER" => Completion::of(self.servers().iter().map(container).collect()),
            "DATABASE" => Completion::of(self.databases()),
            "SERVICE" => {
                Completion::of(distinct(self.targets().into_iter().filter_map(|target| target.service)))
            }
            "PROJECT" => {
                Completion::of(distinct(self.targets().into_iter().filter_map(|target| target.project)))
            }
            "FORMAT" => Completion::of(vec![
                Candidate::new("table", "For people"),
                Candidate::new("json", "For programs"),
            ]),
            "KEY=VALUE" => self.filters(),
            "label=KEY[=VALUE]" => Completion::of(self.labels_of_targets()),
            "FILE" | "PLACE" => Completion::files(),
            "DIR" => Completion::folders(),
            _ => Completion::of(Vec::new()),
        }
    }

    /// The backups, newest first; none if they cannot be read.
    fn backups(&self) -> Vec<Backup> {
        let found = self.caller.repository().and_then(|at| catalog::list(&at)).unwrap_or_default();
        found.there.into_iter().rev().collect()
    }

    fn described(&self, backups: &[Backup]) -> Vec<Candidate> {
        let now = self.caller.clock.now();
        let help = |backup: &Backup| {
            let record = &backup.record;
            format!("{}, {}, {}", record.target, size(record.total_bytes), age(backup.time, now))
        };
        backups.iter().map(|backup| Candidate::new(backup.name(), help(backup))).collect()
    }

    /// The containers that run; none if the platform does not answer.
    fn targets(&self) -> Vec<Target> {
        self.caller.runtime().and_then(|runtime| runtime.targets()).unwrap_or_default()
    }

    /// The containers in which a server runs; all that run if that cannot be told.
    fn servers(&self) -> Vec<Target> {
        let Ok(runtime) = self.caller.runtime() else { return Vec::new() };
        let targets = runtime.targets().unwrap_or_default();
        self.caller.servers_among(runtime.as_ref(), &targets).unwrap_or(targets)
    }

    /// The databases of the backup that was named, or else those that backups of the named
    /// container have, or all that any backup has: no server is asked.
    fn databases(&self) -> Vec<Candidate> {
        let mut backups = self.backups();
        if let Some(wanted) = self.place.value_named("BACKUP") {
            backups = catalog::find(&backups, wanted).ok().into_iter().cloned().collect();
        } else if let Some(container) = self.place.value_named("CONTAINER") {
            backups.retain(|backup| backup.record.target == container);
        }
        let named: Vec<&str> = self.place.values_of("databases").collect();
        let mut databases = BTreeMap::new();
        // The newest tells the size.
        for database in backups.iter().flat_map(|backup| &backup.record.databases) {
            databases.entry(database.name.as_str()).or_insert(database.bytes);
        }
        databases
            .into_iter()
            .filter(|(name, _)| !named.contains(name))
            .map(|(name, bytes)| Candidate::new(name, size(bytes)))
            .collect()
    }

    /// `key=`, and behind the `=` what it may be.
    fn filters(&self) -> Completion {
        let of_backups = self.place.command.get_name() == "list";
        let keys: &[&str] = if of_backups { &BACKUP_KEYS } else { &TARGET_KEYS };
        let Some((key, _)) = self.place.current.split_once('=') else {
            let begun = keys.iter().map(|key| Candidate::new(format!("{key}="), ""));
            return Completion::beginnings(begun.collect());
        };
        let values = match (key, of_backups) {
            ("name" | "since" | "before", true) => self.described(&self.backups()),
            ("target", true) => distinct(self.backups().into_iter().map(|backup| backup.record.target)),
            ("database", _) => self.databases(),
            ("label", true) => {
                distinct(self.backups().iter().flat_map(|backup| pairs(&backup.record.labels)))
            }
            ("name" | "target", false) => self.servers().iter().map(container).collect(),
            ("label", false) => distinct(self.targets().iter().flat_map(|target| pairs(&target.labels))),
            ("status", false) => {
                ServerStatus::ALL.iter().map(|status| Candidate::new(status.word(), "")).collect()
            }
            _ => Vec::new(),
        };
        let whole = values
            .into_iter()
            .map(|Candidate { value, help }| Candidate::new(format!("{key}={value}"), help));
        Completion::of(whole.collect())
    }

    fn labels_of_targets(&self) -> Vec<Candidate> {
        let labels = distinct(self.targets().iter().flat_map(|target| pairs(&target.labels)));
        labels.into_iter().map(|label| Candidate::new(format!("label={}", label.value), label.help)).collect()
    }
}

/// A container, and what it is.
fn container(target: &Target) -> Candidate {
    let compose = match (&target.project, &target.service) {
        (Some(project), Some(service)) => format!(", {project}/{service}"),
        _ => String::new(),
    };
    Candidate::new(target.name.as_str(), format!("{}{compose}", target.image))
}

fn pairs(labels: &BTreeMap<String, String>) -> Vec<String> {
    labels
        .iter()
        .map(|(key, value)| if value.is_empty() { key.clone() } else { format!("{key}={value}") })
        .collect()
}

/// Each once, in order.
fn distinct(values: impl Iterator<Item = String>) -> Vec<Candidate> {
    let values: BTreeSet<String> = values.collect();
    values.into_iter().map(|value| Candidate::new(value, "")).collect()
}
