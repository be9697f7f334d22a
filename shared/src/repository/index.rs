//! Where every blob is: the repository's index, held compactly.
//!
//! A blob costs 48 bytes: its id, and pack, offset and two lengths beside it, in two arrays in the
//! order of the ids. Ids are hashes, so a lookup guesses the position and is there in a few steps.

use super::{opening::Inner, rustic::from_rustic};
use crate::error::{Context, Result};
use pgbackup_wire::ChunkId;
use rustic_core::{
    FileType, Id,
    repofile::{BlobType, IndexFile},
};
use std::collections::HashMap;

/// Where one blob is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its pack, as a position in the index's list of packs.
    pub(super) pack: u32,
    /// Where it begins in the pack.
    pub(super) offset: u32,
    /// How long it is there, sealed.
    pub(super) length: u32,
    /// How long its content is; the highest bit tells whether it is stored without compression.
    raw: u32,
}

/// Set in [`Place::raw`] for a blob that is not compressed (other writers of restic's format).
const PLAIN: u32 = 1 << 31;

impl Place {
    /// Length of the content.
    pub(super) fn raw_length(self) -> u32 {
        self.raw & !PLAIN
    }

    /// Orders blobs as they stand in the packs.
    pub(super) fn position(self) -> (u32, u32) {
        (self.pack, self.offset)
    }

    /// Whether the blob is one zstd frame.
    pub(super) fn is_compressed(self) -> bool {
        self.raw & PLAIN == 0
    }
}

/// One kind of blobs, in the order of their ids.
#[derive(Default)]
struct Shelf {
    ids: Vec<ChunkId>,
    places: Vec<Place>,
}

impl Shelf {
    fn from_unordered(mut found: Vec<(ChunkId, Place)>) -> Self {
        found.sort_unstable_by_key(|(id, place)| (*id, place.pack, place.offset));
        // Two writers at once may both have stored a chunk; either will do.
        found.dedup_by_key(|(id, _)| *id);
        let (ids, places) = found.into_iter().unzip();
        Self { ids, places }
    }

    /// Finds an id. Ids are spread evenly, so the position is guessed from the first eight bytes
    /// and then searched for around the guess.
    fn find(&self, id: &ChunkId) -> Option<Place> {
        let count = self.ids.len();
        let guess = ((u128::from(id.prefix()) * count as u128) >> 64) as usize;
        let (mut low, mut high) = (guess, guess);
        let mut step = 16;
        while low > 0 && self.ids.get(low).is_none_or(|it| it > id) {
            low = low.saturating_sub(step);
            step *= 4;
        }
        step = 16;
        while high < count && self.ids.get(high).is_some_and(|it| it < id) {
            high = high.saturating_add(step).min(count);
            step *= 4;
        }
        let high = high.saturating_add(1).min(count);
        let position = low + self.ids.get(low..high)?.binary_search(id).ok()?;
        self.places.get(position).copied()
    }
}

/// A pack as the index knows it.
#[derive(Clone, Copy)]
pub(super) struct KnownPack {
    pub(super) id: Id,
    /// How long its file is.
    pub(super) size: u32,
    /// How many blobs the index places in it.
    pub(super) blobs: u32,
}

/// The index of a repository as it was when it was loaded.
#[derive(Default)]
pub(super) struct Index {
    packs: Vec<KnownPack>,
    data: Shelf,
    trees: Shelf,
}

impl Index {
    /// Reads all index files. A pack that is named but is not there, or has another length, is
    /// left out with all that it held: what it had counts as not stored, so that a writer stores
    /// it again instead of recording a backup that lacks it.
    pub(super) fn load(inner: &Inner) -> Result<Self> {
        let stored: HashMap<Id, u32> = inner
            .backend
            .list_with_size(FileType::Pack)
            .context("list the repository's packs")?
            .into_iter()
            .collect();
        let mut packs = Vec::new();
        let (mut data, mut trees) = (Vec::new(), Vec::new());
        for file in inner.rustic.stream_files::<IndexFile>().context("read the repository's index")? {
            let (_, file) =
                file.context("read the repository's index").map_err(|error| inner.damage(error))?;
            for pack in file.packs {
                let size = pack.pack_size();
                if stored.get(&pack.id) != Some(&size) {
                    continue;
                }
                let number = packs.len() as u32;
                packs.push(KnownPack { id: *pack.id, size, blobs: pack.blobs.len() as u32 });
                for blob in pack.blobs {
                    let location = blob.location;
                    let raw = match location.uncompressed_length {
                        Some(raw) => raw.get() & !PLAIN,
                        None => location.length.saturating_sub(super::seal::OVERHEAD as u32) | PLAIN,
                    };
                    let place = Place { pack: number, offset: location.offset, length: location.length, raw };
                    let shelf = if blob.tpe == BlobType::Tree { &mut trees } else { &mut data };
                    shelf.push((from_rustic(&blob.id), place));
                }
            }
        }
        Ok(Self { packs, data: Shelf::from_unordered(data), trees: Shelf::from_unordered(trees) })
    }

    /// Where a chunk of data is.
    pub(super) fn data(&self, id: &ChunkId) -> Option<Place> {
        self.data.find(id)
    }

    /// Where a tree is.
    pub(super) fn tree(&self, id: &ChunkId) -> Option<Place> {
        self.trees.find(id)
    }

    /// The pack of a place.
    pub(super) fn pack(&self, place: Place) -> Option<Id> {
        self.known_pack(place.pack).map(|pack| pack.id)
    }

    /// A pack by its number in this index.
    pub(super) fn known_pack(&self, number: u32) -> Option<KnownPack> {
        self.packs.get(number as usize).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(number: u32) -> Place {
        Place { pack: 0, offset: number, length: 1, raw: 1 }
    }

    #[test]
    fn every_id_is_found_and_no_other() {
        for count in [0_u32, 1, 2, 3, 100, 5000] {
            let id = |number: u32| ChunkId::of(&number.to_le_bytes());
            let shelf = Shelf::from_unordered((0..count).map(|it| (id(it), place(it))).collect());
            for number in 0..count {
                assert_eq!(shelf.find(&id(number)), Some(place(number)));
            }
            for number in count..count + 1000 {
                assert_eq!(shelf.find(&id(number)), None);
            }
        }
    }

    #[test]
    fn ids_that_are_not_spread_evenly_are_found_too() {
        let id = |number: u16, first: u8| {
            let mut bytes = [0; 32];
            bytes[0] = first;
            bytes[1..3].copy_from_slice(&number.to_be_bytes());
            ChunkId(bytes)
        };
        for first in [0, 1, 127, 255] {
            let ids: Vec<_> = (0..3000).map(|it| (id(it, first), place(it.into()))).collect();
            let shelf = Shelf::from_unordered(ids);
            for number in 0..3000 {
                assert_eq!(shelf.find(&id(number, first)), Some(place(number.into())));
            }
            assert_eq!(shelf.find(&ChunkId([255; 32])), None);
            assert_eq!(shelf.find(&ChunkId([0; 32])), (first == 0).then(|| place(0)));
        }
    }

    #[test]
    fn a_chunk_that_is_stored_twice_is_found_once() {
        let id = ChunkId::of(b"x");
        let shelf = Shelf::from_unordered(vec![(id, place(1)), (id, place(0))]);
        assert_eq!(shelf.ids.len(), 1);
        assert_eq!(shelf.find(&id), Some(place(0)));
    }
}
