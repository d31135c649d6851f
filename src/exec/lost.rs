//! Rows that are lost on their way, dropped or failed: taken from their groups, counted, and put together as tables.

use super::able::Failing;
use super::context::Stop;
use super::failure::{FAILURE, FailedAs, RowFailure};
use super::stage::Flow;
use crate::graph::{Stage, WholeOp};
use crate::hash::Hash;
use crate::table::{ColumnRef, Field, RowGroup, Schema, Table, Take, Type};
use std::sync::Arc;

/// Rows that were lost at one place, in one way.
pub struct Lost {
    /// The position of the stage; none: the maker.
    pub stage: Option<usize>,
    pub why: Why,
    /// How many rows each reason took: the filters of the stage, or the kinds of failure.
    pub counts: Vec<u64>,
    /// The columns that the rows had there, and one that says why.
    pub groups: Vec<Arc<RowGroup>>,
}

/// How rows are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A step decided that they go.
    Dropped,
    /// They have no value.
    Failed,
}

/// The column of a table of dropped rows that says which reason dropped the row.
pub const DROPPED_BY: &str = "dropped_by";

impl Flow<'_> {
    /// Returns the rows of a group that stay; none if none do.
    pub(super) fn staying(&self, group: &Arc<RowGroup>, keep: &Take) -> Result<Vec<Arc<RowGroup>>, Stop> {
        Ok(match keep {
            keep if keep.is_identity() => vec![group.clone()],
            keep if keep.is_empty() => Vec::new(),
            keep => vec![Arc::new(self.retake(group, keep)?)],
        })
    }

    /// Takes rows of a group for lost; `reasons` has a value for each of them.
    pub(super) fn lose(
        &self,
        (stage, why): (impl Into<Option<usize>>, Why),
        group: &RowGroup,
        rows: &Take,
        reasons: Hash,
        counts: impl FnOnce() -> Result<Vec<u64>, Stop>,
    ) -> Result<Option<Lost>, Stop> {
        self.lose_telling((stage, why), group, rows, (&[], reasons), counts)
    }

    /// Does so with more columns that have a value for each of them.
    pub(super) fn lose_telling(
        &self,
        (stage, why): (impl Into<Option<usize>>, Why),
        group: &RowGroup,
        rows: &Take,
        (told, reasons): (&[Hash], Hash),
        counts: impl FnOnce() -> Result<Vec<u64>, Stop>,
    ) -> Result<Option<Lost>, Stop> {
        if rows.is_empty() {
            return Ok(None);
        }
        let mut lost = self.retake(group, rows)?;
        lost.columns.extend(told.iter().chain([&reasons]).copied().map(ColumnRef::from));
        Ok(Some(Lost { stage: stage.into(), why, counts: counts()?, groups: vec![Arc::new(lost)] }))
    }

    /// Takes the rows of a group that failed from it; `stage` is none where they failed in the maker.
    pub(super) fn without_failed(
        &self,
        stage: impl Into<Option<usize>>,
        after: &Arc<RowGroup>,
        before: &RowGroup,
        failed: Option<Failing>,
    ) -> Result<(Vec<Arc<RowGroup>>, Vec<Lost>), Stop> {
        let Some(Failing { keep, failures, .. }) = failed else { return Ok((vec![after.clone()], Vec::new())) };
        let counts = || self.context.count_failures(failures);
        let lost = self.lose((stage, Why::Failed), before, &keep.complement(), failures, counts)?;
        Ok((self.staying(after, &keep)?, lost.into_iter().collect()))
    }
}

impl Lost {
    /// Adds rows that were lost at the same place in the same way.
    fn add(&mut self, other: Lost) {
        self.counts.iter_mut().zip(other.counts).for_each(|(sum, count)| *sum += count);
        self.groups.extend(other.groups);
    }

    /// Returns the reasons with their counts, of rows that were lost at this stage; dropped rows know theirs by its position.
    pub fn reasons(&self, stage: Option<&Stage>) -> Vec<(String, u64)> {
        let names: Vec<&str> = match (self.why, stage) {
            (Why::Failed, _) => FailedAs::all().map(FailedAs::word).collect(),
            (_, Some(Stage::Filter(works))) => works.iter().map(|work| work.name.as_str()).collect(),
            // Of a test it says what has to be unique.
            (_, Some(Stage::Whole { hashes, op: WholeOp::Dedup(_), .. })) => vec![&hashes[0].name],
            (_, Some(Stage::Whole { op: WholeOp::Sample(_), .. })) => vec!["sample"],
            (_, Some(Stage::Decontaminate(_))) => vec!["decontaminate"],
            (_, Some(Stage::Fan { fan, .. })) => vec![fan.name()],
            _ => unreachable!("no other stage drops rows"),
        };
        let counts = names.into_iter().map(str::to_owned).zip(self.counts.iter().copied());
        counts.filter(|(_, rows)| self.why == Why::Dropped || *rows > 0).collect()
    }

    /// Returns the rows as a table, which were lost at this stage; `before` are the columns that they had.
    pub fn table(&self, stage: Option<&Stage>, before: &Schema, key: &[String]) -> Table {
        let (name, ty) = match self.why {
            Why::Dropped => (DROPPED_BY, Type::Int),
            Why::Failed => (FAILURE, RowFailure::ty()),
        };
        let mut schema = before.clone();
        if let (Why::Dropped, Some(stage)) = (self.why, stage) {
            schema.0.extend(stage.told(before));
        }
        let mut name = name.to_owned();
        while schema.field(&name).is_some() {
            name.push('_');
        }
        schema.0.push(Field::new(name, ty));
        Table { schema, key: key.to_vec(), groups: self.groups.clone() }
    }
}

/// Puts together what was lost at the same places in the same ways, in the order of the places.
pub(super) fn together(lost: impl Iterator<Item = Lost>) -> Vec<Lost> {
    let mut sums: Vec<Lost> = Vec::new();
    for one in lost {
        match sums.iter_mut().find(|sum| (sum.stage, sum.why) == (one.stage, one.why)) {
            Some(sum) => sum.add(one),
            None => sums.push(one),
        }
    }
    sums.sort_by_key(|sum| sum.stage);
    sums
}
