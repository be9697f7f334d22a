//! Finds the way to a server and what it is.

use super::{
    query::Query,
    reach::{self, ProbeOptions},
    version::{Version, check_version},
};
use crate::{
    catalog::manifest::ServerRecord,
    error::{Error, Kind, Result},
};
use pgbackup_wire::message::{Endpoint, Environment};
use std::collections::BTreeMap;

/// What the probe needs of a mover.
pub trait Door {
    /// What the mover sees of its container.
    fn environment(&self) -> Result<Environment>;

    /// Opens a session with `client_encoding` UTF8.
    fn connect(&self, endpoint: &Endpoint, database: &str) -> Result<Box<dyn Query + '_>>;
}

/// A server that answers, and how it is reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Where and as whom.
    pub endpoint: Endpoint,
    /// The database that was asked in.
    pub database: String,
    /// `17.2 (Debian 17.2-1)`.
    pub version: String,
    /// 170002.
    pub version_number: u32,
    /// Whether the role is a superuser.
    pub superuser: bool,
    /// `pg_control_system()`, where it may be called.
    pub system_identifier: Option<String>,
    /// A standby, or a server that is still recovering.
    pub in_recovery: bool,
    /// PGDATA.
    pub data_directory: Option<String>,
    /// Settings that a backup records or a restore looks at.
    pub settings: BTreeMap<String, String>,
}

/// The settings that are read.
const SETTINGS: [&str; 19] = [
    "block_size",
    "cluster_name",
    "data_checksums",
    "lc_messages",
    "max_connections",
    "max_identifier_length",
    "max_locks_per_transaction",
    "max_parallel_maintenance_workers",
    "max_prepared_transactions",
    "max_wal_size",
    "maintenance_work_mem",
    "password_encryption",
    "segment_size",
    "server_encoding",
    "shared_buffers",
    "shared_preload_libraries",
    "superuser_reserved_connections",
    "wal_level",
    "wal_segment_size",
];

impl Server {
    /// Its version, for the functions of this room.
    pub fn version(&self) -> Version {
        Version(self.version_number)
    }

    /// What the manifest keeps of it.
    pub fn record(&self) -> ServerRecord {
        ServerRecord {
            version: self.version.clone(),
            version_number: self.version_number,
            system_identifier: self.system_identifier.clone(),
            user: self.endpoint.user.clone(),
            superuser: self.superuser,
            settings: self.settings.clone(),
            ..ServerRecord::default()
        }
    }
}

/// Finds the server in a container: tries its sockets, then its address; the roles and databases
/// that the container's environment names; and takes the first way in as a superuser, or else
/// the first way in.
///
/// # Errors
///
/// When no server runs there, none of the ways leads in (the causes say what was tried), or its
/// version is not known.
pub fn probe(door: &dyn Door, wanted: &ProbeOptions) -> Result<Server> {
    let environment = door.environment()?;
    if environment.postmasters.is_empty() {
        return Err(Error::new(Kind::Target, "no PostgreSQL server runs in the container")
            .caused_by("none of its processes is a `postgres` that has a data directory"));
    }
    let mut attempts = Attempts::default();
    let mut without_superuser = None;
    for postmaster in environment.postmasters.iter().filter(|one| reach::is_wanted(one, wanted)) {
        for address in reach::addresses(postmaster, wanted) {
            for user in reach::users(&environment, wanted) {
                let endpoint = reach::endpoint(&environment, &address, &user);
                let Some(mut server) = attempts.enter(door, &environment, &endpoint, wanted)? else {
                    continue;
                };
                if server.data_directory.is_none() {
                    server.data_directory.clone_from(&postmaster.data_directory);
                }
                if server.superuser {
                    return Ok(server);
                }
                without_superuser.get_or_insert(server);
            }
            if let Some(server) = without_superuser {
                return Ok(server);
            }
        }
    }
    Err(attempts.into_error(wanted))
}

/// What was tried in vain.
#[derive(Default)]
struct Attempts(Vec<String>);

impl Attempts {
    /// Tries the databases one after another; none if none lets this role in.
    fn enter(
        &mut self,
        door: &dyn Door,
        environment: &Environment,
        endpoint: &Endpoint,
        wanted: &ProbeOptions,
    ) -> Result<Option<Server>> {
        let mut before = None;
        for database in reach::databases(environment, &endpoint.user, wanted) {
            let error = match door.connect(endpoint, &database) {
                Ok(mut session) => return facts(session.as_mut(), endpoint, &database).map(Some),
                Err(error) if error.is_cancelled() => return Err(error),
                Err(error) => error,
            };
            let reason = error.causes.last().unwrap_or(&error.what).clone();
            // Two databases that give the same reason say that it lies with the role or the
            // address. The server writes each attempt to its log, so no third one is made.
            if before.as_ref() == Some(&reason) {
                break;
            }
            self.0.push(format!(
                "as `{}` in database `{database}` at `{}` port {}: {reason}",
                endpoint.user, endpoint.host, endpoint.port
            ));
            before = Some(reason);
        }
        Ok(None)
    }

    fn into_error(self, wanted: &ProbeOptions) -> Error {
        let mut error = match wanted.port {
            Some(port) if self.0.is_empty() => {
                return Error::new(
                    Kind::Target,
                    format!("no PostgreSQL server in the container has port {port}"),
                );
            }
            _ => Error::failed("connect to the PostgreSQL server from inside its container"),
        };
        for attempt in self.0 {
            error = error.caused_by(attempt);
        }
        error
    }
}

/// What a role may not see, pg_settings leaves out, where `current_setting` would be an error.
fn facts(session: &mut dyn Query, endpoint: &Endpoint, database: &str) -> Result<Server> {
    let answer = session.query(
        "SELECT pg_catalog.current_setting('server_version') AS version, \
         pg_catalog.current_setting('server_version_num') AS number, \
         pg_catalog.current_setting('is_superuser') AS superuser, \
         pg_catalog.pg_is_in_recovery() AS in_recovery, \
         (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'data_directory') AS data_directory, \
         pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') AS may_read_control",
    )?;
    let row = answer.only()?;
    let version_number = check_version(row.number("number")?)?.0;
    let system_identifier = if row.flag("may_read_control")? {
        let answer = session.query("SELECT system_identifier FROM pg_catalog.pg_control_system()")?;
        Some(answer.only()?.string("system_identifier")?)
    } else {
        None
    };
    let names: Vec<String> = SETTINGS.iter().map(|name| super::quote::literal(name)).collect();
    let settings = session.query(&format!(
        "SELECT name, pg_catalog.current_setting(name) AS value FROM pg_catalog.pg_settings WHERE name IN ({})",
        names.join(", ")
    ))?;
    let settings = settings
        .iter()
        .map(|row| Ok((row.string("name")?, row.string("value")?)))
        .collect::<Result<BTreeMap<_, _>>>()?;
    Ok(Server {
        endpoint: endpoint.clone(),
        database: database.to_owned(),
        version: row.string("version")?,
        version_number,
        superuser: row.text("superuser")? == "on",
        system_identifier,
        in_recovery: row.flag("in_recovery")?,
        data_directory: row.optional_string("data_directory")?,
        settings,
    })
}

#[cfg(test)]
mod tests {
    use super::super::query::Table;
    use super::*;
    use pgbackup_wire::message::Postmaster;
    use std::cell::RefCell;

    /// Lets in who is listed; `true` is a superuser.
    struct Container {
        environment: Environment,
        accounts: Vec<(&'static str, &'static str, bool)>,
        tried: RefCell<Vec<String>>,
    }

    struct Facts {
        superuser: bool,
        number: &'static str,
    }

    impl Query for Facts {
        fn query(&mut self, sql: &str) -> Result<Table> {
            let row: Vec<(&str, &str)> = if sql.contains("is_superuser") {
                vec![
                    ("version", "17.2"),
                    ("number", self.number),
                    ("superuser", if self.superuser { "on" } else { "off" }),
                    ("in_recovery", "f"),
                    ("data_directory", "/data"),
                    ("may_read_control", "t"),
                ]
            } else if sql.contains("pg_control_system") {
                vec![("system_identifier", "7")]
            } else {
                vec![("name", "wal_level"), ("value", "replica")]
            };
            let (columns, values): (Vec<_>, Vec<_>) =
                row.into_iter().map(|(name, value)| (name.to_owned(), Some(value.into()))).unzip();
            Ok(Table { columns, rows: vec![values] })
        }

        fn query_secret(&mut self, sql: &str) -> Result<Table> {
            self.query(sql)
        }
    }

    impl Door for Container {
        fn environment(&self) -> Result<Environment> {
            Ok(self.environment.clone())
        }

        fn connect(&self, endpoint: &Endpoint, database: &str) -> Result<Box<dyn Query + '_>> {
            self.tried.borrow_mut().push(format!("{}@{database}", endpoint.user));
            let known =
                self.accounts.iter().find(|(user, name, _)| (*user, *name) == (&endpoint.user, database));
            match known {
                Some((_, _, superuser)) => Ok(Box::new(Facts { superuser: *superuser, number: "170002" })),
                None => Err(Error::failed("no entry").context("connect")),
            }
        }
    }

    fn container(accounts: &[(&'static str, &'static str, bool)]) -> Container {
        let environment = Environment {
            postmasters: vec![Postmaster { port: Some(5432), ..Postmaster::default() }],
            variables: vec![("POSTGRES_USER".into(), "app".into())],
            ..Environment::default()
        };
        Container { environment, accounts: accounts.to_vec(), tried: RefCell::default() }
    }

    #[test]
    fn a_superuser_is_preferred_to_the_first_role_that_is_let_in() {
        let given = container(&[("app", "postgres", false), ("postgres", "postgres", true)]);
        let server = probe(&given, &ProbeOptions::default()).unwrap();
        assert_eq!((server.endpoint.user.as_str(), server.superuser), ("postgres", true));
        assert_eq!(server.system_identifier.as_deref(), Some("7"));
    }

    #[test]
    fn without_a_superuser_the_first_role_that_is_let_in_is_taken() {
        let given = container(&[("app", "template1", false)]);
        let server = probe(&given, &ProbeOptions::default()).unwrap();
        assert_eq!((server.endpoint.user.as_str(), server.database.as_str()), ("app", "template1"));
    }

    #[test]
    fn when_nothing_leads_in_the_error_says_what_was_tried() {
        let given = container(&[]);
        let error = probe(&given, &ProbeOptions::default()).unwrap_err();
        assert_eq!(error.causes[0], "as `app` in database `postgres` at `127.0.0.1` port 5432: no entry");
        assert_eq!(error.causes.len(), 2);
        let tried = given.tried.into_inner();
        assert_eq!(tried, ["app@postgres", "app@template1", "postgres@postgres", "postgres@template1"]);
    }

    #[test]
    fn a_container_without_a_server_is_no_target() {
        let mut given = container(&[]);
        given.environment.postmasters.clear();
        assert_eq!(probe(&given, &ProbeOptions::default()).unwrap_err().kind, Kind::Target);
        let other = ProbeOptions { port: Some(6000), ..ProbeOptions::default() };
        assert_eq!(probe(&container(&[]), &other).unwrap_err().kind, Kind::Target);
    }
}
