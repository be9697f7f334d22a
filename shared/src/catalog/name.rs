//! What a backup may be called.

use crate::error::{Error, Kind, Result};
use jiff::{Timestamp, tz::TimeZone};

/// No name is longer.
const LONGEST: usize = 100;

/// Passes a name that can be typed, be part of a path and never be taken for an option: 1 to 100
/// of `A-Z a-z 0-9 . _ -`, the first neither `-` nor `.`.
///
/// # Errors
///
/// [`Kind::Usage`] says what is wrong with it.
pub fn check_name(name: &str) -> Result<()> {
    let refused = |why: String| {
        Err(Error::new(Kind::Usage, format!("`{}` cannot be a backup's name", name.escape_debug()))
            .caused_by(why)
            .hint("use letters, digits, `.`, `_` and `-`, for example `before-release-7`"))
    };
    if name.is_empty() {
        return refused("it is empty".to_owned());
    }
    if let Some(letter) =
        name.chars().find(|letter| !(letter.is_ascii_alphanumeric() || "._-".contains(*letter)))
    {
        return refused(format!("`{}` is in it", letter.escape_debug()));
    }
    if name.starts_with(['-', '.']) {
        return refused(format!("it begins with `{}`", name.chars().take(1).collect::<String>()));
    }
    if name.len() > LONGEST {
        return refused(format!("it has {} letters, and {LONGEST} are allowed", name.len()));
    }
    Ok(())
}

/// The name of a backup that was given none: `<target>-<UTC time>`, for example
/// `pg-20261121T105501Z`.
pub fn default_name(target: &str, now: Timestamp) -> String {
    let time = now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string();
    let room = LONGEST - time.len() - 1;
    let target: String = target
        .trim_start_matches(['-', '.', '/'])
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '-' })
        .take(room)
        .collect();
    if target.is_empty() {
        return time;
    }
    // A first letter that was replaced must not become an option.
    let target =
        if target.starts_with('-') { format!("x{}", target.get(1..).unwrap_or_default()) } else { target };
    format!("{target}-{time}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_can_be_typed_pass_and_others_are_refused() {
        for name in ["a", "pre_test", "7", "v1.2-rc.3", &"x".repeat(100)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "-a", ".a", "..", "a b", "a/b", "ä", "a\n", "$(x)", &"x".repeat(101)] {
            assert_eq!(check_name(name).unwrap_err().kind, Kind::Usage, "{name}");
        }
    }

    #[test]
    fn a_default_name_is_the_target_and_the_time_and_always_passes() {
        let now = "2026-11-21T10:55:01.7Z".parse().unwrap();
        assert_eq!(default_name("pg", now), "pg-20261121T105501Z");
        assert_eq!(default_name("/pg", now), "pg-20261121T105501Z");
        for target in ["", "---", "ü", "a b", &"n".repeat(300), "ns/pod-0"] {
            assert!(check_name(&default_name(target, now)).is_ok(), "{target}");
        }
    }
}
