//! Rows in memory: picked and put together.

use crate::table::Batch;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::BooleanBuffer;
use std::sync::Arc;

/// Returns whether a condition says that a row stays; null has not said so.
pub(super) fn stays(mask: &ArrayRef, row: usize) -> bool {
    !mask.is_null(row) && mask.as_boolean_opt().is_some_and(|mask| mask.value(row))
}

/// Returns the same of all rows, as bits.
pub(super) fn stays_all(mask: &ArrayRef) -> BooleanBuffer {
    match mask.as_boolean_opt() {
        Some(said) => said.nulls().map_or_else(|| said.values().clone(), |nulls| said.values() & nulls.inner()),
        None => BooleanBuffer::new_unset(mask.len()),
    }
}

/// Puts rows of several batches of the same columns together.
pub(super) fn interleave(rows: &[(Arc<Batch>, usize)]) -> Batch {
    let mut batches: Vec<&Arc<Batch>> = Vec::new();
    let places: Vec<(usize, usize)> = rows
        .iter()
        .map(|(batch, row)| {
            // The rows of one batch tend to come together.
            let at = batches.iter().rposition(|known| Arc::ptr_eq(known, batch)).unwrap_or_else(|| {
                batches.push(batch);
                batches.len() - 1
            });
            (at, *row)
        })
        .collect();
    let Some(first) = batches.first() else { return Batch::default() };
    let column = |at: usize| {
        let parts: Vec<&dyn Array> = batches.iter().map(|batch| batch.columns[at].1.as_ref()).collect();
        arrow_select::interleave::interleave(&parts, &places).expect("the columns are of one type")
    };
    let columns = first.columns.iter().enumerate().map(|(at, (name, _))| (name.clone(), column(at)));
    Batch { rows: rows.len(), columns: columns.collect() }
}
