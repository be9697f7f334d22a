//! `--filter KEY=VALUE`, as Docker's lists take it.

use crate::{
    catalog::{Criteria, Label, NamePart},
    operation::{ServerStatus, TargetCriteria},
};

/// What a list of backups can be filtered by.
pub(super) const BACKUP_KEYS: [&str; 6] = ["before", "database", "label", "name", "since", "target"];

/// What a list of servers can be filtered by.
pub(super) const TARGET_KEYS: [&str; 5] = ["database", "label", "name", "status", "target"];

/// One filter, whose key is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter {
    key: String,
    value: String,
}

/// Reads a filter of backups.
pub(super) fn backup_filter(text: &str) -> Result<Filter, String> {
    filter(text, &BACKUP_KEYS)
}

/// Reads a filter of servers.
pub(super) fn target_filter(text: &str) -> Result<Filter, String> {
    let filter = filter(text, &TARGET_KEYS)?;
    if filter.key == "status" && status(&filter.value).is_none() {
        let words = ServerStatus::ALL.map(ServerStatus::word).join(", ");
        return Err(format!("invalid filter '{text}': status is one of {words}"));
    }
    Ok(filter)
}

/// Reads `KEY=VALUE`. The words are those of docker/cli, opts/opts.go, and of moby's filters.
fn filter(text: &str, keys: &[&str]) -> Result<Filter, String> {
    let Some((key, value)) = text.split_once('=') else {
        return Err("bad format of filter (expected name=value)".into());
    };
    let (key, value) = (key.trim().to_lowercase(), value.trim());
    if !keys.contains(&key.as_str()) {
        return Err(format!("invalid filter '{key}': must be one of {}", keys.join(", ")));
    }
    Ok(Filter { key, value: value.to_owned() })
}

fn status(word: &str) -> Option<ServerStatus> {
    ServerStatus::ALL.into_iter().find(|status| status.word() == word)
}

/// What the filters say of backups.
pub(super) fn criteria(filters: &[Filter]) -> Criteria {
    Criteria {
        names: parts(filters),
        targets: values(filters, "target"),
        databases: values(filters, "database"),
        labels: labels(filters),
        since: values(filters, "since"),
        before: values(filters, "before"),
    }
}

/// What the filters say of servers, but for labels.
pub(super) fn target_criteria(filters: &[Filter]) -> TargetCriteria {
    TargetCriteria {
        names: parts(filters),
        targets: values(filters, "target"),
        databases: values(filters, "database"),
        statuses: values(filters, "status").iter().filter_map(|word| status(word)).collect(),
    }
}

/// The labels that the filters name.
pub(super) fn labels(filters: &[Filter]) -> Vec<Label> {
    let labels = values(filters, "label").into_iter();
    labels
        .map(|label| match label.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (label, None),
        })
        .collect()
}

fn parts(filters: &[Filter]) -> Vec<NamePart> {
    values(filters, "name").into_iter().map(NamePart).collect()
}

fn values(filters: &[Filter], key: &str) -> Vec<String> {
    filters.iter().filter(|filter| filter.key == key).map(|filter| filter.value.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_has_a_key_that_is_known_and_a_value() {
        assert_eq!(backup_filter("name"), Err("bad format of filter (expected name=value)".into()));
        assert!(backup_filter("color=red").unwrap_err().starts_with("invalid filter 'color'"));
        assert!(backup_filter("status=primary").unwrap_err().starts_with("invalid filter 'status'"));
        assert!(target_filter("since=monday").unwrap_err().starts_with("invalid filter 'since'"));
        assert!(target_filter("status=asleep").unwrap_err().starts_with("invalid filter 'status=asleep'"));
        for key in BACKUP_KEYS {
            assert!(backup_filter(&format!("{key}=x")).is_ok(), "{key}");
        }
        for key in TARGET_KEYS {
            assert!(target_filter(&format!("{key}=primary")).is_ok(), "{key}");
        }
    }

    #[test]
    fn a_label_may_hold_equal_signs_in_its_value() {
        let filters = [backup_filter("label=a=b=c").unwrap(), backup_filter("label=d").unwrap()];
        assert_eq!(labels(&filters), [("a".into(), Some("b=c".into())), ("d".into(), None)]);
    }
}
