//! What the server said when it refused.

use crate::error::Error;
use pgbackup_wire::Failure;

/// A command that failed: by the server's word, by the operating system's, or because the
/// stream to the mover is gone.
#[derive(Clone, Debug)]
pub struct ServerError {
    /// What was said, with its SQLSTATE if it was the server.
    pub failure: Box<Failure>,
    /// The error as it is told: for what is no server's word, with its own causes and hints.
    error: Box<Error>,
}

impl ServerError {
    /// SQLSTATE, empty if the server did not say it.
    pub fn code(&self) -> &str {
        &self.failure.code
    }
}

impl From<Failure> for ServerError {
    fn from(failure: Failure) -> Self {
        let mut error = Error::failed(failure.message.clone());
        for cause in [&failure.detail, &failure.place] {
            if !cause.is_empty() {
                error = error.caused_by(cause);
            }
        }
        if !failure.hint.is_empty() {
            error = error.hint(failure.hint.clone());
        }
        Self { failure: Box::new(failure), error: Box::new(error) }
    }
}

impl From<Error> for ServerError {
    fn from(error: Error) -> Self {
        let failure = Failure { message: error.to_string(), fatal: true, ..Failure::default() };
        Self { failure: Box::new(failure), error: Box::new(error) }
    }
}

impl From<ServerError> for Error {
    fn from(error: ServerError) -> Self {
        *error.error
    }
}

impl std::fmt::Display for ServerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for ServerError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_comes_first_and_detail_and_place_are_its_causes() {
        let failure = Failure {
            message: "duplicate key value".into(),
            code: "23505".into(),
            detail: "Key (id)=(1) already exists.".into(),
            hint: "try another".into(),
            place: "COPY t, line 3".into(),
            fatal: false,
        };
        let told = ServerError::from(failure);
        assert_eq!(told.code(), "23505");
        let error = Error::from(told);
        assert_eq!(error.what, "duplicate key value");
        assert_eq!(error.causes, ["Key (id)=(1) already exists.", "COPY t, line 3"]);
        assert_eq!(error.hints, ["try another"]);
    }
}
