//! Sizes, ages and durations in the words that Docker uses.

use jiff::Timestamp;

/// Returns a size in decimal units with three significant digits at most: `1.4 GB`, `14 MB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = "B";
    for larger in UNITS {
        // 999.5 would be written as 1000.
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    let decimals = match value {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    let mut digits = format!("{value:.decimals$}");
    if digits.contains('.') {
        digits.truncate(digits.trim_end_matches('0').trim_end_matches('.').len());
    }
    format!("{digits} {unit}")
}

/// Returns how long ago `then` was: `3 hours ago`; `in 3 hours` if it is still to come.
///
/// The steps are those of docker/go-units `HumanDuration`, so that ages read as in `docker ps`.
pub fn age(then: Timestamp, now: Timestamp) -> String {
    let passed = now.duration_since(then).as_secs();
    let span = span(passed.unsigned_abs());
    if passed < 0 { format!("in {span}") } else { format!("{span} ago") }
}

fn span(seconds: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match seconds {
        0 => "less than a second".into(),
        1 => "1 second".into(),
        2..MINUTE => format!("{seconds} seconds"),
        MINUTE..120 => "about a minute".into(),
        120..HOUR => format!("{} minutes", seconds / MINUTE),
        HOUR..7200 => "about an hour".into(),
        _ if seconds < 2 * DAY => format!("{} hours", seconds / HOUR),
        _ if seconds < 14 * DAY => format!("{} days", seconds / DAY),
        _ if seconds < 60 * DAY => format!("{} weeks", seconds / (7 * DAY)),
        _ if seconds < 730 * DAY => format!("{} months", seconds / (30 * DAY)),
        _ => format!("{} years", seconds / (365 * DAY)),
    }
}

/// Returns how long ago a moment was; text that is no moment stays as it is.
pub fn since(rfc3339: &str, now: Timestamp) -> String {
    match rfc3339.parse() {
        Ok(then) => age(then, now),
        Err(_) => rfc3339.to_owned(),
    }
}

/// Returns a moment without its fraction of a second: `2026-11-21T10:00:00Z`.
pub fn moment(rfc3339: &str) -> String {
    match rfc3339.parse::<Timestamp>() {
        Ok(moment) => moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Err(_) => rfc3339.to_owned(),
    }
}

/// Returns a duration: `2.1 s`, `3 min 5 s`, `2 h 1 min`.
pub fn seconds(seconds: f64) -> String {
    if seconds < 59.95 {
        return format!("{:.1} s", seconds.max(0.0));
    }
    let whole = seconds.round() as u64;
    if whole < 3600 {
        return format!("{} min {} s", whole / 60, whole % 60);
    }
    format!("{} h {} min", whole / 3600, whole % 3600 / 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits_and_no_empty_decimals() {
        let sizes = [0, 999, 1000, 1_400_000_000, 13_950_000, 999_499, 999_500, 35_580, u64::MAX];
        assert_eq!(
            sizes.map(size),
            ["0 B", "999 B", "1 kB", "1.4 GB", "13.9 MB", "999 kB", "1 MB", "35.6 kB", "18.4 EB"]
        );
    }

    #[test]
    fn ages_read_as_dockers() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let ago = |seconds: i64| age(now - jiff::SignedDuration::from_secs(seconds), now);
        assert_eq!(ago(0), "less than a second ago");
        assert_eq!(ago(61), "about a minute ago");
        assert_eq!(ago(3 * 3600), "3 hours ago");
        assert_eq!(ago(15 * 86_400), "2 weeks ago");
        assert_eq!(ago(-7300), "in 2 hours");
    }

    #[test]
    fn what_is_no_moment_has_no_age() {
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        assert_eq!(since("2026-11-21T11:57:00Z", now), "3 minutes ago");
        assert_eq!(since("", now), "");
    }

    #[test]
    fn a_moment_loses_its_fraction_and_text_that_is_none_stays() {
        assert_eq!(moment("2026-11-21T11:55:05.982618968Z"), "2026-11-21T11:55:05Z");
        assert_eq!(moment("soon"), "soon");
    }

    #[test]
    fn durations_step_from_seconds_to_hours() {
        assert_eq!(
            [2.14, 59.96, 185.0, 7260.0].map(seconds),
            ["2.1 s", "1 min 0 s", "3 min 5 s", "2 h 1 min"]
        );
    }
}
