//! Columns that are read several times: as many as fit are kept in memory, the others are read again.

use super::context::{Context, Stop};
use crate::table::ColumnRef;
use arrow_array::{Array, ArrayRef};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of columns that are kept.
const KEPT: usize = 256 << 20;

/// Some columns, by their positions.
pub(super) struct Kept<'a> {
    context: &'a Context<'a>,
    at: Vec<ColumnRef>,
    columns: Vec<OnceLock<ArrayRef>>,
    bytes: AtomicUsize,
}

impl<'a> Kept<'a> {
    /// Reads nothing yet.
    pub fn new(context: &'a Context<'a>, at: Vec<ColumnRef>) -> Kept<'a> {
        let columns = at.iter().map(|_| OnceLock::new()).collect();
        Kept { context, at, columns, bytes: AtomicUsize::new(0) }
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// Returns a column.
    pub fn column(&self, at: usize) -> Result<ArrayRef, Stop> {
        if let Some(column) = self.columns[at].get() {
            return Ok(column.clone());
        }
        let column = self.context.column(self.at[at])?;
        let bytes = column.get_array_memory_size();
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= KEPT {
            // Two threads may have read it; it is the same.
            let _ = self.columns[at].set(column.clone());
        }
        Ok(column)
    }

    /// Says that a column is not what it should be, so that it is made anew.
    pub fn missing(&self, at: usize) -> Stop {
        Stop::Missing(self.at[at].chunk)
    }
}
