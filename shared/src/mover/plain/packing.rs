//! How what psql writes is packed in the container, and unpacked here.
//!
//! Whatever it is proves that all arrived as it was written: zstd and gzip by their checksums,
//! nothing by the SHA-256 taken inside.

use super::stream::damaged_out;
use crate::error::Result;
use sha2::{Digest, Sha256};
use std::io::Read;

/// Bytes unpacked at once.
const PIECE: usize = 256 << 10;
/// The last line of what is not packed, as `sha256sum` writes it of its standard input.
const HASH_LINE: usize = 64 + "  -\n".len();

/// A way to pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Zstd,
    Gzip,
    Nothing,
}

impl Packing {
    pub fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::Nothing => "nothing",
        }
    }

    /// The program that psql gives the rows to. As an orphan it may end with 0 or 1 only (F41).
    pub fn program(self) -> &'static str {
        match self {
            Self::Zstd => "trap '' PIPE; zstd -q -1 -c || exit 1",
            Self::Gzip => "trap '' PIPE; gzip -1 -c || exit 1",
            Self::Nothing => "trap '' PIPE; tee /dev/fd/8 8>&1 >&5 | sha256sum >&5",
        }
    }

    /// Gives what was packed in a container to `take`, piece by piece.
    ///
    /// # Errors
    ///
    /// Those of `take`, or when it is not what was packed, all of it.
    pub fn unpack(
        self,
        container: &str,
        payload: &mut dyn Read,
        take: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Zstd => zstd::stream::read::Decoder::new(payload)
                .map_err(|error| damaged_out(container).caused_by(error))
                .and_then(|decoder| take_all(container, decoder, take)),
            Self::Gzip => take_all(container, flate2::read::MultiGzDecoder::new(payload), take),
            Self::Nothing => take_hashed(container, payload, take),
        }
    }
}

fn take_all(container: &str, mut text: impl Read, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        let length = text.read(&mut buffer).map_err(|error| {
            damaged_out(container).caused_by(format!("rows are not as they were packed: {error}"))
        })?;
        if length == 0 {
            return Ok(());
        }
        take(buffer.get(..length).unwrap_or_default())?;
    }
}

/// Takes text that is followed by a line with its hash.
fn take_hashed(
    container: &str,
    text: &mut dyn Read,
    take: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut buffer = vec![0; PIECE + HASH_LINE];
    let (mut held, mut hash) = (0, Sha256::new());
    loop {
        let length = text
            .read(buffer.get_mut(held..).unwrap_or_default())
            .map_err(|error| damaged_out(container).caused_by(error))?;
        let there = held + length;
        // What comes last may be the line.
        let sure = there.saturating_sub(HASH_LINE);
        let certain = buffer.get(..sure).unwrap_or_default();
        hash.update(certain);
        take(certain)?;
        buffer.copy_within(sure..there, 0);
        held = there - sure;
        if length == 0 {
            let line = buffer.get(..held).unwrap_or_default();
            if line == format!("{:x}  -\n", hash.finalize()).as_bytes() {
                return Ok(());
            }
            return Err(damaged_out(container)
                .caused_by("the SHA-256 of rows taken in the container is not the one of what arrived"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let length = 7000.min(out.len());
            self.0.read(&mut out[..length])
        }
    }

    fn unpacked(packing: Packing, packed: &[u8]) -> Result<Vec<u8>> {
        let mut got = Vec::new();
        packing.unpack("shop", &mut Slow(packed), &mut |text| {
            got.extend_from_slice(text);
            Ok(())
        })?;
        Ok(got)
    }

    fn hashed(text: &str) -> Vec<u8> {
        format!("{text}{:x}  -\n", Sha256::digest(text)).into_bytes()
    }

    #[test]
    fn rows_that_are_not_packed_end_with_their_hash() {
        for text in ["", "a\n12\n", &"row\n".repeat(200_000)] {
            assert_eq!(unpacked(Packing::Nothing, &hashed(text)).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn rows_that_were_lost_or_changed_on_the_way_are_missed_however_they_are_packed() {
        let text = "some rows\n".repeat(3000);
        let gzip = {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            std::io::Write::write_all(&mut out, text.as_bytes()).unwrap();
            out.finish().unwrap()
        };
        let zstd = {
            let mut out = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
            out.include_checksum(true).unwrap();
            std::io::Write::write_all(&mut out, text.as_bytes()).unwrap();
            out.finish().unwrap()
        };
        for (packing, packed) in
            [(Packing::Nothing, hashed(&text)), (Packing::Gzip, gzip), (Packing::Zstd, zstd)]
        {
            assert_eq!(unpacked(packing, &packed).unwrap(), text.as_bytes());
            for at in [0, packed.len() / 2, packed.len() - 1] {
                let (mut flipped, mut shorter) = (packed.clone(), packed.clone());
                flipped[at] ^= 4;
                shorter.remove(at);
                assert!(unpacked(packing, &flipped).is_err(), "{packing:?} with another byte {at}");
                assert!(unpacked(packing, &shorter).is_err(), "{packing:?} without byte {at}");
                assert!(unpacked(packing, &packed[..at]).is_err(), "{packing:?} up to {at}");
            }
        }
    }
}
