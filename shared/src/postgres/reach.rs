//! Where a server may be reached from inside its container, and as whom: candidates, best first,
//! from what the container itself says. Pure: nothing is tried here.
//!
//! Sources: the entrypoint of the official image (`POSTGRES_USER`, `POSTGRES_PASSWORD`,
//! `POSTGRES_DB` and their `_FILE`s), Bitnami's `libpostgresql.sh` (`POSTGRESQL_*`; its superuser
//! is always `postgres`, with a password of its own), and libpq's environment.

use pgbackup_wire::message::{Endpoint, Environment, PasswordSource, Postmaster};

/// What the user said about the connection; none of it is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeOptions {
    /// Connect as this role and no other.
    pub user: Option<String>,
    /// Ask in this database and no other.
    pub database: Option<String>,
    /// Of several servers in the container, the one with this port.
    pub port: Option<u16>,
}

/// The port of a server that names none.
const DEFAULT_PORT: u16 = 5432;

/// Variables that name the first role of the server; the earlier the better.
const USER_VARIABLES: [&str; 4] = ["POSTGRES_USER", "POSTGRESQL_USERNAME", "POSTGRESQL_USER", "PGUSER"];

/// Variables that name the first database.
const DATABASE_VARIABLES: [&str; 4] =
    ["POSTGRES_DB", "POSTGRESQL_DATABASE", "POSTGRES_DATABASE", "PGDATABASE"];

/// Variables with the password of the role `postgres` where that is not the first role.
const SUPERUSER_PASSWORDS: [&str; 2] = ["POSTGRESQL_POSTGRES_PASSWORD", "POSTGRES_POSTGRES_PASSWORD"];

/// Variables with the password of the first role.
const PASSWORDS: [&str; 3] = ["POSTGRES_PASSWORD", "POSTGRESQL_PASSWORD", "PGPASSWORD"];

/// Where libpq would look for a password file in a home of the images that are known.
const PASSFILES: [&str; 2] = ["/var/lib/postgresql/.pgpass", "/home/postgres/.pgpass"];

/// The addresses of one server: folder of a socket or host, and port. Sockets come first: the
/// official images trust them.
pub(super) fn addresses(postmaster: &Postmaster, options: &ProbeOptions) -> Vec<(String, u16)> {
    let port = options.port.or(postmaster.port);
    let mut found: Vec<(String, u16)> = Vec::new();
    let mut add = |host: String, port: u16| {
        if !found.contains(&(host.clone(), port)) {
            found.push((host, port));
        }
    };
    let port_or_default = port.unwrap_or(DEFAULT_PORT);
    if let Some(folder) = postmaster.socket_directory.as_ref().filter(|folder| folder.starts_with('/')) {
        add(folder.clone(), port_or_default);
    }
    for (folder, socket_port) in &postmaster.sockets {
        if port.is_none_or(|port| port == *socket_port) {
            add(folder.clone(), *socket_port);
        }
    }
    let everywhere = ["", "*", "0.0.0.0", "::", "localhost"];
    match postmaster.listen_address.as_deref() {
        Some(address) if !everywhere.contains(&address) => add(address.to_owned(), port_or_default),
        _ => add("127.0.0.1".to_owned(), port_or_default),
    }
    found
}

/// Whether a postmaster is the one that the user means.
pub(super) fn is_wanted(postmaster: &Postmaster, options: &ProbeOptions) -> bool {
    let Some(wanted) = options.port else { return true };
    postmaster.port == Some(wanted) || postmaster.sockets.iter().any(|(_, port)| *port == wanted)
}

/// The roles to try.
pub(super) fn users(environment: &Environment, options: &ProbeOptions) -> Vec<String> {
    if let Some(user) = &options.user {
        return vec![user.clone()];
    }
    named(environment, &USER_VARIABLES, &["postgres"])
}

/// The databases to ask in: the server's own first, because everybody has them.
pub(super) fn databases(environment: &Environment, user: &str, options: &ProbeOptions) -> Vec<String> {
    if let Some(database) = &options.database {
        return vec![database.clone()];
    }
    let mut names = vec!["postgres".to_owned(), "template1".to_owned()];
    for name in named(environment, &DATABASE_VARIABLES, &[user]) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The values of variables, then other names; each once.
fn named(environment: &Environment, variables: &[&str], others: &[&str]) -> Vec<String> {
    let values = variables.iter().filter_map(|variable| value(environment, variable));
    let mut names: Vec<String> = Vec::new();
    for name in values.chain(others.iter().copied()) {
        if !name.is_empty() && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// The value of a variable of the container that holds no secret.
pub(super) fn value<'a>(environment: &'a Environment, variable: &str) -> Option<&'a str> {
    environment.variables.iter().find(|(name, _)| name == variable).map(|(_, value)| value.as_str())
}

/// Where the password of a role may be, best first: only places that the container names.
pub(super) fn passwords(environment: &Environment, user: &str) -> Vec<PasswordSource> {
    let present = |name: &str| environment.secret_variables.iter().any(|known| known == name);
    let mut sources = Vec::new();
    let own: &[&str] = if user == "postgres" { &SUPERUSER_PASSWORDS } else { &[] };
    for variable in own.iter().chain(&PASSWORDS) {
        if present(variable) {
            sources.push(PasswordSource::Environment((*variable).to_owned()));
        }
        let file = format!("{variable}_FILE");
        if present(&file) {
            sources.push(PasswordSource::FileNamedBy(file));
        }
    }
    if let Some(path) = value(environment, "PGPASSFILE") {
        sources.push(PasswordSource::PassFile(path.to_owned()));
    }
    sources.extend(PASSFILES.iter().map(|path| PasswordSource::PassFile((*path).to_owned())));
    sources
}

/// The endpoint of one address and role.
pub(super) fn endpoint(environment: &Environment, address: &(String, u16), user: &str) -> Endpoint {
    Endpoint {
        host: address.0.clone(),
        port: address.1,
        user: user.to_owned(),
        passwords: passwords(environment, user),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)], secrets: &[&str]) -> Environment {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Environment {
            variables: variables.iter().map(owned).collect(),
            secret_variables: secrets.iter().map(|name| (*name).to_owned()).collect(),
            ..Environment::default()
        }
    }

    #[test]
    fn the_official_image_is_reached_as_its_own_user() {
        let given = environment(&[("POSTGRES_USER", "shop"), ("POSTGRES_DB", "app")], &["POSTGRES_PASSWORD"]);
        let options = ProbeOptions::default();
        assert_eq!(users(&given, &options), ["shop", "postgres"]);
        assert_eq!(databases(&given, "shop", &options), ["postgres", "template1", "app", "shop"]);
        assert_eq!(passwords(&given, "shop")[0], PasswordSource::Environment("POSTGRES_PASSWORD".into()));
    }

    #[test]
    fn bitnamis_superuser_has_a_password_of_its_own() {
        let given = environment(
            &[("POSTGRESQL_USERNAME", "app")],
            &["POSTGRESQL_PASSWORD_FILE", "POSTGRESQL_POSTGRES_PASSWORD_FILE"],
        );
        assert_eq!(users(&given, &ProbeOptions::default()), ["app", "postgres"]);
        let of_postgres = passwords(&given, "postgres");
        assert_eq!(of_postgres[0], PasswordSource::FileNamedBy("POSTGRESQL_POSTGRES_PASSWORD_FILE".into()));
        assert_eq!(
            passwords(&given, "app")[0],
            PasswordSource::FileNamedBy("POSTGRESQL_PASSWORD_FILE".into())
        );
    }

    #[test]
    fn a_socket_comes_before_an_address_and_nothing_twice() {
        let postmaster = Postmaster {
            port: Some(6000),
            socket_directory: Some("/tmp".into()),
            listen_address: Some("*".into()),
            sockets: vec![("/tmp".into(), 6000), ("/run/x".into(), 6000), ("/run/other".into(), 5432)],
            ..Postmaster::default()
        };
        assert_eq!(
            addresses(&postmaster, &ProbeOptions::default()),
            [("/tmp".into(), 6000), ("/run/x".into(), 6000), ("127.0.0.1".into(), 6000)]
        );
    }

    #[test]
    fn a_port_chooses_among_several_servers() {
        let one = Postmaster { port: Some(5432), ..Postmaster::default() };
        let options = ProbeOptions { port: Some(6000), ..ProbeOptions::default() };
        assert!(!is_wanted(&one, &options));
        assert!(is_wanted(&Postmaster { sockets: vec![("/x".into(), 6000)], ..one }, &options));
    }

    #[test]
    fn what_the_user_says_leaves_no_other_candidate() {
        let given = environment(&[("POSTGRES_USER", "shop")], &[]);
        let options = ProbeOptions { user: Some("bob".into()), database: Some("d".into()), port: None };
        assert_eq!(users(&given, &options), ["bob"]);
        assert_eq!(databases(&given, "bob", &options), ["d"]);
    }
}
