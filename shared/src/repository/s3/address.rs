//! Reads where in S3 a repository is.
//!
//! `s3:https://HOST/BUCKET/PREFIX` says everything, and restic reads it too. `s3://BUCKET/PREFIX`
//! is how AWS's own tools write it: the endpoint is then what their settings say, or AWS. Both
//! become the first form, so that a place is known by one name whoever wrote it.

use super::identity::Settings;
use crate::error::{Error, Kind, Result};
use rusty_s3::UrlStyle;
use url::Url;

/// An endpoint, a bucket, and a prefix in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::repository) struct Address {
    endpoint: Url,
    bucket: String,
    /// Without slashes at its ends; empty for the whole bucket.
    prefix: String,
}

impl Address {
    /// Reads what stands behind `s3:`.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] with the form that is meant.
    pub(super) fn parse(text: &str, settings: &Settings) -> Result<Self> {
        let wrong = |why: &str| {
            Err(Error::new(Kind::Usage, format!("repository `s3:{}`: {why}", without_user(text)))
                .hint("write `s3:https://HOST/BUCKET/PREFIX`, or `s3://BUCKET/PREFIX` for the endpoint of `AWS_ENDPOINT_URL` or AWS itself"))
        };
        let (endpoint, path) = if let Some(path) = text.strip_prefix("//") {
            let endpoint = settings.endpoint().unwrap_or_else(|| aws_endpoint(settings.region()));
            (endpoint, path.to_owned())
        } else {
            let Some((scheme, rest)) = text.split_once("://") else {
                return wrong("it names no host with `https://` or `http://`");
            };
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            (format!("{scheme}://{host}"), path.to_owned())
        };
        let Ok(endpoint) = Url::parse(&endpoint) else { return wrong("its host cannot be read") };
        if !matches!(endpoint.scheme(), "https" | "http") || endpoint.host_str().is_none() {
            return wrong("it names no host with `https://` or `http://`");
        }
        if !endpoint.username().is_empty() || endpoint.password().is_some() {
            return wrong(
                "a key does not belong into it, but into `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`",
            );
        }
        if path.contains(['?', '#']) {
            return wrong("`?` and `#` cannot be in it");
        }
        let (bucket, prefix) = path.split_once('/').unwrap_or((&path, ""));
        let prefix = prefix.trim_matches('/');
        if bucket.is_empty() {
            return wrong("it names no bucket");
        }
        if prefix.split('/').any(|part| matches!(part, "." | "..")) || prefix.contains("//") {
            return wrong("its prefix has a part that is empty, `.` or `..`");
        }
        Ok(Self { endpoint, bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }

    /// The one name of the place.
    pub(in crate::repository) fn text(&self) -> String {
        let endpoint = self.endpoint.as_str().trim_end_matches('/');
        let mut text = format!("s3:{endpoint}/{}", self.bucket);
        if !self.prefix.is_empty() {
            text.push('/');
            text.push_str(&self.prefix);
        }
        text
    }

    pub(super) fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    pub(super) fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The name of an object in the bucket; that of a folder ends with a slash.
    pub(super) fn key(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) }
    }

    /// Own servers have the bucket in the path. AWS wants it in the host's name, where a bucket
    /// with a dot would not fit AWS's certificate.
    pub(super) fn style(&self) -> UrlStyle {
        if self.aws_host().is_some() && !self.bucket.contains('.') {
            UrlStyle::VirtualHost
        } else {
            UrlStyle::Path
        }
    }

    /// The region that a host of AWS's names: `s3.eu-central-1.amazonaws.com`.
    pub(super) fn region(&self) -> Option<&str> {
        let (before, _) = self.aws_host()?.split_once(".amazonaws.com")?;
        before.strip_prefix("s3.").or_else(|| before.strip_prefix("s3-"))
    }

    fn aws_host(&self) -> Option<&str> {
        let host = self.endpoint.host_str()?;
        (host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn")).then_some(host)
    }
}

fn aws_endpoint(region: Option<&str>) -> String {
    let region = region.unwrap_or(super::identity::USUAL_REGION);
    let country = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://s3.{region}.amazonaws.com{country}")
}

/// A key that somebody wrote into the place must not come back in an error.
fn without_user(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, rest)) if rest.split('/').next().is_some_and(|host| host.contains('@')) => {
            format!("{scheme}://***@{}", rest.split_once('@').map_or("", |(_, host)| host))
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::S3Variables;
    use super::*;

    fn parsed(text: &str, variables: &S3Variables) -> Result<Address> {
        Address::parse(text, &Settings::find(variables).unwrap())
    }

    fn plain(text: &str) -> Address {
        parsed(text, &S3Variables::default()).unwrap()
    }

    #[test]
    fn a_place_with_its_host_and_one_without_have_one_name() {
        let whole = plain("https://minio.example:9000/backups/pg/one/");
        assert_eq!(whole.text(), "s3:https://minio.example:9000/backups/pg/one");
        assert_eq!(whole.key("config"), "pg/one/config");
        assert!(matches!(whole.style(), UrlStyle::Path));
        let endpoint =
            S3Variables { endpoint: Some("https://minio.example:9000".into()), ..Default::default() };
        assert_eq!(parsed("//backups/pg/one", &endpoint).unwrap(), whole);
    }

    #[test]
    fn without_an_endpoint_it_is_aws_in_the_region() {
        let region = S3Variables { region: Some("eu-central-1".into()), ..Default::default() };
        let place = parsed("//backups", &region).unwrap();
        assert_eq!(place.text(), "s3:https://s3.eu-central-1.amazonaws.com/backups");
        assert_eq!(place.region(), Some("eu-central-1"));
        assert!(matches!(place.style(), UrlStyle::VirtualHost));
        assert_eq!(place.key("data/"), "data/");
        assert!(matches!(plain("//with.dots").style(), UrlStyle::Path));
        assert_eq!(plain("https://s3.amazonaws.com/b").region(), None);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_a_key_in_it_is_not_repeated() {
        for text in [
            "backups",
            "ftp://host/bucket",
            "https://host",
            "https://host/",
            "//",
            "https://h/b/../c",
            "https://h/b?x=y",
        ] {
            let error = parsed(text, &S3Variables::default()).unwrap_err();
            assert_eq!(error.kind, Kind::Usage, "{text}");
        }
        let error = parsed("https://ann:hush@host/bucket", &S3Variables::default()).unwrap_err();
        assert!(!format!("{error:?}").contains("hush"), "{error:?}");
    }
}
