//! How the contents of a large blob lie in its file: encoded contents, then a trailer of 16 bytes.
//!
//! The contents come first, so that a plain blob is used where it was read, aligned and without a copy.

use super::check::check;
use arrow_buffer::{Buffer, MutableBuffer};
use std::borrow::Cow;
use std::cell::RefCell;
use zstd::bulk::{Compressor, Decompressor};

/// The length of the trailer, so of the shortest file.
pub(super) const TRAILER: usize = 16;

/// Level 1: `docs/design/store.md` has the figures.
const LEVEL: i32 = 1;

/// How contents are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    /// As they are.
    Plain = 0,
    /// One frame of zstd; contents that do not shrink by a tenth are written as [`Codec::Kept`].
    Zstd = 1,
    /// As they are, since compressing them was tried.
    Kept = 2,
}

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Returns the contents as small as they get, and the trailer that follows them.
pub(super) fn pack(contents: &[u8]) -> (Cow<'_, [u8]>, [u8; TRAILER]) {
    let (encoded, codec) = match compress(contents).filter(|small| small.len() <= contents.len() / 10 * 9) {
        Some(small) => (Cow::Owned(small), Codec::Zstd),
        None => (Cow::Borrowed(contents), Codec::Kept),
    };
    (encoded, trailer(contents.len() as u64, codec as u8))
}

/// What a file turns out to be.
#[derive(Debug)]
pub(super) enum Opened {
    /// Contents, for the caller to compare with the hash.
    Contents(Buffer),
    /// Whole, but its codec is of a later version.
    Later,
    Damaged,
}

/// Reads the contents of a file.
pub(super) fn open(file: &Buffer) -> Opened {
    match sealed(file) {
        Some((encoded, codec, length)) if codec <= Codec::Kept as u8 => {
            decode(file, encoded, codec, length).map_or(Opened::Damaged, Opened::Contents)
        }
        Some(_) => Opened::Later,
        None => Opened::Damaged,
    }
}

/// Splits a file into encoded contents, codec and length, if its trailer is right.
fn sealed(file: &Buffer) -> Option<(&[u8], u8, u64)> {
    let (encoded, end) = file.split_last_chunk::<TRAILER>()?;
    let length = u64::from_le_bytes(*end.first_chunk().expect("a trailer has 16 bytes"));
    let codec = end[8];
    (*end == trailer(length, codec)).then_some((encoded, codec, length))
}

/// Returns whether a file of this length, with this trailer, holds its contents as they were written first.
pub(super) fn is_plain(end: &[u8], length: u64) -> bool {
    end == trailer(length.saturating_sub(TRAILER as u64), Codec::Plain as u8)
}

fn decode(file: &Buffer, encoded: &[u8], codec: u8, length: u64) -> Option<Buffer> {
    let length = usize::try_from(length).ok()?;
    match codec {
        0 | 2 if length == encoded.len() => Some(file.slice_with_length(0, length)),
        1 => decompress(encoded, length),
        _ => None,
    }
}

/// The trailer checks itself: a damaged length is never believed.
pub(super) fn trailer(length: u64, codec: u8) -> [u8; TRAILER] {
    let mut end = [0; TRAILER];
    end[..8].copy_from_slice(&length.to_le_bytes());
    end[8] = codec;
    let sum = check(0, &end[..9]).to_le_bytes();
    end[9..].copy_from_slice(&sum[..7]);
    end
}

fn compress(contents: &[u8]) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Compressor::new(LEVEL).ok();
        }
        slot.as_mut()?.compress(contents).ok()
    })
}

fn decompress(encoded: &[u8], length: usize) -> Option<Buffer> {
    // An allocation that fails aborts; a length that memory cannot hold is damage.
    Vec::<u8>::new().try_reserve_exact(length).ok()?;
    let mut contents = MutableBuffer::from_len_zeroed(length);
    let written = DECOMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Decompressor::new().ok();
        }
        slot.as_mut()?.decompress_to_buffer(encoded, contents.as_slice_mut()).ok()
    })?;
    (written == length).then(|| contents.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(contents: &[u8], codec: Codec) -> Vec<u8> {
        let (encoded, end) = match codec {
            Codec::Zstd => pack(contents),
            Codec::Plain | Codec::Kept => (Cow::Borrowed(contents), trailer(contents.len() as u64, codec as u8)),
        };
        [&encoded[..], &end].concat()
    }

    fn contents_of(file: Buffer) -> Option<Buffer> {
        match open(&file) {
            Opened::Contents(contents) => Some(contents),
            Opened::Later => panic!("no damage looks like a later version"),
            Opened::Damaged => None,
        }
    }

    fn noise(n: usize) -> Vec<u8> {
        let mut state = 1u64;
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect()
    }

    #[test]
    fn what_was_sealed_opens() {
        for contents in [Vec::new(), vec![b'a'; 100_000], noise(100_000)] {
            for codec in [Codec::Plain, Codec::Zstd, Codec::Kept] {
                let file = Buffer::from(sealed(&contents, codec));
                assert_eq!(contents_of(file).expect("undamaged").as_slice(), contents);
            }
        }
    }

    #[test]
    fn noise_is_kept_as_it_is_and_text_is_not() {
        let noise = noise(100_000);
        assert_eq!(sealed(&noise, Codec::Zstd), sealed(&noise, Codec::Kept));
        assert_eq!(sealed(&noise, Codec::Plain)[..100_000], noise);
        assert!(sealed(&[b'a'; 100_000], Codec::Zstd).len() < 1_000);
    }

    #[test]
    fn a_flipped_byte_or_a_short_file_is_never_read_wrong() {
        let contents: Vec<u8> = (0..2_000u32).flat_map(|i| (i / 7).to_le_bytes()).collect();
        for codec in [Codec::Plain, Codec::Zstd, Codec::Kept] {
            let file = sealed(&contents, codec);
            for i in 0..file.len() {
                let mut damaged = file.clone();
                damaged[i] ^= 0x41;
                let read = contents_of(Buffer::from(damaged));
                // A flipped byte of contents is for the hash to find; the length never lies.
                assert!(read.is_none_or(|read| read.len() == contents.len()), "byte {i}");
                assert!(contents_of(Buffer::from(file[..i].to_vec())).is_none(), "length {i}");
            }
        }
    }
}
