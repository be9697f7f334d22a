//! Which of the backups are meant: what `--filter` says.
//!
//! Of several values for one criterion one must fit, of labels all, and every criterion must hold:
//! so Docker's filters go together (moby, api/types/filters: `ExactMatch`, `MatchKVList`).

use super::backup::{Backup, find};
use crate::error::{Error, Kind, Result};
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp, civil, tz::TimeZone};

/// A label with the value that it must have, if one was given.
pub type Label = (String, Option<String>);

/// What must hold for a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Criteria {
    /// Parts of its name.
    pub names: Vec<NamePart>,
    /// The container it is from.
    pub targets: Vec<String>,
    /// A database in it.
    pub databases: Vec<String>,
    /// Its labels.
    pub labels: Vec<Label>,
    /// A backup, a moment or a duration: it is younger.
    pub since: Vec<String>,
    /// A backup, a moment or a duration: it is older.
    pub before: Vec<String>,
}

/// A part of a name. `^` stands for its beginning, `$` for its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePart(pub String);

impl NamePart {
    /// Whether it is in a name.
    pub fn fits(&self, name: &str) -> bool {
        let (at_start, part) = match self.0.strip_prefix('^') {
            Some(part) => (true, part),
            None => (false, self.0.as_str()),
        };
        let (at_end, part) = match part.strip_suffix('$') {
            Some(part) => (true, part),
            None => (false, part),
        };
        match (at_start, at_end) {
            (true, true) => name == part,
            (true, false) => name.starts_with(part),
            (false, true) => name.ends_with(part),
            (false, false) => name.contains(part),
        }
    }
}

impl Criteria {
    /// Returns those of `backups` that are meant, in their order. Durations count back from `now`.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] if `since` or `before` names no backup and no time.
    pub fn select(&self, backups: &[Backup], now: Timestamp) -> Result<Vec<Backup>> {
        let moments = |key: &str, said: &[String]| -> Result<Vec<Timestamp>> {
            said.iter().map(|said| moment(backups, key, said, now)).collect()
        };
        let (since, before) = (moments("since", &self.since)?, moments("before", &self.before)?);
        let one_of = |wanted: &[String], has: &dyn Fn(&str) -> bool| {
            wanted.is_empty() || wanted.iter().any(|wanted| has(wanted))
        };
        let fits = |backup: &Backup| {
            let record = &backup.record;
            (self.names.is_empty() || self.names.iter().any(|part| part.fits(backup.name())))
                && one_of(&self.targets, &|target| record.target == target)
                && one_of(&self.databases, &|name| record.databases.iter().any(|has| has.name == name))
                && self.labels.iter().all(|(key, value)| {
                    record.labels.get(key).is_some_and(|has| value.as_ref().is_none_or(|value| value == has))
                })
                && (since.is_empty() || since.iter().any(|moment| backup.time > *moment))
                && (before.is_empty() || before.iter().any(|moment| backup.time < *moment))
        };
        Ok(backups.iter().filter(|backup| fits(backup)).cloned().collect())
    }
}

/// The moment that is meant by a backup, a time, a date (UTC), or how long ago it was.
fn moment(backups: &[Backup], key: &str, said: &str, now: Timestamp) -> Result<Timestamp> {
    if let Ok(backup) = find(backups, said) {
        return Ok(backup.time);
    }
    if let Ok(time) = said.parse() {
        return Ok(time);
    }
    let midnight = said.parse::<civil::Date>().and_then(|date| date.to_zoned(TimeZone::UTC));
    if let Ok(midnight) = midnight {
        return Ok(midnight.timestamp());
    }
    let ago = said
        .parse::<Span>()
        .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
        .map(SignedDuration::abs)
        .and_then(|ago| now.checked_sub(ago));
    ago.map_err(|_| {
        Error::new(Kind::Usage, format!("invalid filter '{key}={said}'"))
            .caused_by(format!("`{}` is no backup, no time and no duration", said.escape_debug()))
            .hint("name a backup, or a time like `2026-11-21`, `2026-11-21T10:00:00Z`, `24h` or `7d`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalog::{DatabaseSummary, Record},
        repository::SnapshotId,
    };

    fn backup(name: &str, target: &str, database: &str, time: &str) -> Backup {
        Backup {
            id: SnapshotId::parse(&format!("{:0<64}", "abc")).unwrap(),
            time: time.parse().unwrap(),
            host: "here".to_owned(),
            record: Record {
                name: name.to_owned(),
                target: target.to_owned(),
                databases: vec![DatabaseSummary { name: database.to_owned(), ..DatabaseSummary::default() }],
                labels: [("tier".to_owned(), target.to_owned()), ("all".to_owned(), String::new())].into(),
                ..Record::default()
            },
        }
    }

    fn names(criteria: &Criteria) -> Vec<String> {
        let backups = vec![
            backup("monday", "pg", "shop", "2026-11-16T09:00:00Z"),
            backup("pre_test", "pg", "billing", "2026-11-20T09:00:00Z"),
            backup("test", "other", "shop", "2026-11-21T09:00:00Z"),
        ];
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let found = criteria.select(&backups, now).unwrap();
        found.iter().map(|backup| backup.name().to_owned()).collect()
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn of_one_criterion_one_value_must_fit_and_of_several_each() {
        let names_of = |targets: &[&str], databases: &[&str]| {
            names(&Criteria { targets: texts(targets), databases: texts(databases), ..Criteria::default() })
        };
        assert_eq!(names_of(&[], &[]), ["monday", "pre_test", "test"]);
        assert_eq!(names_of(&["pg"], &["shop"]), ["monday"]);
        assert_eq!(names_of(&["pg", "other"], &["shop"]), ["monday", "test"]);
        assert!(names_of(&["p"], &[]).is_empty(), "a container is named whole");
    }

    #[test]
    fn a_part_of_a_name_is_enough_and_its_ends_can_be_said() {
        let named =
            |part: &str| names(&Criteria { names: vec![NamePart(part.into())], ..Criteria::default() });
        assert_eq!(named("test"), ["pre_test", "test"]);
        assert_eq!(named("^test"), ["test"]);
        assert_eq!(named("day$"), ["monday"]);
        assert_eq!(named("^pre_test$"), ["pre_test"]);
        assert!(named("^pre$").is_empty());
    }

    #[test]
    fn all_labels_must_hold() {
        let labelled = |labels: &[(&str, Option<&str>)]| {
            let labels = labels.iter().map(|(key, value)| ((*key).into(), value.map(Into::into))).collect();
            names(&Criteria { labels, ..Criteria::default() })
        };
        assert_eq!(labelled(&[("all", None), ("tier", Some("other"))]), ["test"]);
        assert!(labelled(&[("tier", Some("pg")), ("tier", Some("other"))]).is_empty());
        assert!(labelled(&[("none", None)]).is_empty());
    }

    #[test]
    fn time_is_told_by_a_backup_a_moment_or_how_long_ago() {
        let since = |said: &str| names(&Criteria { since: texts(&[said]), ..Criteria::default() });
        let before = |said: &str| names(&Criteria { before: texts(&[said]), ..Criteria::default() });
        assert_eq!(since("monday"), ["pre_test", "test"]);
        assert_eq!(since("2026-11-20T09:00:00Z"), ["test"]);
        assert_eq!(since("2026-11-20"), ["pre_test", "test"]);
        assert_eq!(since("24h"), ["test"]);
        assert_eq!(since("2d"), ["pre_test", "test"]);
        assert_eq!(before("pre_test"), ["monday"]);
        assert_eq!(before("1w"), Vec::<String>::new());
        assert_eq!(before("1h"), ["monday", "pre_test", "test"]);
    }

    #[test]
    fn what_is_no_backup_and_no_time_is_wrong_usage() {
        let criteria = Criteria { since: texts(&["nothing"]), ..Criteria::default() };
        let error = criteria.select(&[], Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!((error.kind, error.what.as_str()), (Kind::Usage, "invalid filter 'since=nothing'"));
    }
}
