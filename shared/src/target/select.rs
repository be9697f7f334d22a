//! Which of the places that exist is meant.

use super::Target;
use crate::error::{Error, Kind, Result};

/// What the user said about the places meant. Everything said must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// A name, or a prefix of an id.
    pub name: Option<String>,
    /// A Compose service.
    pub service: Option<String>,
    /// A Compose project.
    pub project: Option<String>,
    /// Labels, with the value they must have, if one was given.
    pub labels: Vec<(String, Option<String>)>,
}

impl Selection {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What was said beside the name, as it is said on the command line.
    pub fn said(&self) -> String {
        let option = |name: &str, value: &Option<String>| {
            value.iter().map(|value| format!("--{name} {value}")).collect::<Vec<_>>()
        };
        let labels = self.labels.iter().map(|(key, value)| match value {
            Some(value) => format!("--filter label={key}={value}"),
            None => format!("--filter label={key}"),
        });
        let mut said = option("service", &self.service);
        said.extend(option("project", &self.project));
        said.extend(labels);
        said.join(" ")
    }

    fn matches_attributes(&self, target: &Target) -> bool {
        let said = |wanted: &Option<String>, has: &Option<String>| wanted.is_none() || wanted == has;
        said(&self.service, &target.service)
            && said(&self.project, &target.project)
            && self.labels.iter().all(|(key, value)| match (target.labels.get(key), value) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(has), Some(wanted)) => has == wanted,
            })
    }
}

/// Returns those of `targets` that `selection` means, in their order; all if it says nothing.
///
/// A name that is equal wins over ids that begin with it, so a container that is called like
/// another's id can be reached.
///
/// # Errors
///
/// [`Kind::Target`] if a name was given and nothing, or more than one id, fits.
pub fn select(targets: &[Target], selection: &Selection) -> Result<Vec<Target>> {
    let mut fitting: Vec<Target> =
        targets.iter().filter(|target| selection.matches_attributes(target)).cloned().collect();
    let Some(name) = &selection.name else { return Ok(fitting) };
    if let Some(target) = fitting.iter().find(|target| target.name == *name) {
        return Ok(vec![target.clone()]);
    }
    fitting.retain(|target| !name.is_empty() && target.id.starts_with(name.as_str()));
    match fitting.len() {
        0 => Err(Error::new(Kind::Target, format!("no running container is called `{name}`"))),
        1 => Ok(fitting),
        _ => Err(Error::new(Kind::Target, format!("`{name}` is the beginning of more than one id"))
            .caused_by(fitting.iter().map(|target| target.name.as_str()).collect::<Vec<_>>().join(", "))
            .hint("give more letters of the id, or the name")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(id: &str, name: &str, service: Option<&str>) -> Target {
        Target {
            id: id.into(),
            name: name.into(),
            service: service.map(Into::into),
            labels: [("tier".to_owned(), "data".to_owned())].into(),
            ..Target::default()
        }
    }

    #[test]
    fn an_equal_name_wins_over_an_id_that_begins_alike() {
        let targets = [target("abc1", "x", None), target("ffff", "abc", None)];
        let selection = Selection { name: Some("abc".into()), ..Selection::default() };
        assert_eq!(select(&targets, &selection).unwrap(), [targets[1].clone()]);
    }

    #[test]
    fn a_prefix_of_two_ids_is_refused_and_names_both() {
        let targets = [target("abc1", "x", None), target("abc2", "y", None)];
        let selection = Selection { name: Some("abc".into()), ..Selection::default() };
        let error = select(&targets, &selection).unwrap_err();
        assert_eq!((error.kind, error.causes), (Kind::Target, vec!["x, y".to_owned()]));
    }

    #[test]
    fn a_name_is_never_matched_by_its_beginning() {
        let targets = [target("1", "app_test", None)];
        let selection = Selection { name: Some("app".into()), ..Selection::default() };
        assert!(select(&targets, &selection).is_err());
    }

    #[test]
    fn service_and_labels_must_both_hold() {
        let targets = [target("1", "a", Some("db")), target("2", "b", Some("web"))];
        let selection = Selection {
            service: Some("db".into()),
            labels: vec![("tier".into(), Some("data".into()))],
            ..Selection::default()
        };
        assert_eq!(select(&targets, &selection).unwrap(), [targets[0].clone()]);
    }
}
