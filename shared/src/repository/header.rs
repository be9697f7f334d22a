//! Compares the headers of packs with the index.
//!
//! A backup is read by the index alone, so a header that is damaged hurts nobody until the index
//! is lost and made anew from the headers. Then it is too late to find out; so those who look for
//! damage read the headers too.

use super::{
    index::{Index, KnownPack},
    reader::Reader,
    seal::OVERHEAD,
};
use crate::error::{Context, Error, Kind, Result};
use pgbackup_wire::ChunkId;
use rustic_core::FileType;
use std::collections::HashSet;

/// Bytes of the header's length, which ends a pack.
const LENGTH: u32 = 4;

/// A pack, for as long as its reader lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackNumber(u32);

impl Reader {
    /// The pack that holds a chunk, by the index.
    pub fn pack_of_chunk(&self, id: &ChunkId) -> Option<PackNumber> {
        self.index.data(id).map(|place| PackNumber(place.pack))
    }

    /// The pack that holds a folder's tree, by the index.
    pub fn pack_of_folder(&self, id: &ChunkId) -> Option<PackNumber> {
        self.index.tree(id).map(|place| PackNumber(place.pack))
    }

    /// Passes if a pack's header says of every blob what the index says, and names the `needed`
    /// ones.
    ///
    /// # Errors
    ///
    /// [`Kind::Damage`] if the header cannot be read or says something else; names the pack.
    pub fn check_header<'a>(
        &self,
        pack: PackNumber,
        needed: impl IntoIterator<Item = &'a ChunkId>,
    ) -> Result<()> {
        let known = self.index.known_pack(pack.0).ok_or_else(|| Error::failed("there is no such pack"))?;
        let checked = self.header(known).and_then(|header| {
            let named = compare(&self.index, known, &header).map_err(|why| Error::new(Kind::Damage, why))?;
            match needed.into_iter().find(|id| !named.contains(*id)) {
                Some(id) => Err(Error::new(Kind::Damage, format!("it does not name `{id}`"))),
                None => Ok(()),
            }
        });
        checked.context(format!("the header of the pack `{}` is damaged", known.id.to_hex().as_str()))
    }

    /// A pack's header, decrypted.
    fn header(&self, pack: KnownPack) -> Result<Vec<u8>> {
        let read = |offset, length| {
            let content = self.inner.backend.read_partial(FileType::Pack, &pack.id, false, offset, length);
            content.context("read the pack").map_err(|error| self.inner.damage(error))
        };
        let impossible = || Error::new(Kind::Damage, "its length is impossible");
        let end = pack.size.checked_sub(LENGTH).ok_or_else(impossible)?;
        let length = read(end, LENGTH)?.as_ref().try_into().map(u32::from_le_bytes);
        let length = length.map_err(|_| impossible())?;
        let begin = end.checked_sub(length).ok_or_else(impossible)?;
        self.inner.sealer.open(read(begin, length)?.into())
    }
}

/// One entry of a header.
///
/// Source: restic's design document, "Pack Format": type (0 data, 1 tree; 2 and 3 the same,
/// compressed), sealed length, of compressed blobs the content's length, id.
struct Entry {
    is_tree: bool,
    length: u32,
    /// Length of the content if it is compressed.
    raw_length: Option<u32>,
    id: ChunkId,
}

/// Takes the first entry off a header.
fn first_entry(header: &[u8]) -> Option<(Entry, &[u8])> {
    let (kind, rest) = header.split_first()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (raw_length, rest) = match kind {
        0 | 1 => (None, rest),
        2 | 3 => {
            let (raw_length, rest) = rest.split_first_chunk()?;
            (Some(u32::from_le_bytes(*raw_length)), rest)
        }
        _ => return None,
    };
    let (id, rest) = rest.split_first_chunk()?;
    let entry =
        Entry { is_tree: kind & 1 == 1, length: u32::from_le_bytes(*length), raw_length, id: ChunkId(*id) };
    Some((entry, rest))
}

/// Compares each entry with its place in the index; gives the ids.
fn compare(index: &Index, pack: KnownPack, header: &[u8]) -> Result<HashSet<ChunkId>, String> {
    let mut named = HashSet::new();
    let (mut rest, mut offset, mut blobs) = (header, 0_u32, 0_u32);
    while !rest.is_empty() {
        let (entry, after) = first_entry(rest).ok_or("it cannot be understood")?;
        let place = if entry.is_tree { index.tree(&entry.id) } else { index.data(&entry.id) };
        let place = place.ok_or_else(|| format!("it names `{}`, which the index does not", entry.id))?;
        // Two writers at once may have stored a blob twice; the index then has the other one.
        let is_here = index.pack(place) == Some(pack.id);
        let raw_length = place.is_compressed().then_some(place.raw_length());
        if is_here && (place.offset, place.length, raw_length) != (offset, entry.length, entry.raw_length) {
            return Err(format!("it has another place for `{}` than the index", entry.id));
        }
        named.insert(entry.id);
        offset = offset.checked_add(entry.length).ok_or("its blobs are longer than a pack")?;
        blobs += 1;
        rest = after;
    }
    let end = u64::from(offset) + (header.len() + OVERHEAD) as u64 + u64::from(LENGTH);
    if end != u64::from(pack.size) {
        return Err(format!("its blobs end at {offset}, which is not where it begins"));
    }
    if blobs != pack.blobs {
        return Err(format!("it names {blobs} blobs, and the index {}", pack.blobs));
    }
    Ok(named)
}
