//! A row group at conditions: which rows stay, which are dropped by which condition, and which fail.

use super::able::{Failing, places};
use super::context::Stop;
use super::rows::{stays, stays_all};
use super::stage::Flow;
use crate::graph::Work;
use crate::hash::Hash;
use crate::op;
use crate::table::{RowGroup, Schema, Take};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array};
use arrow_buffer::BooleanBuffer;
use std::sync::Arc;

/// What becomes of a row at conditions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stays,
    /// By the condition at this position.
    Dropped(i64),
    /// Of which of the conditions that have failures, and the position among them.
    Failed((usize, usize)),
}

/// What became of the rows of a group at conditions.
pub(super) struct Filtered {
    pub keep: Take,
    /// With the chunk of the reasons.
    pub dropped: (Take, Hash),
    /// With the chunk of the failures.
    pub failed: Option<(Take, Hash)>,
}

impl Flow<'_> {
    /// Sends a row group through conditions: which rows stay, which are dropped and which fail. A row goes by the first condition
    /// that does not say that it may stay.
    ///
    /// A conjunction is the conditions that it joins, each an action: one that changes leaves the others as they are.
    pub(super) fn filter(&self, works: &[Work], schema: &Schema, group: &RowGroup) -> Result<Filtered, Stop> {
        let parts: Vec<Vec<Work>> = works.iter().map(Work::conditions).collect();
        let ends = parts.iter().scan(0, |end, parts| {
            *end += parts.len();
            Some(*end)
        });
        let ends: Vec<usize> = ends.collect();
        self.take_measures(parts.iter().flatten(), schema, group)?;
        let made = parts.iter().flatten().map(|part| self.columns_of(part, schema, group));
        let made = made.collect::<Result<Vec<_>, Stop>>()?;
        let masks: Vec<Hash> = made.iter().map(|made| made.chunks[0]).collect();
        let (at, failed): (Vec<usize>, Vec<Failing>) =
            made.into_iter().enumerate().filter_map(|(at, made)| Some((at, made.failed?))).unzip();
        let mut key = op::key("filter");
        masks.iter().for_each(|mask| _ = key.hash("mask", *mask));
        ends.iter().for_each(|end| _ = key.int("end", *end as i64));
        at.iter().zip(&failed).for_each(|(at, one)| {
            key.int("failed", *at as i64).hash("keep", one.keep_at).hash("failures", one.failures);
        });
        let outputs = self.action(key.finish(), || {
            let masks = masks.iter().map(|mask| self.context.column(*mask)).collect::<Result<Vec<ArrayRef>, Stop>>()?;
            // Where a condition has no value, its mask is null.
            let places: Vec<Vec<Option<usize>>> = failed.iter().map(|one| places(&one.keep)).collect();
            let failure = |row: usize, part: usize| {
                let of = at.binary_search(&part).ok()?;
                Some((of, places[of][row]?))
            };
            // Most rows stay, and need no closer look.
            let stay =
                masks.iter().fold(BooleanBuffer::new_set(group.rows as usize), |stay, mask| &stay & &stays_all(mask));
            let keep = Take::of_bits(&stay);
            let (mut reasons, mut failures, mut failed_rows) = (Vec::new(), Vec::new(), Vec::new());
            for row in (!&stay).set_indices() {
                match fate(row, &masks, &ends, &failure) {
                    Fate::Stays => unreachable!("a mask of it says no, or nothing"),
                    Fate::Dropped(by) => reasons.push(by),
                    Fate::Failed(at) => {
                        failures.push(at);
                        failed_rows.push(row as u32);
                    }
                }
            }
            let reasons: ArrayRef = Arc::new(Int64Array::from(reasons));
            let mut outputs = vec![self.context.put_take(&keep)?, self.context.put_column(&reasons)?];
            if !failures.is_empty() {
                let rows = Take::new(group.rows as usize, failed_rows);
                outputs.extend([self.context.put_take(&rows)?, self.picked(&failed, &failures)?]);
            }
            Ok(outputs)
        })?;
        let keep = self.context.take(outputs[0])?;
        let (dropped, failed) = match outputs.get(2..4) {
            None => (keep.complement(), None),
            Some(failed) => {
                let rows = self.context.take(failed[0])?;
                let mut dropped = vec![true; keep.source_rows()];
                keep.indices().iter().chain(rows.indices()).for_each(|row| dropped[*row as usize] = false);
                (Take::of_mask(dropped.into_iter()), Some((rows, failed[1])))
            }
        };
        Ok(Filtered { keep, dropped: (dropped, outputs[1]), failed })
    }

    pub(super) fn count(&self, reasons: Hash, n: usize) -> Result<Vec<u64>, Stop> {
        let column = self.context.column(reasons)?;
        let mut counts = vec![0; n];
        for reason in column.as_primitive::<Int64Type>().values() {
            counts[*reason as usize] += 1;
        }
        Ok(counts)
    }
}

/// Returns what becomes of a row at conditions, each the conjunction of the masks up to its end. Of these, the first that is false or
/// has failed decides; null says neither yes nor no, and a condition that is null in the end has not said that the row may stay.
fn fate(
    row: usize,
    masks: &[ArrayRef],
    ends: &[usize],
    failure: &impl Fn(usize, usize) -> Option<(usize, usize)>,
) -> Fate {
    let mut parts = masks.iter().enumerate();
    for (at, end) in ends.iter().enumerate() {
        let mut is_null = false;
        for (part, mask) in parts.by_ref().take(*end - at.checked_sub(1).map_or(0, |before| ends[before])) {
            if stays(mask, row) {
                continue;
            }
            if let Some(failure) = failure(row, part) {
                return Fate::Failed(failure);
            }
            if !mask.is_null(row) {
                return Fate::Dropped(at as i64);
            }
            is_null = true;
        }
        if is_null {
            return Fate::Dropped(at as i64);
        }
    }
    Fate::Stays
}
