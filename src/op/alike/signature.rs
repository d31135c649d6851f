//! The signature of a text: a sketch of its word shingles.

use super::{Banding, PLACES};
use crate::hash::{KeyWriter, mix64};
use crate::op::packed::{self, Packed};
use crate::op::{RowOp, columns, write_count};
use crate::table::{Batch, RowError, Type};
use crate::text::{Sketcher, Words, normalise_into};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};

/// Words of a shingle, unless another number is wanted.
pub const SHINGLE: u32 = 5;

/// Makes two lists of ints: the sketch of the shingles of a row's normalised texts, with 16 bits for each place. The first has the low eight of each, which are
/// nearly all that is ever read, the second the others. A row without words has empty lists.
pub struct Signature {
    by: Vec<String>,
    ngram: u32,
    places: u32,
}

impl Signature {
    /// Signs rows by their texts in `by`, for shingles of `ngram` words.
    pub fn new(by: Vec<String>, ngram: u32, places: u32) -> Signature {
        Signature { by, ngram, places }
    }
}

impl RowOp for Signature {
    fn write_key(&self, key: &mut KeyWriter) {
        write_count(key, &self.by);
        key.int("ngram", self.ngram.into()).int("places", self.places.into());
    }

    fn name(&self) -> &'static str {
        "signature"
    }

    fn reads(&self) -> &[String] {
        &self.by
    }

    fn writes(&self) -> &[Type] {
        &*packed::WRITES_TWO
    }

    fn run(&self, input: &Batch) -> Result<Vec<ArrayRef>, RowError> {
        let columns = columns(input, &self.by)?;
        let texts: Vec<_> = columns.iter().filter_map(|column| column.as_string_opt::<i32>()).collect();
        let mut sketcher = Sketcher::new(self.places as usize);
        let (mut normal, mut words, mut shingles) = (Vec::new(), Words::default(), Vec::new());
        let mut lengths = Vec::with_capacity(input.rows);
        let [mut low, mut high] = [0, 1].map(|_| Vec::with_capacity(input.rows * self.places as usize / 8));
        for row in 0..input.rows {
            shingles.clear();
            for texts in texts.iter().filter(|texts| texts.is_valid(row)) {
                normalise_into(texts.value(row), &mut normal);
                words.split(&normal);
                shingles.extend(words.shingles(self.ngram as usize));
            }
            let before = low.len();
            for eight in sketcher.sketch(&shingles).iter().flat_map(|sketch| sketch.as_chunks::<8>().0) {
                let short = eight.map(|place| (mix64(place) >> 48) as u16);
                low.push(i64::from_le_bytes(short.map(|place| place as u8)));
                high.push(i64::from_le_bytes(short.map(|place| (place >> 8) as u8)));
            }
            lengths.push(low.len() - before);
        }
        Ok(vec![packed::column(lengths.clone(), low), packed::column(lengths, high)])
    }
}

/// What the bands of the signatures of a row group are: 32 bits of each, so that rows with an equal one have an equal band or, seldom, none.
pub struct Banded {
    pub rows: usize,
    /// By band, one for each row that has a signature, in order.
    pub keys: Vec<Vec<u32>>,
    /// The rows that have one.
    pub signed: Vec<u32>,
}

impl Banding {
    /// Returns whether the low bits of places are too few to tell bands apart.
    pub fn needs_all_bits(&self) -> bool {
        self.rows < 4
    }

    /// Returns the bands of the low bits of signatures, and of the others where these are needed.
    pub fn bands(&self, low: &ArrayRef, high: Option<&ArrayRef>) -> Option<Banded> {
        let low = Packed::of(low)?;
        let high = match high {
            Some(column) => Some(Packed::of(column)?),
            None => None,
        };
        let mut keys = vec![Vec::with_capacity(low.len()); self.bands as usize];
        let mut signed = Vec::with_capacity(low.len());
        let width = self.rows as usize * if high.is_some() { 2 } else { 1 };
        let mut bytes: Vec<u8> = Vec::new();
        for row in 0..low.len() {
            let Some(signature) = low.row(row) else { continue };
            is_whole(signature)?;
            signed.push(row as u32);
            bytes.clear();
            match &high {
                None => extend(&mut bytes, signature),
                Some(high) => {
                    let places = signature.iter().zip(high.row(row)?);
                    let places = places.flat_map(|(low, high)| low.to_le_bytes().into_iter().zip(high.to_le_bytes()));
                    bytes.extend(places.flat_map(|(low, high)| [low, high]));
                }
            }
            let starts = (0..(bytes.len() + 1).saturating_sub(width)).step_by(width);
            // There are always eight bytes to be read.
            bytes.extend([0; 8]);
            for (keys, start) in keys.iter_mut().zip(starts) {
                keys.push(band_key(&bytes[start..], width));
            }
        }
        Some(Banded { rows: low.len(), keys, signed })
    }

    /// Adds the low bits of each place of some signatures.
    pub fn shorten(&self, low: &ArrayRef, rows: impl Iterator<Item = usize>, into: &mut Vec<u8>) -> Option<()> {
        let signatures = Packed::of(low)?;
        for row in rows {
            let signature = signatures.row(row)?;
            is_whole(signature)?;
            extend(into, signature);
        }
        Some(())
    }

    /// Returns whether two rows are alike, by their positions among those of whose places there are 8 bits.
    pub fn are_alike(&self, short: &[u8], a: usize, b: usize) -> bool {
        let places = self.places() as usize;
        let [a, b] = [a, b].map(|at| &short[at * places..][..places]);
        // Sixteen at a time, of which no sum comes to more than a byte holds: there are 4080 places at most.
        let ([a, a_rest], [b, b_rest]) = (halves(a), halves(b));
        let mut equal = [0_u8; 16];
        for (a, b) in a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0) {
            (0..16).for_each(|at| equal[at] += u8::from(a[at] == b[at]));
        }
        let rest = a_rest.iter().zip(b_rest).map(|(a, b)| u32::from(a == b)).sum::<u32>();
        equal.iter().map(|equal| u32::from(*equal)).sum::<u32>() + rest >= self.needed
    }
}

/// Adds the bytes of ints.
fn extend(bytes: &mut Vec<u8>, ints: &[i64]) {
    let start = bytes.len();
    bytes.resize(start + 8 * ints.len(), 0);
    bytes[start..].as_chunks_mut::<8>().0.iter_mut().zip(ints).for_each(|(eight, int)| *eight = int.to_le_bytes());
}

/// Returns what can be read sixteen bytes at a time, and the rest.
fn halves(bytes: &[u8]) -> [&[u8]; 2] {
    let (whole, rest) = bytes.split_at(bytes.len() / 16 * 16);
    [whole, rest]
}

/// Returns what stands for the bytes of a band; eight bytes can be read behind any of them.
fn band_key(bytes: &[u8], width: usize) -> u32 {
    let eight =
        |at: usize| u64::from_le_bytes(*bytes[at..].first_chunk().expect("there is a rest behind the last band"));
    let whole = (0..width / 8).fold(0, |key: u64, at| mix64(key.rotate_left(8) ^ eight(8 * at)));
    let key = match width % 8 {
        0 => whole,
        rest => mix64(whole.rotate_left(8) ^ (eight(width - rest) & !(u64::MAX << (8 * rest)))),
    };
    (key >> 32) as u32
}

/// Returns nothing where a signature is cut short.
fn is_whole(signature: &[i64]) -> Option<()> {
    (signature.len() * 8 >= PLACES as usize).then_some(())
}
