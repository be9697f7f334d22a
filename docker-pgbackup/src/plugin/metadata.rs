//! What a plugin tells about itself.

use serde_json::json;

/// The only argument of the call that asks for metadata.
///
/// Source: docker/cli, cli-plugins/metadata.
pub const METADATA_COMMAND: &str = "docker-cli-plugin-metadata";

/// Returns the answer, as JSON.
///
/// `docker` asks on every call of the plugin and for every `docker --help`, so nothing is looked
/// up for it. Schema version 0.1.0 is the only one that every `docker` accepts.
pub fn metadata() -> String {
    json!({
        "SchemaVersion": "0.1.0",
        "Vendor": "pgbackup",
        "Version": concat!("v", env!("CARGO_PKG_VERSION")),
        "ShortDescription": "Back up and restore PostgreSQL that runs in containers",
        "URL": env!("CARGO_PKG_REPOSITORY"),
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_has_what_docker_demands() {
        let told: serde_json::Value = serde_json::from_str(&metadata()).unwrap();
        assert_eq!(told["SchemaVersion"], "0.1.0");
        assert!(!told["Vendor"].as_str().unwrap().is_empty());
    }
}
