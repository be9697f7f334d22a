//! Passwords, where the container itself keeps them.

use crate::processes;
use pgbackup_wire::{Endpoint, PasswordSource};
use std::{
    collections::HashMap,
    fs,
    sync::{Mutex, PoisonError},
};

/// A role at an address.
type Account = (String, u16, String);

/// What was found to work, by role and address. `None`: no password was asked for.
#[derive(Default)]
pub struct Passwords(Mutex<HashMap<Account, Option<String>>>);

fn account(endpoint: &Endpoint) -> Account {
    (endpoint.host.clone(), endpoint.port, endpoint.user.clone())
}

impl Passwords {
    /// Keeps what the server has accepted.
    pub fn worked(&self, endpoint: &Endpoint, password: Option<&str>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all.entry(account(endpoint)).or_default();
        // One database may ask for a password where another does not: a password is not
        // forgotten because it was not needed.
        if password.is_some() || kept.is_none() {
            *kept = password.map(str::to_owned);
        }
    }

    /// What to try, best first: what worked before, then what the sources give.
    pub fn candidates(&self, endpoint: &Endpoint, database: &str) -> Vec<String> {
        let known =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&account(endpoint)).cloned().flatten();
        let mut all: Vec<String> = known.into_iter().collect();
        for source in &endpoint.passwords {
            let found = read(source, endpoint, database).filter(|password| !password.is_empty());
            all.extend(found.filter(|password| !all.contains(password)));
        }
        all
    }
}

fn read(source: &PasswordSource, endpoint: &Endpoint, database: &str) -> Option<String> {
    match source {
        PasswordSource::Environment(name) => variable(name),
        PasswordSource::FileNamedBy(name) => first_line(&variable(name)?),
        PasswordSource::File(path) => first_line(path),
        PasswordSource::PassFile(path) => in_passfile(&fs::read_to_string(path).ok()?, endpoint, database),
    }
}

/// A variable of this program's environment, or of a server's: the official images' entrypoint
/// puts the content of `POSTGRES_PASSWORD_FILE` into the environment of the server alone.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().or_else(|| {
        processes::find().iter().find_map(|server| {
            let (_, value) = processes::environment(server.pid).into_iter().find(|(key, _)| key == name)?;
            Some(value)
        })
    })
}

fn first_line(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().next().map(str::to_owned)
}

/// The first entry `host:port:database:user:password` that fits; `*` fits all, `\` makes the
/// next letter plain, and a socket's host is `localhost`. Source: PostgreSQL manual, "The
/// Password File".
fn in_passfile(text: &str, endpoint: &Endpoint, database: &str) -> Option<String> {
    let port = endpoint.port.to_string();
    let hosts = [endpoint.host.as_str(), "localhost"];
    let hosts = if endpoint.host.starts_with('/') { &hosts[..] } else { &hosts[..1] };
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = passfile_fields(line);
        let [host, its_port, its_database, user, password] = fields.as_slice() else { return None };
        let fits = |field: &String, value: &str| field == "*" || field == value;
        let fit = hosts.iter().any(|name| fits(host, name))
            && fits(its_port, &port)
            && fits(its_database, database)
            && fits(user, &endpoint.user);
        fit.then(|| password.clone())
    })
}

fn passfile_fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        let plain = match letter {
            ':' if fields.len() < 5 => {
                fields.push(String::new());
                continue;
            }
            '\\' => letters.next().unwrap_or('\\'),
            other => other,
        };
        if let Some(field) = fields.last_mut() {
            field.push(plain);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> Endpoint {
        Endpoint { host: "/tmp".into(), port: 5433, user: "app".into(), passwords: Vec::new() }
    }

    #[test]
    fn a_passfile_gives_the_first_entry_that_fits() {
        let text = "# note\nother:*:*:app:no\nlocalhost:5433:a\\:b:app:se:cr\\\\et\n*:*:*:*:last\n";
        assert_eq!(in_passfile(text, &endpoint(), "a:b").as_deref(), Some("se:cr\\et"));
        assert_eq!(in_passfile(text, &endpoint(), "x").as_deref(), Some("last"));
    }

    #[test]
    fn what_worked_before_is_tried_first_and_not_forgotten() {
        let passwords = Passwords::default();
        passwords.worked(&endpoint(), Some("secret"));
        passwords.worked(&endpoint(), None);
        assert_eq!(passwords.candidates(&endpoint(), "x"), ["secret"]);
    }
}
