//! Takes chunks, seals them and writes them in packs.
//!
//! Sessions hand in chunks from several threads; each thread seals its own. One pack of data is
//! filled while the one before is hashed, written and flushed by a thread of its own, so there are
//! at most two in memory, and the room of one that was written is filled again: room of this size
//! that is freed in one thread and asked for in another adds up. An error of that thread stays:
//! nothing after it is taken, and nothing is committed.

use super::{
    index::Index,
    opening::{Inner, Repository},
    pack::{Closed, Contents, ENTRY, Filling, Indexed, index_text},
    seal::write_text,
};
use crate::{
    entry::Blob,
    error::{Context, Error, Result},
};
use bytes::Bytes;
use pgbackup_wire::ChunkId;
use rustic_core::FileType;
use std::{
    collections::{HashMap, hash_map},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

/// An index file is written when it would name this many blobs (restic's own limit), so that a
/// backup of any size needs little memory for it.
const INDEX_AT: usize = 50_000;

/// Writes one backup into the repository. Shared by threads.
pub struct Writer {
    pub(super) inner: Arc<Inner>,
    index: Index,
    /// Chunks and trees of this writer, each with the length of its content.
    own: Mutex<Own>,
    data: Mutex<Filling>,
    trees: Mutex<Filling>,
    storing: Mutex<Option<Storing>>,
    stored: Arc<Stored>,
    /// What [`Writer::new_bytes`] tells.
    new_bytes: AtomicU64,
}

#[derive(Default)]
struct Own {
    data: HashMap<ChunkId, u32>,
    trees: HashMap<ChunkId, u32>,
}

/// The thread that writes packs and index files.
struct Storing {
    packs: SyncSender<Filling>,
    thread: JoinHandle<()>,
}

/// What that thread has done.
#[derive(Default)]
struct Stored {
    error: Mutex<Option<Error>>,
    /// Room of a pack that was written.
    room: Mutex<Vec<u8>>,
}

impl Stored {
    fn check(&self) -> Result<()> {
        match &*lock(&self.error) {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }
}

impl Repository {
    /// Prepares to write a backup: loads the index. Take a lock before.
    ///
    /// # Errors
    ///
    /// If this process holds no lock of the repository: what the index names could be pruned.
    pub fn writer(&self) -> Result<Writer> {
        self.inner.guard.require_any("write a backup")?;
        let index = Index::load(&self.inner)?;
        let stored = Arc::new(Stored::default());
        let (packs, received) = sync_channel(0);
        let inner = Arc::clone(&self.inner);
        let shared = Arc::clone(&stored);
        let thread = std::thread::spawn(move || {
            if let Err(error) = store(&inner, &received, &shared.room) {
                *lock(&shared.error) = Some(error);
            }
        });
        Ok(Writer {
            inner: Arc::clone(&self.inner),
            index,
            own: Mutex::default(),
            data: Mutex::new(Filling::new(Contents::Data)),
            trees: Mutex::new(Filling::new(Contents::Tree)),
            storing: Mutex::new(Some(Storing { packs, thread })),
            stored,
            new_bytes: AtomicU64::new(0),
        })
    }
}

impl Writer {
    /// Whether a chunk of this name is stored: in the index, or taken by this writer.
    pub fn has(&self, id: &ChunkId) -> bool {
        self.raw_length(id).is_some()
    }

    /// The length of a chunk's content, if it is stored.
    pub fn raw_length(&self, id: &ChunkId) -> Option<u32> {
        let known = self.index.data(id).map(super::index::Place::raw_length);
        known.or_else(|| lock(&self.own).data.get(id).copied())
    }

    /// Takes a chunk; `true` if it was new. Blocks while two packs wait to be written.
    ///
    /// The content is not hashed again here: whoever cut it named it, in front of a checksum of
    /// the frame it came in, and every reader hashes it.
    ///
    /// # Errors
    ///
    /// If a pack could not be written; then nothing can be committed any more.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a chunk is handed over, so that its memory is free when this returns"
    )]
    pub fn add(&self, blob: Blob) -> Result<bool> {
        if blob.raw_length == 0 || blob.compressed.is_empty() {
            return Err(Error::failed(format!("the chunk `{}` is empty", blob.id)));
        }
        if self.index.data(&blob.id).is_some() {
            return Ok(false);
        }
        match lock(&self.own).data.entry(blob.id) {
            hash_map::Entry::Occupied(_) => return Ok(false),
            hash_map::Entry::Vacant(free) => _ = free.insert(blob.raw_length),
        }
        self.pack(&self.data, blob.id, blob.raw_length, &blob.compressed)?;
        Ok(true)
    }

    /// Takes something small that is not yet cut or compressed: one chunk.
    ///
    /// # Errors
    ///
    /// As [`Self::add`]; also if the content is empty, for which a file has no chunk at all.
    pub fn add_plain(&self, content: &[u8]) -> Result<ChunkId> {
        let id = ChunkId::of(content);
        if !self.has(&id) {
            let compressed = zstd::bulk::compress(content, 3).context("compress a piece of the backup")?;
            let raw_length = u32::try_from(content.len())
                .map_err(|_| Error::failed("a piece of the backup is larger than 4 GiB"))?;
            self.add(Blob { id, raw_length, compressed })?;
        }
        Ok(id)
    }

    /// Bytes that this backup adds to the repository so far: new chunks and trees, sealed, each
    /// with its entry in the pack's header. Those of packs that are still being filled count, too.
    pub fn new_bytes(&self) -> u64 {
        self.new_bytes.load(Ordering::Relaxed)
    }

    /// Takes a tree.
    pub(super) fn add_tree(&self, id: ChunkId, text: &[u8]) -> Result<()> {
        if self.index.tree(&id).is_some() {
            return Ok(());
        }
        let raw_length = u32::try_from(text.len())
            .map_err(|_| Error::failed("a folder of the backup is too large to be described"))?;
        if lock(&self.own).trees.insert(id, raw_length).is_some() {
            return Ok(());
        }
        let compressed = zstd::bulk::compress(text, 3).context("compress a folder's description")?;
        self.pack(&self.trees, id, raw_length, &compressed)
    }

    /// Writes what is left, and waits until everything is durable, the index last.
    pub(super) fn finish_packs(&self) -> Result<()> {
        for filling in [&self.data, &self.trees] {
            let mut filling = lock(filling);
            if !filling.is_empty() {
                self.hand_over(&mut filling)?;
            }
        }
        if let Some(Storing { packs, thread }) = lock(&self.storing).take() {
            drop(packs);
            thread.join().map_err(|_| Error::failed("the thread that writes packs died"))?;
        }
        self.stored.check()
    }

    fn pack(&self, filling: &Mutex<Filling>, id: ChunkId, raw_length: u32, compressed: &[u8]) -> Result<()> {
        let mut sealed = Vec::new();
        self.inner.sealer.seal_into(compressed, &mut sealed)?;
        self.new_bytes.fetch_add((sealed.len() + ENTRY) as u64, Ordering::Relaxed);
        let mut filling = lock(filling);
        filling.push(id, raw_length, &sealed);
        if filling.is_full() {
            return self.hand_over(&mut filling);
        }
        Ok(())
    }

    /// Gives a full pack to the thread that writes; waits until that has taken it.
    fn hand_over(&self, filling: &mut Filling) -> Result<()> {
        let full = filling.take();
        let packs = lock(&self.storing).as_ref().map(|storing| storing.packs.clone());
        let taken = packs.is_some_and(|packs| packs.send(full).is_ok());
        self.stored.check()?;
        if !taken {
            return Err(Error::failed("a chunk came after the end of the backup"));
        }
        // Who has taken this one has written the one before.
        filling.reuse(std::mem::take(&mut *lock(&self.stored.room)));
        Ok(())
    }
}

impl Drop for Writer {
    /// Waits for the thread that writes. What an unfinished backup has stored stays, named by the
    /// index, so that the next attempt need not send it again; a prune removes it.
    fn drop(&mut self) {
        if let Some(Storing { packs, thread }) = lock(&self.storing).take() {
            drop(packs);
            drop(thread.join());
        }
    }
}

/// Closes and writes packs until there are no more; then the last index file. Leaves the room of
/// each that was written. If that fails, the packs that no index names are taken back: a disk that
/// is full has room again for the lock and the index of a prune.
fn store(inner: &Inner, packs: &Receiver<Filling>, room: &Mutex<Vec<u8>>) -> Result<()> {
    let mut unnamed = Vec::new();
    let stored = store_all(inner, packs, room, &mut unnamed);
    if stored.is_err() {
        for pack in unnamed {
            // The first error says more; a pack that stays is removed by a prune.
            drop(inner.backend.take_back(&pack.id));
        }
    }
    stored
}

/// `unnamed` holds what was written and is not in an index yet.
fn store_all(
    inner: &Inner,
    packs: &Receiver<Filling>,
    room: &Mutex<Vec<u8>>,
    unnamed: &mut Vec<Indexed>,
) -> Result<()> {
    for filling in packs {
        let Closed { bytes: content, indexed } = filling.close(&inner.sealer)?;
        let content = Bytes::from(content);
        inner
            .backend
            .write_bytes(FileType::Pack, &indexed.id, false, content.clone().into())
            .context(format!("write the pack `{}`", indexed.id))?;
        // Nobody else holds it any more, so this is the same memory.
        let mut emptied = Vec::from(content);
        emptied.clear();
        *lock(room) = emptied;
        unnamed.push(indexed);
        if unnamed.iter().map(Indexed::blobs).sum::<usize>() >= INDEX_AT {
            write_index(inner, unnamed)?;
        }
    }
    write_index(inner, unnamed)
}

/// Names these packs in an index file. Without a lock they may have been pruned, and an index
/// must not name what is not there.
fn write_index(inner: &Inner, packs: &mut Vec<Indexed>) -> Result<()> {
    if packs.is_empty() {
        return Ok(());
    }
    inner.guard.require_any("write the index")?;
    let text = index_text(packs).context("write down the index")?;
    write_text(inner.backend.as_ref(), &inner.sealer, FileType::Index, &text)?;
    packs.clear();
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
