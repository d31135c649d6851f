//! Row groups through the stages of a dataset.

use super::Progress;
use super::able::{Action, Failing, Made, places};
use super::context::{Context, Mode, Stop, Used};
use super::example::{Example, WithRows};
use super::failure::{FAILURE, FailedAs, RowFailure};
use super::record::Remade;
use super::refer::Others;
use super::rows::stays;
use super::wave;
use crate::diag::{Diagnostic, Span};
use crate::graph::{Parts, Stage, WholeOp, Work};
use crate::hash::{Hash, Key};
use crate::op::{self, Per};
use crate::table::{Batch, ColumnRef, Field, RowError, RowGroup, Schema, Table, Take, Type};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array};
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
    /// How many rows may fail before nothing more is asked for the node.
    pub most_failed: u64,
}

/// What a row group has become on its way: nothing once all its rows are lost, several where its rows have become many.
struct Passed {
    groups: Vec<Arc<RowGroup>>,
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
    /// Where programs made other rows of theirs, by stage.
    pub remade: Vec<Remade>,
}

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
struct Filtered {
    keep: Take,
    /// With the chunk of the reasons.
    dropped: (Take, Hash),
    /// With the chunk of the failures.
    failed: Option<(Take, Hash)>,
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
        let (mut at, mut repeated, mut remade) = (0, 0, Vec::new());
        let mut came = vec![0; stages.len()];
        while at < stages.len() {
            let end = match &stages[at] {
                Stage::Whole { hashes, op } => {
                    came[at] = groups.iter().map(|group| u64::from(group.rows)).sum();
                    let (hashes, failed) = self.hashes(at, hashes, &schemas[at], &mut groups)?;
                    let takes = self.whole(&hashes, *op)?;
                    let (kept, dropped) = self.pick(at, groups, takes)?;
                    groups = kept;
                    lost.extend(failed.into_iter().chain(dropped));
                    at + 1
                }
                Stage::Run(run) => {
                    let rows = |groups: &[Arc<RowGroup>]| groups.iter().map(|group| u64::from(group.rows)).sum::<u64>();
                    came[at] = rows(&groups);
                    let (made, failed) = self.program(at, run, &schemas[at], &groups)?;
                    groups = made;
                    lost.extend(failed);
                    if run.program.per != Per::Row {
                        remade.push(Remade { step: at, took: came[at], gave: rows(&groups) });
                    }
                    at + 1
                }
                _ => {
                    let row_wise = |stage: &&Stage| !stage.is_whole();
                    let end = at + stages[at..].iter().take_while(row_wise).count();
                    if at > 0 {
                        // Rows of the first stages went ahead together with those of other datasets.
                        wave::rows_of(self, stages, at, schema, &groups)?;
                    }
                    self.begin_joins(&stages[at..end])?;
                    let passed = self.each(&groups, |flow, group| flow.pass(&stages[at..end], at, &schemas, group))?;
                    repeated += passed.iter().map(|one| one.repeated).sum::<u64>();
                    let own = passed.iter().flat_map(|one| one.came.iter().enumerate());
                    own.for_each(|(stage, rows)| came[at + stage] += rows);
                    groups = Vec::with_capacity(passed.len());
                    for one in passed {
                        groups.extend(one.groups);
                        lost.extend(one.lost);
                    }
                    end
                }
            };
            at = end;
        }
        Ok(Through { groups, lost: together(lost.into_iter()), came, repeated, remade })
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
        let mut passed = Passed { groups: vec![group.clone()], lost: Vec::new(), came: Vec::new(), repeated: 0 };
        for (i, stage) in stages.iter().enumerate() {
            let rows = |groups: &[Arc<RowGroup>]| groups.iter().map(|group| u64::from(group.rows)).sum::<u64>();
            let came = rows(&passed.groups);
            passed.came.push(came);
            let mut dropped = 0;
            for group in std::mem::take(&mut passed.groups) {
                let (stay, lost) = self.stage(first + i, stage, &schemas[first + i], &group)?;
                passed.groups.extend(stay);
                dropped += lost.iter().flat_map(|lost| &lost.counts).sum::<u64>();
                passed.lost.extend(lost);
            }
            if let Stage::Fan { .. } = stage {
                passed.repeated += rows(&passed.groups) + dropped - came;
            }
        }
        Ok(passed)
    }

    /// Sends a row group through one row-wise stage. Nothing stays of it where all its rows are lost, and several groups where they
    /// have become many.
    pub fn stage(
        &self,
        at: usize,
        stage: &Stage,
        schema: &Schema,
        group: &Arc<RowGroup>,
    ) -> Result<(Vec<Arc<RowGroup>>, Vec<Lost>), Stop> {
        let whole = |columns| Ok((vec![Arc::new(RowGroup { rows: group.rows, columns })], Vec::new()));
        let added = |chunks: Vec<Hash>| {
            let new = chunks.into_iter().map(|chunk| ColumnRef { chunk, take: None });
            group.columns.iter().copied().chain(new).collect()
        };
        match stage {
            Stage::Compute(works) => {
                let (mut chunks, mut failed) = (Vec::with_capacity(works.len()), Vec::new());
                for work in works {
                    let made = self.columns_of(work, schema, group)?;
                    chunks.extend(made.chunks);
                    failed.extend(made.failed);
                }
                let after = Arc::new(RowGroup { rows: group.rows, columns: added(chunks) });
                self.without_failed(at, &after, group, self.any_failed(group.rows, failed)?)
            }
            Stage::Select(columns) => whole(columns.iter().map(|(index, _)| group.columns[*index]).collect()),
            Stage::Refer { op, input, span } => {
                let made = self.refer(op.as_ref(), *input, span, schema, group)?;
                let after = Arc::new(RowGroup { rows: group.rows, columns: added(made.chunks) });
                self.without_failed(at, &after, group, made.failed)
            }
            Stage::Fan { fan, span } => self.fan(at, fan, span, schema, group),
            Stage::Filter(works) => {
                let Filtered { keep, dropped: (rows, reasons), failed } = self.filter(works, schema, group)?;
                let counts = || self.count(reasons, works.len());
                let mut lost: Vec<Lost> =
                    self.lose((at, Why::Dropped), group, &rows, reasons, counts)?.into_iter().collect();
                if let Some((rows, failures)) = failed {
                    let counts = || self.context.count_failures(failures);
                    lost.extend(self.lose((at, Why::Failed), group, &rows, failures, counts)?);
                }
                Ok((self.staying(group, &keep)?, lost))
            }
            Stage::Ask(_) => {
                let answered = self.ask(at, stage, schema, group)?;
                let after = Arc::new(RowGroup { rows: group.rows, columns: added(answered.chunks) });
                self.without_failed(at, &after, group, answered.failed)
            }
            Stage::Whole { .. } | Stage::Run(_) => unreachable!("whole-table stages are run over all groups"),
        }
    }

    /// Returns the rows of a group that stay; none if none do.
    fn staying(&self, group: &Arc<RowGroup>, keep: &Take) -> Result<Vec<Arc<RowGroup>>, Stop> {
        Ok(match keep {
            keep if keep.is_identity() => vec![group.clone()],
            keep if keep.is_empty() => Vec::new(),
            keep => vec![Arc::new(self.retake(group, keep)?)],
        })
    }

    /// Takes rows of a group for lost; `reasons` has a value for each of them.
    pub(super) fn lose(
        &self,
        (at, why): (usize, Why),
        group: &RowGroup,
        rows: &Take,
        reasons: Hash,
        counts: impl FnOnce() -> Result<Vec<u64>, Stop>,
    ) -> Result<Option<Lost>, Stop> {
        if rows.is_empty() {
            return Ok(None);
        }
        let mut lost = self.retake(group, rows)?;
        lost.columns.push(ColumnRef { chunk: reasons, take: None });
        Ok(Some(Lost { stage: Some(at), why, counts: counts()?, groups: vec![Arc::new(lost)] }))
    }

    /// Takes the rows of a group that failed from it.
    pub(super) fn without_failed(
        &self,
        at: usize,
        after: &Arc<RowGroup>,
        before: &RowGroup,
        failed: Option<Failing>,
    ) -> Result<(Vec<Arc<RowGroup>>, Vec<Lost>), Stop> {
        let Some(Failing { keep, failures, .. }) = failed else { return Ok((vec![after.clone()], Vec::new())) };
        let counts = || self.context.count_failures(failures);
        let lost = self.lose((at, Why::Failed), before, &keep.complement(), failures, counts)?;
        Ok((self.staying(after, &keep)?, lost.into_iter().collect()))
    }

    /// Returns the outputs of an action, as far as the flow goes.
    pub fn action(&self, key: Key, run: impl FnOnce() -> Result<Vec<Hash>, Stop>) -> Result<Vec<Hash>, Stop> {
        match self.effort {
            Effort::Run => self.context.action(self.used, key, run),
            Effort::Look => self.context.peek(key, |_| true).ok_or(Stop::Pending),
        }
    }

    /// Returns the chunks that an op makes of a row group. A row that cannot be computed is an error.
    pub fn column_of(&self, work: &Work, schema: &Schema, group: &RowGroup) -> Result<Vec<Hash>, Stop> {
        let made = self.columns_of(work, schema, group)?;
        match made.failed {
            None => Ok(made.chunks),
            Some(failed) => Err(self.no_value(work, &failed)?),
        }
    }

    /// Returns the chunks that an op makes of a row group, and which rows failed.
    pub(super) fn columns_of(&self, work: &Work, schema: &Schema, group: &RowGroup) -> Result<Made, Stop> {
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
        let writes = work.op.writes().iter().collect();
        let action = Action { key: key.finish(), of: &work.name, span: &work.span, writes };
        let load = || {
            let columns = reads.iter().map(|(name, at)| Ok(((*name).clone(), self.context.column(*at)?)));
            Ok(Batch { rows: group.rows as usize, columns: columns.collect::<Result<_, Stop>>()? })
        };
        self.made(action, load, |batch| work.op.run(batch))
    }

    /// Says that a row has no value where every row needs one.
    fn no_value(&self, work: &Work, failed: &Failing) -> Result<Stop, Stop> {
        let failures = self.context.column(ColumnRef { chunk: failed.failures, take: None })?;
        let first = RowFailure::of_value(&crate::expr::value_at(&failures, 0)).ok_or(Stop::Missing(failed.failures))?;
        let title = format!("a row of `{}` cannot be computed: {}", self.node, first.detail);
        let mut diagnostic = Diagnostic::error("row-error", title).at(&work.span, "computed here");
        diagnostic.help.extend(first.help);
        Ok(diagnostic.into())
    }

    /// Says what is wrong with a row, and shows it; `what` of the node could not be made of it.
    pub(super) fn uncomputable(&self, what: &str, span: &Span, batch: &Batch, error: RowError) -> Stop {
        let title = format!("{what} of `{}` cannot be computed: {}", self.node, error.message);
        let example = Example::new(span, batch, error.row, error.message, error.help);
        Diagnostic::error("row-error", title).with_rows(&[example], 1).into()
    }

    /// Sends a row group through conditions: which rows stay, which are dropped and which fail. A row goes by the first condition
    /// that does not say that it may stay.
    fn filter(&self, works: &[Work], schema: &Schema, group: &RowGroup) -> Result<Filtered, Stop> {
        let made = works.iter().map(|work| self.columns_of(work, schema, group)).collect::<Result<Vec<_>, Stop>>()?;
        let masks: Vec<Hash> = made.iter().map(|made| made.chunks[0]).collect();
        let (at, failed): (Vec<usize>, Vec<Failing>) =
            made.into_iter().enumerate().filter_map(|(at, made)| Some((at, made.failed?))).unzip();
        let mut key = op::key("filter");
        masks.iter().for_each(|mask| _ = key.hash("mask", *mask));
        at.iter().zip(&failed).for_each(|(at, one)| {
            key.int("failed", *at as i64).hash("keep", one.keep_at).hash("failures", one.failures);
        });
        let outputs = self.action(key.finish(), || {
            let masks = masks
                .iter()
                .map(|mask| self.context.column(ColumnRef { chunk: *mask, take: None }))
                .collect::<Result<Vec<ArrayRef>, Stop>>()?;
            // A condition that is null has not said that the row may stay.
            let first_no: Vec<Option<usize>> =
                (0..group.rows as usize).map(|row| masks.iter().position(|mask| !stays(mask, row))).collect();
            // Where the condition has no value, its mask is null.
            let places: Vec<Vec<Option<usize>>> = failed.iter().map(|one| places(&one.keep)).collect();
            let failure = |row: usize, no: usize| {
                let of = at.binary_search(&no).ok()?;
                Some((of, places[of][row]?))
            };
            let fates: Vec<Fate> = (0..)
                .zip(first_no)
                .map(|(row, no)| match no {
                    None => Fate::Stays,
                    Some(no) => failure(row, no).map_or(Fate::Dropped(no as i64), Fate::Failed),
                })
                .collect();
            let keep = Take::of_mask(fates.iter().map(|fate| *fate == Fate::Stays));
            let reasons = fates.iter().filter_map(|fate| if let Fate::Dropped(by) = fate { Some(*by) } else { None });
            let reasons: ArrayRef = Arc::new(reasons.collect::<Int64Array>());
            let mut outputs = vec![self.context.put_take(&keep)?, self.context.put_column(&reasons)?];
            let failures: Vec<(usize, usize)> =
                fates.iter().filter_map(|fate| if let Fate::Failed(at) = fate { Some(*at) } else { None }).collect();
            if !failures.is_empty() {
                let rows = Take::of_mask(fates.iter().map(|fate| matches!(fate, Fate::Failed(_))));
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

    /// Makes the columns of hashes of the rows of all groups; rows that have none fail, and are taken from their groups.
    fn hashes(
        &self,
        at: usize,
        works: &[Work],
        schema: &Schema,
        groups: &mut Vec<Arc<RowGroup>>,
    ) -> Result<(Vec<Vec<ColumnRef>>, Vec<Lost>), Stop> {
        let made = self.each(groups, |flow, group| {
            let (mut chunks, mut failed) = (Vec::with_capacity(works.len()), Vec::new());
            for work in works {
                let made = flow.columns_of(work, schema, group)?;
                chunks.extend(made.chunks);
                failed.extend(made.failed);
            }
            let failed = flow.any_failed(group.rows, failed)?;
            let take = failed.as_ref().map(|failed| failed.keep_at);
            let hashes: Vec<ColumnRef> = chunks.into_iter().map(|chunk| ColumnRef { chunk, take }).collect();
            let (stays, lost) = flow.without_failed(at, group, group, failed)?;
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

    /// Decides over the hashes of all rows which of them stay: one take per group.
    fn whole(&self, hashes: &[Vec<ColumnRef>], op: WholeOp) -> Result<Vec<Hash>, Stop> {
        let mut key = op::key(op_name(op));
        if let WholeOp::Sample(sampling) = op {
            sampling.write_key(&mut key);
        }
        for column in hashes.iter().flatten() {
            key.hash("chunk", column.chunk);
            column.take.iter().for_each(|take| _ = key.hash("take", *take));
        }
        self.action(key.finish(), || {
            let columns = self.ints(hashes)?;
            let columns: Vec<Vec<&[i64]>> =
                columns.iter().map(|group| group.iter().map(|column| &column.values()[..]).collect()).collect();
            let takes = match op {
                WholeOp::Dedup => {
                    op::keep_first(&columns.iter().map(|pair| (pair[0], pair[1])).collect::<Vec<(&[i64], &[i64])>>())
                }
                WholeOp::Sample(sampling) => sampling.takes(&columns),
            };
            takes.iter().map(|take| self.context.put_take(take)).collect()
        })
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
                    return Ok((vec![group.clone()], Vec::new()));
                }
                let rows = (take.source_rows() - take.len()) as u64;
                let reasons: ArrayRef = Arc::new(Int64Array::from(vec![0; rows as usize]));
                let reasons = flow.context.put_column(&reasons)?;
                let lost = flow.lose((at, Why::Dropped), group, &take.complement(), reasons, || Ok(vec![rows]))?;
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
        WholeOp::Sample(_) => "sample",
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
        // Where there is but one stage, it is the one.
        let names: Vec<&str> = match (self.why, self.stage.and_then(|at| stages.get(at).or(stages.first()))) {
            (Why::Failed, _) => FailedAs::all().map(FailedAs::word).collect(),
            (_, Some(Stage::Filter(works))) => works.iter().map(|work| work.name.as_str()).collect(),
            // Of a test it says what has to be unique.
            (_, Some(Stage::Whole { hashes, op: WholeOp::Dedup })) => vec![&hashes[0].name],
            (_, Some(Stage::Whole { op, .. })) => vec![op_name(*op)],
            (_, Some(Stage::Fan { fan, .. })) => vec![fan.name()],
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
            Stage::Fan { fan, .. } => schema.0.extend(fan.writes().iter().cloned()),
            Stage::Ask(ask) => schema.0.extend(ask.op.writes().iter().cloned()),
            Stage::Refer { op, .. } => schema.0.extend(op.writes().iter().cloned()),
            Stage::Run(run) if run.program.per == Per::Row => schema.0.extend(run.program.writes.iter().cloned()),
            Stage::Run(run) => schema = Schema(run.program.writes.clone()),
            Stage::Filter(_) | Stage::Whole { .. } => {}
        }
        before
    };
    stages.iter().map(step).collect()
}
