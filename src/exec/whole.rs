//! Steps that see the whole table: hashes are made row by row, and over all of them it is decided which rows stay, or in which part they are.

use super::able::Made;
use super::context::Stop;
use super::lost::{Lost, Why};
use super::stage::Flow;
use crate::graph::{Against, Parts, Work};
use crate::hash::{Hash, KeyWriter};
use crate::op::{self, Sampling};
use crate::table::{ColumnRef, RowGroup, Schema, Table, Take};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array};
use std::sync::Arc;

/// What was decided of a row group by a step that sees all of them.
pub(super) struct Decided {
    pub keep: Hash,
    /// Columns beside the rows that go.
    pub told: Vec<Hash>,
}

/// Another dataset that is looked into, its table, and what was made of the rows of each group.
pub(super) struct Other<'a> {
    pub of: &'a Against,
    pub table: Arc<Table>,
    pub hashes: Vec<Vec<ColumnRef>>,
}

impl Flow<'_> {
    /// Makes the columns of hashes of the rows of all groups; rows that have none fail, and are taken from their groups.
    pub(super) fn hashes(
        &self,
        stage: Option<usize>,
        works: &[Work],
        schema: &Schema,
        groups: &mut Vec<Arc<RowGroup>>,
    ) -> Result<(Vec<Vec<ColumnRef>>, Vec<Lost>), Stop> {
        let made = self.each(groups, |flow, group| {
            let Made { chunks, failed } = flow.all_columns_of(works, schema, group)?;
            let take = failed.as_ref().map(|failed| failed.keep_at);
            let hashes: Vec<ColumnRef> = chunks.into_iter().map(|chunk| ColumnRef { chunk, take }).collect();
            let (stays, lost) = flow.without_failed(stage, group, group, failed)?;
            Ok((stays.into_iter().next().map(|group| (group, hashes)), lost))
        })?;
        groups.clear();
        let (mut hashes, mut lost) = (Vec::with_capacity(made.len()), Vec::new());
        for (stays, failed) in made {
            if let Some((group, columns)) = stays {
                groups.push(group);
                hashes.push(columns);
            }
            lost.extend(failed);
        }
        Ok((hashes, lost))
    }

    /// Makes what is compared of the rows of other datasets.
    pub(super) fn others<'o>(&self, against: &'o [Against]) -> Result<Vec<Other<'o>>, Stop> {
        let one = |of: &'o Against| {
            let table = self.others.tables[of.input].as_ref().expect("what a step over all rows looks into is made");
            let table = self.context.table(table)?;
            let hashes = self.each(&table.groups, |flow, group| {
                let chunks = of.works.iter().map(|work| flow.column_of(work, &table.schema, group));
                let chunks = chunks.collect::<Result<Vec<_>, Stop>>()?;
                Ok(chunks.into_iter().flatten().map(|chunk| ColumnRef { chunk, take: None }).collect())
            })?;
            Ok(Other { of, table, hashes })
        };
        against.iter().map(one).collect()
    }

    /// Decides over the hashes of all rows which of them a sample takes.
    pub(super) fn sample(&self, hashes: &[Vec<ColumnRef>], sampling: &Sampling) -> Result<Vec<Decided>, Stop> {
        let mut key = op::key("sample");
        sampling.write_key(&mut key);
        hashes.iter().flatten().for_each(|column| column_into(&mut key, *column));
        let takes = self.action(key.finish(), || {
            let columns = self.ints(hashes)?;
            let columns: Vec<Vec<&[i64]>> =
                columns.iter().map(|group| group.iter().map(|column| &column.values()[..]).collect()).collect();
            sampling.takes(&columns).iter().map(|take| self.context.put_take(take)).collect()
        })?;
        Ok(takes.into_iter().map(|keep| Decided { keep, told: Vec::new() }).collect())
    }

    /// Reads columns of hashes.
    pub fn ints<C: Copy + Into<ColumnRef>>(&self, columns: &[Vec<C>]) -> Result<Vec<Vec<Int64Array>>, Stop> {
        let read = |at: &C| {
            let at: ColumnRef = (*at).into();
            let column = self.context.column(at)?;
            column.as_primitive_opt::<Int64Type>().cloned().ok_or(Stop::Missing(at.chunk))
        };
        columns.iter().map(|columns| columns.iter().map(read).collect()).collect()
    }

    /// Picks rows of all groups; those not picked are dropped by the stage, for its only reason.
    pub(super) fn pick(
        &self,
        at: usize,
        groups: Vec<Arc<RowGroup>>,
        decided: Vec<Decided>,
    ) -> Result<(Vec<Arc<RowGroup>>, Vec<Lost>), Stop> {
        let groups: Vec<(Arc<RowGroup>, Decided)> = groups.into_iter().zip(decided).collect();
        let picked = self.all(
            &groups,
            |(group, _)| u64::from(group.rows),
            |flow, (group, decided)| {
                let take = flow.context.take(decided.keep)?;
                if take.is_identity() {
                    return Ok((vec![group.clone()], Vec::new()));
                }
                let rows = (take.source_rows() - take.len()) as u64;
                let reasons: ArrayRef = Arc::new(Int64Array::from(vec![0; rows as usize]));
                let reasons = flow.context.put_column(&reasons)?;
                let (gone, told) = (take.complement(), (&decided.told[..], reasons));
                let lost = flow.lose_telling((at, Why::Dropped), group, &gone, told, || Ok(vec![rows]))?;
                Ok((flow.staying(group, &take)?, lost.into_iter().collect()))
            },
        )?;
        let mut kept = Vec::with_capacity(picked.len());
        let mut lost = Vec::new();
        for (stays, rest) in picked {
            kept.extend(stays);
            lost.extend(rest);
        }
        Ok((kept, lost))
    }

    /// Divides row groups into parts.
    pub fn split(
        &self,
        parts: &Parts,
        schema: &Schema,
        groups: &[Arc<RowGroup>],
    ) -> Result<Vec<Vec<Arc<RowGroup>>>, Stop> {
        let n = parts.names.len();
        let divided = self.each(groups, |flow, group| {
            let which = flow.column_again(&parts.works[0], schema, group)?[0];
            let key = op::key("parts").int("parts", n as i64).hash("chunk", which).finish();
            let takes = flow.action(key, || {
                let column = flow.context.column(ColumnRef { chunk: which, take: None })?;
                let which = column.as_primitive_opt::<Int64Type>().ok_or(Stop::Missing(which))?.values();
                let take = |part| Take::of_mask(which.iter().map(|at| *at == part as i64));
                (0..n).map(|part| flow.context.put_take(&take(part))).collect()
            })?;
            takes
                .into_iter()
                .map(|take| {
                    let take = flow.context.take(take)?;
                    Ok((!take.is_empty()).then_some(flow.retake(group, &take)?).map(Arc::new))
                })
                .collect::<Result<Vec<_>, Stop>>()
        })?;
        let mut tables = vec![Vec::new(); n];
        for group in divided {
            group.into_iter().enumerate().for_each(|(part, group)| tables[part].extend(group));
        }
        Ok(tables)
    }
}

/// Writes a column of hashes into a key.
pub(super) fn column_into(key: &mut KeyWriter, column: ColumnRef) {
    key.hash("chunk", column.chunk);
    column.take.iter().for_each(|take| _ = key.hash("take", *take));
}
