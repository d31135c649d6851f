//! `sample`: a part of the rows, chosen by their identity, so that a row's fate does not hang on the others.

use super::draw::{Draw, bound, parts};
use super::identity::identities;
use super::{RowOp, takes, write_count};
use crate::hash::KeyWriter;
use crate::table::{Batch, RowError, Take, Type};
use arrow_array::{ArrayRef, BooleanArray};
use std::sync::Arc;

/// Makes one bool column: whether the row is in a sample of about `fraction` of all rows.
///
/// A larger fraction keeps all rows that a smaller one keeps. Two samples with the same seed and columns choose
/// the same rows: the second in a row needs another seed.
pub struct Sample {
    by: Vec<String>,
    bound: u128,
    fraction: f64,
    seed: i64,
}

impl Sample {
    /// Samples rows by the values of `by`.
    pub fn new(by: Vec<String>, fraction: f64, seed: i64) -> Result<Sample, String> {
        let parts = parts(fraction).filter(|_| fraction <= 1.0);
        let parts = parts.ok_or_else(|| format!("`fraction` is {fraction}; it is a number from 0 to 1"))?;
        Ok(Sample { by, bound: bound(parts), fraction, seed })
    }
}

impl RowOp for Sample {
    fn write_key(&self, key: &mut KeyWriter) {
        write_count(key, &self.by);
        key.float("fraction", self.fraction).int("seed", self.seed);
    }

    fn name(&self) -> &'static str {
        "sample"
    }

    fn reads(&self) -> &[String] {
        &self.by
    }

    fn writes(&self) -> &[Type] {
        &[Type::Bool]
    }

    fn run(&self, input: &Batch) -> Result<Vec<ArrayRef>, RowError> {
        let draw = Draw::new("sample", self.seed);
        let keep = identities(input, &self.by)?.map(|identity| u128::from(draw.of(identity)) < self.bound);
        Ok(vec![Arc::new(BooleanArray::from(keep.collect::<Vec<bool>>()))])
    }
}

/// Returns one take per group: together the `n` rows that draw the smallest numbers, all rows if there are no more.
///
/// Equal draws go by position. An added row pushes at most one other out.
pub fn smallest(groups: &[&[i64]], seed: i64, n: u64) -> Vec<Take> {
    smallest_of("sample", groups, seed, n)
}

/// As [`smallest`], for the draws of another purpose.
pub(super) fn smallest_of(purpose: &str, groups: &[&[i64]], seed: i64, n: u64) -> Vec<Take> {
    let draw = Draw::new(purpose, seed);
    let identities = groups.iter().flat_map(|group| group.iter());
    let mut drawn: Vec<(u64, usize)> =
        identities.enumerate().map(|(row, identity)| (draw.of(*identity), row)).collect();
    let n = usize::try_from(n).unwrap_or(usize::MAX);
    let mut keep = vec![n >= drawn.len(); drawn.len()];
    if n < drawn.len() {
        let (kept, _, _) = drawn.select_nth_unstable(n);
        kept.iter().for_each(|(_, row)| keep[*row] = true);
    }
    takes(groups.iter().map(|group| group.len()), &keep)
}
