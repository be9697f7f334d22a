//! Reads chunks back with several threads, each chunk's hash compared.

use super::AtRepository;
use crate::{
    error::{Error, Result},
    event::Event,
    repository::Reader,
};
use pgbackup_wire::ChunkId;
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

/// More threads than this wait for the disk and not for a processor.
const MOST_THREADS: usize = 8;
/// Chunks that a thread takes at a time.
const BATCH: usize = 32;

/// Hands the content of every chunk to `each`, in no particular order and from several threads;
/// `each` says whether to go on. A chunk that cannot be read is handed over as its error.
///
/// `each` gets the chunk's position in `ids`. Tells the observer what was read, of `total` bytes.
///
/// # Errors
///
/// The first error of `each`, or the user's cancel.
pub(super) fn read_back(
    at: &AtRepository<'_>,
    reader: &Reader,
    ids: &[ChunkId],
    total: u64,
    each: &(dyn Fn(usize, Result<Vec<u8>>) -> Result<()> + Sync),
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let failed: Mutex<Option<Error>> = Mutex::new(None);
    let work = || -> Result<()> {
        loop {
            let start = next.fetch_add(BATCH, Ordering::Relaxed);
            let end = start.saturating_add(BATCH).min(ids.len());
            let Some(batch) = ids.get(start..end).filter(|batch| !batch.is_empty()) else { return Ok(()) };
            at.cancel.check()?;
            let mut bytes = 0;
            for (position, id) in (start..).zip(batch) {
                let content = reader.content(id);
                bytes += content.as_ref().map_or(0, |content| content.len() as u64);
                each(position, content)?;
            }
            at.observer.event(&Event::Checked { bytes, of: total });
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads() {
            scope.spawn(|| {
                if let Err(error) = work() {
                    // The others find nothing left to take.
                    next.store(ids.len(), Ordering::Relaxed);
                    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            });
        }
    });
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(MOST_THREADS)
}
