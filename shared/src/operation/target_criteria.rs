//! Which of the servers that were found are meant: what `--filter` says beside labels.

use super::{ServerListing, TargetsOutcome};
use crate::{catalog::NamePart, target::Target};

/// What must hold for a server. Of several values for one criterion one must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetCriteria {
    /// Parts of its container's name.
    pub names: Vec<NamePart>,
    /// Its container, by name or by the beginning of its id.
    pub targets: Vec<String>,
    /// A database that it has.
    pub databases: Vec<String>,
    /// What state it is in.
    pub statuses: Vec<ServerStatus>,
}

/// What state a server is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerStatus {
    /// It takes writes.
    Primary,
    /// It follows another.
    Standby,
    /// It could not be asked.
    Unreachable,
}

impl ServerStatus {
    /// All of them, in the order they are told in.
    pub const ALL: [Self; 3] = [Self::Primary, Self::Standby, Self::Unreachable];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Standby => "standby",
            Self::Unreachable => "unreachable",
        }
    }
}

impl ServerListing {
    /// `Primary` or `Standby`.
    pub fn status(&self) -> ServerStatus {
        if self.in_recovery { ServerStatus::Standby } else { ServerStatus::Primary }
    }
}

impl TargetCriteria {
    /// Takes out of `outcome` what is not meant.
    pub fn select(&self, outcome: &mut TargetsOutcome) {
        outcome.servers.retain(|server| {
            let has = |wanted: &String| server.databases.iter().any(|(name, _)| name == wanted);
            self.place_fits(&server.target)
                && (self.databases.is_empty() || self.databases.iter().any(has))
                && self.status_fits(server.status())
        });
        // What a server has that could not be asked is not known.
        outcome.unreachable.retain(|(target, _)| {
            self.place_fits(target)
                && self.databases.is_empty()
                && self.status_fits(ServerStatus::Unreachable)
        });
    }

    fn place_fits(&self, target: &Target) -> bool {
        let is = |wanted: &String| {
            target.name == *wanted || (!wanted.is_empty() && target.id.starts_with(wanted.as_str()))
        };
        (self.names.is_empty() || self.names.iter().any(|part| part.fits(&target.name)))
            && (self.targets.is_empty() || self.targets.iter().any(is))
    }

    fn status_fits(&self, status: ServerStatus) -> bool {
        self.statuses.is_empty() || self.statuses.contains(&status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn found(criteria: &TargetCriteria) -> Vec<String> {
        let target = |id: &str, name: &str| Target { id: id.into(), name: name.into(), ..Target::default() };
        let server = |id: &str, name: &str, database: &str, in_recovery: bool| ServerListing {
            target: target(id, name),
            databases: vec![(database.into(), 1)],
            in_recovery,
            ..ServerListing::default()
        };
        let mut outcome = TargetsOutcome {
            servers: vec![server("11aa", "pg", "shop", false), server("22bb", "pg-follower", "shop", true)],
            unreachable: vec![(target("33cc", "old"), Error::failed("too old"))],
        };
        criteria.select(&mut outcome);
        let servers = outcome.servers.into_iter().map(|server| server.target.name);
        servers.chain(outcome.unreachable.into_iter().map(|(target, _)| target.name)).collect()
    }

    #[test]
    fn every_criterion_must_hold_and_of_its_values_one() {
        let name = |part: &str| vec![NamePart(part.into())];
        assert_eq!(found(&TargetCriteria::default()), ["pg", "pg-follower", "old"]);
        assert_eq!(
            found(&TargetCriteria { names: name("^pg"), ..TargetCriteria::default() }),
            ["pg", "pg-follower"]
        );
        assert_eq!(
            found(&TargetCriteria { targets: vec!["pg".into(), "33".into()], ..TargetCriteria::default() }),
            ["pg", "old"]
        );
        assert_eq!(
            found(&TargetCriteria { databases: vec!["shop".into()], ..TargetCriteria::default() }),
            ["pg", "pg-follower"]
        );
        let statuses = vec![ServerStatus::Standby, ServerStatus::Unreachable];
        assert_eq!(found(&TargetCriteria { statuses, ..TargetCriteria::default() }), ["pg-follower", "old"]);
        let both = TargetCriteria {
            names: name("^pg"),
            statuses: vec![ServerStatus::Standby],
            ..TargetCriteria::default()
        };
        assert_eq!(found(&both), ["pg-follower"]);
    }
}
