//! What the daemon's errors mean for the person who reads them.

use crate::endpoint::Endpoint;
use bollard::{errors::Error as DockerError, models::ContainerState};
use pgbackup_engine::{
    error::{Error, Kind},
    target::Target,
};
use std::{error::Error as _, io};

/// Puts `what` was tried on top of what bollard says, with a hint where one helps.
pub fn explain(what: impl Into<String>, endpoint: &Endpoint, error: &DockerError) -> Error {
    if io_kind(error).is_some() {
        return unreachable(endpoint, error).context(what);
    }
    chain(Error::failed(what), error)
}

/// The daemon could not be spoken to.
pub fn unreachable(endpoint: &Endpoint, error: &DockerError) -> Error {
    let socket = endpoint.socket.display();
    let made = Error::failed(format!("cannot reach Docker at `{socket}` ({})", endpoint.origin));
    match (error, io_kind(error)) {
        (DockerError::SocketNotFoundError(_), _) | (_, Some(io::ErrorKind::NotFound)) => made
            .caused_by("there is no such socket")
            .hint("start Docker, or say where it is: `docker context ls`, `DOCKER_HOST=unix:///path`"),
        (_, Some(io::ErrorKind::PermissionDenied)) => made
            .caused_by("permission denied")
            .hint("let your user speak to Docker: `sudo usermod -aG docker $USER`, then log in again"),
        (_, Some(io::ErrorKind::ConnectionRefused)) => made
            .caused_by("nothing listens on the socket")
            .hint("start Docker: `sudo systemctl start docker`"),
        (DockerError::RequestTimeoutError, _) => {
            made.caused_by("the daemon does not answer").hint("see whether `docker info` answers")
        }
        _ => chain(made, error).hint("see what `docker info` says"),
    }
}

/// Adds what can be done about a container that takes no programs now.
pub fn of_container(error: Error, target: &Target) -> Error {
    let name = &target.name;
    let says = |words: &str| error.causes.iter().any(|cause| cause.contains(words));
    let hint = if says("is paused") {
        format!("go on with `docker unpause {name}`")
    } else if says("is restarting") {
        format!("it does not stay up: see why with `docker logs {name}`")
    } else if says("is not running") {
        format!("start it with `docker start {name}`")
    } else if says("No such container") {
        "see what runs with `docker ps`".to_owned()
    } else {
        return error;
    };
    Error { kind: Kind::Target, ..error.hint(hint) }
}

/// What to say of a container that exists and does not run; nothing if it runs after all.
pub fn stopped(name: &str, state: Option<&ContainerState>) -> Option<Error> {
    let state = state?;
    if state.running == Some(true) {
        return None;
    }
    let error = Error::new(Kind::Target, format!("the container `{name}` is not running"));
    let status = state.status.map(|status| status.to_string()).unwrap_or_default();
    let error = match (status.as_str(), state.exit_code) {
        ("exited", Some(code)) => error.caused_by(format!("it ended with exit status {code}")),
        ("", _) => error,
        (status, _) => error.caused_by(format!("Docker says that it is {status}")),
    };
    Some(error.hint(format!("start it with `docker start {name}`")))
}

/// Whether the daemon could not make sense of a name, or found it to begin more than one id.
pub fn is_bad_name(error: &DockerError) -> bool {
    match error {
        DockerError::DockerResponseServerError { status_code: 400, .. } => true,
        DockerError::DockerResponseServerError { message, .. } => message.contains("multiple IDs found"),
        _ => false,
    }
}

/// Whether the container is not there any more.
pub fn is_gone(error: &DockerError) -> bool {
    matches!(error, DockerError::DockerResponseServerError { status_code: 404, .. })
}

/// Whether the container is there and does not run.
///
/// Current daemons say 409; older ones said 500, with the same words.
pub fn is_not_running(error: &DockerError) -> bool {
    match error {
        DockerError::DockerResponseServerError { status_code, message } => {
            *status_code == 409 || message.contains("is not running") || message.contains("is restarting")
        }
        _ => false,
    }
}

/// Makes the error and its sources causes, each said once: outer ones often repeat inner ones.
fn chain(mut made: Error, error: &DockerError) -> Error {
    if let DockerError::DockerResponseServerError { message, .. } = error {
        return made.caused_by(message);
    }
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(cause) = source {
        let text = cause.to_string();
        if made.causes.last() != Some(&text) {
            made = made.caused_by(text);
        }
        source = cause.source();
    }
    made
}

/// The kind of the I/O error at the root, where there is one.
fn io_kind(error: &DockerError) -> Option<io::ErrorKind> {
    if let DockerError::IOError { err } = error {
        return Some(err.kind());
    }
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        source = cause.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status_code: u16, message: &str) -> DockerError {
        DockerError::DockerResponseServerError { status_code, message: message.to_owned() }
    }

    fn endpoint() -> Endpoint {
        Endpoint { socket: "/x".into(), origin: "Docker context `default`".into() }
    }

    #[test]
    fn a_paused_container_comes_with_the_command_that_wakes_it() {
        let target = Target { name: "pg".into(), ..Target::default() };
        let daemon = said(409, "Container 1 is paused, unpause the container before exec");
        let error = of_container(explain("run a program", &endpoint(), &daemon), &target);
        assert_eq!(error.kind, Kind::Target);
        assert_eq!(error.hints, ["go on with `docker unpause pg`"]);
    }

    #[test]
    fn a_container_that_has_ended_comes_with_its_status_and_the_command_that_starts_it() {
        let ended = ContainerState {
            running: Some(false),
            status: Some(bollard::models::ContainerStateStatusEnum::EXITED),
            exit_code: Some(1),
            ..ContainerState::default()
        };
        let error = stopped("pg", Some(&ended)).unwrap();
        assert_eq!(error.to_string(), "the container `pg` is not running: it ended with exit status 1");
        assert_eq!(error.hints, ["start it with `docker start pg`"]);
        assert!(stopped("pg", Some(&ContainerState { running: Some(true), ..ended })).is_none());
    }

    #[test]
    fn a_socket_without_rights_names_the_group() {
        let denied = DockerError::IOError { err: io::ErrorKind::PermissionDenied.into() };
        let error = explain("list the containers", &endpoint(), &denied);
        assert_eq!(error.what, "list the containers");
        assert!(error.hints[0].contains("usermod -aG docker"));
    }

    #[test]
    fn gone_and_stopped_containers_are_told_apart_from_other_trouble() {
        assert!(is_gone(&said(404, "No such container: x")));
        assert!(is_not_running(&said(409, "Container x is restarting")));
        assert!(!is_not_running(&said(500, "ps: not found")));
    }
}
