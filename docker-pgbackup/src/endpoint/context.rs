//! Docker's client configuration: the current context, and where contexts lead.

use pgbackup_engine::error::{Context, Error, Result};
use serde::{Deserialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use std::{fmt::Write, fs, io, path::Path};

#[derive(Default, Deserialize)]
struct ConfigFile {
    #[serde(default, rename = "currentContext")]
    current_context: String,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(default, rename = "Endpoints")]
    endpoints: Endpoints,
}

#[derive(Default, Deserialize)]
struct Endpoints {
    docker: Option<DockerEndpoint>,
}

#[derive(Deserialize)]
struct DockerEndpoint {
    #[serde(default, rename = "Host")]
    host: String,
}

/// Returns what `config.json` in the folder `config` names as the current context, if anything.
///
/// # Errors
///
/// When the file is there and cannot be understood: going on would be to guess the daemon.
pub fn current(config: &Path) -> Result<Option<String>> {
    let file: ConfigFile = read(&config.join("config.json"))?.unwrap_or_default();
    Ok(Some(file.current_context).filter(|name| !name.is_empty()))
}

/// Returns the address of the daemon that the context `name` leads to.
///
/// A context is kept in a folder named by the SHA-256 of its name.
/// Source: docker/cli, cli/context/store.
///
/// # Errors
///
/// When there is no such context, or it leads to no Docker daemon.
pub fn host(config: &Path, name: &str) -> Result<String> {
    let mut folder = String::with_capacity(64);
    for byte in Sha256::digest(name) {
        // Writing to a string cannot fail.
        let _ = write!(folder, "{byte:02x}");
    }
    let path = config.join("contexts/meta").join(folder).join("meta.json");
    let meta: Meta = read(&path)?.ok_or_else(|| {
        Error::failed(format!("there is no Docker context `{name}`"))
            .caused_by(format!("no such file: `{}`", path.display()))
            .hint("see the contexts that exist with `docker context ls`")
    })?;
    meta.endpoints
        .docker
        .map(|endpoint| endpoint.host)
        .ok_or_else(|| Error::failed(format!("the Docker context `{name}` leads to no Docker daemon")))
}

/// Reads a JSON file; nothing if it is not there.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let what = || format!("read Docker's configuration `{}`", path.display());
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context(what()),
    };
    serde_json::from_slice(&bytes).map(Some).context(what())
}
