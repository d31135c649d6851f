//! Fingerprints: rows that are the same have the same.

use super::{RowOp, columns, write_count};
use crate::hash::KeyWriter;
use crate::table::{Batch, RowError, Type, hash_text, hash_value};
use crate::text::normalise_into;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_schema::DataType;
use std::hash::Hasher;
use std::sync::Arc;
use twox_hash::XxHash3_128;

/// When rows are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    /// The values are equal.
    Exact,
    /// The values are equal once texts are normalised (see [`normalise`]).
    Normalised,
}

/// Makes two int columns: the halves of a fingerprint of 16 bytes, XXH3 of the values; rows that are alike have equal ones.
///
/// XXH3 is no match for somebody who looks for two texts of one fingerprint; all that it costs is that one of these two is dropped.
/// By chance, two of a thousand million rows share one once in 10^20 tables.
///
/// Where all of the columns are null, or normalised texts without a word, there is nothing to compare: the fingerprint is 0, 0, and the row is kept.
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
        let columns = columns(input, &self.by)?;
        let (mut high, mut low) = (Vec::with_capacity(input.rows), Vec::with_capacity(input.rows));
        let mut normal = Vec::new();
        for row in 0..input.rows {
            let (mut hasher, mut nothing) = (XxHash3_128::new(), true);
            for column in &columns {
                match column.as_string_opt::<i32>() {
                    Some(texts) if self.matching == Matching::Normalised && texts.is_valid(row) => {
                        normalise_into(texts.value(row), &mut normal);
                        nothing &= normal.is_empty();
                        hash_text(&normal, &mut |bytes| hasher.write(bytes));
                    }
                    _ => {
                        nothing &= column.is_null(row) || *column.data_type() == DataType::Null;
                        hash_value(column, row, &mut |bytes| hasher.write(bytes));
                    }
                }
            }
            let print = if nothing { 0 } else { hasher.finish_128() };
            high.push((print >> 64) as i64);
            low.push(print as i64);
        }
        Ok(vec![Arc::new(Int64Array::from(high)), Arc::new(Int64Array::from(low))])
    }
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
