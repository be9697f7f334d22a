//! Prefixes of chunks that the repository is said to hold.

use pgbackup_wire::ChunkId;
use std::sync::{Arc, Mutex, PoisonError};

/// No more are kept (8 MiB), so that the container's memory is safe. A chunk beyond them is
/// sent although the repository may hold it, which costs time and nothing else.
const MOST: usize = 1 << 20;

/// All prefixes, shared by the channels.
#[derive(Default)]
pub struct Known(Mutex<Arc<Vec<u64>>>);

impl Known {
    pub fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::default();
    }

    pub fn add(&self, prefixes: &[u64]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = Arc::make_mut(&mut all);
        let room = MOST.saturating_sub(all.len());
        all.extend(prefixes.iter().take(room));
        all.sort_unstable();
    }

    /// The prefixes as they are now.
    pub fn snapshot(&self) -> Prefixes {
        Prefixes(Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Prefixes at one moment.
#[derive(Default)]
pub struct Prefixes(Arc<Vec<u64>>);

impl Prefixes {
    pub fn hold(&self, id: &ChunkId) -> bool {
        self.0.binary_search(&id.prefix()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_known_from_its_adding_to_the_forgetting() {
        let known = Known::default();
        let (a, b) = (ChunkId::of(b"a"), ChunkId::of(b"b"));
        known.add(&[a.prefix()]);
        known.add(&[1]);
        let before = known.snapshot();
        known.forget();
        assert!(before.hold(&a) && !before.hold(&b));
        assert!(!known.snapshot().hold(&a));
    }

    #[test]
    fn no_more_prefixes_are_kept_than_memory_allows() {
        let known = Known::default();
        let many: Vec<u64> = (0..MOST as u64 + 5).collect();
        known.add(&many);
        assert_eq!(known.snapshot().0.len(), MOST);
    }
}
