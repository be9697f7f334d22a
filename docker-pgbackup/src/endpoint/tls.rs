//! The files by which TLS is spoken, from a context or from Docker's options.
//!
//! They are read here and understood in [`transport`](crate::transport), so that a missing file
//! is told from a wrong one.

use crate::plugin::Globals;
use pgbackup_engine::error::{Context, Result};
use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

/// The names of the files in a folder. Source: docker/cli, cli/flags/options.go and
/// cli/context/tlsdata.go.
const FILES: [&str; 3] = ["ca.pem", "cert.pem", "key.pem"];

/// How TLS is spoken with a daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Whether the daemon has to prove who it is.
    pub verify: bool,
    /// Who may vouch for the daemon; the system's authorities if nothing is given.
    pub ca: Option<Pem>,
    /// This client's certificate, which counts together with the key.
    pub certificate: Option<Pem>,
    /// Its key.
    pub key: Option<Pem>,
}

/// A file that was read. Shows its path and never what is in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem {
    /// Where it was read.
    pub path: PathBuf,
    /// What was in it.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pem").field(&self.path).finish()
    }
}

impl Tls {
    /// Reads what the folder of a context holds. Without files, TLS is spoken only where the
    /// context says that the daemon need not prove itself.
    ///
    /// Source: docker/cli, cli/context/docker/load.go, `tlsConfig`.
    ///
    /// # Errors
    ///
    /// When a file is there and cannot be read.
    pub fn of_context(folder: &Path, skip_verify: bool) -> Result<Option<Self>> {
        let [ca, certificate, key] = FILES.map(|name| optional(&folder.join(name)));
        let tls = Self { verify: !skip_verify, ca: ca?, certificate: certificate?, key: key? };
        let spoken = skip_verify || tls.ca.is_some() || tls.certificate.is_some() || tls.key.is_some();
        Ok(spoken.then_some(tls))
    }

    /// Reads what options and environment ask for; nothing if they do not ask for TLS.
    ///
    /// `--tls` and `DOCKER_TLS` ask for it, `--tlsverify` (given at all, even as false) and
    /// `DOCKER_TLS_VERIFY` too, and only the last two, being true, have the daemon prove itself.
    /// Files that are not named lie in `DOCKER_CERT_PATH`, or else in the folder `config`; a
    /// client's certificate and key may be missing there, the authority's certificate may not.
    ///
    /// Source: docker/cli, cli/flags/options.go, and cli/context/tlsdata.go, `TLSDataFromFiles`.
    ///
    /// # Errors
    ///
    /// When a file cannot be read.
    pub fn of_options(
        globals: &Globals,
        environment: &BTreeMap<String, String>,
        config: Option<&Path>,
    ) -> Result<Option<Self>> {
        if !asked_for(globals, environment) {
            return Ok(None);
        }
        let folder = match environment.get("DOCKER_CERT_PATH").filter(|path| !path.is_empty()) {
            Some(path) => Path::new(path),
            None => config.unwrap_or(Path::new("")),
        };
        let [ca, certificate, key] = FILES.map(|name| folder.join(name));
        let named_or = |named: &Option<PathBuf>, usual: &Path| match named {
            Some(path) => required(path).map(Some),
            None => optional(usual),
        };
        Ok(Some(Self {
            verify: verify(globals, environment),
            ca: Some(required(globals.tls_ca.as_deref().unwrap_or(&ca))?),
            certificate: named_or(&globals.tls_certificate, &certificate)?,
            key: named_or(&globals.tls_key, &key)?,
        }))
    }
}

/// Whether the endpoint of the context `default` is asked to be one with TLS.
pub fn asked_for(globals: &Globals, environment: &BTreeMap<String, String>) -> bool {
    globals.tls.unwrap_or_else(|| is_set(environment, "DOCKER_TLS"))
        || globals.tls_verify.is_some()
        || verify(globals, environment)
}

fn verify(globals: &Globals, environment: &BTreeMap<String, String>) -> bool {
    globals.tls_verify.unwrap_or_else(|| is_set(environment, "DOCKER_TLS_VERIFY"))
}

fn is_set(environment: &BTreeMap<String, String>, name: &str) -> bool {
    environment.get(name).is_some_and(|value| !value.is_empty())
}

fn required(path: &Path) -> Result<Pem> {
    let bytes = fs::read(path).context(format!("read `{}`, which TLS needs", path.display())).map_err(|error| {
        error.hint("say where the files for TLS are: `DOCKER_CERT_PATH=FOLDER`, or `--tlscacert FILE`, `--tlscert FILE`, `--tlskey FILE`")
    })?;
    Ok(Pem { path: path.to_owned(), bytes })
}

fn optional(path: &Path) -> Result<Option<Pem>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => required(path).map(Some),
    }
}
