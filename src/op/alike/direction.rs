//! The direction of a vector in bits: on which side of random planes it lies.

use super::Banded;
use crate::hash::{KeyWriter, mix64};
use crate::op::packed::{self, Packed};
use crate::op::{RowOp, columns};
use crate::table::{Batch, RowError, Type};
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef};

/// Planes of a direction.
const PLANES: usize = 1024;

/// Makes a list of ints of a column of vectors: a bit for each plane. Two vectors are on one side of a plane with a probability that falls with the angle between
/// them (Charikar 2002). A vector that is null, or has no direction, has an empty list.
pub struct Direction {
    by: [String; 1],
}

impl Direction {
    /// Reads the vectors of `by`.
    pub fn new(by: String) -> Direction {
        Direction { by: [by] }
    }
}

impl RowOp for Direction {
    fn write_key(&self, key: &mut KeyWriter) {
        key.int("planes", PLANES as i64);
    }

    fn name(&self) -> &'static str {
        "direction"
    }

    fn reads(&self) -> &[String] {
        &self.by
    }

    fn writes(&self) -> &[Type] {
        &*packed::WRITES
    }

    fn run(&self, input: &Batch) -> Result<Vec<ArrayRef>, RowError> {
        let column = &columns(input, &self.by)?[0];
        let mut planes: Vec<f32> = Vec::new();
        let (mut lengths, mut values) = (Vec::with_capacity(input.rows), Vec::new());
        for row in 0..input.rows {
            let before = values.len();
            if let Some(vector) = unit(column, row) {
                while planes.len() < vector.len() * PLANES {
                    let bits = mix64(planes.len() as u64 ^ 0x9e37_79b9_7f4a_7c15);
                    planes.extend((0..64).map(|at| if bits >> at & 1 == 1 { 1.0 } else { -1.0 }));
                }
                let mut sums = [0.0_f32; PLANES];
                // Each sum is in the order of the dimensions, so it is the same on every machine.
                for (value, planes) in vector.iter().zip(planes.chunks_exact(PLANES)) {
                    sums.iter_mut().zip(planes).for_each(|(sum, plane)| *sum += value * plane);
                }
                let bits =
                    |sums: &[f32]| sums.iter().fold(0, |bits: u64, sum| bits << 1 | u64::from(*sum >= 0.0)) as i64;
                values.extend(sums.chunks_exact(64).map(bits));
            }
            lengths.push(values.len() - before);
        }
        Ok(vec![packed::column(lengths, values)])
    }
}

/// Returns a vector brought to length 1; none if it has no direction.
fn unit(column: &ArrayRef, row: usize) -> Option<Vec<f32>> {
    let lists = column.as_list_opt::<i32>().filter(|lists| lists.is_valid(row))?;
    let values = lists.value(row);
    let floats = values.as_primitive_opt::<Float64Type>().filter(|floats| floats.null_count() == 0)?;
    let square: f64 = floats.values().iter().map(|value| value * value).sum();
    let length = square.sqrt();
    (length > 0.0 && length.is_finite()).then(|| floats.values().iter().map(|value| (value / length) as f32).collect())
}

/// How pairs of vectors are found and judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cosine {
    /// The bits of a band.
    pub bits: u32,
    pub threshold: f64,
}

impl Cosine {
    /// Cuts directions into bands: the longest, of at most 32 bits, of which still 95 of 100 pairs with this cosine have one that is equal.
    pub fn new(threshold: f64) -> Cosine {
        let same = 1.0 - libm::acos(threshold.min(1.0)) / std::f64::consts::PI;
        let found = |bits: u32| {
            let power = (0..bits).fold(1.0, |power, _| power * same);
            1.0 - (0..PLANES as u32 / bits).fold(1.0, |missed, _| missed * (1.0 - power))
        };
        Cosine { bits: (1..=32).take_while(|bits| found(*bits) >= 0.95).last().unwrap_or(1), threshold }
    }

    /// Returns how many bands there are.
    pub fn bands(&self) -> u32 {
        PLANES as u32 / self.bits
    }

    /// Returns the bands of a column of directions.
    pub fn cut(&self, column: &ArrayRef) -> Option<Banded> {
        let directions = Packed::of(column)?;
        let (mut keys, mut signed) = (vec![Vec::new(); self.bands() as usize], Vec::new());
        for row in 0..directions.len() {
            let Some(bits) = directions.row(row) else { continue };
            if bits.len() * 64 != PLANES {
                return None;
            }
            signed.push(row as u32);
            for (band, keys) in keys.iter_mut().enumerate() {
                let first = band * self.bits as usize;
                // A band may go on in the next word.
                let two = u128::from(bits[first / 64] as u64) << 64
                    | bits.get(first / 64 + 1).map_or(0, |next| u128::from(*next as u64));
                keys.push((two << (first % 64) >> (128 - self.bits)) as u32);
            }
        }
        Some(Banded { rows: directions.len(), keys, signed })
    }

    /// Adds the vectors of some rows, all with a direction and as many dimensions.
    ///
    /// # Errors
    /// The first row that has another number of dimensions than those before it.
    pub fn vectors(
        &self,
        column: &ArrayRef,
        rows: impl Iterator<Item = usize>,
        dimensions: &mut usize,
        into: &mut Vec<f32>,
    ) -> Result<(), usize> {
        for row in rows {
            let vector = unit(column, row).ok_or(row)?;
            if into.is_empty() {
                *dimensions = vector.len();
            } else if vector.len() != *dimensions {
                return Err(row);
            }
            into.extend(vector);
        }
        Ok(())
    }

    /// Returns whether two vectors of length 1 are alike.
    pub fn are_alike(&self, a: &[f32], b: &[f32]) -> bool {
        let cosine: f64 = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        // What is the same direction has a cosine of 1 but for the rounding of 32 bits.
        cosine + 1e-6 >= self.threshold
    }
}
