//! Row groups through the stages of a dataset.

use super::Progress;
use super::able::{Action, Failing, Made};
use super::context::{Context, Mode, Stop, Used};
use super::example::{Example, WithRows};
use super::filter::Filtered;
use super::lost::{Lost, Why, together};
use super::record::Remade;
use super::refer::Others;
use super::wave;
use crate::diag::{Diagnostic, Span};
use crate::graph::{Stage, WholeOp, Work};
use crate::hash::{Hash, Key};
use crate::op::{self, Per, RowOp};
use crate::table::{Batch, ColumnRef, Field, RowError, RowGroup, Schema, Take};
use rayon::prelude::*;
use std::sync::Arc;

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
                Stage::Whole { hashes, op, against, key } => {
                    came[at] = rows(&groups);
                    let (hashes, failed) = self.hashes(Some(at), hashes, &schemas[at], &mut groups)?;
                    lost.extend(failed);
                    let decided = match op {
                        WholeOp::Dedup(dedup) => self.dedup(*dedup, against, (&schemas[at], key), &groups, &hashes)?,
                        WholeOp::Sample(sampling) => self.sample(&hashes, sampling)?,
                    };
                    let (kept, dropped) = self.pick(at, groups, decided)?;
                    groups = kept;
                    lost.extend(dropped);
                    at + 1
                }
                Stage::Spans { hashes, step, against } => {
                    came[at] = rows(&groups);
                    let (hashes, failed) = self.hashes(Some(at), hashes, &schemas[at], &mut groups)?;
                    lost.extend(failed);
                    groups = self.spans(step, against, &schemas[at], &groups, &hashes)?;
                    at + 1
                }
                Stage::Run(run) => {
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
                    self.begin_models(&stages[at..end])?;
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
                let Made { chunks, failed } = self.all_columns_of(works, schema, group)?;
                let after = Arc::new(RowGroup { rows: group.rows, columns: added(chunks) });
                self.without_failed(at, &after, group, failed)
            }
            Stage::Split(parts) => {
                let Made { failed, .. } = self.all_columns_of(&parts.works, schema, group)?;
                self.without_failed(at, group, group, failed)
            }
            Stage::Select(columns) => whole(columns.iter().map(|(index, _)| group.columns[*index]).collect()),
            Stage::Refer { op, input, span } => {
                let made = self.refer(op.as_ref(), *input, span, schema, group)?;
                let after = Arc::new(RowGroup { rows: group.rows, columns: added(made.chunks) });
                self.without_failed(at, &after, group, made.failed)
            }
            Stage::Fan { fan, span } => self.fan(at, fan, span, schema, group),
            Stage::Decontaminate(step) => self.decontaminate(at, step, schema, group),
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
            Stage::Whole { .. } | Stage::Spans { .. } | Stage::Run(_) => {
                unreachable!("whole-table stages are run over all groups")
            }
        }
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

    /// Returns the chunks that an op made of a row group at its stage. Of one that rows failed of there, they are made of what is left.
    pub(super) fn column_again(&self, work: &Work, schema: &Schema, group: &RowGroup) -> Result<Vec<Hash>, Stop> {
        match (Flow { effort: Effort::Look, ..*self }).column_of(work, schema, group) {
            Err(Stop::Pending) => self.column_of(work, schema, group),
            known => known,
        }
    }

    /// Returns the chunks that ops make of a row group, and which rows failed at any of them.
    pub(super) fn all_columns_of(&self, works: &[Work], schema: &Schema, group: &RowGroup) -> Result<Made, Stop> {
        self.take_measures(works, schema, group)?;
        let (mut chunks, mut failed) = (Vec::with_capacity(works.len()), Vec::new());
        for work in works {
            let made = self.columns_of(work, schema, group)?;
            chunks.extend(made.chunks);
            failed.extend(made.failed);
        }
        Ok(Made { chunks, failed: self.any_failed(group.rows, failed)? })
    }

    /// Returns the chunks that an op makes of a row group, and which rows failed.
    pub(super) fn columns_of(&self, work: &Work, schema: &Schema, group: &RowGroup) -> Result<Made, Stop> {
        if let Some(apart) = work.op.apart() {
            return self.made_apart(work, apart, schema, group);
        }
        self.whole_columns_of(work, schema, group)
    }

    /// Returns the chunks that an op makes of a row group, and which rows failed, as one action.
    pub(super) fn whole_columns_of(&self, work: &Work, schema: &Schema, group: &RowGroup) -> Result<Made, Stop> {
        let (reads, key) = reading(work.op.as_ref(), schema, group);
        let writes = work.op.writes().iter().collect();
        let action = Action { key, of: &work.name, span: &work.span, writes };
        let load = || {
            let columns = reads.iter().map(|(name, at)| Ok(((*name).clone(), self.context.column(*at)?)));
            Ok(Batch { rows: group.rows as usize, columns: columns.collect::<Result<_, Stop>>()? })
        };
        self.made(action, load, |batch| work.op.run(batch))
    }

    /// Says that a row has no value where every row needs one.
    fn no_value(&self, work: &Work, failed: &Failing) -> Result<Stop, Stop> {
        let (_, first) = self.context.first_failure(failed)?;
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
}

/// Returns how many rows there are in groups.
fn rows(groups: &[Arc<RowGroup>]) -> u64 {
    groups.iter().map(|group| u64::from(group.rows)).sum()
}

/// Returns the columns that an op reads of a row group, and the key of its action.
pub(super) fn reading<'a>(op: &'a dyn RowOp, schema: &Schema, group: &RowGroup) -> (Vec<(&'a String, ColumnRef)>, Key) {
    let column = |name: &'a String| (name, group.columns[schema.index(name).expect("binding checked the columns")]);
    let reads: Vec<(&String, ColumnRef)> = op.reads().iter().map(column).collect();
    let mut key = op::key(op.name());
    op.write_key(&mut key);
    for (_, column) in &reads {
        key.hash("chunk", column.chunk).maybe("take", column.take);
    }
    if reads.is_empty() {
        key.int("rows", i64::from(group.rows));
    }
    (reads, key.finish())
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
            Stage::Spans { step, .. } => schema.0.push(step.into.clone()),
            Stage::Filter(_) | Stage::Decontaminate(_) | Stage::Whole { .. } | Stage::Split(_) => {}
        }
        before
    };
    stages.iter().map(step).collect()
}
