//! From options and environment to the address of a daemon.

use super::{
    address::{Address, DEFAULT_SOCKET},
    context::{self, ConfigFile},
    headers::Headers,
    tls::{self, Tls},
};
use crate::plugin::Globals;
use pgbackup_engine::error::{Error, Kind, Result};
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

/// The variables by which the daemon is found.
pub const VARIABLES: [&str; 9] = [
    "DOCKER_API_VERSION",
    "DOCKER_CERT_PATH",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_CUSTOM_HEADERS",
    "DOCKER_HOST",
    "DOCKER_TLS",
    "DOCKER_TLS_VERIFY",
    "HOME",
];

/// Where it listens when TLS is asked for and nothing else is said.
const TLS_HOST: &str = "tcp://localhost:2376";

/// The context that is always there and stored nowhere.
const DEFAULT_CONTEXT: &str = "default";

/// A Docker daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it listens.
    pub address: Address,
    /// How it is called in messages: "Docker context `default`".
    pub origin: String,
    /// What named it: "`DOCKER_HOST`".
    pub source: String,
    /// The version of the API to be spoken; the newest that both sides know if nothing is said.
    pub api_version: Option<ApiVersion>,
    /// What every request shall carry.
    pub headers: Headers,
}

/// A version of Docker's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    /// The number in front of the point.
    pub major: u32,
    /// The number behind it.
    pub minor: u32,
}

impl ApiVersion {
    /// Reads `1.41` or `v1.41`.
    pub fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().trim_start_matches('v').split_once('.')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Finds the daemon that `docker` itself would talk to.
///
/// `--context`, then `--host`, then `DOCKER_HOST`, then `DOCKER_CONTEXT`, then the current
/// context of `config.json`, then the context `default`, which is `DOCKER_HOST` or the usual
/// socket. Empty variables count as absent. Options and variables about TLS are for `--host`,
/// `DOCKER_HOST` and the context `default`; other contexts have their own files.
///
/// Source: docker/cli, cli/command/cli.go, `resolveContextName` and `getServerHost`.
///
/// # Errors
///
/// [`Kind::Usage`] if both a context and a host are given; otherwise when the context is not
/// there, a file cannot be read, or the address cannot be understood.
pub fn resolve(globals: &Globals, environment: &BTreeMap<String, String>) -> Result<Endpoint> {
    let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    if globals.context.is_some() && globals.host.is_some() {
        return Err(Error::new(Kind::Usage, "conflicting options: cannot specify both --host and --context"));
    }
    // Files for TLS that are not named lie where the variable says, whatever `--config` says:
    // docker's defaults are made before it reads its options.
    let usual = variable("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| Path::new(home).join(".docker")));
    let config = globals.config.clone().or_else(|| usual.clone());
    let file = config.as_deref().map(ConfigFile::read).transpose()?.unwrap_or_default();

    let named = if globals.host.is_some() {
        None
    } else if let Some(name) = &globals.context {
        Some(name.as_str())
    } else if variable("DOCKER_HOST").is_some() {
        None
    } else if let Some(name) = variable("DOCKER_CONTEXT") {
        Some(name.as_str())
    } else {
        file.current_context()
    };
    let (address, origin, source) = match named.filter(|name| *name != DEFAULT_CONTEXT) {
        Some(name) => {
            let config = config.as_deref().ok_or_else(|| {
                Error::failed(format!("there is no Docker context `{name}`"))
                    .caused_by("neither `DOCKER_CONFIG` nor `HOME` says where contexts are kept")
            })?;
            let origin = format!("Docker context `{name}`");
            (context::address(config, name)?, origin.clone(), format!("the {origin}"))
        }
        None => by_host(globals, environment, usual.as_deref())?,
    };
    let headers = match variable("DOCKER_CUSTOM_HEADERS") {
        Some(text) => Headers::parse(text)?,
        None => file.headers().into(),
    };
    let api_version = variable("DOCKER_API_VERSION").map(|text| {
        ApiVersion::parse(text).ok_or_else(|| {
            Error::failed(format!("cannot understand `DOCKER_API_VERSION={text}`"))
                .hint("it is like `1.41`; without it, the newest version that both sides know is spoken")
        })
    });
    Ok(Endpoint { address, origin, source, api_version: api_version.transpose()?, headers })
}

/// The context `default`: what `--host` or `DOCKER_HOST` say, or the usual socket.
fn by_host(
    globals: &Globals,
    environment: &BTreeMap<String, String>,
    config: Option<&Path>,
) -> Result<(Address, String, String)> {
    let variable = environment.get("DOCKER_HOST").filter(|host| !host.is_empty());
    let (host, source) = match (&globals.host, variable) {
        (Some(host), _) => (host.trim(), "`--host`"),
        (None, Some(host)) => (host.trim(), "`DOCKER_HOST`"),
        (None, None) => ("", ""),
    };
    let tls = tls::asked_for(globals, environment);
    let mut address = match (host.is_empty(), tls) {
        (true, true) => Address::parse(TLS_HOST)?,
        (true, false) => Address::Unix(DEFAULT_SOCKET.into()),
        (false, _) => {
            Address::parse(host).map_err(|error| error.caused_by(format!("it comes from {source}")))?
        }
    };
    // A socket and a login need no TLS, so nobody has to have the files for it.
    if let Address::Tcp(tcp) = &mut address {
        tcp.tls = Tls::of_options(globals, environment, config)?;
    }
    if source.is_empty() {
        let origin = format!("Docker context `{DEFAULT_CONTEXT}`");
        return Ok((address, origin.clone(), format!("the {origin}")));
    }
    let origin = format!("Docker at `{address}`");
    Ok((address, origin, source.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// The SHA-256 of the contexts' names, as `printf near | sha256sum` tells it.
    const NEAR: &str = "46ba34770bccfde756708d47d83fb7c8257fe8a4b3a35f25d385a8284021f476";
    const FAR: &str = "512eea46ceb3921dff4363c7069d89d4964d1d9fccaa0f411851a7aa60a5c868";

    /// A folder of configuration with the context `far` at tcp and `near` at a socket.
    fn config(current: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.json"), format!(r#"{{"currentContext":"{current}"}}"#)).unwrap();
        for (digest, host) in [(NEAR, "unix:///near.sock"), (FAR, "tcp://far:2376")] {
            let meta = folder.path().join("contexts/meta").join(digest);
            fs::create_dir_all(&meta).unwrap();
            let text =
                format!(r#"{{"Name":"x","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"{host}"}}}}}}"#);
            fs::write(meta.join("meta.json"), text).unwrap();
        }
        folder
    }

    fn found(config: &tempfile::TempDir, globals: &Globals, variables: &[(&str, &str)]) -> Result<Endpoint> {
        let mut environment: BTreeMap<String, String> =
            variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        environment.insert("DOCKER_CONFIG".into(), config.path().to_str().unwrap().into());
        resolve(globals, &environment)
    }

    fn socket_of(config: &tempfile::TempDir, globals: &Globals, variables: &[(&str, &str)]) -> String {
        match found(config, globals, variables).unwrap().address {
            Address::Unix(path) => path.to_str().unwrap().to_owned(),
            other => panic!("{other} is no socket"),
        }
    }

    #[test]
    fn with_nothing_said_it_is_the_usual_socket() {
        let endpoint = found(&config(""), &Globals::default(), &[]).unwrap();
        assert_eq!(endpoint.address, Address::Unix("/var/run/docker.sock".into()));
        assert_eq!(endpoint.origin, "Docker context `default`");
    }

    #[test]
    fn each_source_wins_over_the_ones_below_it() {
        let near = config("near");
        let nothing = Globals::default();
        let context = Globals { context: Some("near".into()), ..Globals::default() };
        let host = Globals { host: Some("unix:///h".into()), ..Globals::default() };
        let (by_host, by_context) = (("DOCKER_HOST", "unix:///e"), ("DOCKER_CONTEXT", "near"));

        assert_eq!(socket_of(&near, &nothing, &[]), "/near.sock");
        assert_eq!(socket_of(&config(""), &nothing, &[by_context]), "/near.sock");
        assert_eq!(socket_of(&near, &nothing, &[("DOCKER_CONTEXT", "default")]), "/var/run/docker.sock");
        assert_eq!(socket_of(&near, &nothing, &[by_host, by_context]), "/e");
        assert_eq!(socket_of(&near, &host, &[by_host, by_context]), "/h");
        assert_eq!(socket_of(&config(""), &context, &[by_host]), "/near.sock");
        assert_eq!(socket_of(&near, &nothing, &[("DOCKER_HOST", ""), ("DOCKER_CONTEXT", "")]), "/near.sock");
    }

    #[test]
    fn a_context_and_a_host_together_are_refused() {
        let both =
            Globals { context: Some("near".into()), host: Some("unix:///h".into()), ..Globals::default() };
        assert_eq!(found(&config(""), &both, &[]).unwrap_err().kind, Kind::Usage);
    }

    #[test]
    fn a_context_that_is_not_there_is_named() {
        let gone = Globals { context: Some("gone".into()), ..Globals::default() };
        assert_eq!(found(&config(""), &gone, &[]).unwrap_err().what, "there is no Docker context `gone`");
    }

    #[test]
    fn a_context_s_own_files_decide_about_tls_and_options_do_not() {
        let folder = config("far");
        let files = folder.path().join("contexts/tls").join(FAR).join("docker");
        let tls = |globals: &Globals, variables: &[(&str, &str)]| match found(&folder, globals, variables)
            .unwrap()
            .address
        {
            Address::Tcp(tcp) => tcp.tls,
            other => panic!("{other} is no port"),
        };
        let (options, nothing) = (Globals { tls: Some(true), ..Globals::default() }, Globals::default());

        assert_eq!(tls(&options, &[("DOCKER_TLS_VERIFY", "1")]), None);
        fs::create_dir_all(&files).unwrap();
        fs::write(files.join("ca.pem"), "authority").unwrap();
        let found = tls(&nothing, &[]).unwrap();

        assert!(found.verify);
        assert_eq!(found.ca.unwrap().bytes, b"authority");
        assert_eq!(found.key, None);
    }

    #[test]
    fn options_and_variables_ask_for_tls_as_dockers_do() {
        let folder = config("");
        for name in ["ca.pem", "cert.pem", "key.pem"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("ca.pem"), "elsewhere").unwrap();
        let host = ("DOCKER_HOST", "tcp://far:2376");
        let tls = |globals: &Globals, more: (&str, &str)| match found(&folder, globals, &[host, more])
            .unwrap()
            .address
        {
            Address::Tcp(tcp) => tcp.tls,
            other => panic!("{other} is no port"),
        };
        let options = |tls, tls_verify| Globals { tls, tls_verify, ..Globals::default() };
        let none = ("", "");

        // Whether TLS is spoken, and whether the daemon has to prove who it is.
        for (globals, variable, wanted) in [
            (options(None, None), none, None),
            (options(Some(true), None), none, Some(false)),
            (options(None, Some(true)), none, Some(true)),
            (options(None, Some(false)), none, Some(false)),
            (options(None, None), ("DOCKER_TLS", "1"), Some(false)),
            (options(Some(false), None), ("DOCKER_TLS", "1"), None),
            (options(None, None), ("DOCKER_TLS_VERIFY", "0"), Some(true)),
            (options(Some(false), None), ("DOCKER_TLS_VERIFY", "1"), Some(true)),
            (options(None, Some(false)), ("DOCKER_TLS_VERIFY", "1"), Some(false)),
            (options(None, None), ("DOCKER_TLS_VERIFY", ""), None),
        ] {
            let files = tls(&globals, variable);
            assert_eq!(files.map(|tls| tls.verify), wanted, "{globals:?} {variable:?}");
        }
        let files = tls(&options(Some(true), None), none).unwrap();
        assert_eq!(files.key.unwrap().bytes, b"key.pem");
        let path = elsewhere.path().to_str().unwrap();
        let files = tls(&options(Some(true), None), ("DOCKER_CERT_PATH", path)).unwrap();
        assert_eq!((files.ca.unwrap().bytes, files.key), (b"elsewhere".to_vec(), None));
        let named = Globals { tls_ca: Some(folder.path().join("no.pem")), ..options(Some(true), None) };
        let error = found(&folder, &named, &[host]).unwrap_err();
        assert!(error.what.ends_with("no.pem`, which TLS needs"), "{error}");
    }

    #[test]
    fn with_tls_and_nothing_else_said_it_is_the_usual_port() {
        let folder = config("");
        fs::write(folder.path().join("ca.pem"), "authority").unwrap();
        let endpoint = found(&folder, &Globals::default(), &[("DOCKER_TLS", "1")]).unwrap();
        assert_eq!(endpoint.address.to_string(), "tcp://localhost:2376");
        // Where no port is meant, nobody has to have the files.
        let other = [("DOCKER_TLS_VERIFY", "1"), ("DOCKER_HOST", "ssh://far")];
        assert_eq!(found(&config(""), &Globals::default(), &other).unwrap().address.to_string(), "ssh://far");
    }

    #[test]
    fn an_address_that_cannot_be_understood_says_where_it_comes_from() {
        let error = found(&config(""), &Globals::default(), &[("DOCKER_HOST", "fd://")]).unwrap_err();
        assert_eq!(error.what, "cannot use the Docker endpoint `fd://`");
        assert_eq!(error.causes[1], "it comes from `DOCKER_HOST`");
    }

    #[test]
    fn headers_come_from_the_variable_or_else_the_file_and_a_version_from_the_variable() {
        let folder = config("");
        fs::write(folder.path().join("config.json"), r#"{"HttpHeaders":{"X-File":"1"}}"#).unwrap();
        let nothing = Globals::default();
        let names = |endpoint: &Endpoint| format!("{:?}", endpoint.headers);

        let by_file = found(&folder, &nothing, &[("DOCKER_API_VERSION", "1.41")]).unwrap();
        let by_variable = found(&folder, &nothing, &[("DOCKER_CUSTOM_HEADERS", "X-Variable=1")]).unwrap();

        assert_eq!(
            (names(&by_file), names(&by_variable)),
            (r#"["X-File"]"#.into(), r#"["X-Variable"]"#.into())
        );
        assert_eq!(by_file.api_version, Some(ApiVersion { major: 1, minor: 41 }));
        assert!(found(&folder, &nothing, &[("DOCKER_API_VERSION", "new")]).is_err());
    }

    #[test]
    fn a_broken_configuration_is_an_error_and_not_the_default() {
        let folder = config("");
        fs::write(folder.path().join("config.json"), "{").unwrap();
        assert!(found(&folder, &Globals::default(), &[]).is_err());
    }
}
