//! Headers that every request to a daemon shall have, for proxies in front of it that ask for them.

use pgbackup_engine::error::{Error, Result};
use std::{collections::BTreeMap, fmt};

/// Names and values. Values may be secrets, so they are not shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(BTreeMap<String, String>);

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

impl From<BTreeMap<String, String>> for Headers {
    fn from(headers: BTreeMap<String, String>) -> Self {
        Self(headers)
    }
}

impl Headers {
    /// Reads `NAME=VALUE,"NAME=VALUE, with a comma"`, as `DOCKER_CUSTOM_HEADERS` holds it.
    ///
    /// Source: docker/cli, cli/command/cli_options.go, `withCustomHeadersFromEnv`.
    ///
    /// # Errors
    ///
    /// When a piece has no name or no value.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::failed("cannot understand `DOCKER_CUSTOM_HEADERS`")
                .caused_by("it has to be like `NAME=VALUE,NAME=VALUE`")
        };
        let mut headers = BTreeMap::new();
        for field in fields(text).ok_or_else(wrong)? {
            let (name, value) = field.split_once('=').ok_or_else(wrong)?;
            let name = name.trim();
            if name.is_empty() {
                return Err(wrong());
            }
            headers.insert(name.to_owned(), value.to_owned());
        }
        Ok(Self(headers))
    }

    /// Returns names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Takes a line of comma-separated values apart; nothing if a quote is not closed. Source: RFC 4180.
fn fields(line: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted_field(quoted)?
        } else {
            let (field, after) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
            (field.to_owned(), after)
        };
        fields.push(field);
        if after.is_empty() {
            return Some(fields);
        }
        rest = after.strip_prefix(',')?;
    }
}

/// What stands in front of the closing quote, with doubled quotes made single, and what follows.
fn quoted_field(text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"')?;
        field.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Some((field, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_with_commas_and_quotes_in_their_values() {
        let headers = Headers::parse(r#" X-One =1,"X-Two=a, ""b""=c",X-Three="#).unwrap();
        let read: Vec<_> = headers.iter().collect();
        assert_eq!(read, [("X-One", "1"), ("X-Three", ""), ("X-Two", r#"a, "b"=c"#)]);
        assert_eq!(format!("{headers:?}"), r#"["X-One", "X-Three", "X-Two"]"#);
    }

    #[test]
    fn a_header_without_a_name_or_value_is_refused() {
        for text in ["X", "=1", "X=1,", r#""X=1"#, r#""X=1"Y=2"#] {
            assert!(Headers::parse(text).is_err(), "{text}");
        }
    }
}
