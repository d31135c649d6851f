//! Tables: a schema and an ordered list of row groups of content-addressed column chunks.
//!
//! This module knows no files, ops or stores. `docs/format.md` states the bytes.

mod alone;
mod bytes;
mod chunk;
mod cut;
mod take;
mod types;

pub use alone::failing_alone;
pub use bytes::{Malformed, Reader, put_type};
pub use chunk::{chunk_pieces, decode_chunk, encode_chunk};
pub use cut::{Cutter, Limits, hash_text, hash_value, row_hashes, row_sizes};
pub use take::Take;
pub use types::{DEEPEST, Field, Schema, Type};

use crate::hash::Hash;
use arrow_array::{ArrayRef, UInt32Array};
use std::sync::Arc;

/// A column of a row group: rows of a chunk, or those that a take picks from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ColumnRef {
    pub chunk: Hash,
    pub take: Option<Hash>,
}

impl From<Hash> for ColumnRef {
    /// Refers to all values of a chunk.
    fn from(chunk: Hash) -> ColumnRef {
        ColumnRef { chunk, take: None }
    }
}

/// A run of consecutive rows of a table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RowGroup {
    pub rows: u32,
    /// One per field of the schema, in its order.
    pub columns: Vec<ColumnRef>,
}

/// An artifact: schema, identity and row groups. Its hash is the hash of its encoding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    pub schema: Schema,
    /// The columns that identify a row; empty: all columns.
    pub key: Vec<String>,
    pub groups: Vec<Arc<RowGroup>>,
}

/// Columns in memory, all of `rows` rows.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub rows: usize,
    pub columns: Vec<(String, ArrayRef)>,
}

impl Batch {
    /// Returns the column called `name`.
    pub fn column(&self, name: &str) -> Option<&ArrayRef> {
        self.columns.iter().find(|(other, _)| other == name).map(|(_, array)| array)
    }

    /// Copies rows, by position.
    pub fn take(&self, rows: Vec<u32>) -> Batch {
        let n = rows.len();
        let rows = UInt32Array::from(rows);
        let take = |column: &ArrayRef| arrow_select::take::take(column, &rows, None).expect("the rows are there");
        Batch { rows: n, columns: self.columns.iter().map(|(name, column)| (name.clone(), take(column))).collect() }
    }

    /// Returns the schema of the columns.
    pub fn schema(&self) -> Schema {
        let field = |(name, array): &(String, ArrayRef)| {
            Field::new(name, Type::of(array.data_type()).expect("a batch holds table types"))
        };
        Schema(self.columns.iter().map(field).collect())
    }
}

/// Columns in memory, and which rows of each are meant: `rows` of them.
#[derive(Clone, Debug, Default)]
pub struct Picked {
    pub rows: usize,
    /// The name, all rows, and those that are meant.
    pub columns: Vec<(String, ArrayRef, Option<Arc<Take>>)>,
}

impl Picked {
    /// Copies the rows that are meant.
    pub fn gather(&self) -> Batch {
        let gather = |column: &ArrayRef, take: &Option<Arc<Take>>| match take {
            Some(take) => take.apply(column),
            None => column.clone(),
        };
        let columns = self.columns.iter().map(|(name, column, take)| (name.clone(), gather(column, take)));
        Batch { rows: self.rows, columns: columns.collect() }
    }
}

impl From<&Batch> for Picked {
    fn from(batch: &Batch) -> Picked {
        let columns = batch.columns.iter().map(|(name, column)| (name.clone(), column.clone(), None));
        Picked { rows: batch.rows, columns: columns.collect() }
    }
}

/// What went wrong with one row of a row group, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    /// The position in the row group.
    pub row: usize,
    pub message: String,
    pub help: Option<String>,
}
