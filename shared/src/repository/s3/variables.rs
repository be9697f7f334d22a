//! What the environment says about S3, handed in by the one who may read it.

use crate::secret::Secret;
use std::path::PathBuf;

/// The variables that AWS's own tools read, as far as they matter here. Empty ones count as
/// absent.
///
/// Source: AWS SDKs and Tools Reference Guide, "Environment variables".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct S3Variables {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: Option<String>,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: Option<Secret>,
    /// `AWS_SESSION_TOKEN`.
    pub session_token: Option<Secret>,
    /// `AWS_PROFILE`.
    pub profile: Option<String>,
    /// `AWS_SHARED_CREDENTIALS_FILE`, or `.aws/credentials` in the home.
    pub credentials_file: Option<PathBuf>,
    /// `AWS_CONFIG_FILE`, or `.aws/config` in the home.
    pub config_file: Option<PathBuf>,
    /// `AWS_REGION`, else `AWS_DEFAULT_REGION`.
    pub region: Option<String>,
    /// `AWS_ENDPOINT_URL_S3`, else `AWS_ENDPOINT_URL`.
    pub endpoint: Option<String>,
    /// `AWS_CA_BUNDLE`: certificates to trust instead of the system's.
    pub certificates_file: Option<PathBuf>,
}

impl S3Variables {
    /// Asks `variable` for each by its name.
    pub fn read(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let file = |name: &str, below_home: &str| {
            let at_home = || variable("HOME").map(|home| PathBuf::from(home).join(below_home));
            variable(name).map(PathBuf::from).or_else(at_home)
        };
        Self {
            access_key_id: variable("AWS_ACCESS_KEY_ID"),
            secret_access_key: variable("AWS_SECRET_ACCESS_KEY").map(Secret::new),
            session_token: variable("AWS_SESSION_TOKEN").map(Secret::new),
            profile: variable("AWS_PROFILE"),
            credentials_file: file("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"),
            config_file: file("AWS_CONFIG_FILE", ".aws/config"),
            region: variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")),
            endpoint: variable("AWS_ENDPOINT_URL_S3").or_else(|| variable("AWS_ENDPOINT_URL")),
            certificates_file: variable("AWS_CA_BUNDLE").map(PathBuf::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_for_s3_alone_wins_and_no_secret_is_printed() {
        let variables = S3Variables::read(&|name| {
            let value = match name {
                "HOME" => "/home/ann",
                "AWS_ENDPOINT_URL" => "https://all.example",
                "AWS_ENDPOINT_URL_S3" => "https://s3.example",
                "AWS_DEFAULT_REGION" => "eu-central-1",
                "AWS_SECRET_ACCESS_KEY" | "AWS_SESSION_TOKEN" => "hush",
                _ => "",
            };
            Some(value.to_owned())
        });
        assert_eq!(variables.endpoint.as_deref(), Some("https://s3.example"));
        assert_eq!(variables.region.as_deref(), Some("eu-central-1"));
        assert_eq!(variables.credentials_file.as_deref(), Some("/home/ann/.aws/credentials".as_ref()));
        assert_eq!(variables.access_key_id, None);
        assert!(!format!("{variables:?}").contains("hush"));
    }
}
