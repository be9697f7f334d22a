//! Where a daemon listens, as Docker writes it: `unix://`, `tcp://`, `ssh://`.

use super::tls::Tls;
use percent_encoding::percent_decode_str;
use pgbackup_engine::error::{Error, Result};
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Where the daemon listens when nothing is said.
pub const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// The port of an address that names none, with TLS or without.
///
/// Source: docker/cli, opts/hosts.go, `defaultTCPHost`.
const DEFAULT_PORT: u16 = 2375;

/// The host of an address that names none.
const DEFAULT_HOST: &str = "localhost";

/// What is spoken, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A socket of this machine: Docker's own, a rootless daemon's, Docker Desktop's, Podman's.
    Unix(PathBuf),
    /// A port, plain or with TLS.
    Tcp(Tcp),
    /// A host on which `docker system dial-stdio` connects to the daemon there.
    Ssh(Ssh),
}

/// A daemon at a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What stands in front of every path, for a daemon behind a proxy; empty or `/x`.
    pub base: String,
    /// Present if TLS is spoken.
    pub tls: Option<Tls>,
}

/// A daemon behind a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ssh {
    /// The user, if not the one that ssh's configuration says.
    pub user: Option<String>,
    /// A name of ssh's configuration or the network's.
    pub host: String,
    /// The port, if not the one that ssh's configuration says.
    pub port: Option<u16>,
    /// The daemon's socket there, if not the usual one.
    pub socket: Option<String>,
}

impl Address {
    /// Reads an address; one without `://` is that of a port.
    ///
    /// Source: docker/cli, opts/hosts.go, `parseDockerDaemonHost`, and cli/connhelper/ssh.
    ///
    /// # Errors
    ///
    /// When something else than sockets, ports and ssh is meant, or a part of it cannot be.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
        let made = match scheme {
            "unix" => Ok(Self::Unix(if rest.is_empty() { DEFAULT_SOCKET.into() } else { rest.into() })),
            "tcp" => tcp(rest).map(Self::Tcp),
            "ssh" => ssh(rest).map(Self::Ssh),
            "npipe" => Err("named pipes are there on Windows only".to_owned()),
            other => Err(format!("`{other}://` is none of `unix://`, `tcp://` and `ssh://`")),
        };
        made.map_err(|cause| {
            Error::failed(format!("cannot use the Docker endpoint `{text}`")).caused_by(cause)
        })
    }

    /// Returns the socket, if it is one.
    pub fn socket(&self) -> Option<&Path> {
        if let Self::Unix(path) = self { Some(path) } else { None }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(Tcp { host, port, base, .. }) => {
                write!(f, "tcp://{}:{port}{base}", bracketed(host))
            }
            Self::Ssh(ssh) => {
                f.write_str("ssh://")?;
                if let Some(user) = &ssh.user {
                    write!(f, "{user}@")?;
                }
                f.write_str(&bracketed(&ssh.host))?;
                if let Some(port) = ssh.port {
                    write!(f, ":{port}")?;
                }
                f.write_str(ssh.socket.as_deref().unwrap_or_default())
            }
        }
    }
}

/// An IPv6 address as it stands in front of a port.
pub fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

fn tcp(rest: &str) -> Result<Tcp, String> {
    let (authority, base) = cut(rest)?;
    if authority.contains('@') {
        return Err("a user can be named for `ssh://` only".to_owned());
    }
    let (host, port) = host_and_port(authority)?;
    Ok(Tcp {
        host: if host.is_empty() { DEFAULT_HOST.to_owned() } else { host },
        port: port.unwrap_or(DEFAULT_PORT),
        base: base.trim_end_matches('/').to_owned(),
        tls: None,
    })
}

fn ssh(rest: &str) -> Result<Ssh, String> {
    let (authority, path) = cut(rest)?;
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    if user.is_some_and(|user| user.contains(':')) {
        return Err("a password cannot stand in it; ssh asks its agent or reads its keys".to_owned());
    }
    let user = user
        .map(|user| percent_decode_str(user).decode_utf8())
        .transpose()
        .map_err(|_| "its user is not UTF-8".to_owned())?
        .filter(|user| !user.is_empty())
        .map(String::from);
    let (host, port) = host_and_port(host)?;
    if host.is_empty() {
        return Err("it names no host".to_owned());
    }
    for word in [Some(&host), user.as_ref()].into_iter().flatten() {
        // ssh would take the first for an option.
        if word.starts_with('-') || word.chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
            return Err(format!("`{}` can be no host and no user", word.escape_debug()));
        }
    }
    let socket = Some(path.to_owned()).filter(|path| !path.trim_matches('/').is_empty());
    Ok(Ssh { user, host, port, socket })
}

/// Takes what stands in front of the first slash from what begins with it.
fn cut(rest: &str) -> Result<(&str, &str), String> {
    if rest.contains(['?', '#']) {
        return Err("there is a `?` or a `#` in it".to_owned());
    }
    Ok(rest.find('/').map_or((rest, ""), |at| rest.split_at(at)))
}

/// Takes `host:port`, `[address]:port`, or either without a port, apart.
fn host_and_port(authority: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = if let Some(inside) = authority.strip_prefix('[') {
        let (host, port) = inside.split_once(']').ok_or("there is a `[` without its `]` in it")?;
        let port = if port.is_empty() {
            port
        } else {
            port.strip_prefix(':').ok_or("something other than a port stands behind its `]`")?
        };
        (host, port)
    } else {
        match authority.split_once(':') {
            // An IPv6 address without brackets has no port.
            Some((_, port)) if port.contains(':') => (authority, ""),
            Some(parts) => parts,
            None => (authority, ""),
        }
    };
    if port.is_empty() {
        return Ok((host.to_owned(), None));
    }
    match port.parse() {
        Ok(port) if port > 0 => Ok((host.to_owned(), Some(port))),
        _ => Err(format!("`{port}` is no port")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an address is understood as, or why it is not.
    fn read(text: &str) -> String {
        match Address::parse(text) {
            Ok(address) => address.to_string(),
            Err(error) => error.causes.join(": "),
        }
    }

    #[test]
    fn addresses_are_read_as_docker_reads_them() {
        for (text, means) in [
            ("unix:///run/user/1000/docker.sock", "unix:///run/user/1000/docker.sock"),
            ("unix://", "unix:///var/run/docker.sock"),
            ("tcp://far:2376", "tcp://far:2376"),
            ("tcp://far", "tcp://far:2375"),
            ("tcp://", "tcp://localhost:2375"),
            ("far:2376", "tcp://far:2376"),
            (" tcp://[::1]:2376 ", "tcp://[::1]:2376"),
            ("tcp://far:1/behind/", "tcp://far:1/behind"),
            ("ssh://far", "ssh://far"),
            ("ssh://me@far:2222", "ssh://me@far:2222"),
            ("ssh://dom%5Cme@far", "ssh://dom\\me@far"),
            ("ssh://far/run/user/1000/docker.sock", "ssh://far/run/user/1000/docker.sock"),
            ("ssh://far/", "ssh://far"),
        ] {
            assert_eq!(read(text), means, "{text}");
        }
    }

    #[test]
    fn what_could_be_an_option_of_ssh_or_holds_a_password_is_refused() {
        for (text, why) in [
            ("ssh://-oProxyCommand=x", "`-oProxyCommand=x` can be no host and no user"),
            ("ssh://-l@far", "`-l` can be no host and no user"),
            ("ssh://%2Dl@far", "`-l` can be no host and no user"),
            ("ssh://me:word@far", "a password cannot stand in it; ssh asks its agent or reads its keys"),
            ("ssh://", "it names no host"),
            ("ssh://far?x", "there is a `?` or a `#` in it"),
            ("ssh://far:x", "`x` is no port"),
            ("tcp://far:0", "`0` is no port"),
            ("tcp://me@far", "a user can be named for `ssh://` only"),
            ("fd://", "`fd://` is none of `unix://`, `tcp://` and `ssh://`"),
            ("npipe:////./pipe/docker_engine", "named pipes are there on Windows only"),
        ] {
            assert_eq!(read(text), why, "{text}");
        }
    }
}
