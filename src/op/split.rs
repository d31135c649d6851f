//! `split`: each row to one part, by its identity alone, so that no row changes sides when others come or go.

use super::draw::{Draw, WHOLE, bound, parts};
use super::identity::identities;
use super::{RowOp, write_count};
use crate::hash::KeyWriter;
use crate::table::{Batch, RowError, Type};
use arrow_array::{ArrayRef, Int64Array};
use std::sync::Arc;

/// Makes one int column: the index of the part that the row belongs to.
///
/// Each part has a range of the draws, in order. Changed shares move only the rows between an old bound and its new one.
pub struct Split {
    by: Vec<String>,
    /// Where each part ends, in parts of the whole.
    ends: Vec<u128>,
    seed: i64,
}

impl Split {
    /// Splits rows by the values of `by` into parts of these shares, which come to 1.
    pub fn new(by: Vec<String>, shares: &[f64], seed: i64) -> Result<Split, String> {
        let mut ends = Vec::with_capacity(shares.len());
        let mut end = 0;
        for share in shares {
            end += parts(*share).ok_or_else(|| format!("a share is {share}; it is a number from 0 to 1"))?;
            ends.push(end);
        }
        if end != WHOLE {
            return Err(format!("the shares come to {}; together they are 1", end as f64 / WHOLE as f64));
        }
        Ok(Split { by, ends, seed })
    }
}

impl RowOp for Split {
    fn write_key(&self, key: &mut KeyWriter) {
        write_count(key, &self.by);
        key.int("seed", self.seed);
        self.ends.iter().for_each(|end| {
            key.int("end", *end as i64);
        });
    }

    fn name(&self) -> &'static str {
        "split"
    }

    fn reads(&self) -> &[String] {
        &self.by
    }

    fn writes(&self) -> &[Type] {
        &[Type::Int]
    }

    fn run(&self, input: &Batch) -> Result<Vec<ArrayRef>, RowError> {
        let draw = Draw::new("split", self.seed);
        let bounds: Vec<u128> = self.ends.iter().map(|end| bound(*end)).collect();
        let part = |identity| bounds.partition_point(|bound| *bound <= u128::from(draw.of(identity))) as i64;
        Ok(vec![Arc::new(Int64Array::from_iter_values(identities(input, &self.by)?.map(part)))])
    }
}
