//! Language models: counts per row group of the texts, remembered, and one model made of them all.

use super::context::Stop;
use super::stage::Flow;
use super::too_many::grouped;
use crate::diag::{Diagnostic, Span};
use crate::hash::Hash;
use crate::op;
use crate::table::{RowGroup, Table};
use crate::text::lm::{Counts, MOST, Merged, estimate};
use arrow_array::cast::AsArray;
use std::collections::HashSet;

impl Flow<'_> {
    /// Returns the model of a column of texts; `at_once` where all threads may work on it.
    pub(super) fn learn(
        &self,
        table: &Table,
        column: &str,
        order: usize,
        span: &Span,
        at_once: bool,
    ) -> Result<Hash, Stop> {
        let index = table.schema.index(column).expect("binding checked the columns");
        let one = |flow: Flow, group: &RowGroup| flow.count_grams(group, index, order);
        let counts: Vec<Hash> = match at_once {
            true => self.each(&table.groups, |flow, group| one(flow, group))?,
            false => table.groups.iter().map(|group| one(*self, group)).collect::<Result<_, Stop>>()?,
        };
        let mut key = op::key("lm");
        key.int("order", order as i64);
        counts.iter().for_each(|counts| _ = key.hash("counts", *counts));
        let outputs = self.action(key.finish(), || {
            let read = |hash: Hash| Counts::decode(&self.context.get(hash)?).ok_or(Stop::Missing(hash));
            let mut words = HashSet::new();
            for hash in &counts {
                Merged::gather(&read(*hash)?, &mut words);
            }
            let mut merged = Merged::new(words);
            let mut few = true;
            for hash in &counts {
                few = few && merged.add(read(*hash)?);
            }
            match Some(merged).filter(|_| few).and_then(|merged| estimate(merged, order)) {
                Some(model) => Ok(vec![self.context.put(&model)?]),
                None => Err(too_many(order, span).into()),
            }
        })?;
        Ok(outputs[0])
    }

    fn count_grams(&self, group: &RowGroup, index: usize, order: usize) -> Result<Hash, Stop> {
        let column = group.columns[index];
        let mut key = op::key("lm-counts");
        key.int("order", order as i64).hash("chunk", column.chunk).maybe("take", column.take);
        let outputs = self.action(key.finish(), || {
            let texts = self.context.column(column)?;
            // Nothing but nulls is a column of no type yet.
            let counts = Counts::of(texts.as_string_opt::<i32>().into_iter().flatten().flatten(), order);
            Ok(vec![self.context.put(&counts.encode())?])
        })?;
        Ok(outputs[0])
    }
}

fn too_many(order: usize, span: &Span) -> Diagnostic {
    let title = format!("the language model has more than {} different {order}-grams", grouped(MOST as u64));
    Diagnostic::error("too-large", title)
        .at(span, "it is wanted here")
        .note("they are held in memory while the model is made")
        .help("take fewer texts (`sample` in a dataset of its own), or a lower `order`")
}
