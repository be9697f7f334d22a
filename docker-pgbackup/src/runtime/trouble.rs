//! What the daemon's errors mean for the person who reads them.

use super::unreachable::{chain, io_error};
use crate::endpoint::{ApiVersion, Endpoint};
use bollard::{errors::Error as DockerError, models::ContainerState};
use pgbackup_engine::{
    error::{Error, Kind},
    target::Target,
};

pub use super::unreachable::unreachable;

/// Puts `what` was tried on top of what bollard says, with a hint where one helps.
pub fn explain(what: impl Into<String>, endpoint: &Endpoint, error: &DockerError) -> Error {
    if io_error(error).is_some() {
        return unreachable(endpoint, error).context(what);
    }
    chain(Error::failed(what), error)
}

/// The daemon answers, and cannot do what is needed.
pub fn too_old(endpoint: &Endpoint, told: ApiVersion, oldest: ApiVersion) -> Error {
    Error::failed(format!("Docker at `{}` is too old", endpoint.address))
        .caused_by(format!("it speaks version {told} of Docker's API, and {oldest} is needed"))
        .hint("Docker 20.10 and Podman 3.4 are new enough")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{endpoint, plugin::Globals};
    use std::collections::BTreeMap;

    fn said(status_code: u16, message: &str) -> DockerError {
        DockerError::DockerResponseServerError { status_code, message: message.to_owned() }
    }

    fn endpoint() -> Endpoint {
        endpoint::resolve(&Globals::default(), &BTreeMap::new()).unwrap()
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
    fn gone_and_stopped_containers_are_told_apart_from_other_trouble() {
        assert!(is_gone(&said(404, "No such container: x")));
        assert!(is_not_running(&said(409, "Container x is restarting")));
        assert!(!is_not_running(&said(500, "ps: not found")));
    }
}
