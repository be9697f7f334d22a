//! Why a daemon cannot be spoken to, for each way to one.

use crate::{
    endpoint::{Address, Endpoint, Ssh, Tcp},
    transport::SshEnded,
};
use bollard::errors::Error as DockerError;
use pgbackup_engine::error::Error;
use std::{error::Error as _, io};
use tokio_rustls::rustls::{AlertDescription, CertificateError, Error as TlsError};

/// The exit status of a shell that does not find a program. Source: POSIX, 2.8.2.
const NOT_FOUND: i32 = 127;

/// The daemon could not be spoken to.
pub fn unreachable(endpoint: &Endpoint, error: &DockerError) -> Error {
    let address = &endpoint.address;
    let made = Error::failed(format!("cannot reach Docker at `{address}` (from {})", endpoint.source));
    if matches!(error, DockerError::RequestTimeoutError) {
        return made.caused_by("the daemon does not answer").hint("see whether `docker info` answers");
    }
    match address {
        Address::Unix(_) => at_a_socket(made, error),
        Address::Tcp(tcp) => at_a_port(made, tcp, error),
        Address::Ssh(ssh) => by_ssh(made, ssh, error),
    }
}

fn at_a_socket(made: Error, error: &DockerError) -> Error {
    match io_error(error).map(io::Error::kind) {
        Some(io::ErrorKind::NotFound) => made
            .caused_by("there is no such socket")
            .hint("start Docker, or say where it is: `docker context ls`, `DOCKER_HOST=unix:///path`"),
        Some(io::ErrorKind::PermissionDenied) => made
            .caused_by("permission denied")
            .hint("let your user speak to Docker: `sudo usermod -aG docker $USER`, then log in again"),
        Some(io::ErrorKind::ConnectionRefused) => made
            .caused_by("nothing listens on the socket")
            .hint("start Docker: `sudo systemctl start docker`"),
        _ => chain(made, error).hint("see what `docker info` says"),
    }
}

fn at_a_port(made: Error, tcp: &Tcp, error: &DockerError) -> Error {
    // A daemon with TLS says this itself, without any. Source: Go, net/http, server.go.
    if let DockerError::DockerResponseServerError { status_code: 400, message } = error
        && message.contains("HTTP request to an HTTPS server")
    {
        return made.caused_by("the daemon speaks TLS only").hint(
            "ask for it: `docker --tlsverify ...`, `DOCKER_TLS_VERIFY=1`, or a context with certificates",
        );
    }
    let io = io_error(error);
    if let Some(tls) = io.and_then(inside::<TlsError>) {
        return with_tls(made, tcp, tls);
    }
    match io.map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => made
            .caused_by("connection refused: nothing listens there")
            .hint("see the address with `docker context inspect`, and on that host whether the daemon listens on it"),
        Some(io::ErrorKind::TimedOut) => made
            .caused_by("no connection within 30 s: the host is away, or a firewall lets nothing through"),
        _ => {
            let made = chain(made, error);
            match &tcp.tls {
                // The refusal itself can be lost with the connection that it ends.
                Some(tls) if tls.certificate.is_none() || tls.key.is_none() => made.hint(
                    "the daemon may ask for a client's certificate, and there is none: `--tlscert FILE` and \
                     `--tlskey FILE`, `cert.pem` and `key.pem` in `DOCKER_CERT_PATH`, or a context with both",
                ),
                _ => made.hint("see what `docker info` says"),
            }
        }
    }
}

fn with_tls(made: Error, tcp: &Tcp, error: &TlsError) -> Error {
    let files = tcp.tls.as_ref();
    let own = files.and_then(|tls| tls.certificate.as_ref().zip(tls.key.as_ref()));
    match error {
        TlsError::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => {
            let made = made.caused_by("the daemon's certificate is not trusted");
            match files.and_then(|tls| tls.ca.as_ref()) {
                Some(ca) => made
                    .caused_by(format!("no authority in `{}` has signed it", ca.path.display()))
                    .hint("take the `ca.pem` by which this daemon's certificate was signed"),
                None => made
                    .caused_by("no authority that this system knows has signed it")
                    .hint("name the authority: `--tlscacert FILE`, or `ca.pem` in the context"),
            }
        }
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => made
            .caused_by(format!("the daemon's certificate is not made for `{}`", tcp.host))
            .caused_by(error)
            .hint("use a name that it is made for, or have it made with this one (`subjectAltName`)"),
        TlsError::InvalidCertificate(reason) => {
            made.caused_by("the daemon's certificate is not trusted").caused_by(told(reason))
        }
        TlsError::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
            | AlertDescription::HandshakeFailure,
        ) => match own {
            None => made.caused_by("the daemon asks for a client's certificate, and there is none").hint(
                "name it: `--tlscert FILE` and `--tlskey FILE`, `cert.pem` and `key.pem` in \
                 `DOCKER_CERT_PATH`, or a context with both",
            ),
            Some((certificate, _)) => made
                .caused_by(format!("the daemon does not accept `{}`", certificate.path.display()))
                .caused_by(error)
                .hint("take a certificate that is signed by the daemon's `--tlscacert` and not expired"),
        },
        TlsError::InvalidMessage(_) => made
            .caused_by("what listens there does not speak TLS")
            .hint("leave out `--tls`, `--tlsverify`, `DOCKER_TLS` and `DOCKER_TLS_VERIFY`, or name the port for TLS"),
        other => made.caused_by(other).hint("see what `docker info` says"),
    }
}

/// The library's words for what is wrong with a certificate, or better ones.
fn told(reason: &CertificateError) -> String {
    match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired".to_owned(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet; is this machine's clock right?".to_owned()
        }
        other => TlsError::InvalidCertificate(other.clone()).to_string(),
    }
}

fn by_ssh(made: Error, ssh: &Ssh, error: &DockerError) -> Error {
    let io = io_error(error);
    let Some(ended) = io.and_then(inside::<SshEnded>) else {
        return match io.map(io::Error::kind) {
            Some(io::ErrorKind::NotFound) => {
                made.caused_by("there is no `ssh` on this machine").hint("install OpenSSH's client")
            }
            _ => chain(made, error).hint(format!("see what `{} docker info` says", typed(ssh))),
        };
    };
    let made = ended.said.iter().fold(made, Error::caused_by);
    let made = if ended.said.is_empty() { made.caused_by(ended) } else { made };
    let says = |words: &str| ended.said.iter().any(|line| line.contains(words));
    let typed = typed(ssh);
    if ended.status == Some(NOT_FOUND) {
        return made.caused_by("there is no `docker` for programs that ssh runs there").hint(format!(
            "install Docker's command line there, or put it on the PATH that `{typed} 'echo $PATH'` shows"
        ));
    }
    if says("Permission denied (") {
        return made.hint(format!(
            "`{typed} docker version` has to work without a question: see the keys with `ssh-add -l`"
        ));
    }
    if says("Host key verification failed") {
        return made.hint(format!("look at the host's key and accept it once: `{typed} true`"));
    }
    if says("dial-stdio") {
        return made.hint("that host needs Docker 18.09 or later");
    }
    if says("docker.sock") || says("Docker daemon") || says("docker daemon") {
        return made.hint(format!("the daemon there cannot be reached: see `{typed} docker version`"));
    }
    made.hint(format!("see what `{typed} docker version` says"))
}

/// The command by which a person tries the same.
fn typed(ssh: &Ssh) -> String {
    let user = ssh.user.as_ref().map(|user| format!("{user}@")).unwrap_or_default();
    let port = ssh.port.map(|port| format!("-p {port} ")).unwrap_or_default();
    format!("ssh {port}{user}{}", ssh.host)
}

/// Makes the error and its sources causes, each said once: outer ones often repeat inner ones.
///
/// Of what the HTTP client says only the root is kept: the rest is about its own insides.
pub fn chain(mut made: Error, error: &DockerError) -> Error {
    if let DockerError::DockerResponseServerError { message, .. } = error {
        return made.caused_by(message);
    }
    let insides =
        matches!(error, DockerError::HyperLegacyError { .. } | DockerError::HyperResponseError { .. });
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(cause) = source {
        source = cause.source();
        let text = cause.to_string();
        if made.causes.last() != Some(&text) && (source.is_none() || !insides) {
            made = made.caused_by(text);
        }
    }
    made
}

/// The I/O error at the root, where there is one.
pub fn io_error(error: &DockerError) -> Option<&io::Error> {
    let mut found = if let DockerError::IOError { err } = error { Some(err) } else { None };
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            found = Some(io);
        }
        source = cause.source();
    }
    found
}

/// What an I/O error was made of, however often it was wrapped.
fn inside<T: std::error::Error + 'static>(error: &io::Error) -> Option<&T> {
    let inner = error.get_ref()?;
    match inner.downcast_ref() {
        Some(found) => Some(found),
        None => inner.downcast_ref().and_then(inside),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{endpoint, plugin::Globals};
    use std::collections::BTreeMap;

    fn at(host: &str, error: impl Into<io::Error>) -> Error {
        let globals = Globals { host: Some(host.into()), ..Globals::default() };
        let endpoint = endpoint::resolve(&globals, &BTreeMap::new()).unwrap();
        unreachable(&endpoint, &DockerError::IOError { err: error.into() })
    }

    fn ended(status: i32, said: &[&str]) -> io::Error {
        io::Error::other(SshEnded {
            status: Some(status),
            said: said.iter().map(|&line| line.to_owned()).collect(),
        })
    }

    #[test]
    fn a_socket_without_rights_names_the_group() {
        let error = at("unix:///x", io::ErrorKind::PermissionDenied);
        assert_eq!(error.what, "cannot reach Docker at `unix:///x` (from `--host`)");
        assert!(error.hints[0].contains("usermod -aG docker"));
    }

    #[test]
    fn ssh_s_own_words_are_the_causes_and_the_hint_fits_them() {
        for (status, said, hint) in [
            (255, "me@far: Permission denied (publickey).", "without a question"),
            (255, "Host key verification failed.", "accept it once: `ssh -p 22 me@far true`"),
            (127, "bash: line 1: docker: command not found", "install Docker's command line there"),
            (1, "Cannot connect to the Docker daemon at unix:///x.", "the daemon there cannot be reached"),
            (255, "ssh: connect to host far port 22: Connection refused", "docker version` says"),
        ] {
            let error = at("ssh://me@far:22", ended(status, &[said]));
            assert_eq!(error.causes[0], said);
            assert!(error.hints[0].contains(hint), "{error:?}");
        }
        let silent = at("ssh://far", ended(255, &[]));
        assert_eq!(silent.causes, ["`ssh` ended with exit status 255"]);
    }

    #[test]
    fn what_tls_says_is_told_in_words() {
        for (tls, cause) in [
            (TlsError::InvalidCertificate(CertificateError::Expired), "it has expired"),
            (
                TlsError::AlertReceived(AlertDescription::CertificateRequired),
                "asks for a client's certificate",
            ),
            (
                TlsError::InvalidMessage(tokio_rustls::rustls::InvalidMessage::InvalidContentType),
                "does not speak TLS",
            ),
        ] {
            // As it comes: wrapped by the library, and once more on its way.
            let error =
                at("tcp://far:2376", io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls)));
            assert!(error.to_string().contains(cause), "{error:?}");
        }
    }
}
