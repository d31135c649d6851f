//! Files that come in batches of their own making, cut into row groups by content.

use super::{Parsed, ParsedColumn, Part, PartColumn, Problem};
use crate::diag::Diagnostic;
use crate::exec::context::{Context, Stop};
use crate::format::BadRow;
use crate::hash::Hash;
use crate::table::{Batch, ColumnRef, Cutter, RowGroup, Type, row_hashes, row_sizes};
use arrow_array::ArrayRef;
use std::sync::Arc;

/// Cuts batches that a file came in into row groups by content.
pub(in crate::exec) struct Recut<'a, 'b> {
    context: &'a Context<'b>,
    key: &'a [String],
    /// Rows that no cut has ended yet.
    rows: Option<Batch>,
    cutter: Cutter,
    /// Rows that cannot be read, which are in no part yet.
    bad: Vec<BadRow>,
    parts: Vec<Part>,
    chunks: Vec<Hash>,
}

/// Rows that cannot be read that are kept in memory.
const BAD: usize = 4096;

impl<'a, 'b> Recut<'a, 'b> {
    pub(in crate::exec) fn new(context: &'a Context<'b>, key: &'a [String]) -> Recut<'a, 'b> {
        let cutter = Cutter::new(context.limits);
        Recut { context, key, rows: None, cutter, bad: Vec::new(), parts: Vec::new(), chunks: Vec::new() }
    }

    /// Adds rows, and those beside them that cannot be read: these become parts of their own.
    pub(super) fn push_rows(&mut self, batch: Batch, bad: Vec<BadRow>) -> Result<(), Stop> {
        self.push(batch)?;
        self.bad.extend(bad);
        if self.bad.len() >= BAD { self.emit_bad() } else { Ok(()) }
    }

    pub(in crate::exec) fn push(&mut self, batch: Batch) -> Result<(), Stop> {
        self.context.go_on()?;
        let keyed: Vec<ArrayRef> = self.key.iter().filter_map(|name| batch.column(name).cloned()).collect();
        let all: Vec<ArrayRef> = batch.columns.iter().map(|(_, column)| column.clone()).collect();
        let hashes = row_hashes(if keyed.is_empty() { &all } else { &keyed }, batch.rows);
        let sizes = row_sizes(&all, batch.rows);
        let mut from = 0;
        for (row, (hash, size)) in hashes.iter().zip(sizes).enumerate() {
            if self.cutter.push(hash.head(), size) {
                self.gather(&batch, from, row + 1)?;
                self.emit()?;
                from = row + 1;
            }
        }
        self.gather(&batch, from, batch.rows)
    }

    fn gather(&mut self, batch: &Batch, from: usize, to: usize) -> Result<(), Stop> {
        let slice = |column: &ArrayRef| column.slice(from, to - from);
        match &mut self.rows {
            None => {
                let columns = batch.columns.iter().map(|(name, column)| (name.clone(), slice(column))).collect();
                self.rows = Some(Batch { rows: to - from, columns });
            }
            Some(rows) => {
                rows.rows += to - from;
                for ((_, have), (_, column)) in rows.columns.iter_mut().zip(&batch.columns) {
                    *have = arrow_select::concat::concat(&[have, &slice(column)]).map_err(|error| {
                        Diagnostic::error("too-large", format!("a row group of this file is too large: {error}"))
                    })?;
                }
            }
        }
        Ok(())
    }

    fn emit(&mut self) -> Result<(), Stop> {
        let Some(rows) = self.rows.take() else { return Ok(()) };
        let column = |(name, array): (String, ArrayRef)| ParsedColumn {
            ty: Type::of(array.data_type()).expect("readers make columns of a table's type"),
            name,
            array,
            evidence: 0,
        };
        let parsed =
            Parsed { rows: rows.rows, columns: rows.columns.into_iter().map(column).collect(), bad: Vec::new() };
        let (part, chunks) = self.context.put_columns(&parsed)?;
        self.parts.push(part);
        self.chunks.extend(chunks);
        Ok(())
    }

    fn emit_bad(&mut self) -> Result<(), Stop> {
        let bad: Vec<_> = std::mem::take(&mut self.bad).into_iter().map(|row| (None, row)).collect();
        let Some(bad) = self.context.put_bad(&bad)? else { return Ok(()) };
        self.parts.push(Part { first_line: 0, rows: 0, columns: Vec::new(), bad: Some(bad), fresh: false });
        self.chunks.push(bad.chunk);
        Ok(())
    }

    /// Returns the row groups.
    pub(in crate::exec) fn groups(mut self) -> Result<Vec<Arc<RowGroup>>, Stop> {
        self.emit()?;
        let chunk = |column: &PartColumn| ColumnRef::from(column.chunk);
        let group = |part: &Part| RowGroup { rows: part.rows, columns: part.columns.iter().map(chunk).collect() };
        Ok(self.parts.iter().filter(|part| part.rows > 0).map(|part| Arc::new(group(part))).collect())
    }

    /// Returns the outputs: a blob that lists the parts, and all their chunks.
    pub(super) fn finish(mut self) -> Result<Vec<Hash>, Stop> {
        self.emit()?;
        self.emit_bad()?;
        let listed = self.context.put(&serde_json::to_vec(&self.parts).expect("parts are plain data"))?;
        Ok(std::iter::once(listed).chain(self.chunks).collect())
    }
}

/// Why reading ended before the file did.
pub(in crate::exec) enum ReadStop {
    Stop(Stop),
    Problem(Problem),
}

impl From<Stop> for ReadStop {
    fn from(stop: Stop) -> ReadStop {
        ReadStop::Stop(stop)
    }
}

impl From<Problem> for ReadStop {
    fn from(problem: Problem) -> ReadStop {
        ReadStop::Problem(problem)
    }
}
