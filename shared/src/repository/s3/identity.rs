//! Who we are for the server: key, secret, token and region, from where AWS's own tools look.
//!
//! The environment comes first, then the profile in `~/.aws/credentials`, then that in
//! `~/.aws/config`. Absent on purpose: single sign-on, roles, and what a machine of AWS's hands
//! out; whoever has those lets `aws configure export-credentials --format env` set the variables.

use super::variables::S3Variables;
use crate::{
    error::{Context, Error, Result},
    secret::Secret,
};
use rusty_s3::Credentials;
use std::{collections::HashMap, fs, io::ErrorKind, path::Path};

/// What own servers take when nobody names a region.
pub(super) const USUAL_REGION: &str = "us-east-1";

/// The settings of one profile.
#[derive(Default)]
struct Profile(HashMap<String, Secret>);

impl Profile {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(Secret::expose).filter(|value| !value.is_empty())
    }
}

/// What the environment and the files say.
pub(super) struct Settings {
    variables: S3Variables,
    profile: String,
    credentials: Profile,
    config: Profile,
}

impl Settings {
    /// Reads the files of the profile.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or if a profile that was asked for is in none of them.
    pub(super) fn find(variables: &S3Variables) -> Result<Self> {
        let asked = variables.profile.as_deref();
        let profile = asked.unwrap_or("default");
        let credentials = read(variables.credentials_file.as_deref(), &[profile])?;
        let section = format!("profile {profile}");
        let config = read(variables.config_file.as_deref(), &[&section, profile])?;
        if asked.is_some() && credentials.is_none() && config.is_none() {
            return Err(Error::failed(format!("there is no profile `{profile}`"))
                .caused_by("`AWS_PROFILE` asks for it, and neither the credentials nor the config file of AWS's tools has it"));
        }
        Ok(Self {
            variables: variables.clone(),
            profile: profile.to_owned(),
            credentials: credentials.unwrap_or_default(),
            config: config.unwrap_or_default(),
        })
    }

    /// The endpoint, if one was set.
    pub(super) fn endpoint(&self) -> Option<String> {
        self.variables.endpoint.clone().or_else(|| self.config.get("endpoint_url").map(str::to_owned))
    }

    /// The region, if one was set.
    pub(super) fn region(&self) -> Option<&str> {
        self.variables.region.as_deref().or_else(|| self.config.get("region"))
    }

    /// The certificates to trust, if the system's are not meant.
    pub(super) fn certificates_file(&self) -> Option<&Path> {
        self.variables.certificates_file.as_deref().or_else(|| self.config.get("ca_bundle").map(Path::new))
    }

    /// Key, secret and token, all from one source.
    ///
    /// # Errors
    ///
    /// If there are none; says where they were looked for.
    pub(super) fn credentials(&self) -> Result<Credentials> {
        let named = &self.variables;
        if let (Some(key), Some(secret)) = (&named.access_key_id, &named.secret_access_key) {
            return Ok(made(key, secret.expose(), named.session_token.as_ref().map(Secret::expose)));
        }
        for profile in [&self.credentials, &self.config] {
            let (key, secret) = (profile.get("aws_access_key_id"), profile.get("aws_secret_access_key"));
            if let (Some(key), Some(secret)) = (key, secret) {
                return Ok(made(key, secret, profile.get("aws_session_token")));
            }
        }
        let mut error = Error::failed("there are no credentials for S3")
            .caused_by("`AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` are not both set");
        for file in [&named.credentials_file, &named.config_file].into_iter().flatten() {
            error =
                error.caused_by(format!("`{}` has none for the profile `{}`", file.display(), self.profile));
        }
        Err(error.hint("set both variables, or write them with `aws configure`").hint(
            "for single sign-on and roles: `eval \"$(aws configure export-credentials --format env)\"`",
        ))
    }
}

fn made(key: &str, secret: &str, token: Option<&str>) -> Credentials {
    match token {
        Some(token) => Credentials::new_with_token(key, secret, token),
        None => Credentials::new(key, secret),
    }
}

/// Reads the first of these sections that a file has; none if there is no such file or section.
fn read(file: Option<&Path>, sections: &[&str]) -> Result<Option<Profile>> {
    let Some(file) = file else { return Ok(None) };
    let text = match fs::read_to_string(file) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        text => text.context(format!("read `{}`", file.display()))?,
    };
    Ok(sections.iter().find_map(|section| parse(&text, section)))
}

/// The settings of one section: `name = value`, comments behind `#` or `;` at a line's start, and
/// indented lines that belong to the setting above them, of which none matters here.
///
/// Source: AWS SDKs and Tools Reference Guide, "Using shared config and credentials files".
fn parse(text: &str, section: &str) -> Option<Profile> {
    let mut found: Option<Profile> = None;
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with([' ', '\t', '#', ';']) {
            continue;
        }
        if let Some((name, _)) = line.strip_prefix('[').and_then(|line| line.split_once(']')) {
            inside = name.split_whitespace().eq(section.split_whitespace());
            if inside {
                found.get_or_insert_default();
            }
        } else if let (true, Some((name, value))) = (inside, line.split_once('=')) {
            let settings = &mut found.get_or_insert_default().0;
            settings.insert(name.trim().to_lowercase(), Secret::new(value.trim()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    const CREDENTIALS: &str = "[default]\naws_access_key_id = file-key\naws_secret_access_key=file=secret\n\n[ops]\naws_access_key_id = ops-key\naws_secret_access_key = ops-secret\naws_session_token = ops-token\n";
    const CONFIG: &str = "# mine\n[default]\nregion = eu-west-1\ns3 =\n  region = not-this\n[profile ops]\nregion=eu-north-1\nendpoint_url = https://minio.example\n";

    fn variables() -> (tempfile::TempDir, S3Variables) {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| -> PathBuf {
            fs::write(folder.path().join(name), text).unwrap();
            folder.path().join(name)
        };
        let variables = S3Variables {
            credentials_file: Some(file("credentials", CREDENTIALS)),
            config_file: Some(file("config", CONFIG)),
            ..S3Variables::default()
        };
        (folder, variables)
    }

    fn keys(variables: &S3Variables) -> (String, String, Option<String>) {
        let found = Settings::find(variables).unwrap().credentials().unwrap();
        (found.key().to_owned(), found.secret().to_owned(), found.token().map(str::to_owned))
    }

    #[test]
    fn the_environment_wins_over_the_files_and_a_named_profile_over_the_usual_one() {
        let (_folder, files) = variables();
        assert_eq!(keys(&files), ("file-key".into(), "file=secret".into(), None));
        let profile = S3Variables { profile: Some("ops".into()), ..files };
        assert_eq!(keys(&profile), ("ops-key".into(), "ops-secret".into(), Some("ops-token".into())));
        let environment = S3Variables {
            access_key_id: Some("key".into()),
            secret_access_key: Some(Secret::new("secret")),
            ..profile.clone()
        };
        assert_eq!(keys(&environment), ("key".into(), "secret".into(), None));
        let settings = Settings::find(&profile).unwrap();
        assert_eq!(settings.region(), Some("eu-north-1"));
        assert_eq!(settings.endpoint().as_deref(), Some("https://minio.example"));
    }

    #[test]
    fn a_setting_below_another_is_not_taken_for_one_of_the_profile() {
        let (_folder, files) = variables();
        assert_eq!(Settings::find(&files).unwrap().region(), Some("eu-west-1"));
    }

    #[test]
    fn what_is_missing_is_said_with_where_it_was_looked_for() {
        let (_folder, files) = variables();
        let unknown = S3Variables { profile: Some("nobody".into()), ..files };
        assert!(Settings::find(&unknown).err().unwrap().what.contains("`nobody`"));
        let none =
            S3Variables { credentials_file: Some("/nowhere/credentials".into()), ..Default::default() };
        let error = Settings::find(&none).unwrap().credentials().err().unwrap();
        assert!(error.causes.iter().any(|cause| cause.contains("/nowhere/credentials")), "{error}");
    }
}
