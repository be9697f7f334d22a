//! Gives back what was stored.
//!
//! A chunk on its way into a server leaves as it is stored, compressed: it is decrypted here, and
//! hashed where it is decompressed. What is used on this side (`content`) is hashed here.

use super::{
    index::{Index, Place},
    opening::{Inner, Repository},
    rustic::from_rustic,
    snapshot::{SnapshotId, StoredFile},
};
use crate::{
    entry::Blob,
    error::{Context, Error, Kind, Result},
};
use pgbackup_wire::ChunkId;
use rustic_core::{
    FileType,
    repofile::{Node, Tree},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// No folder of a backup is deeper; a tree that leads round in a circle ends here.
const DEEPEST: usize = 16;
/// No chunk that this format allows is longer when it is decompressed.
const LONGEST: u32 = 64 << 20;

/// Reads the backups of one repository. Shared by threads.
pub struct Reader {
    pub(super) inner: Arc<Inner>,
    pub(super) index: Index,
    roots: Mutex<HashMap<SnapshotId, ChunkId>>,
}

/// What can be read of a backup's folders.
#[derive(Default)]
pub struct Survey {
    /// Its files, in the order of their paths.
    pub files: Vec<SurveyedFile>,
    /// Its folders, each with the id of its tree.
    pub folders: Vec<(Vec<String>, ChunkId)>,
    /// Folders that cannot be read, and why.
    pub unreadable: Vec<(Vec<String>, Error)>,
}

/// A file as its folder describes it.
pub struct SurveyedFile {
    /// Its folders and its name.
    pub path: Vec<String>,
    /// Its size in bytes.
    pub size: u64,
    /// Its chunks in order.
    pub chunks: Vec<ChunkId>,
}

impl Repository {
    /// Prepares to read: loads the index. Take a shared lock before, so that nothing is pruned
    /// meanwhile.
    pub fn reader(&self) -> Result<Reader> {
        let roots =
            self.snapshots()?.there.into_iter().map(|snapshot| (snapshot.id, snapshot.tree)).collect();
        let index = Index::load(&self.inner)?;
        Ok(Reader { inner: Arc::clone(&self.inner), index, roots: Mutex::new(roots) })
    }
}

impl Reader {
    /// All files of a backup, in the order of their paths.
    ///
    /// # Errors
    ///
    /// [`Kind::Damage`] if a tree or a chunk that it names is not there.
    pub fn files(&self, snapshot: &SnapshotId) -> Result<Vec<StoredFile>> {
        let survey = self.survey(snapshot)?;
        if let Some((_, error)) = survey.unreadable.into_iter().next() {
            return Err(error);
        }
        let stored = |file: SurveyedFile| -> Result<StoredFile> {
            let chunks = self.measured(&file)?;
            Ok(StoredFile { path: file.path, chunks })
        };
        survey.files.into_iter().map(stored).collect()
    }

    /// All that can be read of a backup's folders, whether its chunks are there or not. For those
    /// who look for damage, and want to know all of it.
    pub fn survey(&self, snapshot: &SnapshotId) -> Result<Survey> {
        let mut survey = Survey::default();
        self.walk(&self.root(snapshot)?, &mut Vec::new(), &mut survey);
        Ok(survey)
    }

    /// The length of a chunk's content, if it is stored.
    pub fn raw_length(&self, id: &ChunkId) -> Option<u32> {
        self.index.data(id).map(Place::raw_length)
    }

    /// Sorts chunks as they stand in the packs, so that reading them all reads each pack once.
    pub fn sort_as_stored(&self, ids: &mut [ChunkId]) {
        ids.sort_by_cached_key(|id| self.index.data(id).map(Place::position));
    }

    /// The chunks of one file, in order, each with the length of its content.
    pub fn chunks(&self, snapshot: &SnapshotId, path: &[&str]) -> Result<Vec<(ChunkId, u32)>> {
        let shown = path.join("/");
        let absent = || Error::failed(format!("the backup holds no file `{}`", shown.escape_debug()));
        let (name, folders) = path.split_last().ok_or_else(absent)?;
        let mut tree = self.root(snapshot)?;
        let what = |depth: usize| {
            let above: Vec<_> = folders.iter().take(depth).copied().collect();
            format!("read the folder `/{}`", above.join("/"))
        };
        for (depth, folder) in folders.iter().enumerate() {
            let node =
                self.nodes(&tree).context(what(depth))?.into_iter().find(|node| *node.name() == **folder);
            tree = from_rustic(&*node.and_then(|node| node.subtree).ok_or_else(absent)?);
        }
        let nodes = self.nodes(&tree).context(what(folders.len()))?;
        let node = nodes.into_iter().find(|node| node.is_file() && *node.name() == **name);
        let node = node.ok_or_else(absent)?;
        let chunks = node.content.iter().flatten().map(|id| from_rustic(id)).collect();
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        self.measured(&SurveyedFile { path, size: node.meta.size, chunks })
    }

    /// The bytes of one file, every chunk's hash compared. For small files: it is held whole.
    pub fn file(&self, snapshot: &SnapshotId, path: &[&str]) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        for (id, _) in self.chunks(snapshot, path)? {
            let chunk =
                self.content(&id).map_err(|error| error.context(format!("read `{}`", path.join("/"))))?;
            content.extend_from_slice(&chunk);
        }
        Ok(content)
    }

    /// Whether a chunk is stored, by the index.
    pub fn has(&self, id: &ChunkId) -> bool {
        self.index.data(id).is_some()
    }

    /// A chunk as it is stored, decrypted. Its hash is not compared: the end that decompresses it
    /// does that.
    ///
    /// # Errors
    ///
    /// [`Kind::Damage`] if it is not there or not as it was written; names the pack.
    pub fn blob(&self, id: &ChunkId) -> Result<Blob> {
        let place = self.index.data(id).ok_or_else(|| missing("chunk", id))?;
        let opened = self.open(id, place)?;
        let compressed = if place.is_compressed() {
            opened
        } else {
            zstd::bulk::compress(&opened, 1).context("compress a chunk of another writer")?
        };
        Ok(Blob { id: *id, raw_length: place.raw_length(), compressed })
    }

    /// A chunk's content, its hash compared.
    ///
    /// # Errors
    ///
    /// [`Kind::Damage`] if it is not there or not what was cut; names the pack.
    pub fn content(&self, id: &ChunkId) -> Result<Vec<u8>> {
        let place = self.index.data(id).ok_or_else(|| missing("chunk", id))?;
        self.verified(id, place)
    }

    fn root(&self, snapshot: &SnapshotId) -> Result<ChunkId> {
        let roots = self.roots.lock().unwrap_or_else(PoisonError::into_inner);
        roots
            .get(snapshot)
            .copied()
            .ok_or_else(|| Error::failed(format!("the backup `{}` is not there any more", snapshot.short())))
    }

    fn walk(&self, tree: &ChunkId, above: &mut Vec<String>, survey: &mut Survey) {
        if above.len() >= DEEPEST {
            let error = Error::new(Kind::Damage, "the folders of the backup lead too deep");
            survey.unreadable.push((above.clone(), error));
            return;
        }
        let nodes = match self.nodes(tree) {
            Ok(nodes) => nodes,
            Err(error) => return survey.unreadable.push((above.clone(), error)),
        };
        survey.folders.push((above.clone(), *tree));
        for node in nodes {
            above.push(node.name().to_string_lossy().into_owned());
            if let Some(subtree) = node.subtree {
                self.walk(&from_rustic(&subtree), above, survey);
            } else if node.is_file() {
                let chunks = node.content.iter().flatten().map(|id| from_rustic(id)).collect();
                survey.files.push(SurveyedFile { path: above.clone(), size: node.meta.size, chunks });
            }
            above.pop();
        }
    }

    /// The chunks of a file with the lengths of their contents, which must add up to its size.
    fn measured(&self, file: &SurveyedFile) -> Result<Vec<(ChunkId, u32)>> {
        let within = |error: Error| error.context(format!("read where `{}` is stored", file.path.join("/")));
        let mut size = 0;
        let mut chunks = Vec::with_capacity(file.chunks.len());
        for id in &file.chunks {
            let length = self.raw_length(id).ok_or_else(|| within(missing("chunk", id)))?;
            size += u64::from(length);
            chunks.push((*id, length));
        }
        if size != file.size {
            return Err(within(Error::new(Kind::Damage, "its size is not that of its chunks")));
        }
        Ok(chunks)
    }

    fn nodes(&self, tree: &ChunkId) -> Result<Vec<Node>> {
        let place = self.index.tree(tree).ok_or_else(|| missing("folder", tree))?;
        let text = self.verified(tree, place)?;
        let tree: Tree = serde_json::from_slice(&text).context("read a folder of the backup")?;
        Ok(tree.nodes)
    }

    fn open(&self, id: &ChunkId, place: Place) -> Result<Vec<u8>> {
        let pack = self.index.pack(place).ok_or_else(|| missing("chunk", id))?;
        let sealed = self
            .inner
            .backend
            .read_partial(FileType::Pack, &pack, false, place.offset, place.length)
            .context(format!("read the pack `{}`", pack.to_hex().as_str()))
            .map_err(|error| self.inner.damage(error))?;
        let what = || format!("open the chunk `{id}` in the pack `{}`", pack.to_hex().as_str());
        self.inner.sealer.open(sealed.into()).map_err(|error| error.context(what()))
    }

    fn verified(&self, id: &ChunkId, place: Place) -> Result<Vec<u8>> {
        let opened = self.open(id, place)?;
        let damaged = |why: &str| {
            let pack = self.index.pack(place).map(|pack| pack.to_hex().as_str().to_owned());
            let pack = pack.unwrap_or_default();
            Error::new(Kind::Damage, format!("the chunk `{id}` in the pack `{pack}` is damaged"))
                .caused_by(why)
        };
        if place.raw_length() > LONGEST {
            return Err(damaged("the index gives it an impossible length"));
        }
        let content = if place.is_compressed() {
            zstd::bulk::decompress(&opened, place.raw_length() as usize)
                .map_err(|error| damaged("it cannot be decompressed").caused_by(error))?
        } else {
            opened
        };
        if content.len() != place.raw_length() as usize || ChunkId::of(&content) != *id {
            return Err(damaged("its hash is not its name"));
        }
        Ok(content)
    }
}

fn missing(thing: &str, id: &ChunkId) -> Error {
    Error::new(Kind::Damage, format!("the {thing} `{id}` is not in the repository"))
        .caused_by("the pack that held it is missing or was cut short")
}
