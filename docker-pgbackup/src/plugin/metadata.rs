//! What a plugin tells about itself.

use serde_json::json;

/// The only argument of the call that asks for metadata.
///
/// Source: docker/cli, cli-plugins/metadata.
pub const METADATA_COMMAND: &str = "docker-cli-plugin-metadata";

/// The word behind the plugin's name when `docker` offers to add a hint to what one of its own
/// commands said, which happens only where the user's `config.json` asks for it. Saying nothing
/// is the way to add none.
///
/// Source: docker/cli, cli-plugins/manager/hooks.go.
pub const HOOKS_COMMAND: &str = "docker-cli-plugin-hooks";

/// The variable that is there when `docker` runs a plugin.
///
/// Source: docker/cli, cli-plugins/metadata, `ReexecEnvvar`.
pub const CALLED_BY_DOCKER: &str = "DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND";

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
