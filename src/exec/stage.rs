//! Row groups through the stages of a dataset.

use super::Progress;
use super::context::{Context, Mode, Stop, Used};
use super::failure::{FAILURE, FailedAs, RowFailure};
use super::refer::Others;
use super::rows::stays;
use super::wave;
use crate::diag::{Diagnostic, Span};
use crate::graph::{Parts, Stage, WholeOp, Work};
use crate::hash::{Hash, Key};
use crate::op;
use crate::table::{Batch, ColumnRef, Field, RowError, RowGroup, Schema, Table, Take, Type};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array};
use rayon::prelude::*;
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

/// Runs the stages of one node.
#[derive(Clone, Copy)]
pub struct Flow<'a> {
    pub context: &'a Context<'a>,
    pub used: &'a Used,
    pub node: &'a str,
    pub progress: &'a Progress<'a>,
    /// The node's inputs, for steps that look into another table.
    pub others: &'a Others,
    pub effort: Effort,
}

/// A row group on its way; `None` once all its rows are lost.
struct Passed {
    group: Option<Arc<RowGroup>>,
    lost: Vec<Lost>,
    /// The rows with which it came to each stage.
    came: Vec<u64>,
    /// How many rows more it got on its way.
    repeated: u64,
}

/// What came of all stages.
#[derive(Default)]
pub struct Through {
    pub groups: Vec<Arc<RowGroup>>,
    pub lost: Vec<Lost>,
    /// How many rows came to each stage.
    pub came: Vec<u64>,
    /// How many rows more there were because some stages repeat them.
    pub repeated: u64,
}

/// How far an action is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// It is run if need be.
    Run,
    /// It is only looked up; [`Stop::Pending`] if it would have to run.
    Look,
}

impl Flow<'_> {
    /// Sends row groups through all stages.
    ///
    /// Consecutive row-wise stages are run group by group, so that what one writes the next has at hand.
    pub fn run(&self, stages: &[Stage], schema: &Schema, mut groups: Vec<Arc<RowGroup>>) -> Result<Through, Stop> {
        let schemas = schemas(stages, schema);
        let mut lost: Vec<Lost> = Vec::new();
        let (mut at, mut repeated) = (0, 0);
        let mut came = vec![0; stages.len()];
        while at < stages.len() {
            let end = match &stages[at] {
                Stage::Whole { hashes, op } => {
                    came[at] = groups.iter().map(|group| u64::from(group.rows)).sum();
                    let takes = self.whole(hashes, *op, &schemas[at], &groups)?;
                    let (kept, dropped) = self.pick(at, groups, takes)?;
                    groups = kept;
                    lost.extend(dropped);
                    at + 1
                }
                _ => {
                    let row_wise = |stage: &&Stage| !matches!(stage, Stage::Whole { .. });
                    let end = at + stages[at..].iter().take_while(row_wise).count();
                    if at > 0 {
                        // Rows of the first stages went ahead together with those of other datasets.
                        wave::rows_of(self, stages, at, schema, &groups)?;
                    }
                    let passed = self.each(&groups, |flow, group| flow.pass(&stages[at..end], at, &schemas, group))?;
                    repeated += passed.iter().map(|one| one.repeated).sum::<u64>();
                    let own = passed.iter().flat_map(|one| one.came.iter().enumerate());
                    own.for_each(|(stage, rows)| came[at + stage] += rows);
                    groups = Vec::with_capacity(passed.len());
                    for one in passed {
                        groups.extend(one.group);
                        lost.extend(one.lost);
                    }
                    end
                }
            };
            at = end;
        }
        Ok(Through { groups, lost: together(lost.into_iter()), came, repeated })
    }

    /// Runs `work` on each group, on all threads; the results are in the order of the groups.
    pub fn each<T: Send>(
        &self,
        groups: &[Arc<RowGroup>],
        work: impl Fn(Flow, &Arc<RowGroup>) -> Result<T, Stop> + Sync,
    ) -> Result<Vec<T>, Stop> {
        self.all(groups, |group| u64::from(group.rows), work)
    }

    /// Runs `work` on each of what becomes a row group; `rows` tells how many rows it has.
    pub fn all<G: Sync, T: Send>(
        &self,
        groups: &[G],
        rows: impl Fn(&G) -> u64 + Sync,
        work: impl Fn(Flow, &G) -> Result<T, Stop> + Sync,
    ) -> Result<Vec<T>, Stop> {
        self.progress.begin(groups.len());
        let one = |group: &G| {
            let used = Used::default();
            let result = work(Flow { used: &used, ..*self }, group);
            self.progress.group(rows(group), used.ran() > 0 || matches!(result, Err(Stop::Pending)));
            self.used.add(used);
            result
        };
        if self.context.mode == Mode::Build {
            return groups.par_iter().map(one).collect();
        }
        // What a plan leaves open is counted for every group, not for the first alone.
        let results: Vec<Result<T, Stop>> = groups.par_iter().map(one).collect();
        let mut all = Vec::with_capacity(results.len());
        let mut pending = false;
        for result in results {
            match result {
                Ok(value) => all.push(value),
                Err(Stop::Pending) => pending = true,
                Err(other) => return Err(other),
            }
        }
        if pending { Err(Stop::Pending) } else { Ok(all) }
    }

    fn pass(&self, stages: &[Stage], first: usize, schemas: &[Schema], group: &Arc<RowGroup>) -> Result<Passed, Stop> {
        let mut passed = Passed { group: Some(group.clone()), lost: Vec::new(), came: Vec::new(), repeated: 0 };
        for (i, stage) in stages.iter().enumerate() {
            let Some(group) = passed.group.take() else { break };
            passed.came.push(u64::from(group.rows));
            if let Stage::Repeat { times, .. } = stage {
                passed.repeated += u64::from(group.rows) * u64::from(times.saturating_sub(1));
            }
            let (stays, lost) = self.stage(first + i, stage, &schemas[first + i], &group)?;
            passed.group = stays;
            passed.lost.extend(lost);
        }
        Ok(passed)
    }

    /// Sends a row group through one row-wise stage; nothing stays of it once all its rows are lost.
    pub fn stage(
        &self,
        at: usize,
        stage: &Stage,
        schema: &Schema,
        group: &Arc<RowGroup>,
    ) -> Result<(Option<Arc<RowGroup>>, Vec<Lost>), Stop> {
        let whole = |columns| Ok((Some(Arc::new(RowGroup { rows: group.rows, columns })), Vec::new()));
        let added = |chunks: Vec<Hash>| {
            let new = chunks.into_iter().map(|chunk| ColumnRef { chunk, take: None });
            group.columns.iter().copied().chain(new).collect()
        };
        match stage {
            Stage::Compute(works) => {
                let mut chunks = Vec::with_capacity(works.len());
                for work in works {
                    chunks.extend(self.column_of(work, schema, group)?);
                }
                whole(added(chunks))
            }
            Stage::Select(columns) => whole(columns.iter().map(|(index, _)| group.columns[*index]).collect()),
            Stage::Refer { op, input, span } => whole(added(self.refer(op.as_ref(), *input, span, schema, group)?)),
            Stage::Repeat { times, .. } => Ok((Some(Arc::new(self.repeat(*times, group)?)), Vec::new())),
            Stage::Filter(works) => {
                let (keep, reasons) = self.filter(works, schema, group)?;
                let counts = || self.count(reasons, works.len());
                self.part((at, Why::Dropped), group, group, &keep, reasons, counts)
            }
            Stage::Ask(_) => {
                let answered = self.ask(at, stage, schema, group)?;
                let columns: Vec<ColumnRef> = added(answered.values);
                let all = Arc::new(RowGroup { rows: group.rows, columns });
                let Some((keep, failures)) = answered.failed else { return Ok((Some(all), Vec::new())) };
                self.part((at, Why::Failed), &all, group, &keep, failures, || self.context.count_failures(failures))
            }
            Stage::Whole { .. } => unreachable!("whole-table stages are run over all groups"),
        }
    }

    /// Divides the rows of a group: some stay, with the columns of `after`; others are lost, with those of `before` and one of
    /// reasons, which has a value for each of them.
    fn part(
        &self,
        (at, why): (usize, Why),
        after: &Arc<RowGroup>,
        before: &RowGroup,
        keep: &Take,
        reasons: Hash,
        counts: impl FnOnce() -> Result<Vec<u64>, Stop>,
    ) -> Result<(Option<Arc<RowGroup>>, Vec<Lost>), Stop> {
        if keep.is_identity() {
            return Ok((Some(after.clone()), Vec::new()));
        }
        let mut lost = self.retake(before, &keep.complement())?;
        lost.columns.push(ColumnRef { chunk: reasons, take: None });
        let lost = Lost { stage: Some(at), why, counts: counts()?, groups: vec![Arc::new(lost)] };
        let stays = if keep.is_empty() { None } else { Some(Arc::new(self.retake(after, keep)?)) };
        Ok((stays, vec![lost]))
    }

    /// Returns the outputs of an action, as far as the flow goes.
    pub fn action(&self, key: Key, run: impl FnOnce() -> Result<Vec<Hash>, Stop>) -> Result<Vec<Hash>, Stop> {
        match self.effort {
            Effort::Run => self.context.action(self.used, key, run),
            Effort::Look => self.context.peek(key, |_| true).ok_or(Stop::Pending),
        }
    }

    /// Returns the chunks that an op makes of a row group.
    pub fn column_of(&self, work: &Work, schema: &Schema, group: &RowGroup) -> Result<Vec<Hash>, Stop> {
        let reads: Vec<(&String, ColumnRef)> = work
            .op
            .reads()
            .iter()
            .map(|name| (name, group.columns[schema.index(name).expect("binding checked the columns")]))
            .collect();
        let mut key = op::key(work.op.name());
        work.op.write_key(&mut key);
        for (_, column) in &reads {
            key.hash("chunk", column.chunk).maybe("take", column.take);
        }
        if reads.is_empty() {
            key.int("rows", i64::from(group.rows));
        }
        self.action(key.finish(), || {
            let columns = reads
                .iter()
                .map(|(name, at)| Ok(((*name).clone(), self.context.column(*at)?)))
                .collect::<Result<_, Stop>>()?;
            let batch = Batch { rows: group.rows as usize, columns };
            let made = work.op.run(&batch).map_err(|error| self.uncomputable("a row", &work.span, &batch, error))?;
            made.iter().map(|column| self.context.put_column(column)).collect()
        })
    }

    /// Says what is wrong with a row, and shows it; `what` of the node could not be made of it.
    pub(super) fn uncomputable(&self, what: &str, span: &Span, batch: &Batch, error: RowError) -> Stop {
        let title = format!("{what} of `{}` cannot be computed: {}", self.node, error.message);
        let mut diagnostic = Diagnostic::error("row-error", title).at(span, "computed here");
        for (name, column) in &batch.columns {
            if error.row < column.len() {
                let shown: String = crate::expr::value_at(column, error.row).to_string().chars().take(200).collect();
                diagnostic = diagnostic.note(format!("in that row `{name}` is {shown}"));
            }
        }
        diagnostic.help.extend(error.help);
        diagnostic.into()
    }

    /// Returns which rows stay, and the chunk of the reasons of those that do not.
    fn filter(&self, works: &[Work], schema: &Schema, group: &RowGroup) -> Result<(Take, Hash), Stop> {
        let masks = works
            .iter()
            .map(|work| Ok(self.column_of(work, schema, group)?[0]))
            .collect::<Result<Vec<Hash>, Stop>>()?;
        let mut key = op::key("filter");
        masks.iter().for_each(|mask| _ = key.hash("mask", *mask));
        let outputs = self.action(key.finish(), || {
            let masks = masks
                .iter()
                .map(|mask| self.context.column(ColumnRef { chunk: *mask, take: None }))
                .collect::<Result<Vec<ArrayRef>, Stop>>()?;
            // A condition that is null has not said that the row may stay.
            let first_no: Vec<Option<i64>> = (0..group.rows as usize)
                .map(|row| masks.iter().position(|mask| !stays(mask, row)).map(|at| at as i64))
                .collect();
            let keep = Take::of_mask(first_no.iter().map(Option::is_none));
            let reasons: ArrayRef = Arc::new(first_no.into_iter().flatten().collect::<Int64Array>());
            Ok(vec![self.context.put_take(&keep)?, self.context.put_column(&reasons)?])
        })?;
        Ok((self.context.take(outputs[0])?, outputs[1]))
    }

    fn count(&self, reasons: Hash, n: usize) -> Result<Vec<u64>, Stop> {
        let column = self.context.column(ColumnRef { chunk: reasons, take: None })?;
        let mut counts = vec![0; n];
        for reason in column.as_primitive::<Int64Type>().values() {
            counts[*reason as usize] += 1;
        }
        Ok(counts)
    }

    /// Picks rows of a row group without copying a column.
    pub fn retake(&self, group: &RowGroup, take: &Take) -> Result<RowGroup, Stop> {
        let mut known: Vec<(Option<Hash>, Option<Hash>)> = Vec::new();
        let mut columns = Vec::with_capacity(group.columns.len());
        for column in &group.columns {
            let composed = match known.iter().find(|(from, _)| *from == column.take) {
                Some((_, to)) => *to,
                None => {
                    let whole = match column.take {
                        None => take.clone(),
                        Some(first) => self.context.take(first)?.then(take),
                    };
                    let to = if whole.is_identity() { None } else { Some(self.context.put_take(&whole)?) };
                    known.push((column.take, to));
                    to
                }
            };
            columns.push(ColumnRef { chunk: column.chunk, take: composed });
        }
        Ok(RowGroup { rows: take.len() as u32, columns })
    }

    /// Decides over the hashes of all rows which of them stay: one take per group.
    fn whole(&self, hashes: &Work, op: WholeOp, schema: &Schema, groups: &[Arc<RowGroup>]) -> Result<Vec<Hash>, Stop> {
        let chunks = self.each(groups, |flow, group| flow.column_of(hashes, schema, group))?;
        let mut key = op::key(op_name(op));
        if let WholeOp::Sample { rows, seed } = op {
            key.int("rows", rows as i64).int("seed", seed);
        }
        chunks.iter().flatten().for_each(|chunk| _ = key.hash("chunk", *chunk));
        self.action(key.finish(), || {
            let columns = self.ints(&chunks)?;
            let takes = match op {
                WholeOp::Dedup => {
                    let pairs: Vec<(&[i64], &[i64])> =
                        columns.iter().map(|pair| (&pair[0].values()[..], &pair[1].values()[..])).collect();
                    op::keep_first(&pairs)
                }
                WholeOp::Sample { rows, seed } => {
                    let hashes: Vec<&[i64]> = columns.iter().map(|one| &one[0].values()[..]).collect();
                    op::smallest(&hashes, seed, rows)
                }
            };
            takes.iter().map(|take| self.context.put_take(take)).collect()
        })
    }

    /// Reads columns of hashes.
    pub fn ints(&self, chunks: &[Vec<Hash>]) -> Result<Vec<Vec<Int64Array>>, Stop> {
        let read = |chunk: &Hash| {
            let column = self.context.column(ColumnRef { chunk: *chunk, take: None })?;
            column.as_primitive_opt::<Int64Type>().cloned().ok_or(Stop::Missing(*chunk))
        };
        chunks.iter().map(|chunks| chunks.iter().map(read).collect()).collect()
    }

    /// Picks rows of all groups; those not picked are dropped by the stage, for its only reason.
    fn pick(
        &self,
        at: usize,
        groups: Vec<Arc<RowGroup>>,
        takes: Vec<Hash>,
    ) -> Result<(Vec<Arc<RowGroup>>, Vec<Lost>), Stop> {
        let groups: Vec<(Arc<RowGroup>, Hash)> = groups.into_iter().zip(takes).collect();
        let picked = self.all(
            &groups,
            |(group, _)| u64::from(group.rows),
            |flow, (group, take)| {
                let take = flow.context.take(*take)?;
                if take.is_identity() {
                    return Ok((Some(group.clone()), Vec::new()));
                }
                let rows = (take.source_rows() - take.len()) as u64;
                let reasons: ArrayRef = Arc::new(Int64Array::from(vec![0; rows as usize]));
                let reasons = flow.context.put_column(&reasons)?;
                flow.part((at, Why::Dropped), group, group, &take, reasons, || Ok(vec![rows]))
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
            let which = flow.column_of(&parts.op, schema, group)?[0];
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

fn op_name(op: WholeOp) -> &'static str {
    match op {
        WholeOp::Dedup => "dedup",
        WholeOp::Sample { .. } => "sample",
    }
}

impl Lost {
    /// Adds rows that were lost at the same place in the same way.
    fn add(&mut self, other: Lost) {
        self.counts.iter_mut().zip(other.counts).for_each(|(sum, count)| *sum += count);
        self.groups.extend(other.groups);
    }

    /// Returns the reasons with their counts; dropped rows know theirs by its position.
    pub fn reasons(&self, stages: &[Stage]) -> Vec<(String, u64)> {
        let names: Vec<&str> = match (self.why, self.stage.map(|at| &stages[at])) {
            (Why::Failed, _) => FailedAs::all().map(FailedAs::word).collect(),
            (_, Some(Stage::Filter(works))) => works.iter().map(|work| work.name.as_str()).collect(),
            (_, Some(Stage::Whole { op, .. })) => vec![op_name(*op)],
            _ => unreachable!("no other stage drops rows"),
        };
        let counts = names.into_iter().map(str::to_owned).zip(self.counts.iter().copied());
        counts.filter(|(_, rows)| self.why == Why::Dropped || *rows > 0).collect()
    }

    /// Returns the rows as a table; `before` are the columns that they had.
    pub fn table(&self, before: &Schema, key: &[String]) -> Table {
        let (name, ty) = match self.why {
            Why::Dropped => (DROPPED_BY, Type::Int),
            Why::Failed => (FAILURE, RowFailure::ty()),
        };
        let mut schema = before.clone();
        let mut name = name.to_owned();
        while schema.field(&name).is_some() {
            name.push('_');
        }
        schema.0.push(Field::new(name, ty));
        Table { schema, key: key.to_vec(), groups: self.groups.clone() }
    }
}

/// Puts together what was lost at the same places in the same ways, in the order of the places.
fn together(lost: impl Iterator<Item = Lost>) -> Vec<Lost> {
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

/// Returns the columns before each stage.
pub fn schemas(stages: &[Stage], first: &Schema) -> Vec<Schema> {
    let mut schema = first.clone();
    let step = |stage: &Stage| {
        let before = schema.clone();
        match stage {
            Stage::Compute(works) => {
                let fields = works.iter().map(|work| Field::new(&work.name, work.op.writes()[0].clone()));
                schema.0.extend(fields);
            }
            Stage::Select(columns) => {
                let field = |(index, name): &(usize, String)| Field::new(name, before.0[*index].ty.clone());
                schema = Schema(columns.iter().map(field).collect());
            }
            Stage::Repeat { index, .. } => schema.0.push(Field::new(index, Type::Int)),
            Stage::Ask(ask) => schema.0.extend(ask.op.writes().iter().cloned()),
            Stage::Refer { op, .. } => schema.0.extend(op.writes().iter().cloned()),
            Stage::Filter(_) | Stage::Whole { .. } => {}
        }
        before
    };
    stages.iter().map(step).collect()
}
