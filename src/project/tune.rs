//! What a threshold would keep: the rows that a filter let through and those that it dropped, by the values of a column.

use super::Project;
use crate::diag::{Diagnostic, Diagnostics, list};
use crate::exec::{LostRows, Stop, fold_rows};
use crate::expr::{State, Value, column_names};
use crate::graph::{BoundMetric, Kind, NodeId, bind_metric};
use crate::manifest::{Step, Text};
use crate::table::{Batch, RowError, RowGroup, Schema, Table, Type};
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use std::sync::Arc;

/// Which side of a threshold stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Values of at least the threshold.
    AtLeast,
    /// Values of at most the threshold.
    AtMost,
}

/// What thresholds would keep.
#[derive(Clone, Debug)]
pub struct Curve {
    pub dataset: NodeId,
    /// The rows that came to the filter, as far as no step after it dropped them.
    pub rows: u64,
    /// How many of them the filter let through as it is.
    pub kept: u64,
    /// Rows that others dropped, at the filter's step or after it; they are not among `rows`.
    pub later: u64,
    /// How many have no value in the column, or one that is no number: no threshold keeps them.
    pub without: u64,
    /// The metrics that have values, by name.
    pub metrics: Vec<String>,
    /// Metrics that have none, and why.
    pub left_out: Vec<LeftOut>,
    /// From the threshold that keeps most on.
    pub points: Vec<CurvePoint>,
}

/// A metric that has no values, and why.
pub type LeftOut = (String, &'static str);

/// What one threshold would keep.
#[derive(Clone, Debug)]
pub struct CurvePoint {
    pub threshold: f64,
    pub rows: u64,
    /// Of the rows that it would keep, in the order of the metrics.
    pub values: Vec<Value>,
}

/// A table, and which of its rows are meant.
struct Part {
    table: Arc<Table>,
    /// The positions of the reasons that are meant, in the last column; none: all rows.
    reasons: Option<Vec<i64>>,
}

impl Project {
    /// Finds what thresholds of a column would keep of the rows that came to a filter, at so many points. Nothing is run but metrics over numbers.
    ///
    /// # Errors
    /// If it cannot be told which dataset is meant, or the column is not in all of these rows.
    pub fn tune(
        &self,
        filter: &str,
        on: Option<&str>,
        column: &str,
        side: Side,
        points: usize,
    ) -> Result<Curve, Diagnostics> {
        let (id, step) = self.filtered(filter, on, column)?;
        let name = self.graph.node(id).full_name();
        let kept = self.table(&name)?;
        let of_filter = |(lost, table): (LostRows, Arc<Table>)| {
            let reasons = (0..).zip(&lost.reasons).filter(|(_, (name, _))| LostRows::is_of(name, filter));
            let reasons: Vec<i64> = reasons.map(|(at, _)| at).collect();
            (lost.step == Some(step) && !reasons.is_empty()).then_some(Part { table, reasons: Some(reasons) })
        };
        let dropped = self.dropped(&name)?;
        let other = |lost: &LostRows| {
            let others =
                lost.reasons.iter().filter(|(name, _)| lost.step > Some(step) || !LostRows::is_of(name, filter));
            others.map(|(_, rows)| rows).sum::<u64>()
        };
        let later = dropped.iter().filter(|(lost, _)| lost.step >= Some(step)).map(|(lost, _)| other(lost)).sum();
        let dropped = dropped.into_iter().filter_map(of_filter);
        let parts: Vec<Part> = std::iter::once(Part { table: kept.clone(), reasons: None }).chain(dropped).collect();
        for part in &parts {
            let found = part.table.schema.field(column);
            if !found.is_some_and(|field| matches!(field.ty, Type::Int | Type::Float)) {
                let which = if part.reasons.is_some() {
                    "the rows that were dropped have"
                } else {
                    "the rows that were kept have"
                };
                let title = format!("{which} no column of numbers `{column}`");
                let numbers = part.table.schema.0.iter().filter(|field| matches!(field.ty, Type::Int | Type::Float));
                let numbers: Vec<&str> = numbers.map(|field| field.name.as_str()).collect();
                return Err(Diagnostic::error("unknown-column", title)
                    .note(format!("columns of numbers: {}", list(numbers.iter().copied())))
                    .did_you_mean(column, numbers.iter().copied())
                    .help("compute it in a step `columns` before the filter, and keep it to the end")
                    .into());
            }
        }
        let (metrics, left_out) = self.metrics_of_numbers(id, &parts);
        let mut values: Vec<f64> = Vec::new();
        let (mut rows, mut without) = (0, 0);
        self.parts(&parts, &[], column, |_, numbers| {
            rows += numbers.len() as u64;
            values.extend(numbers.iter().copied().flatten());
            Ok(())
        })?;
        without += rows - values.len() as u64;
        // From what keeps all on.
        values.sort_unstable_by(|a, b| if side == Side::AtLeast { a.total_cmp(b) } else { b.total_cmp(a) });
        let mut thresholds: Vec<f64> =
            (0..points).filter_map(|at| values.get(at * values.len() / points).copied()).collect();
        thresholds.dedup();
        // The last threshold that keeps a value.
        let place = |value: f64| {
            let keeps = |threshold: &f64| if side == Side::AtLeast { *threshold <= value } else { *threshold >= value };
            thresholds.partition_point(keeps).checked_sub(1)
        };
        let mut counts = vec![0_u64; thresholds.len()];
        let mut states: Vec<Vec<State>> =
            vec![metrics.iter().map(|(_, bound)| bound.aggregate.empty()).collect(); thresholds.len()];
        let mut reads: Vec<String> = Vec::new();
        for (_, bound) in &metrics {
            reads.extend(bound.aggregate.reads().iter().cloned());
            reads.extend(bound.condition.iter().flat_map(|condition| condition.reads()).cloned());
        }
        reads.sort_unstable();
        reads.dedup();
        self.parts(&parts, &reads, column, |batch, numbers| {
            let mut of: Vec<Vec<u32>> = vec![Vec::new(); thresholds.len()];
            for (row, number) in numbers.iter().enumerate() {
                if let Some(at) = number.and_then(place) {
                    of[at].push(row as u32);
                }
            }
            for (at, rows) in of.into_iter().enumerate().filter(|(_, rows)| !rows.is_empty()) {
                counts[at] += rows.len() as u64;
                let batch = batch.take(rows);
                for ((_, bound), state) in metrics.iter().zip(&mut states[at]) {
                    let folded = fold_rows(bound, batch.clone());
                    let wrong = |(_, error): (Batch, RowError)| Diagnostic::error("row-error", error.message);
                    bound.aggregate.merge(state, folded.map_err(wrong)?);
                }
            }
            Ok(())
        })?;
        let mut curve = Vec::with_capacity(thresholds.len());
        let mut sums: Vec<State> = metrics.iter().map(|(_, bound)| bound.aggregate.empty()).collect();
        let mut sum = 0;
        for ((threshold, count), states) in thresholds.into_iter().zip(counts).zip(states).rev() {
            sum += count;
            let mut values = Vec::with_capacity(metrics.len());
            for (((_, bound), sum), state) in metrics.iter().zip(&mut sums).zip(states) {
                bound.aggregate.merge(sum, state);
                let slices = bound.aggregate.finish(sum).unwrap_or_default();
                values.push(slices.into_iter().next().map_or(Value::Null, |slice| slice.value));
            }
            curve.push(CurvePoint { threshold, rows: sum, values });
        }
        curve.reverse();
        let metrics = metrics.into_iter().map(|(name, _)| name).collect();
        Ok(Curve { dataset: id, rows, kept: kept.rows(), later, without, metrics, left_out, points: curve })
    }

    /// Returns the dataset that a filter is of, and its step: of several, the last whose condition names the column.
    fn filtered(&self, filter: &str, on: Option<&str>, column: &str) -> Result<(NodeId, usize), Diagnostics> {
        let uses = |step: &Step| match step {
            Step::Filter(names) => names.iter().any(|name| name.value == filter),
            Step::Where(_) => filter == "where",
            _ => false,
        };
        let names_it = |condition: &Text| {
            let mentions = column_names(&condition.value).unwrap_or_default();
            mentions.iter().any(|(name, _)| name == column)
        };
        let filters = &self.graph.manifest.filters;
        let reads = |step: &Step| match step {
            Step::Where(condition) => names_it(condition),
            _ => filters
                .iter()
                .filter(|one| one.name.value == filter)
                .flat_map(|one| &one.parts)
                .any(|part| names_it(&part.condition)),
        };
        let only = on.map(|name| self.one(name)).transpose()?.map(|(id, _)| id);
        let all =
            self.graph.iter().filter(|(id, node)| node.kind == Kind::Dataset && only.is_none_or(|only| only == *id));
        let found: Vec<(NodeId, usize)> = all
            .filter_map(|(id, node)| {
                let steps = &self.graph.manifest.datasets[node.declaration].steps;
                let reading = steps.iter().rposition(|step| uses(step) && reads(step));
                Some((id, reading.or_else(|| steps.iter().rposition(uses))?))
            })
            .collect();
        match &found[..] {
            [one] => Ok(*one),
            [] => {
                let filters = filters.iter().map(|filter| filter.name.value.as_str());
                let place = on.map_or("no dataset".to_owned(), |name| format!("`{name}` is not a dataset that"));
                let title = format!("{place} has a step with the filter `{filter}`");
                Err(Diagnostic::error("unknown-name", title)
                    .did_you_mean(filter, filters)
                    .help("a step `where` is called `where`")
                    .into())
            }
            several => {
                let names: Vec<&str> = several.iter().map(|(id, _)| self.graph.node(*id).name.as_str()).collect();
                let title = format!("the filter `{filter}` is of several datasets: {}", list(names.iter().copied()));
                Err(Diagnostic::error("several-nodes", title).help(format!("name one: `--on {}`", names[0])).into())
            }
        }
    }

    /// Returns the metrics of a dataset that can be told of some of its rows without reading a text, and those that cannot.
    fn metrics_of_numbers(&self, id: NodeId, parts: &[Part]) -> (Vec<(String, BoundMetric)>, Vec<LeftOut>) {
        let (mut metrics, mut left_out) = (Vec::new(), Vec::new());
        let schema = &parts[0].table.schema;
        for node in self.graph.nodes.iter().filter(|node| node.kind == Kind::Metric) {
            if !node.inputs.iter().any(|input| input.node == id && input.part.is_none()) {
                continue;
            }
            let metric = &self.graph.manifest.metrics[node.declaration];
            let name = node.name.clone();
            let Ok(bound) = bind_metric(metric, schema) else {
                left_out.push((name, "the dataset was built with other columns"));
                continue;
            };
            let reads = bound.aggregate.reads().iter().chain(bound.condition.iter().flat_map(|one| one.reads()));
            let reads: Vec<&String> = reads.collect();
            let ty = |schema: &Schema, name: &String| schema.field(name).map(|field| field.ty.clone());
            let plain = |ty: Option<Type>| {
                matches!(ty, Some(Type::Int | Type::Float | Type::Bool | Type::Date | Type::Timestamp))
            };
            if !metric.by.is_empty() {
                left_out.push((name, "it has slices"));
            } else if !reads.iter().all(|name| plain(ty(schema, name))) {
                left_out.push((name, "it reads texts or lists"));
            } else if !parts
                .iter()
                .all(|part| reads.iter().all(|name| ty(&part.table.schema, name) == ty(schema, name)))
            {
                left_out.push((name, "it reads what steps after the filter make"));
            } else {
                metrics.push((name, bound));
            }
        }
        (metrics, left_out)
    }

    /// Goes through the rows that are meant: some of their columns, and the numbers of one.
    fn parts(
        &self,
        parts: &[Part],
        reads: &[String],
        column: &str,
        mut each: impl FnMut(&Batch, &[Option<f64>]) -> Result<(), Diagnostics>,
    ) -> Result<(), Diagnostics> {
        for part in parts {
            for group in &part.table.groups {
                let (batch, numbers) = self.with_context(|context| {
                    let read = |name: &String| Ok((name.clone(), context.column(at(&part.table.schema, name, group))?));
                    let columns = reads.iter().map(read).collect::<Result<_, Stop>>()?;
                    let batch = Batch { rows: group.rows as usize, columns };
                    let numbers = numbers(&context.column(at(&part.table.schema, column, group))?);
                    let Some(wanted) = &part.reasons else { return Ok((batch, numbers)) };
                    let last = group.columns.last().expect("a table of dropped rows has the column of reasons");
                    let reasons = context.column(*last)?;
                    let reasons = reasons.as_primitive_opt::<Int64Type>().ok_or(Stop::Missing(last.chunk))?;
                    let rows: Vec<u32> =
                        (0..group.rows).filter(|row| wanted.contains(&reasons.value(*row as usize))).collect();
                    let numbers = rows.iter().map(|row| numbers[*row as usize]).collect();
                    Ok((batch.take(rows), numbers))
                })?;
                each(&batch, &numbers)?;
            }
        }
        Ok(())
    }
}

fn at(schema: &Schema, name: &str, group: &RowGroup) -> crate::table::ColumnRef {
    group.columns[schema.index(name).expect("it was found in the schema before")]
}

/// Returns the values of a column of numbers; none where there is none.
fn numbers(column: &ArrayRef) -> Vec<Option<f64>> {
    match column.as_primitive_opt::<Int64Type>() {
        Some(ints) => ints.iter().map(|int| int.map(|int| int as f64)).collect(),
        None => {
            let floats = column.as_primitive_opt::<Float64Type>();
            let floats = floats.into_iter().flat_map(|floats| floats.iter());
            floats.map(|float| float.filter(|float| !float.is_nan())).collect()
        }
    }
}
