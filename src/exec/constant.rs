//! Columns that say the same in every row.

use super::context::{Context, Stop, Used};
use crate::op;
use crate::table::ColumnRef;
use arrow_array::{ArrayRef, Int64Array, StringArray};
use std::sync::Arc;

/// What stands in every row.
#[derive(Clone, Copy)]
pub(super) enum Constant<'a> {
    Text(&'a str),
    Int(i64),
}

impl Context<'_> {
    /// Makes a column of one value. It is an action, so there is one chunk of each value and length.
    pub(super) fn constant(&self, used: &Used, value: Constant, rows: u32) -> Result<ColumnRef, Stop> {
        let mut key = op::key("constant");
        match value {
            Constant::Text(text) => key.text("value", text),
            Constant::Int(int) => key.int("int", int),
        };
        let outputs = self.needed_action(used, key.int("rows", i64::from(rows)).finish(), || {
            let column: ArrayRef = match value {
                Constant::Text(text) => Arc::new(StringArray::from(vec![text; rows as usize])),
                Constant::Int(int) => Arc::new(Int64Array::from(vec![int; rows as usize])),
            };
            Ok(vec![self.put_column(&column)?])
        })?;
        Ok(outputs[0].into())
    }
}
