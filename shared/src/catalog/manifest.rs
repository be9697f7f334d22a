//! `manifest.json`: what a backup holds, down to each table's rows, bytes and hash.
//!
//! The schema number says how to read it; old numbers stay readable. Fields are added, never
//! given another meaning.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// The schema that this version writes.
pub const SCHEMA: u32 = 1;

/// Everything that is known of one backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    /// The backup's name, unique in its repository.
    pub name: String,
    /// When it began, RFC 3339, UTC.
    pub started: String,
    /// When everything in it was proven complete.
    pub finished: String,
    /// Where it came from.
    pub target: TargetRecord,
    /// The server it came from.
    pub server: ServerRecord,
    /// `logical`.
    pub method: String,
    /// `full`.
    pub kind: String,
    /// Whether the whole server was asked for, or databases by name.
    pub whole_server: bool,
    /// Roles, memberships, settings and tablespaces.
    pub globals: Globals,
    /// The databases, in the order of their names.
    pub databases: Vec<DatabaseRecord>,
    /// What the user calls it beside its name: key to value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Versions of what made it: `pgbackup`, `pg_dump`.
    pub tools: BTreeMap<String, String>,
}

/// Where a backup came from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetRecord {
    /// `docker` or `kubernetes`.
    pub platform: String,
    /// The container's name.
    pub name: String,
    /// Its full id.
    pub id: String,
    /// Its image.
    pub image: String,
    /// Compose project.
    pub project: Option<String>,
    /// Compose service.
    pub service: Option<String>,
}

/// A server as it was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerRecord {
    /// `17.2 (Debian 17.2-1)`.
    pub version: String,
    /// `170002`.
    pub version_number: u32,
    /// From `pg_control_system()`, where it may be read.
    pub system_identifier: Option<String>,
    /// The role that read.
    pub user: String,
    /// Whether that role is a superuser.
    pub superuser: bool,
    /// What read it.
    #[serde(default)]
    pub read_by: ReadBy,
    /// `max_identifier_length`, `block_size`, `data_checksums` ...
    pub settings: BTreeMap<String, String>,
}

/// What read a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadBy {
    /// The mover, beside the data.
    #[default]
    Mover,
    /// The server's own tools, cut on this side.
    Plain,
}

/// What belongs to the server and not to one database.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Globals {
    /// Roles in the order of their names, without the server's own (`pg_*`).
    pub roles: Vec<Role>,
    /// Who is a member of what.
    pub memberships: Vec<Membership>,
    /// Tablespaces but the two built-in ones.
    pub tablespaces: Vec<Tablespace>,
    /// Settings of roles in all databases: role to `name=value`s.
    pub role_settings: BTreeMap<String, Vec<String>>,
    /// Privileges on parameters (15 and later): parameter to its ACL in the server's text form.
    #[serde(default)]
    pub parameter_privileges: BTreeMap<String, Vec<String>>,
    /// Whether password hashes could be read.
    pub with_passwords: bool,
}

/// One role.
#[expect(clippy::struct_excessive_bools, reason = "they are the attributes of CREATE ROLE")]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// SUPERUSER.
    pub superuser: bool,
    /// INHERIT.
    pub inherit: bool,
    /// CREATEROLE.
    pub create_role: bool,
    /// CREATEDB.
    pub create_db: bool,
    /// LOGIN.
    pub login: bool,
    /// REPLICATION.
    pub replication: bool,
    /// BYPASSRLS.
    pub bypass_rls: bool,
    /// CONNECTION LIMIT, -1 for none.
    pub connection_limit: i64,
    /// The password's hash as the server stores it.
    pub password_hash: Option<PasswordHash>,
    /// VALID UNTIL.
    pub valid_until: Option<String>,
    /// Its comment.
    pub comment: Option<String>,
}

/// The hash of a role's password: whoever has it may log in with it (md5) or try passwords at
/// home. It is written to the manifest, which is sealed, and prints as `***`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes the text into custody.
    pub fn new(hash: impl Into<String>) -> Self {
        Self(hash.into())
    }

    /// The text itself, for the statement that sets it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// One grant of a role to another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Membership {
    /// The role that was granted.
    pub role: String,
    /// Who has it.
    pub member: String,
    /// Who granted it.
    pub grantor: Option<String>,
    /// ADMIN OPTION.
    pub admin: bool,
    /// INHERIT OPTION (16 and later).
    pub inherit: Option<bool>,
    /// SET OPTION (16 and later).
    pub set: Option<bool>,
}

/// One tablespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tablespace {
    /// Its name.
    pub name: String,
    /// Its owner.
    pub owner: String,
    /// Its folder.
    pub location: String,
    /// Its ACL in the server's text form.
    pub acl: Option<Vec<String>>,
    /// Its options, `name=value`.
    pub options: Vec<String>,
    /// Its comment.
    pub comment: Option<String>,
}

/// One database.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DatabaseRecord {
    /// Its name.
    pub name: String,
    /// Its folder in the snapshot: `databases/<name, encoded>`.
    pub folder: String,
    /// What `CREATE DATABASE` needs.
    pub properties: DatabaseProperties,
    /// The archive version of its contents: `1.16`.
    pub archive_version: String,
    /// Bytes of `toc.dat`.
    pub contents_bytes: u64,
    /// SHA-256 of `toc.dat`, hexadecimal.
    pub contents_hash: String,
    /// Every table of the contents.
    pub tables: Vec<EntryRecord>,
    /// Every large object of the contents.
    pub large_objects: Vec<EntryRecord>,
    /// Small files that the directory format needs beside (`blobs.toc` ...): name to SHA-256.
    pub extra_files: BTreeMap<String, String>,
    /// Every sequence of the contents: quoted name to the arguments of its `setval`.
    pub sequences: BTreeMap<String, String>,
    /// Extensions and their versions.
    pub extensions: BTreeMap<String, String>,
    /// `pg_database_size()` when it was read.
    pub size: u64,
}

/// What makes a database the one it is, apart from its contents.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DatabaseProperties {
    /// Its owner.
    pub owner: String,
    /// `UTF8` ...
    pub encoding: String,
    /// `c`, `i` (ICU) or `b` (built-in).
    pub locale_provider: String,
    /// LC_COLLATE.
    pub collate: String,
    /// LC_CTYPE.
    pub ctype: String,
    /// ICU or built-in locale.
    pub locale: Option<String>,
    /// ICU rules (16 and later).
    pub icu_rules: Option<String>,
    /// The version of its collation when it was read.
    pub collation_version: Option<String>,
    /// Its tablespace.
    pub tablespace: String,
    /// IS_TEMPLATE.
    pub is_template: bool,
    /// ALLOW_CONNECTIONS.
    pub allow_connections: bool,
    /// CONNECTION LIMIT, -1 for none.
    pub connection_limit: i64,
    /// Its ACL in the server's text form; none means the default.
    pub acl: Option<Vec<String>>,
    /// `ALTER DATABASE SET`, `name=value`.
    pub settings: Vec<String>,
    /// `ALTER ROLE ... IN DATABASE ... SET`: role to `name=value`s.
    pub role_settings: BTreeMap<String, Vec<String>>,
    /// Its comment.
    pub comment: Option<String>,
}

/// One table's rows, or one large object's bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EntryRecord {
    /// Its number in the contents (`pg_restore -l`); of a large object, that of its group.
    pub dump_id: i32,
    /// The relation's oid, or the large object's.
    pub oid: u32,
    /// Its schema; empty for a large object.
    pub schema: String,
    /// Its name; the oid of a large object.
    pub name: String,
    /// Its file in the database's folder: `3245.dat`.
    pub file: String,
    /// Rows by the server's own count.
    pub rows: u64,
    /// Bytes of text, without the line `\.` that ends the file in pg_dump's format.
    pub bytes: u64,
    /// Hash over the ids of the chunks of its parts in order, without the end of the file,
    /// hexadecimal.
    pub hash: String,
    /// The average it was cut at; later backups cut alike.
    pub chunk_size: u32,
    /// How many chunks each part (page range) has, in order; the rest of the file is its end.
    pub parts: Vec<Part>,
    /// Its COPY reads something else than the table itself: the filtered rows of an
    /// extension's configuration table, or a partition that is loaded through its root.
    pub read_as: Option<String>,
}

/// One page range of a table, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Its chunks.
    pub chunks: u64,
    /// Its rows.
    pub rows: u64,
    /// Its bytes.
    pub bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_hash_is_written_to_the_manifest_and_printed_nowhere() {
        let role = Role {
            name: "app".to_owned(),
            password_hash: Some(PasswordHash::new("SCRAM-SHA-256$x")),
            ..Role::default()
        };

        let text = serde_json::to_string(&role).unwrap();

        assert!(text.contains(r#""password_hash":"SCRAM-SHA-256$x""#), "{text}");
        assert_eq!(serde_json::from_str::<Role>(&text).unwrap(), role);
        let globals = Globals { roles: vec![role], ..Globals::default() };
        for printed in [format!("{globals:?}"), format!("{globals:#?}")] {
            assert!(printed.contains("***") && !printed.contains("SCRAM"), "{printed}");
        }
    }
}
