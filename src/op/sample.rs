//! `sample` by a fraction: a part of the rows, chosen by their identity, so that a row's fate does not hang on the others.

use super::draw::{Draw, bound, parts};
use super::identity::identities;
use super::{RowOp, write_count};
use crate::hash::KeyWriter;
use crate::table::{Batch, RowError, Type};
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
