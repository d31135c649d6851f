//! Columns brought to another type: a value that has no such form fails its row alone.

use super::able::{Failing, able, places, rest};
use super::context::{Context, Stop, Used};
use super::failure::RowFailure;
use super::stage::Flow;
use crate::diag::Diagnostic;
use crate::expr::value_at;
use crate::format::{Misfit, conform};
use crate::hash::Hash;
use crate::op;
use crate::table::{Batch, ColumnRef, RowError, Take, Type};

/// A chunk as one of another type.
pub(super) struct Conformed {
    /// Null where a value has no such form.
    pub chunk: Hash,
    /// The rows of the chunk where that is so.
    pub failed: Option<Failing>,
}

impl Context<'_> {
    /// Brings a chunk to another type, of which its own is a special case.
    pub(super) fn conform(&self, used: &Used, chunk: Hash, ty: &Type) -> Result<Conformed, Stop> {
        let key = op::key("conform").text("type", &super::files::type_text(ty)).hash("chunk", chunk).finish();
        let outputs = self.action(used, key, || {
            let column = self.column(chunk)?;
            let batch = Batch { rows: column.len(), columns: vec![(String::new(), column)] };
            let one = |batch: &Batch| {
                let misfit = |misfit: Misfit| RowError {
                    row: misfit.row,
                    message: format!("a value {}", misfit.title),
                    help: Some("convert it with `columns` first, for example `cast(x as string)`".to_owned()),
                };
                conform(&batch.columns[0].1, ty).map(|column| vec![column]).map_err(misfit)
            };
            let (columns, failed) =
                able(&batch, &[ty], one).map_err(|error| Diagnostic::error("wrong-type", error.message))?;
            let mut outputs = vec![self.put_column(&columns[0])?];
            if !failed.is_empty() {
                outputs.push(self.put_take(&rest(batch.rows, &failed))?);
                let failures = failed.into_iter().map(RowFailure::of_error);
                outputs.push(self.put_column(&RowFailure::column(failures.collect()))?);
            }
            Ok(outputs)
        })?;
        let failed = match outputs[1..] {
            [keep_at, failures] => Some(Failing { keep: self.take(keep_at)?, keep_at, failures }),
            _ => None,
        };
        Ok(Conformed { chunk: outputs[0], failed })
    }

    /// Returns the first row of those that failed, and why it did.
    pub(super) fn first_failure(&self, failed: &Failing) -> Result<(usize, RowFailure), Stop> {
        let failures = self.column(failed.failures)?;
        let first = RowFailure::of_value(&value_at(&failures, 0)).ok_or(Stop::Missing(failed.failures))?;
        let row = failed.keep.complement().indices().first().map_or(0, |row| *row as usize);
        Ok((row, first))
    }
}

impl Flow<'_> {
    /// Brings a column of a row group to another type, which is called `of` there.
    pub(super) fn conformed(&self, from: ColumnRef, ty: &Type, of: &str) -> Result<(ColumnRef, Option<Failing>), Stop> {
        let Conformed { chunk, failed } = self.context.conform(self.used, from.chunk, ty)?;
        let column = ColumnRef { chunk, take: from.take };
        let Some(failed) = failed.map(|failed| self.taken(failed, from.take)).transpose()?.flatten() else {
            return Ok((column, None));
        };
        let failures = self.named(failed.failures, of)?;
        Ok((column, Some(Failing { failures, ..failed })))
    }

    /// Returns which of the rows of a take are among those of its chunk that failed.
    fn taken(&self, failed: Failing, take: Option<Hash>) -> Result<Option<Failing>, Stop> {
        let Some(take) = take else { return Ok(Some(failed)) };
        let mut key = op::key("failed");
        key.hash("keep", failed.keep_at).hash("failures", failed.failures).hash("take", take);
        let outputs = self.action(key.finish(), || {
            let places = places(&failed.keep);
            let taken = self.context.take(take)?;
            let at = taken.indices().iter().map(|row| places[*row as usize]);
            let keep = Take::of_mask(at.clone().map(|place| place.is_none()));
            let at: Vec<(usize, usize)> = at.flatten().map(|place| (0, place)).collect();
            if at.is_empty() {
                return Ok(Vec::new());
            }
            Ok(vec![self.context.put_take(&keep)?, self.picked(std::slice::from_ref(&failed), &at)?])
        })?;
        Ok(match outputs[..] {
            [keep_at, failures] => Some(Failing { keep: self.context.take(keep_at)?, keep_at, failures }),
            _ => None,
        })
    }
}
