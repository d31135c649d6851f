//! Rows through one stage: computed, kept, asked about; in a plan, counted.

use super::super::able::{Able, able};
use super::super::ask::{begun, concluded};
use super::super::context::{Mode, Stop, Used};
use super::super::count::Place;
use super::super::dialogue::{Dialogue, Standing};
use super::super::event::Progress;
use super::super::example::{Example, SHOWN};
use super::super::failure::FailedAs;
use super::super::lost::Lost;
use super::super::rows::stays;
use super::super::stage::{Effort, Flow};
use super::super::too_many::held;
use super::Ahead;
use super::counter::Waiting;
use super::pipe::Parcel;
use crate::diag::Span;
use crate::graph::{Ask, Stage, Work};
use crate::hash::{Hash, KeyWriter};
use crate::op;
use crate::table::{Batch, RowError};
use arrow_array::ArrayRef;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

impl<'a> Ahead<'a> {
    /// Takes rows through one stage; returns those that are through. Nothing, if what is wrong is no single row's fault.
    pub(super) fn step(
        &mut self,
        stage: &'a Stage,
        mut parcel: Parcel,
        open: &mut Vec<Parcel>,
    ) -> Result<Option<Parcel>, Stop> {
        let pipe = &self.pipes[parcel.pipe];
        Ok(Some(match stage {
            Stage::Compute(works) => {
                let (mut made, mut unknown, mut failed) = (Vec::new(), parcel.unknown.clone(), HashMap::new());
                for work in works {
                    if parcel.unknown.has(work.op.reads()) {
                        let key = op_key(work.op.name(), |key| work.op.write_key(key));
                        let identities = parcel.unknown.identities(&parcel.batch, work.op.reads(), key);
                        unknown.add(work.op.writes().iter().map(|_| work.name.clone()), &identities);
                    } else {
                        let Some((columns, errors)) = run(work, &parcel.batch) else { return Ok(None) };
                        note(&mut failed, &work.span, errors);
                        made.extend(columns.into_iter().map(|column| (work.name.clone(), column)));
                    }
                }
                let mut after = Parcel { unknown, ..parcel };
                let failed = self.fail(&after, failed);
                after.batch.columns.extend(made);
                after.without(&failed)
            }
            Stage::Split(parts) => {
                let mut failed = HashMap::new();
                for work in parts.works.iter().filter(|work| !parcel.unknown.has(work.op.reads())) {
                    let Some((_, errors)) = run(work, &parcel.batch) else { return Ok(None) };
                    note(&mut failed, &work.span, errors);
                }
                let failed = self.fail(&parcel, failed);
                parcel.without(&failed)
            }
            Stage::Select(columns) => {
                let schema = pipe.schema(parcel.stage);
                let names = || columns.iter().map(|(index, new)| (schema.0[*index].name.as_str(), new.as_str()));
                let column = |(old, new): (&str, &str)| Some((new.to_owned(), parcel.batch.column(old)?.clone()));
                let batch = Batch { rows: parcel.batch.rows, columns: names().filter_map(column).collect() };
                Parcel { batch, unknown: parcel.unknown.select(names()), ..parcel }
            }
            Stage::Filter(works) => {
                let (mut masks, mut failed): (Vec<ArrayRef>, _) = (Vec::new(), HashMap::new());
                let mut known = true;
                for work in works {
                    if parcel.unknown.has(work.op.reads()) {
                        parcel.unknown.filter();
                        known = false;
                        continue;
                    }
                    let Some((mask, errors)) = run(work, &parcel.batch) else { return Ok(None) };
                    // A row that a condition before this one drops does not fail here; nor, in a plan, one that such a one may drop.
                    let comes = |error: &RowError| known && masks.iter().all(|mask| stays(mask, error.row));
                    note(&mut failed, &work.span, errors.into_iter().filter(comes).collect());
                    masks.extend(mask);
                }
                self.fail(&parcel, failed);
                let stay = |row: &u32| masks.iter().all(|mask| stays(mask, *row as usize));
                parcel.take((0..parcel.batch.rows as u32).filter(stay).collect())
            }
            Stage::Decontaminate(step) => {
                if parcel.unknown.has(step.op.reads()) {
                    parcel.unknown.filter();
                    return Ok(Some(parcel));
                }
                let (used, progress) = (Used::default(), Progress::new(pipe.node, &|_| ()));
                let flow = pipe.flow(self.context, &used, &progress, Effort::Run);
                let Some(clean) = flow.clean_rows(step, &parcel.batch)? else { return Ok(None) };
                parcel.take(clean)
            }
            Stage::Fan { fan, .. } => {
                if parcel.unknown.has(fan.reads()) {
                    // How many rows there will be cannot be told.
                    self.leave_open(parcel.pipe);
                    return Ok(Some(parcel.take(Vec::new())));
                }
                let (used, progress) = (Used::default(), Progress::new(pipe.node, &|_| ()));
                let flow = pipe.flow(self.context, &used, &progress, Effort::Run);
                let Some(fanned) = flow.fan_rows(fan, &parcel.batch)? else { return Ok(None) };
                let mut parcel = parcel.take(fanned.rows);
                let names = fan.writes().iter().map(|field| field.name.clone());
                parcel.batch.columns.extend(names.zip(fanned.columns));
                parcel
            }
            Stage::Refer { op, input, span } => {
                let names = op.writes().iter().map(|field| field.name.clone());
                if parcel.unknown.has(op.reads()) {
                    let key = op_key(op.name(), |key| {
                        op.write_key(key);
                        key.int("node", i64::from(pipe.node.0)).int("input", *input as i64);
                    });
                    let identities = parcel.unknown.identities(&parcel.batch, op.reads(), key);
                    parcel.unknown.add(names, &identities);
                    return Ok(Some(parcel));
                }
                let (used, progress) = (Used::default(), Progress::new(pipe.node, &|_| ()));
                let flow = pipe.flow(self.context, &used, &progress, Effort::Run);
                let made = flow.refer_rows(op.as_ref(), *input, span, &parcel.batch)?;
                let Some((columns, errors)) = made else { return Ok(None) };
                let mut failed = HashMap::new();
                note(&mut failed, span, errors);
                let failed = self.fail(&parcel, failed);
                parcel.batch.columns.extend(names.zip(columns));
                parcel.without(&failed)
            }
            Stage::Ask(ask) if parcel.unknown.has(ask.op.reads()) => self.count_unknown(ask, parcel),
            Stage::Ask(ask) => return self.ask(ask, parcel, open),
            Stage::Whole { .. } | Stage::Spans { .. } | Stage::Run(_) => {
                unreachable!("a pipe has row-wise stages only")
            }
        }))
    }

    /// Asks what rows need; returns those that have all their answers, with the columns made of them. In a plan, rows whose
    /// answers are missing are added to `open`.
    pub(super) fn ask(&mut self, ask: &'a Ask, parcel: Parcel, open: &mut Vec<Parcel>) -> Result<Option<Parcel>, Stop> {
        let Ok(begun) = begun(ask, &parcel.batch) else { return Ok(None) };
        let mut failed = HashMap::new();
        note(&mut failed, &ask.span, begun.iter().filter_map(|row| row.as_ref().err().cloned()).collect());
        self.fail(&parcel, failed);
        if self.broken.contains(&parcel.pipe) {
            return Ok(None);
        }
        let batch = Arc::new(parcel.batch.clone());
        let (mut through, mut answers) = (Vec::new(), Vec::new());
        let (mut stopped, mut identities) = (Vec::new(), Vec::new());
        for (row, requests) in begun.into_iter().enumerate() {
            let Ok(requests) = requests else { continue };
            let mut dialogues: Vec<Dialogue> = requests.into_iter().map(Dialogue::new).collect();
            let (mut ended, mut waits, mut failed) = (vec![None; dialogues.len()], Vec::new(), false);
            for (which, dialogue) in dialogues.iter_mut().enumerate() {
                match self.context.desk.advance(ask.op.as_ref(), dialogue, |_, _| ())? {
                    Standing::Ended(value) => ended[which] = Some(value),
                    Standing::Failed(_) => failed = true,
                    Standing::Waits { key, reuse } => waits.push((which, key, reuse)),
                }
            }
            if waits.is_empty() {
                if !failed {
                    through.push(row as u32);
                    answers.push(ask.op.conclude(&batch, row, ended.into_iter().flatten().collect()));
                }
            } else if self.context.mode == Mode::Build {
                let (pipe, stage, open) = (parcel.pipe, parcel.stage, waits.len());
                self.park(Waiting { pipe, stage, batch: batch.clone(), row, open, dialogues, ended }, waits);
            } else {
                for (which, key, _) in waits {
                    let Dialogue { request, turns, .. } = &dialogues[which];
                    let retries = ask.op.retries().saturating_sub(*turns);
                    let place = self.place(&parcel, request.spec.endpoint);
                    self.counting.request(place, request, key, retries, &parcel.unknown);
                }
                if !failed {
                    stopped.push(row as u32);
                    identities.push(op_key(ask.op.name(), |key| {
                        ask.op.write_key(key);
                        dialogues.iter().for_each(|dialogue| _ = key.hash("request", dialogue.request.key()));
                    }));
                }
            }
        }
        let names = ask.op.writes().iter().map(|field| field.name.clone());
        if !stopped.is_empty() {
            let mut rest = parcel.take(stopped);
            rest.unknown.add(names.clone(), &identities);
            open.push(Parcel { stage: parcel.stage + 1, ..rest });
        }
        let mut after = parcel.take(through);
        after.batch.columns.extend(names.zip(concluded(ask, answers)));
        Ok(Some(after))
    }

    /// Counts what rows ask at a step that reads what is unknown.
    fn count_unknown(&mut self, ask: &Ask, mut parcel: Parcel) -> Parcel {
        let key = op_key(ask.op.name(), |key| ask.op.write_key(key));
        let identities = parcel.unknown.identities(&parcel.batch, ask.op.reads(), key);
        for (which, spec) in ask.op.specs().iter().enumerate() {
            let place = self.place(&parcel, spec.endpoint);
            let key = op_key(ask.op.name(), |key| ask.op.write_request(which, key));
            for identity in parcel.unknown.identities(&parcel.batch, ask.op.reads(), key) {
                self.counting.unknown(place, spec, identity, ask.op.retries(), &parcel.unknown);
            }
        }
        parcel.unknown.add(ask.op.writes().iter().map(|field| field.name.clone()), &identities);
        parcel
    }

    /// Notes that what is asked behind a pipe cannot be counted.
    fn leave_open(&mut self, pipe: usize) {
        let pipes = self.pipes;
        self.counting.open.insert(pipes[pipe].node);
        pipes[pipe].next.iter().for_each(|next| self.leave_open(*next));
    }

    /// Counts rows that cannot be computed, and lets nothing more be asked once they are too many; returns which they are.
    fn fail(&mut self, parcel: &Parcel, failed: HashMap<usize, (Span, RowError)>) -> HashSet<usize> {
        let rows: BTreeMap<usize, (Span, RowError)> = failed.into_iter().collect();
        let examples = rows.iter().take(SHOWN).map(|(row, (span, error))| {
            Example::new(span, &parcel.batch, *row, error.message.clone(), error.help.clone())
        });
        self.too_many(parcel.pipe, rows.len() as u64, examples.collect());
        rows.into_keys().collect()
    }

    /// Counts rows of which it was known before that they cannot be computed.
    pub(super) fn count_failed(&mut self, pipe: usize, flow: &Flow, at: usize, lost: &Lost) -> Result<(), Stop> {
        let of = &self.pipes[pipe];
        let uncomputable = |(word, rows): (String, u64)| if word == FailedAs::Uncomputable.word() { rows } else { 0 };
        let count = lost.reasons(Some(&of.stages[at])).into_iter().map(uncomputable).sum();
        if count > 0 {
            self.too_many(pipe, count, flow.examples(&of.stages[at], lost, of.schema(at), &[])?);
        }
        Ok(())
    }

    fn too_many(&mut self, pipe: usize, rows: u64, shown: Vec<Example>) {
        let (count, examples) = &mut self.failed[pipe];
        *count += rows;
        let room = SHOWN - examples.len();
        examples.extend(shown.into_iter().take(room));
        let of = &self.pipes[pipe];
        if *count > of.most_failed {
            self.context.hold(of.node, held(of.name, *count, examples));
            self.broken.insert(pipe);
        }
    }

    fn place(&self, parcel: &Parcel, endpoint: usize) -> Place {
        let pipe = &self.pipes[parcel.pipe];
        Place { node: pipe.node, step: pipe.first + parcel.stage, endpoint }
    }
}

/// Runs an op on rows; nothing, if what is wrong is no single row's fault.
fn run(work: &Work, batch: &Batch) -> Option<Able> {
    able(batch, &work.op.writes().iter().collect::<Vec<_>>(), |batch| work.op.run(batch)).ok()
}

/// Notes rows that cannot be computed; the first op at which a row fails says why.
fn note(failed: &mut HashMap<usize, (Span, RowError)>, span: &Span, errors: Vec<RowError>) {
    for error in errors {
        failed.entry(error.row).or_insert_with(|| (span.clone(), error));
    }
}

/// Returns what stands for an op, and for what else `write` writes.
fn op_key(name: &'static str, write: impl FnOnce(&mut KeyWriter)) -> Hash {
    let mut key = op::key(name);
    write(&mut key);
    key.finish()
}
