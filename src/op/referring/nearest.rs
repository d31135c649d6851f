//! `nearest`: the rows of another table whose vectors have the largest cosine with a row's own.

use super::examples::Same;
use super::lists::lists;
use super::vectors::{Vectors, nearest};
use crate::hash::KeyWriter;
use crate::op::identity::identities;
use crate::op::{Other, ReferOp, columns};
use crate::table::{Batch, Field, RowError, Type};
use arrow_array::{ArrayRef, Float64Array};
use std::sync::Arc;

/// The field of what is found that holds the cosine.
pub const SIMILARITY: &str = "similarity";

/// One column: a list of `{ similarity, … }`, the nearest first; rows that are as near go by position. Exact, with cosines in 32 bits.
///
/// Its key: `k`, the names of the columns that are kept, and which columns tell whether a row is itself.
pub struct Nearest {
    /// The vectors, then those that tell whether a row is itself.
    reads: Vec<String>,
    /// The vectors, then the columns that are kept, then those that tell.
    refers: Vec<String>,
    /// The columns that tell whether a row of the other table is the row itself, which is not found then; empty: it may be.
    same: Same,
    k: u32,
    fields: Vec<Field>,
    writes: [Field; 1],
}

impl Nearest {
    /// Compares the vectors in `by` with those in `their`, and keeps `columns` of the `k` nearest rows but the row itself, told by `same`.
    pub fn new(by: &str, their: &str, k: u32, columns: Vec<Field>, same: Same, into: &str) -> Nearest {
        let refers = std::iter::once(their).chain(columns.iter().map(|field| field.name.as_str()));
        let refers = refers.chain(same.iter().map(String::as_str)).map(str::to_owned).collect();
        let reads = std::iter::once(by.to_owned()).chain(same.iter().cloned()).collect();
        let fields: Vec<Field> = std::iter::once(Field::new(SIMILARITY, Type::Float)).chain(columns).collect();
        let ty = Type::List(Box::new(Type::Struct(fields.clone())));
        Nearest { reads, refers, same, k, fields, writes: [Field::new(into, ty)] }
    }
}

impl ReferOp for Nearest {
    fn write_key(&self, key: &mut KeyWriter) {
        key.int("k", i64::from(self.k));
        self.fields.iter().for_each(|field| _ = key.text("column", &field.name));
        if !self.same.is_empty() {
            key.int("same", self.same.len() as i64);
        }
    }

    fn name(&self) -> &'static str {
        "nearest"
    }

    fn reads(&self) -> &[String] {
        &self.reads
    }

    fn refers(&self) -> &[String] {
        &self.refers
    }

    fn writes(&self) -> &[Field] {
        &self.writes
    }

    fn run(&self, input: &Batch, other: &Other) -> Result<Vec<ArrayRef>, RowError> {
        let own = Vectors::of_rows(&columns(input, &self.reads)?[0], &self.reads[0])?;
        let other = other.rows()?;
        let theirs = columns(other, &self.refers)?;
        let others = Vectors::of_others(&theirs[0], &self.refers[0])?;
        let k = self.k as usize;
        let found = if self.same.is_empty() {
            nearest(&own, &others, k, |_, _| false)?
        } else {
            let rows: Vec<i64> = identities(input, &self.same)?.collect();
            let those: Vec<i64> = identities(other, &self.same)?.collect();
            nearest(&own, &others, k, |row, at| rows[row] == those[at])?
        };
        let cosines = Float64Array::from_iter_values(found.iter().flatten().map(|(_, cosine)| f64::from(*cosine)));
        let found: Vec<Vec<u32>> = found.iter().map(|near| near.iter().map(|(at, _)| *at).collect()).collect();
        Ok(vec![lists(&self.fields, &found, vec![Arc::new(cosines)], &theirs[1..self.fields.len()])?])
    }
}
