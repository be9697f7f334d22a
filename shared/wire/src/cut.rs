//! Cutting text where its content says so, so that equal text gives equal chunks wherever in a
//! table it stands.
//!
//! A gear hash rolls over the text (64 bytes back by construction: each byte shifts the older
//! ones out by one bit). A chunk ends where the hash is small enough. Before the average
//! length it must be four times smaller than chance alone would ask for, after it four times
//! less small, so lengths gather around the average ("normalised" as in `FastCDC`, Xia et al.,
//! USENIX ATC 2016, level 2).
//!
//! The table and the rules are fixed for ever: other boundaries would end deduplication with
//! every backup that exists. The tests hold them to known values.

use crate::{MAX_CHUNK, message::CutSizes};

/// Random numbers of the hash, one for each value of a byte.
static GEAR: [u64; 256] = gear();

/// `SplitMix64` from zero. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number
/// generators", OOPSLA 2014.
const fn gear() -> [u64; 256] {
    let mut table = [0; 256];
    let mut state = 0_u64;
    let mut i = 0;
    while i < table.len() {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        table[i] = z ^ (z >> 31);
        i += 1;
    }
    table
}

/// Unscanned text is gathered up to this length, because rows are short and the scan is fast
/// only when it runs for a while.
const GATHER: usize = 16 << 10;

impl CutSizes {
    /// The sizes for a table of so many bytes: 64 KiB on average up to 4 GiB, doubling with
    /// each factor of four, to 1 MiB, so that the index of a large table stays small.
    pub fn for_table(bytes: u64) -> Self {
        let mut average = 64 << 10;
        let mut limit = 4_u64 << 30;
        while bytes > limit && average < 1 << 20 {
            average *= 2;
            limit = limit.saturating_mul(4);
        }
        Self { min: average / 4, average, max: average * 4 }
    }

    /// Whether a stream can be cut so.
    pub fn is_sound(&self) -> bool {
        self.average.is_power_of_two()
            && self.average >= 256
            && self.min > 0
            && self.min <= self.average
            && self.average <= self.max
            && self.max as usize <= MAX_CHUNK
    }
}

/// Cuts one stream after the other into chunks. Boundaries depend on the stream alone, not on
/// how it was split into pushes.
pub struct Cutter {
    buffer: Vec<u8>,
    /// Bytes of the chunk at the front of the buffer that the hash has gone over, or that are
    /// too near to its beginning to end it.
    scanned: usize,
    hash: u64,
    min: usize,
    average: usize,
    max: usize,
    /// The hash must be less, before and after the average.
    strict: u64,
    loose: u64,
}

impl Cutter {
    /// A cutter for these sizes; none if they are not [sound](CutSizes::is_sound).
    pub fn new(sizes: CutSizes) -> Option<Self> {
        if !sizes.is_sound() {
            return None;
        }
        let bits = sizes.average.trailing_zeros();
        Some(Self {
            buffer: Vec::with_capacity(sizes.max as usize + 2 * GATHER),
            scanned: sizes.min as usize,
            hash: 0,
            min: sizes.min as usize,
            average: sizes.average as usize,
            max: sizes.max as usize,
            strict: 1 << (64 - (bits + 2)),
            loose: 1 << (64 - (bits - 2)),
        })
    }

    /// Takes the next bytes of the stream; gives each chunk that is complete to `each`.
    ///
    /// # Errors
    ///
    /// The first error of `each`, after which the stream is worthless: call [`Cutter::reset`].
    pub fn push<E>(
        &mut self,
        mut text: &[u8],
        each: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while !text.is_empty() {
            let (now, later) = text.split_at(text.len().min(GATHER));
            self.buffer.extend_from_slice(now);
            text = later;
            if self.buffer.len() >= self.scanned + GATHER {
                self.cut(each)?;
            }
        }
        Ok(())
    }

    /// Ends the stream: gives the chunks that are left. The cutter is then ready for another.
    ///
    /// # Errors
    ///
    /// The first error of `each`.
    pub fn finish<E>(&mut self, each: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        self.cut(each)?;
        let last = if self.buffer.is_empty() { Ok(()) } else { each(&self.buffer) };
        self.reset();
        last
    }

    /// Forgets the stream.
    pub fn reset(&mut self) {
        self.buffer.clear();
        self.scanned = self.min;
        self.hash = 0;
    }

    fn cut<E>(&mut self, each: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut start = 0;
        while let Some(length) = self.next_length(start) {
            if let Some(chunk) = self.buffer.get(start..start + length) {
                each(chunk)?;
            }
            start += length;
            self.scanned = self.min;
            self.hash = 0;
        }
        let left = self.buffer.len() - start;
        self.buffer.copy_within(start.., 0);
        self.buffer.truncate(left);
        Ok(())
    }

    /// The length of the chunk that begins at `start`, if its end is in the buffer.
    fn next_length(&mut self, start: usize) -> Option<usize> {
        let chunk = self.buffer.get(start..)?;
        let chunk = chunk.get(..self.max).unwrap_or(chunk);
        let mut hash = self.hash;
        for (until, limit) in [(self.average, self.strict), (self.max, self.loose)] {
            let until = until.min(chunk.len());
            if let Some(unscanned) = chunk.get(self.scanned..until) {
                if let Some(length) = scan(unscanned, &mut hash, limit) {
                    return Some(self.scanned + length);
                }
                self.scanned = until;
            }
        }
        self.hash = hash;
        (chunk.len() == self.max).then_some(self.max)
    }
}

/// Rolls the hash over the text; gives how much of it there is up to where the hash is less than
/// the limit.
///
/// Four bytes at a time: each of the four hashes is worked out from the one before them all, so
/// that none has to wait for its neighbour.
fn scan(text: &[u8], hash: &mut u64, limit: u64) -> Option<usize> {
    let gear = |byte: u8| GEAR[byte as usize];
    let (fours, rest) = text.as_chunks::<4>();
    for (number, &[a, b, c, d]) in fours.iter().enumerate() {
        let one = gear(a);
        let two = (one << 1).wrapping_add(gear(b));
        let three = (two << 1).wrapping_add(gear(c));
        let four = (three << 1).wrapping_add(gear(d));
        let hashes = [
            (*hash << 1).wrapping_add(one),
            (*hash << 2).wrapping_add(two),
            (*hash << 3).wrapping_add(three),
            (*hash << 4).wrapping_add(four),
        ];
        if hashes.iter().any(|hash| *hash < limit) {
            let within = hashes.iter().position(|hash| *hash < limit)?;
            return Some(number * 4 + within + 1);
        }
        *hash = hashes[3];
    }
    for (number, &byte) in rest.iter().enumerate() {
        *hash = (*hash << 1).wrapping_add(gear(byte));
        if *hash < limit {
            return Some(fours.len() * 4 + number + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ChunkId;

    /// Bytes that look random, the same on every machine.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    fn cut(text: &[u8], piece: usize, sizes: CutSizes) -> Vec<Vec<u8>> {
        let mut cutter = Cutter::new(sizes).unwrap();
        let mut chunks = Vec::new();
        let mut each = |chunk: &[u8]| {
            chunks.push(chunk.to_vec());
            Ok::<(), ()>(())
        };
        for part in text.chunks(piece) {
            cutter.push(part, &mut each).unwrap();
        }
        cutter.finish(&mut each).unwrap();
        chunks
    }

    const SMALL: CutSizes = CutSizes { min: 256, average: 1024, max: 4096 };

    #[test]
    fn lengths_of_known_text_are_these_for_ever() {
        let lengths: Vec<usize> = cut(&noise(16 << 10), 4096, SMALL).iter().map(Vec::len).collect();
        assert_eq!(lengths, VECTOR);
        let large = cut(&noise(4 << 20), 8192, CutSizes::for_table(0));
        let names: Vec<u8> = large.iter().flat_map(|chunk| ChunkId::of(chunk).0).collect();
        assert_eq!(ChunkId::of(&names).to_string(), LARGE);
    }
    const VECTOR: &[usize] =
        &[1503, 1110, 1101, 308, 1156, 610, 1247, 1361, 1107, 404, 1225, 1469, 1453, 1067, 1263];
    const LARGE: &str = "ce4689c54ea5b9d08e72f58a360e401059b282270b4100d9cd6b03d9291b0a58";

    #[test]
    fn the_way_the_text_was_split_does_not_matter() {
        let text = noise(600_000);
        let whole = cut(&text, text.len(), SMALL);
        assert_eq!(whole.concat(), text);
        for piece in [1, 7, 100, 8192, 16 << 10, 65_537] {
            assert_eq!(cut(&text, piece, SMALL), whole, "pieces of {piece}");
        }
    }

    #[test]
    fn lengths_are_between_min_and_max_and_near_the_average() {
        let chunks = cut(&noise(4 << 20), 8192, SMALL);
        let (_, whole) = chunks.split_last().unwrap();
        assert!(whole.iter().all(|c| (256..=4096).contains(&c.len())));
        let mean = (4 << 20) / chunks.len();
        assert!((900..1400).contains(&mean), "{mean}");
    }

    #[test]
    fn text_without_a_boundary_is_cut_at_the_maximum() {
        let chunks = cut(&[b'a'; 10_000], 333, SMALL);
        let lengths: Vec<usize> = chunks.iter().map(Vec::len).collect();
        assert_eq!(lengths, [4096, 4096, 1808]);
    }

    #[test]
    fn a_row_put_in_changes_only_the_chunks_near_it() {
        let text = noise(1 << 20);
        let mut changed = text.clone();
        changed.splice(500_000..500_000, *b"one more row\n");
        let (before, after) = (cut(&text, 8192, SMALL), cut(&changed, 8192, SMALL));
        let new = after.iter().filter(|chunk| !before.contains(chunk)).count();
        assert!(new <= 6, "{new} new chunks");
    }

    #[test]
    fn an_empty_stream_has_no_chunks() {
        assert!(cut(b"", 1, SMALL).is_empty());
    }

    #[test]
    fn larger_tables_are_cut_into_larger_chunks() {
        let average = |bytes| CutSizes::for_table(bytes).average;
        assert_eq!(average(0), 64 << 10);
        assert_eq!(average(4 << 30), 64 << 10);
        assert_eq!(average((4 << 30) + 1), 128 << 10);
        assert_eq!(average(u64::MAX), 1 << 20);
        assert!(CutSizes::for_table(u64::MAX).is_sound());
    }

    #[test]
    fn sizes_that_make_no_sense_are_refused() {
        for (min, average, max) in
            [(0, 1024, 4096), (256, 1000, 4096), (256, 1024, 512), (1, 1 << 20, 1 << 30)]
        {
            assert!(Cutter::new(CutSizes { min, average, max }).is_none());
        }
    }
}
