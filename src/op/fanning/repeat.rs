//! Every row several times, told apart by a number.

use super::{FanOp, Fanned};
use crate::hash::KeyWriter;
use crate::table::{Batch, Field, RowError, Type};
use arrow_array::Int64Array;
use std::sync::Arc;

/// Lets every row come so many times; the column says which of them it is, from 0.
pub struct Repeat {
    times: u32,
    writes: [Field; 1],
}

impl Repeat {
    /// Counts the copies in the column `index`.
    pub fn new(times: u32, index: &str) -> Repeat {
        Repeat { times, writes: [Field::new(index, Type::Int)] }
    }
}

impl FanOp for Repeat {
    fn write_key(&self, key: &mut KeyWriter) {
        key.int("times", i64::from(self.times));
    }

    fn name(&self) -> &'static str {
        "repeat"
    }

    fn reads(&self) -> &[String] {
        &[]
    }

    fn writes(&self) -> &[Field] {
        &self.writes
    }

    fn run(&self, input: &Batch) -> Result<Fanned, RowError> {
        let rows = (0..input.rows as u32).flat_map(|row| (0..self.times).map(move |_| row)).collect();
        let index = Int64Array::from_iter_values((0..input.rows).flat_map(|_| 0..i64::from(self.times)));
        Ok(Fanned { rows, columns: vec![Arc::new(index)] })
    }
}
