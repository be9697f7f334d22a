//! Work for several sessions at once.

use crate::{
    cancel::Cancel,
    error::{Error, Result},
    mover::StopHandle,
};
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    thread,
};

/// One who can work: a session with what belongs to it.
pub(super) trait Worker: Send {
    /// Stops what it does, from another thread.
    fn stop_handle(&self) -> StopHandle;
}

/// Gives the tasks out in their order, one to each worker that is free, until all are done.
///
/// The first error stops the others where they are, and is returned; otherwise the workers come
/// back.
pub(super) fn work<W: Worker, T: Send>(
    workers: Vec<W>,
    tasks: Vec<T>,
    cancel: &Cancel,
    each: &(dyn Fn(&mut W, T) -> Result<()> + Sync),
) -> Result<Vec<W>> {
    let handles: Vec<StopHandle> = workers.iter().map(Worker::stop_handle).collect();
    let queue = Mutex::new(VecDeque::from(tasks));
    let failure: Mutex<Option<Error>> = Mutex::new(None);
    let next = || {
        if lock(&failure).is_some() {
            return None;
        }
        lock(&queue).pop_front()
    };
    let fail = |error: Error| {
        let mut first = lock(&failure);
        if first.is_none() {
            *first = Some(error);
            handles.iter().for_each(StopHandle::stop);
        }
    };
    let (next, fail) = (&next, &fail);
    let workers = thread::scope(|scope| {
        let running: Vec<_> = workers
            .into_iter()
            .map(|mut worker| {
                scope.spawn(move || {
                    while let Some(task) = next() {
                        if let Err(error) = cancel.check().and_then(|()| each(&mut worker, task)) {
                            fail(error);
                        }
                    }
                    worker
                })
            })
            .collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).collect::<Vec<_>>()
    });
    if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        cancel.check()?;
        return Err(error);
    }
    // A thread that panicked has not given its worker back, and its task is not done.
    if workers.len() != handles.len() {
        return Err(Error::failed("one of the threads that move the data ended unexpectedly"));
    }
    Ok(workers)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
