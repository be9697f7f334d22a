//! What a connection broke with, for whoever asks why there is no answer.
//!
//! A connection can break before the first request is given to it: a daemon that does not accept
//! this client's certificate says so after the handshake. The HTTP client then only knows that
//! "the connection was not ready"; the reason is kept here.

use std::{
    error, fmt, io,
    sync::{Arc, Mutex, PoisonError},
};

/// An error that can be told twice.
#[derive(Clone, Debug)]
pub struct Broken(Arc<io::Error>);

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self(Arc::new(error))
    }
}

impl From<Broken> for io::Error {
    fn from(broken: Broken) -> Self {
        Self::new(broken.0.kind(), broken)
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl error::Error for Broken {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&*self.0)
    }
}

/// The first trouble since it was last taken out.
#[derive(Clone, Debug, Default)]
pub struct LastTrouble(Arc<Mutex<Option<Broken>>>);

impl LastTrouble {
    /// Keeps it, unless there is one that nobody has taken out.
    pub fn keep(&self, broken: Broken) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(broken);
    }

    /// Takes it out.
    pub fn take(&self) -> Option<Broken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
