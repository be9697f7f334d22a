//! Contexts of Docker's, as `docker context create` keeps them.

use crate::command::must;
use std::path::Path;

/// Adds a context to the folder of configuration, by docker's own command, with the files for TLS
/// that `certificates` holds.
pub fn add_context(config: &Path, name: &str, host: &str, certificates: Option<&Path>) {
    let file = |name: &str| certificates.map(|folder| folder.join(name).display().to_string());
    let files = [("ca", "ca.pem"), ("cert", "cert.pem"), ("key", "key.pem")]
        .into_iter()
        .filter_map(|(option, name)| Some(format!(",{option}={}", file(name)?)));
    let endpoint: String = [format!("host={host}")].into_iter().chain(files).collect();
    must(
        "docker",
        &["--config", &config.display().to_string(), "context", "create", name, "--docker", &endpoint],
    );
}
