//! What a list of backups shows, small enough to stand in the snapshot itself.

use super::manifest::Manifest;
use crate::error::{Context, Result};
use pgbackup_wire::ChunkId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One backup in short, stored as compact JSON in its snapshot's description. Sizes are in bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The schema of the manifest that it was made from.
    pub schema: u32,
    /// The backup's name.
    pub name: String,
    /// `docker` or `kubernetes`.
    pub platform: String,
    /// The container it came from.
    pub target: String,
    /// The server's version as the server says it: `17.2 (Debian 17.2-1)`.
    pub server_version: String,
    /// Its system identifier, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_identifier: Option<String>,
    /// Whether the whole server was asked for.
    pub whole_server: bool,
    /// Its databases, in the order of their names.
    pub databases: Vec<DatabaseSummary>,
    /// What the user calls it beside its name: key to value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// What its tables and large objects hold.
    pub total_bytes: u64,
    /// What was new to the repository, as stored.
    pub new_bytes: u64,
    /// How long it took.
    pub seconds: f64,
    /// SHA-256 of `manifest.json`, hexadecimal.
    pub manifest_hash: String,
}

/// One database of a backup, in short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseSummary {
    /// Its name.
    pub name: String,
    /// What its tables and large objects hold.
    pub bytes: u64,
    /// The rows of its tables.
    pub rows: u64,
    /// How many tables it has.
    pub tables: u64,
}

impl Record {
    /// The record of a backup with this manifest. `manifest_text` is `manifest.json` as it is
    /// stored, byte for byte.
    pub fn of(manifest: &Manifest, manifest_text: &[u8], new_bytes: u64, seconds: f64) -> Self {
        let databases: Vec<_> = manifest
            .databases
            .iter()
            .map(|database| DatabaseSummary {
                name: database.name.clone(),
                bytes: database.tables.iter().chain(&database.large_objects).map(|entry| entry.bytes).sum(),
                rows: database.tables.iter().map(|table| table.rows).sum(),
                tables: database.tables.len() as u64,
            })
            .collect();
        Self {
            schema: manifest.schema,
            name: manifest.name.clone(),
            platform: manifest.target.platform.clone(),
            target: manifest.target.name.clone(),
            server_version: manifest.server.version.clone(),
            system_identifier: manifest.server.system_identifier.clone(),
            whole_server: manifest.whole_server,
            total_bytes: databases.iter().map(|database| database.bytes).sum(),
            databases,
            labels: manifest.labels.clone(),
            new_bytes,
            seconds,
            manifest_hash: hash_of(manifest_text),
        }
    }

    /// The text for the snapshot's description.
    pub fn to_description(&self) -> Result<String> {
        serde_json::to_string(self).context(format!("write down the record of `{}`", self.name))
    }

    /// Reads a snapshot's description.
    pub(super) fn from_description(text: &str) -> Result<Self> {
        serde_json::from_str(text).context("read the backup's record")
    }
}

/// SHA-256, hexadecimal, as manifests and records hold it.
pub(super) fn hash_of(content: &[u8]) -> String {
    ChunkId::of(content).to_string()
}
