//! Rows that come more or less often than before: what an op or a join says of them, without a copy of their other columns.

use super::context::Stop;
use super::lost::{Lost, Why};
use super::refer::of;
use super::stage::Flow;
use crate::diag::Span;
use crate::graph::Fan;
use crate::hash::Hash;
use crate::op::{self, FanOp, Fanned};
use crate::table::{Batch, ColumnRef, RowGroup, Schema, Take};
use arrow_array::{ArrayRef, Int64Array};
use std::sync::Arc;

/// Rows that come of a row group, at most as many as a row group may have.
pub(super) struct Piece {
    /// Picks them from the group.
    pub take: Take,
    /// What was made for them.
    pub columns: Vec<ColumnRef>,
}

impl Flow<'_> {
    /// Lets the rows of a group come as often as is said of them. Those that do not come are lost.
    pub(super) fn fan(
        &self,
        stage: usize,
        fan: &Fan,
        span: &Span,
        schema: &Schema,
        group: &Arc<RowGroup>,
    ) -> Result<(Vec<Arc<RowGroup>>, Vec<Lost>), Stop> {
        let pieces = match fan {
            Fan::Own(op) => self.fan_own(op.as_ref(), span, schema, group)?,
            Fan::Join(join) => self.join(join, span, schema, group)?,
        };
        let mut comes = vec![false; group.rows as usize];
        pieces.iter().flat_map(|piece| piece.take.indices()).for_each(|row| comes[*row as usize] = true);
        let missing = Take::of_mask(comes.into_iter().map(|comes| !comes));
        let rows = missing.len();
        let reasons: ArrayRef = Arc::new(Int64Array::from(vec![0; rows]));
        let reasons = self.context.put_column(&reasons)?;
        let lost = self.lose((stage, Why::Dropped), group, &missing, reasons, || Ok(vec![rows as u64]))?;
        let mut groups = Vec::with_capacity(pieces.len());
        for piece in pieces.into_iter().filter(|piece| !piece.take.is_empty()) {
            let as_before = piece.take.is_identity();
            let mut rows = if as_before { (**group).clone() } else { self.retake(group, &piece.take)? };
            rows.columns.extend(piece.columns);
            groups.push(Arc::new(rows));
        }
        Ok((groups, lost.into_iter().collect()))
    }

    fn fan_own(&self, op: &dyn FanOp, span: &Span, schema: &Schema, group: &RowGroup) -> Result<Vec<Piece>, Stop> {
        let most = self.context.limits.max as usize;
        let mut key = op::key(op.name());
        op.write_key(&mut key);
        key.int("most", most as i64).int("rows", i64::from(group.rows));
        let reads: Vec<ColumnRef> = of(schema, group, op.reads()).collect();
        reads.iter().for_each(|column| _ = key.hash("chunk", column.chunk).maybe("take", column.take));
        let outputs = self.action(key.finish(), || {
            let columns = op.reads().iter().zip(&reads);
            let columns = columns.map(|(name, at)| Ok((name.clone(), self.context.column(*at)?)));
            let batch = Batch { rows: group.rows as usize, columns: columns.collect::<Result<_, Stop>>()? };
            let made = op.run(&batch).map_err(|error| self.uncomputable("a row", span, &batch, error))?;
            let mut outputs = Vec::new();
            for range in ranges(made.rows.len(), most) {
                let take = Take::new(batch.rows, made.rows[range.clone()].to_vec());
                outputs.push(self.context.put_take(&take)?);
                for column in &made.columns {
                    outputs.push(self.context.put_column(&column.slice(range.start, range.len()))?);
                }
            }
            Ok(outputs)
        })?;
        let pieces = outputs.chunks_exact(1 + op.writes().len()).map(|piece: &[Hash]| {
            let columns = piece[1..].iter().copied().map(ColumnRef::from).collect();
            Ok(Piece { take: self.context.take(piece[0])?, columns })
        });
        pieces.collect()
    }

    /// Says of rows in memory how often they come; nothing where a row cannot be computed.
    pub(super) fn fan_rows(&self, fan: &Fan, batch: &Batch) -> Result<Option<Fanned>, Stop> {
        match fan {
            Fan::Own(op) => Ok(op.run(batch).ok()),
            Fan::Join(join) => self.join_rows(join, batch),
        }
    }
}

/// Cuts rows into pieces of at most `most`; there is one at least.
pub(super) fn ranges(rows: usize, most: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..rows.max(1)).step_by(most.max(1)).map(move |start| start..(start + most).min(rows))
}
