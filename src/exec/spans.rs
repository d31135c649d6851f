//! Texts without the spans that stood in the dataset before: hashes are made row by row, which of them come again is decided over all, and what is marked is
//! cut row by row.

use super::context::Stop;
use super::kept::Kept;
use super::stage::Flow;
use super::whole::{Other, column_into};
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

/// What is marked of a row group.
#[derive(Clone, Copy)]
struct Marks {
    /// The lines or paragraphs that go, or the anchors that are not alone.
    own: Hash,
    /// Of these anchors the runs that stood before, if there are any.
    runs: Option<Hash>,
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
        let marks = self.marks(step, &all)?.split_off(first);
        let own = groups.iter().zip(all.split_off(first)).zip(marks);
        self.all(
            &own.collect::<Vec<_>>(),
            |((group, _), _)| u64::from(group.rows),
            |flow, ((group, texts), marks)| {
                let into = match marks {
                    // Nothing goes, so it is the column itself.
                    None => texts.column,
                    Some(marks) => ColumnRef { chunk: flow.cut(step, texts.column, *marks)?, take: None },
                };
                let columns = group.columns.iter().copied().chain([into]).collect();
                Ok(Arc::new(RowGroup { rows: group.rows, columns }))
            },
        )
    }

    /// Marks of each row group what stood before.
    fn marks(&self, step: &Spanning, all: &[Texts]) -> Result<Vec<Option<Marks>>, Stop> {
        let hashes: Vec<ColumnRef> = all.iter().map(|texts| texts.hashes).collect();
        let which = if step.spans.unit == Unit::Words { Which::All } else { Which::AllButTheFirst };
        let own = self.repeated(&hashes, which)?;
        let mut marks: Vec<Option<Marks>> =
            own.into_iter().map(|own| own.map(|own| Marks { own, runs: None })).collect();
        if step.spans.unit == Unit::Words {
            // Anchors that are equal may be of unlike runs; which runs of theirs stood before is decided over these.
            let some: Vec<(&Texts, &mut Marks)> =
                all.iter().zip(&mut marks).filter_map(|(texts, marks)| Some((texts, marks.as_mut()?))).collect();
            let runs = self.all(&some, |_| 0, |flow, (texts, marks)| flow.runs(step, texts.column, marks.own))?;
            let runs: Vec<ColumnRef> = runs.into_iter().map(|chunk| ColumnRef { chunk, take: None }).collect();
            let runs = self.repeated(&runs, Which::AllButTheFirst)?;
            some.into_iter().zip(runs).for_each(|((_, marks), runs)| marks.runs = runs);
        }
        Ok(marks)
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

    /// Makes the hashes of the runs of which anchors are marked.
    fn runs(&self, step: &Spanning, texts: ColumnRef, anchors: Hash) -> Result<Hash, Stop> {
        let mut key = op::key("spans-runs");
        step.spans.write_key(&mut key);
        column_into(&mut key, texts);
        key.hash("anchors", anchors);
        let outputs = self.action(key.finish(), || {
            let marks = self.context.column(ColumnRef { chunk: anchors, take: None })?;
            let runs = step.spans.runs(&self.context.column(texts)?, &marks).ok_or(Stop::Missing(anchors))?;
            Ok(vec![self.context.put_column(&runs)?])
        })?;
        Ok(outputs[0])
    }

    /// Cuts what is marked out of texts.
    fn cut(&self, step: &Spanning, texts: ColumnRef, marks: Marks) -> Result<Hash, Stop> {
        let mut key = op::key("spans-cut");
        step.spans.write_key(&mut key);
        column_into(&mut key, texts);
        key.hash("marks", marks.own).maybe("runs", marks.runs);
        let outputs = self.action(key.finish(), || {
            let read = |chunk: Hash| self.context.column(ColumnRef { chunk, take: None });
            let of_runs = marks.runs.map_or_else(|| Ok(no_marks()), read)?;
            let cut = step.spans.cut(&self.context.column(texts)?, &read(marks.own)?, &of_runs);
            Ok(vec![self.context.put_column(&cut.ok_or(Stop::Missing(marks.own))?)?])
        })?;
        Ok(outputs[0])
    }
}
