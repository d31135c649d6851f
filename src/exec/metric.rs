//! A metric: a small state per row group, remembered, and merged in their order.

use super::Progress;
use super::context::{Stop, TableRef, Used};
use super::example::{Example, WithRows};
use super::record::{MetricSlice, MetricValue, Output};
use super::refer::Others;
use super::rows::stays_all;
use super::stage::Flow;
use super::walk::{Made, Walk};
use crate::diag::{Diagnostic, Span};
use crate::expr::{Slice, State};
use crate::graph::{BoundMetric, NodeId};
use crate::hash::Hash;
use crate::op;
use crate::table::{Batch, RowError, RowGroup, Schema, Table};

impl Walk<'_> {
    /// Computes a metric over each table that it is on.
    pub(super) fn metric(
        &mut self,
        id: NodeId,
        inputs: &[TableRef],
        used: &Used,
        progress: &Progress,
    ) -> Result<Made, Stop> {
        let node = self.request.graph.node(id);
        let metric = &self.request.graph.manifest.metrics[node.declaration];
        let others = Others::default();
        let flow = self.flow(id, used, progress, &others);
        let mut values = Vec::with_capacity(inputs.len());
        for (input, bound) in inputs.iter().zip(&self.metrics[&id]) {
            let table = self.context.table(input)?;
            let what = format!("the metric `{}`", metric.name.value);
            let Measured { slices, whole } = flow.measure(&what, &metric.value.span, bound, &table)?;
            let json = |value: &crate::expr::Value| serde_json::to_value(value).expect("a value is plain data");
            let slice = |slice: Slice| MetricSlice {
                by: slice.by.iter().map(json).collect(),
                value: json(&slice.value),
                sample: slice.sample,
            };
            values.push(MetricValue { slices: slices.into_iter().map(slice).collect(), whole: whole.map(slice) });
        }
        Ok(Made::of(Output::Metric(values)))
    }
}

/// What a metric is of a table.
pub(super) struct Measured {
    pub slices: Vec<Slice>,
    /// With `by`: of all rows, if it can be computed of them.
    pub whole: Option<Slice>,
}

impl Flow<'_> {
    /// Computes an aggregate over a table; `what` it is for, and where that stands, is said where it cannot be.
    pub(super) fn measure(
        &self,
        what: &str,
        span: &Span,
        bound: &BoundMetric,
        table: &Table,
    ) -> Result<Measured, Stop> {
        let aggregate = &bound.aggregate;
        let wrong = |batch: &Batch, error| uncomputable(what, span, batch, error);
        let states = self.each(&table.groups, |flow, group| flow.fold(&wrong, bound, &table.schema, group))?;
        let mut sum = aggregate.empty();
        let mut whole = aggregate.together(&sum);
        let mut bytes = 0;
        if aggregate.grows() {
            for state in &states {
                bytes += self.context.get(*state)?.len() as u64;
            }
        }
        let parts = aggregate.parts(bytes);
        for part in 0..parts {
            for state in &states {
                let contents = self.context.get(*state)?;
                let state = State::decode(aggregate, &contents).map_err(|_| Stop::Missing(*state))?;
                if let Some((whole, all)) = whole.as_mut().zip(aggregate.together(&state)) {
                    aggregate.merge_part(whole, all, part, parts);
                }
                aggregate.merge_part(&mut sum, state, part, parts);
            }
            aggregate.settle(&mut sum);
            whole.iter_mut().for_each(|whole| aggregate.settle(whole));
        }
        let slices = aggregate.finish(&sum).map_err(|error| wrong(&Batch::default(), error))?;
        Ok(Measured { slices, whole: whole.and_then(|whole| aggregate.finish(&whole).ok()?.pop()) })
    }

    /// Makes the state of a row group before it is the metric's turn, which says what is wrong.
    pub(super) fn fold_eagerly(&self, bound: &BoundMetric, schema: &Schema, group: &RowGroup) -> Result<(), Stop> {
        self.fold(&|_, _| Stop::Pending, bound, schema, group).map(drop)
    }

    fn fold(
        &self,
        wrong: &(dyn Fn(&Batch, RowError) -> Stop + Sync),
        bound: &BoundMetric,
        schema: &Schema,
        group: &RowGroup,
    ) -> Result<Hash, Stop> {
        let aggregate = &bound.aggregate;
        let at = |name: &String| group.columns[schema.index(name).expect("binding checked the columns")];
        let mut key = op::key("fold");
        key.text("aggregate", aggregate.canonical());
        key.text("where", bound.condition.as_ref().map_or("", |condition| condition.canonical()));
        let mut reads: Vec<&String> = aggregate.reads().iter().collect();
        let conditions = bound.condition.iter().flat_map(|condition| condition.reads());
        for name in aggregate.reads().iter().chain(conditions.clone()) {
            let column = at(name);
            key.hash("chunk", column.chunk).maybe("take", column.take);
        }
        reads.extend(conditions);
        if reads.is_empty() {
            key.int("rows", i64::from(group.rows));
        }
        let outputs = self.context.action(self.used, key.finish(), || {
            let mut batch = Batch { rows: group.rows as usize, columns: Vec::new() };
            for name in reads {
                if batch.column(name).is_none() {
                    batch.columns.push((name.clone(), self.context.column(at(name))?));
                }
            }
            let state = fold_rows(bound, batch).map_err(|(batch, error)| wrong(&batch, error))?;
            Ok(vec![self.context.put(&state.encode())?])
        })?;
        Ok(outputs[0])
    }
}

/// Makes the state of some rows.
///
/// # Errors
/// A row that has no value, and the rows that it is among.
pub fn fold_rows(bound: &BoundMetric, mut batch: Batch) -> Result<State, (Batch, RowError)> {
    if let Some(condition) = &bound.condition {
        match condition.eval(&batch) {
            Ok(mask) => batch = batch.take(stays_all(&mask).set_indices_u32().collect()),
            Err(error) => return Err((batch, error)),
        }
    }
    bound.aggregate.fold(&batch).map_err(|error| (batch, error))
}

/// Says of which row a metric has no value: without it, it would be another number.
fn uncomputable(what: &str, span: &Span, batch: &Batch, error: RowError) -> Stop {
    let title = format!("{what} cannot be computed: {}", error.message);
    let example = Example::new(span, batch, error.row, error.message, error.help);
    Diagnostic::error("row-error", title).with_rows(&[example], 1).into()
}
