//! Docker's client configuration: the current context, and where contexts lead.

use super::{
    address::{Address, DEFAULT_SOCKET},
    tls::Tls,
};
use pgbackup_engine::error::{Context, Error, Result};
use serde::{Deserialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fmt::Write, fs, io, path::Path};

/// What of `config.json` is about the daemon.
#[derive(Default, Deserialize)]
pub struct ConfigFile {
    #[serde(default, rename = "currentContext")]
    current_context: String,
    #[serde(default, rename = "HttpHeaders")]
    http_headers: Option<BTreeMap<String, String>>,
}

impl ConfigFile {
    /// Reads it from the folder `config`; what is not there says nothing.
    ///
    /// # Errors
    ///
    /// When the file is there and cannot be understood: going on would be to guess the daemon.
    pub fn read(config: &Path) -> Result<Self> {
        Ok(read(&config.join("config.json"))?.unwrap_or_default())
    }

    /// Returns what it names as the current context, if anything.
    pub fn current_context(&self) -> Option<&str> {
        Some(self.current_context.as_str()).filter(|name| !name.is_empty())
    }

    /// Returns the headers that every request shall have.
    pub fn headers(self) -> BTreeMap<String, String> {
        self.http_headers.unwrap_or_default()
    }
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
    #[serde(default, rename = "SkipTLSVerify")]
    skip_tls_verify: bool,
}

/// Returns the address of the daemon that the context `name` leads to, with its TLS.
///
/// A context is kept in a folder named by the SHA-256 of its name, its files for TLS in another
/// one of that name.
/// Source: docker/cli, cli/context/store.
///
/// # Errors
///
/// When there is no such context, it leads to no Docker daemon, or one of its files cannot be
/// read.
pub fn address(config: &Path, name: &str) -> Result<Address> {
    let mut folder = String::with_capacity(64);
    for byte in Sha256::digest(name) {
        // Writing to a string cannot fail.
        let _ = write!(folder, "{byte:02x}");
    }
    let path = config.join("contexts/meta").join(&folder).join("meta.json");
    let meta: Meta = read(&path)?.ok_or_else(|| {
        Error::failed(format!("there is no Docker context `{name}`"))
            .caused_by(format!("no such file: `{}`", path.display()))
            .hint("see the contexts that exist with `docker context ls`")
    })?;
    let endpoint = meta
        .endpoints
        .docker
        .ok_or_else(|| Error::failed(format!("the Docker context `{name}` leads to no Docker daemon")))?;
    if endpoint.host.is_empty() {
        return Ok(Address::Unix(DEFAULT_SOCKET.into()));
    }
    let mut address = Address::parse(&endpoint.host)
        .map_err(|error| error.context(format!("cannot use the Docker context `{name}`")))?;
    if let Address::Tcp(tcp) = &mut address {
        let files = config.join("contexts/tls").join(&folder).join("docker");
        tcp.tls = Tls::of_context(&files, endpoint.skip_tls_verify)
            .map_err(|error| error.context(format!("cannot use the Docker context `{name}`")))?;
    }
    Ok(address)
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
