//! `dedup`: the first of all rows that are alike.

use super::{RowOp, columns, takes, write_count};
use crate::hash::KeyWriter;
use crate::table::{Batch, RowError, Take, Type, row_hashes};
use crate::text::normalise;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Int64Array, StringArray};
use arrow_schema::DataType;
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// When rows are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    /// The values are equal.
    Exact,
    /// The values are equal once texts are normalised (see [`normalise`]).
    Normalised,
}

/// Makes two int columns: the halves of a fingerprint of 16 bytes; rows that are alike have equal ones.
///
/// Where all of the columns are null there is nothing to compare: the fingerprint is 0, 0, and the row is kept.
pub struct Fingerprint {
    by: Vec<String>,
    matching: Matching,
}

impl Fingerprint {
    /// Compares rows by the values of `by`.
    pub fn new(by: Vec<String>, matching: Matching) -> Fingerprint {
        Fingerprint { by, matching }
    }
}

impl RowOp for Fingerprint {
    fn write_key(&self, key: &mut KeyWriter) {
        write_count(key, &self.by);
        key.text(
            "matching",
            match self.matching {
                Matching::Exact => "exact",
                Matching::Normalised => "normalised",
            },
        );
    }

    fn name(&self) -> &'static str {
        "fingerprint"
    }

    fn reads(&self) -> &[String] {
        &self.by
    }

    fn writes(&self) -> &[Type] {
        &[Type::Int, Type::Int]
    }

    fn run(&self, input: &Batch) -> Result<Vec<ArrayRef>, RowError> {
        let mut columns = columns(input, &self.by)?;
        if self.matching == Matching::Normalised {
            columns.iter_mut().filter(|column| *column.data_type() == DataType::Utf8).for_each(|column| {
                let texts = column.as_string::<i32>().iter().map(|text| text.map(normalise));
                *column = Arc::new(texts.collect::<StringArray>());
            });
        }
        let (mut high, mut low) = (Vec::with_capacity(input.rows), Vec::with_capacity(input.rows));
        for (row, hash) in row_hashes(&columns, input.rows).iter().enumerate() {
            let nothing = columns.iter().all(|column| column.is_null(row) || *column.data_type() == DataType::Null);
            let half =
                |at: usize| i64::from_le_bytes(hash.as_bytes()[at..at + 8].try_into().expect("a hash has 32 bytes"));
            high.push(if nothing { 0 } else { half(0) });
            low.push(if nothing { 0 } else { half(8) });
        }
        Ok(vec![Arc::new(Int64Array::from(high)), Arc::new(Int64Array::from(low))])
    }
}

/// Returns one take per group: the rows whose fingerprint, given as halves, no row before them has.
pub fn keep_first(groups: &[(&[i64], &[i64])]) -> Vec<Take> {
    let mut seen: HashSet<(i64, i64), BuildHasherDefault<Halves>> = HashSet::default();
    let rows = groups.iter().flat_map(|(high, low)| high.iter().copied().zip(low.iter().copied()));
    let keep: Vec<bool> = rows.map(|print| print == (0, 0) || seen.insert(print)).collect();
    takes(groups.iter().map(|(high, low)| high.len().min(low.len())), &keep)
}

/// A hasher for what is a hash already.
#[derive(Default)]
pub(super) struct Halves(u64);

impl Hasher for Halves {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_i64(&mut self, half: i64) {
        self.0 = self.0.rotate_left(32) ^ half as u64;
    }
}
