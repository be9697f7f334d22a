//! The lock of those who only read.

use crate::{
    clock::Clock,
    error::Result,
    event::{Event, Observer},
    repository::{Lock, ReadLock, Repository},
};

/// Takes a lock to read under, or warns that there is none because none can be written.
pub(super) fn lock_to_read(
    repository: &Repository,
    what: &str,
    clock: &dyn Clock,
    observer: &dyn Observer,
) -> Result<Option<Lock>> {
    match repository.lock_to_read(what, clock)? {
        ReadLock::Held(lock) => Ok(Some(lock)),
        ReadLock::Without(why) => {
            let what = format!(
                "the repository is read without a lock, since none can be written: let nobody prune it \
                 meanwhile ({why})"
            );
            observer.event(&Event::Warning { what });
            Ok(None)
        }
    }
}
