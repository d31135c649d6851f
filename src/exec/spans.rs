//! Texts without the spans that stood in the dataset before: hashes are made row by row, which of them come again is decided over all, and what is marked is
//! cut row by row.

use super::alike::Other;
use super::context::Stop;
use super::kept::Kept;
use super::stage::Flow;
use super::whole::column_into;
use crate::graph::{Against, Spanning};
use crate::hash::Hash;
use crate::op::{self, Room, Unit, Which, marked, no_marks, repeated};
use crate::table::{ColumnRef, RowGroup, Schema, encode_chunk};
use arrow_array::Array;
use arrow_array::cast::AsArray;
use rayon::prelude::*;
use std::sync::Arc;

/// How many hashes are in memory at once: a quarter and half a gigabyte at most.
const ROOM: Room = Room { told: 128 << 20, several: 14 << 20 };

/// The texts of a row group, and what stands for their spans.
#[derive(Clone, Copy)]
struct Texts {
    column: ColumnRef,
    hashes: ColumnRef,
}

impl Flow<'_> {
    /// Adds to row groups the column of texts without what stood before, in other datasets or in rows before.
    pub(super) fn spans(
        &self,
        step: &Spanning,
        against: &[Against],
        schema: &Schema,
        groups: &[Arc<RowGroup>],
        hashes: &[Vec<ColumnRef>],
    ) -> Result<Vec<Arc<RowGroup>>, Stop> {
        let others = self.others(against)?;
        let column = |schema: &Schema, group: &RowGroup| {
            group.columns[schema.index(&step.column).expect("binding checked the columns")]
        };
        let mut all: Vec<Texts> = Vec::new();
        for Other { table, hashes, .. } in &others {
            let texts = table.groups.iter().zip(hashes);
            all.extend(texts.map(|(group, hashes)| Texts { column: column(&table.schema, group), hashes: hashes[0] }));
        }
        let first = all.len();
        let own = groups.iter().zip(hashes);
        all.extend(own.map(|(group, hashes)| Texts { column: column(schema, group), hashes: hashes[0] }));
        let hashes: Vec<ColumnRef> = all.iter().map(|texts| texts.hashes).collect();
        // Of each row group what is marked, and of runs of words which runs of the anchors that are.
        let (marks, of_runs) = match step.spans.unit {
            Unit::Line | Unit::Paragraph => (self.repeated(&hashes, Which::AllButTheFirst)?, None),
            Unit::Words => {
                let anchors = self.repeated(&hashes, Which::All)?;
                let texts: Vec<(Texts, Option<Hash>)> = all.iter().copied().zip(anchors.iter().copied()).collect();
                let runs = self.all(&texts, |_| 0, |flow, (texts, anchors)| flow.runs(step, texts.column, *anchors))?;
                let runs: Vec<ColumnRef> =
                    runs.into_iter().flatten().map(|chunk| ColumnRef { chunk, take: None }).collect();
                let mut marked = self.repeated(&runs, Which::AllButTheFirst)?.into_iter();
                let of_runs = anchors.iter().map(|anchors| anchors.and_then(|_| marked.next()).flatten());
                let of_runs: Vec<Option<Hash>> = of_runs.collect();
                (anchors, Some(of_runs))
            }
        };
        let place =
            |at: usize| (all[first + at].column, marks[first + at], of_runs.as_ref().map(|marks| marks[first + at]));
        let work: Vec<_> = groups.iter().enumerate().map(|(at, group)| (group, place(at))).collect();
        self.all(
            &work,
            |(group, _)| u64::from(group.rows),
            |flow, (group, (texts, marks, of_runs))| {
                let into = match marks {
                    // Nothing goes, so it is the column itself.
                    None => *texts,
                    Some(marks) => ColumnRef { chunk: flow.cut(step, *texts, *marks, *of_runs)?, take: None },
                };
                let columns = group.columns.iter().copied().chain([into]).collect();
                Ok(Arc::new(RowGroup { rows: group.rows, columns }))
            },
        )
    }

    /// Returns the marks of hashes that come several times, of each column of lists of hashes that has any.
    fn repeated(&self, lists: &[ColumnRef], which: Which) -> Result<Vec<Option<Hash>>, Stop> {
        let mut key = op::key("spans-repeated");
        key.text("which", if which == Which::All { "all" } else { "all-but-the-first" });
        lists.iter().for_each(|column| column_into(&mut key, *column));
        let outputs = self.action(key.finish(), || {
            let columns = Kept::new(self.context, lists.to_vec());
            let length = |at: usize| {
                let column = columns.column(at)?;
                let lists = column.as_list_opt::<i32>().ok_or_else(|| columns.missing(at))?;
                Ok(lists.values().len())
            };
            let lengths = (0..lists.len()).into_par_iter().map(length).collect::<Result<Vec<usize>, Stop>>()?;
            let marks = repeated(lists.len(), lengths.iter().sum(), which, ROOM, |at| columns.column(at))?;
            let mut start = 0;
            let put = |(at, length): (usize, &usize)| {
                let column = marked(&columns.column(at)?, &marks, start).ok_or_else(|| columns.missing(at))?;
                start += length;
                self.context.put_column(&column)
            };
            lengths.iter().enumerate().map(put).collect()
        })?;
        let nothing = Hash::of(&encode_chunk(&no_marks()));
        Ok(outputs.into_iter().map(|output| (output != nothing).then_some(output)).collect())
    }

    /// Makes the hashes of the runs of which anchors are marked; nothing where none is.
    fn runs(&self, step: &Spanning, texts: ColumnRef, anchors: Option<Hash>) -> Result<Option<Hash>, Stop> {
        let Some(anchors) = anchors else { return Ok(None) };
        let mut key = op::key("spans-runs");
        step.spans.write_key(&mut key);
        column_into(&mut key, texts);
        key.hash("anchors", anchors);
        let outputs = self.action(key.finish(), || {
            let marks = self.context.column(ColumnRef { chunk: anchors, take: None })?;
            let runs = step.spans.runs(&self.context.column(texts)?, &marks).ok_or(Stop::Missing(anchors))?;
            Ok(vec![self.context.put_column(&runs)?])
        })?;
        Ok(Some(outputs[0]))
    }

    /// Cuts what is marked out of texts.
    fn cut(&self, step: &Spanning, texts: ColumnRef, marks: Hash, of_runs: Option<Option<Hash>>) -> Result<Hash, Stop> {
        let mut key = op::key("spans-cut");
        step.spans.write_key(&mut key);
        column_into(&mut key, texts);
        key.hash("marks", marks).maybe("runs", of_runs.flatten());
        let outputs = self.action(key.finish(), || {
            let read = |chunk: Hash| self.context.column(ColumnRef { chunk, take: None });
            let of_runs = match of_runs {
                None => None,
                Some(None) => Some(no_marks()),
                Some(Some(chunk)) => Some(read(chunk)?),
            };
            let cut = step.spans.cut(&self.context.column(texts)?, &read(marks)?, of_runs.as_ref());
            Ok(vec![self.context.put_column(&cut.ok_or(Stop::Missing(marks))?)?])
        })?;
        Ok(outputs[0])
    }
}
