//! From options and environment to the socket of a daemon.

use super::context;
use crate::plugin::Globals;
use pgbackup_engine::error::{Error, Kind, Result};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Where the daemon listens when nothing is said.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// Where it listens when TLS is asked for and nothing else is said.
const TLS_HOST: &str = "tcp://localhost:2376";

/// The context that is always there and stored nowhere.
const DEFAULT_CONTEXT: &str = "default";

/// A Docker daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its unix socket.
    pub socket: PathBuf,
    /// How it was found, for messages: "Docker context `default`".
    pub origin: String,
}

/// Finds the daemon that `docker` itself would talk to.
///
/// `--context`, then `--host`, then `DOCKER_HOST`, then `DOCKER_CONTEXT`, then the current
/// context of `config.json`, then the context `default`, which is `DOCKER_HOST` or the usual
/// socket. Empty variables count as absent.
///
/// Source: docker/cli, cli/command/cli.go, `resolveContextName` and `getServerHost`.
///
/// # Errors
///
/// [`Kind::Usage`] if both a context and a host are given; otherwise when the context is not
/// there, or the endpoint is no unix socket.
pub fn resolve(globals: &Globals, environment: &BTreeMap<String, String>) -> Result<Endpoint> {
    let variable = |name: &str| environment.get(name).filter(|value| !value.is_empty());
    let config = globals
        .config
        .clone()
        .or_else(|| variable("DOCKER_CONFIG").map(PathBuf::from))
        .or_else(|| variable("HOME").map(|home| Path::new(home).join(".docker")));
    if globals.context.is_some() && globals.host.is_some() {
        return Err(Error::new(Kind::Usage, "`--context` and `--host` exclude each other"));
    }
    if let Some(host) = &globals.host {
        return by_host(host, "--host", tls(globals, environment));
    }
    let name = if let Some(name) = &globals.context {
        Some(name.clone())
    } else if variable("DOCKER_HOST").is_some() {
        None
    } else if let Some(name) = variable("DOCKER_CONTEXT") {
        Some(name.clone())
    } else {
        config.as_deref().map_or(Ok(None), context::current)?
    };
    let Some(name) = name.filter(|name| name != DEFAULT_CONTEXT) else {
        return match variable("DOCKER_HOST") {
            Some(host) => by_host(host, "DOCKER_HOST", tls(globals, environment)),
            None if tls(globals, environment) => Err(not_unix(TLS_HOST, "the wish for TLS")),
            None => Ok(in_context(DEFAULT_CONTEXT, PathBuf::from(DEFAULT_SOCKET))),
        };
    };
    let config = config.ok_or_else(|| {
        Error::failed(format!("there is no Docker context `{name}`"))
            .caused_by("neither `DOCKER_CONFIG` nor `HOME` says where contexts are kept")
    })?;
    let host = context::host(&config, &name)?;
    socket(&host)
        .map(|socket| in_context(&name, socket))
        .ok_or_else(|| not_unix(&host, &format!("the Docker context `{name}`")))
}

fn in_context(name: &str, socket: PathBuf) -> Endpoint {
    Endpoint { socket, origin: format!("Docker context `{name}`") }
}

fn by_host(host: &str, source: &str, tls: bool) -> Result<Endpoint> {
    let host = host.trim();
    let host = match (host.is_empty(), tls) {
        (false, _) => host,
        (true, false) => "unix://",
        (true, true) => TLS_HOST,
    };
    let socket = socket(host).ok_or_else(|| not_unix(host, &format!("`{source}`")))?;
    let origin = format!("Docker at `unix://{}`", socket.display());
    Ok(Endpoint { socket, origin })
}

/// The path in a `unix://` address, the usual one if it is empty; nothing for other addresses.
fn socket(host: &str) -> Option<PathBuf> {
    let path = if host.is_empty() { "" } else { host.strip_prefix("unix://")? };
    Some(PathBuf::from(if path.is_empty() { DEFAULT_SOCKET } else { path }))
}

/// Whether the endpoint of the context `default` is asked to be the TLS one.
///
/// Source: docker/cli, cli/flags/options.go.
fn tls(globals: &Globals, environment: &BTreeMap<String, String>) -> bool {
    let set = |name: &str| environment.get(name).is_some_and(|value| !value.is_empty());
    globals.tls.unwrap_or_else(|| set("DOCKER_TLS")) || set("DOCKER_TLS_VERIFY")
}

fn not_unix(host: &str, source: &str) -> Error {
    Error::failed(format!("cannot use the Docker endpoint `{host}`"))
        .caused_by(format!("it comes from {source}, and this version speaks to unix sockets only"))
        .hint("run it on the Docker host itself, or forward the socket there: \
            `ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST`, then `DOCKER_HOST=unix:///tmp/docker.sock`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A folder of configuration with the context `far` at tcp and `near` at a socket.
    fn config(current: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.json"), format!(r#"{{"currentContext":"{current}"}}"#)).unwrap();
        // The SHA-256 of the names, as `printf near | sha256sum` tells it.
        for (digest, host) in [
            ("46ba34770bccfde756708d47d83fb7c8257fe8a4b3a35f25d385a8284021f476", "unix:///near.sock"),
            ("512eea46ceb3921dff4363c7069d89d4964d1d9fccaa0f411851a7aa60a5c868", "tcp://far:2376"),
        ] {
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
        found(config, globals, variables).unwrap().socket.to_str().unwrap().to_owned()
    }

    #[test]
    fn with_nothing_said_it_is_the_usual_socket() {
        let endpoint = found(&config(""), &Globals::default(), &[]).unwrap();
        assert_eq!(endpoint.socket, Path::new("/var/run/docker.sock"));
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
    fn endpoints_that_are_no_unix_socket_are_refused_with_what_is_spoken() {
        for host in ["tcp://far:2376", "ssh://far", "far:2375"] {
            let error = found(&config(""), &Globals::default(), &[("DOCKER_HOST", host)]).unwrap_err();
            assert_eq!(error.what, format!("cannot use the Docker endpoint `{host}`"));
            assert!(error.causes[0].contains("unix sockets only"));
        }
        assert!(found(&config(""), &Globals::default(), &[("DOCKER_TLS_VERIFY", "1")]).is_err());
    }

    #[test]
    fn a_broken_configuration_is_an_error_and_not_the_default() {
        let folder = config("");
        fs::write(folder.path().join("config.json"), "{").unwrap();
        assert!(found(&folder, &Globals::default(), &[]).is_err());
    }
}
