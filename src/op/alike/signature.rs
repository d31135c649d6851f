//! The signature of a text: a sketch of its word shingles.

use super::packed::{self, Packed};
use super::{Banding, PLACES};
use crate::hash::{KeyWriter, mix64};
use crate::op::{RowOp, columns, write_count};
use crate::table::{Batch, RowError, Type};
use crate::text::{Sketcher, Words, normalise_into};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};

/// Words of a shingle, unless another number is wanted.
pub const SHINGLE: u32 = 5;

/// Makes a list of ints: the sketch of the shingles of a row's normalised texts, with 16 bits for each place. A row without words has an empty list.
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
        &*packed::WRITES
    }

    fn run(&self, input: &Batch) -> Result<Vec<ArrayRef>, RowError> {
        let columns = columns(input, &self.by)?;
        let texts: Vec<_> = columns.iter().filter_map(|column| column.as_string_opt::<i32>()).collect();
        let mut sketcher = Sketcher::new(self.places as usize);
        let (mut normal, mut words, mut shingles) = (Vec::new(), Words::default(), Vec::new());
        let mut lengths = Vec::with_capacity(input.rows);
        let mut values: Vec<i64> = Vec::with_capacity(input.rows * self.places as usize / 4);
        for row in 0..input.rows {
            shingles.clear();
            for texts in texts.iter().filter(|texts| texts.is_valid(row)) {
                normalise_into(texts.value(row), &mut normal);
                words.split(&normal);
                shingles.extend(words.shingles(self.ngram as usize));
            }
            let before = values.len();
            if let Some(sketch) = sketcher.sketch(&shingles) {
                let short = |place: &u64| mix64(*place) >> 48;
                let four = |four: &[u64; 4]| four.iter().fold(0, |packed, place| (packed << 16) | short(place)) as i64;
                values.extend(sketch.as_chunks::<4>().0.iter().map(four));
            }
            lengths.push(values.len() - before);
        }
        Ok(vec![packed::column(lengths, values)])
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
    /// Returns the bands of a column of signatures.
    pub fn bands(&self, column: &ArrayRef) -> Option<Banded> {
        let signatures = Packed::of(column)?;
        let mut keys = vec![Vec::with_capacity(signatures.len()); self.bands as usize];
        let mut signed = Vec::with_capacity(signatures.len());
        let width = 2 * self.rows as usize;
        let mut bytes: Vec<u8> = Vec::new();
        for row in 0..signatures.len() {
            let Some(signature) = signatures.row(row) else { continue };
            is_whole(signature)?;
            signed.push(row as u32);
            // The places in their order, and a rest so that there are always eight bytes to be read.
            bytes.resize(8 * signature.len() + 8, 0);
            let (eights, _) = bytes.as_chunks_mut::<8>();
            eights.iter_mut().zip(signature).for_each(|(eight, four)| *eight = four.to_be_bytes());
            for (keys, start) in
                keys.iter_mut().zip((0..(8 * signature.len() + 1).saturating_sub(width)).step_by(width))
            {
                keys.push(band_key(&bytes[start..], width));
            }
        }
        Some(Banded { rows: signatures.len(), keys, signed })
    }

    /// Adds 8 bits of each place of some signatures.
    pub fn shorten(&self, column: &ArrayRef, rows: impl Iterator<Item = usize>, into: &mut Vec<u8>) -> Option<()> {
        let signatures = Packed::of(column)?;
        for row in rows {
            let signature = signatures.row(row)?;
            is_whole(signature)?;
            into.extend(signature.iter().flat_map(|four| (0..4).rev().map(move |at| (four >> (16 * at)) as u8)));
        }
        Some(())
    }

    /// Returns whether two rows are alike, by their positions among those of whose places there are 8 bits.
    pub fn are_alike(&self, short: &[u8], a: usize, b: usize) -> bool {
        let places = self.places() as usize;
        let [a, b] = [a, b].map(|at| &short[at * places..][..places]);
        a.iter().zip(b).map(|(a, b)| u32::from(a == b)).sum::<u32>() >= self.needed
    }
}

/// Returns what stands for the bytes of a band, of which there are two for each place; eight bytes can be read behind any of them.
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
    (signature.len() * 4 >= PLACES as usize).then_some(())
}
