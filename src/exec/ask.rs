//! A row group at a step that asks models: values for the rows that have them, and why the others have none.

use super::able::{Failing, Made, rest, unable};
use super::ahead;
use super::context::{Mode, Outputs, Stop};
use super::dialogue::{Dialogue, Standing};
use super::failure::{FailedAs, RowFailure};
use super::stage::{Effort, Flow};
use crate::ask::{FailureKind, Request, Usage};
use crate::diag::{Diagnostic, Diagnostics};
use crate::expr::{Value, array_of};
use crate::fetch::models::NOT_RECORDED;
use crate::graph::{Ask, Stage};
use crate::hash::Hash;
use crate::op;
use crate::table::{Batch, ColumnRef, RowError, RowGroup, Schema, Take};
use arrow_array::ArrayRef;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::ops::AddAssign;

/// What the answers behind some rows took when they were bought, in this build or a former one: what models are called in keys →
/// sums.
///
/// An answer counts once in a row group, however many of its rows it stands behind. Where rows of several groups or steps have the
/// same answer, it counts for each of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Paid(pub BTreeMap<String, Sum>);

/// Answers of one model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    pub answers: u64,
    /// The dialogues that they are of: a reply that was sent back is an answer more, and no dialogue.
    #[serde(default)]
    pub dialogues: u64,
    pub usage: Usage,
    /// Answers whose usage the endpoint did not tell.
    pub untold: u64,
}

impl AddAssign<&Paid> for Paid {
    fn add_assign(&mut self, other: &Paid) {
        for (model, sum) in &other.0 {
            let own = self.0.entry(model.clone()).or_default();
            own.answers += sum.answers;
            own.dialogues += sum.dialogues;
            own.usage += sum.usage;
            own.untold += sum.untold;
        }
    }
}

impl Flow<'_> {
    /// Returns what the rows of a group are answered; asks for what is not recorded.
    pub(super) fn ask(&self, at: usize, stage: &Stage, schema: &Schema, group: &RowGroup) -> Result<Made, Stop> {
        let Stage::Ask(ask) = stage else { unreachable!("only such stages ask") };
        let reads: Vec<(&String, ColumnRef)> = ask
            .op
            .reads()
            .iter()
            .map(|name| (name, group.columns[schema.index(name).expect("binding checked the columns")]))
            .collect();
        let mut key = op::key(ask.op.name());
        ask.op.write_key(&mut key);
        for (_, column) in &reads {
            key.hash("chunk", column.chunk).maybe("take", column.take);
        }
        key.int("rows", i64::from(group.rows));
        let key = key.finish();
        let will_do = |outputs: &[Hash]| self.will_do(outputs);
        let outputs = match self.effort {
            Effort::Look => self.context.peek(key, will_do).ok_or(Stop::Pending)?,
            Effort::Run => self.context.asking_action(self.used, key, will_do, || {
                let columns = reads.iter().map(|(name, at)| Ok(((*name).clone(), self.context.column(*at)?)));
                let batch = Batch { rows: group.rows as usize, columns: columns.collect::<Result<_, Stop>>()? };
                self.answers(at, stage, ask, schema, &batch)
            })?,
        };
        let (values, rest) = outputs.split_at(ask.op.writes().len());
        let keep = self.context.take(rest[0])?;
        if self.effort == Effort::Run {
            let paid = self.context.get(rest[2])?;
            let paid: Paid = serde_json::from_slice(&paid).map_err(|_| Stop::Missing(rest[2]))?;
            self.used.pay(at, &paid);
        }
        let failed = (!keep.is_identity()).then_some(Failing { keep, keep_at: rest[0], failures: rest[1] });
        Ok(Made { chunks: values.to_vec(), failed })
    }

    /// Returns whether known outputs will do: not if a row failed in a way that is not to stand in this build.
    fn will_do(&self, outputs: &[Hash]) -> bool {
        let desk = &self.context.desk;
        if desk.listener.is_some() {
            return false;
        }
        if !FailureKind::ALL.iter().any(|kind| desk.retries(*kind)) {
            return true;
        }
        let Some(failures) = outputs.len().checked_sub(2).map(|at| outputs[at]) else { return true };
        let counts = self.context.count_failures(failures).unwrap_or_default();
        let retries = |kind: FailedAs| kind.of_model().is_some_and(|kind| desk.retries(kind));
        !FailedAs::all().zip(counts).any(|(kind, count)| count > 0 && retries(kind))
    }

    /// Makes the outputs of a group: a chunk per column, which rows have values, the failures of the others, and what it took.
    fn answers(&self, at: usize, stage: &Stage, ask: &Ask, schema: &Schema, batch: &Batch) -> Result<Outputs, Stop> {
        let mut rows = self.dialogues(ask, batch)?;
        if rows.open() {
            if let Some(why) = self.context.held(self.progress.node()) {
                return Err(why.into());
            }
            if self.context.mode != Mode::Build {
                return Err(Stop::Pending);
            }
            ahead::settle(self, at, stage, schema, batch)?;
            rows = self.dialogues(ask, batch)?;
        }
        if rows.open() {
            if let Some(why) = self.context.held(self.progress.node()) {
                return Err(why.into());
            }
            return Err(self.unanswered(ask, &rows));
        }
        let mut columns: Vec<Vec<Value>> = vec![Vec::with_capacity(batch.rows); ask.op.writes().len()];
        let (mut keep, mut failures, mut unfinished) = (Vec::with_capacity(batch.rows), Vec::new(), false);
        for (row, standings) in rows.standings.into_iter().enumerate() {
            match standings.and_then(ended) {
                Ok(answers) => {
                    let values = ask.op.conclude(batch, row, answers);
                    columns.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
                    keep.push(true);
                }
                Err(failure) => {
                    unfinished |= failure.kind.of_model().is_some_and(|kind| !kind.is_recorded());
                    columns.iter_mut().for_each(|column| column.push(Value::Null));
                    failures.push(failure);
                    keep.push(false);
                }
            }
        }
        let mut outputs = Vec::with_capacity(columns.len() + 3);
        for (field, values) in ask.op.writes().iter().zip(&columns) {
            outputs.push(self.context.put_column(&array_of(&field.ty, values))?);
        }
        outputs.push(self.context.put_take(&Take::of_mask(keep.into_iter()))?);
        outputs.push(self.context.put_column(&RowFailure::column(failures))?);
        outputs.push(self.context.put(&serde_json::to_vec(&rows.paid).expect("sums are plain data"))?);
        Ok(if unfinished { Outputs::Unfinished(outputs) } else { Outputs::Whole(outputs) })
    }

    /// Takes the dialogues of all rows as far as recorded responses lead.
    fn dialogues(&self, ask: &Ask, batch: &Batch) -> Result<Rows, Stop> {
        let begun = begun(ask, batch).map_err(|error| self.uncomputable("a request", &ask.span, batch, error))?;
        let mut rows = Rows { standings: Vec::with_capacity(batch.rows), paid: Paid::default() };
        let mut counted = HashSet::new();
        for requests in begun {
            let requests = match requests {
                Ok(requests) => requests,
                Err(error) => {
                    let of = Some(ask.op.name().to_owned());
                    rows.standings.push(Err(RowFailure { of, ..RowFailure::of_error(error) }));
                    continue;
                }
            };
            let standings = requests.into_iter().map(|request| {
                let (paid, counted) = (&mut rows.paid, &mut counted);
                let mut dialogue = Dialogue::new(request);
                let mut begins = 1;
                let standing = self.context.desk.advance(ask.op.as_ref(), &mut dialogue, |request, response| {
                    let begun = std::mem::take(&mut begins);
                    if !counted.insert(request.key()) {
                        return;
                    }
                    let sum = paid.0.entry(request.spec.model.clone()).or_default();
                    sum.answers += 1;
                    sum.dialogues += begun;
                    match response.usage {
                        Some(usage) => sum.usage += usage,
                        None => sum.untold += 1,
                    }
                })?;
                Ok((dialogue, standing))
            });
            let standings = standings.collect::<Result<Vec<_>, Stop>>()?;
            rows.standings.push(Ok(standings));
        }
        Ok(rows)
    }

    /// Says why rows have no answer although they were asked for.
    fn unanswered(&self, ask: &Ask, rows: &Rows) -> Stop {
        if self.context.cancelled() {
            return Stop::Interrupted;
        }
        let waits = rows
            .standings
            .iter()
            .flatten()
            .flatten()
            .filter(|(_, standing)| matches!(standing, Standing::Waits { .. }));
        let closed = |(dialogue, _): &(Dialogue, Standing)| self.closed(dialogue.request.spec.endpoint);
        let closed = waits.filter_map(closed).next();
        let no_answer = || {
            Diagnostic::error("no-answer", format!("the models that `{}` asks give no answer", self.node))
                .at(&ask.span, "asked here")
        };
        closed.unwrap_or_else(|| no_answer().into()).into()
    }

    /// Returns why an endpoint is not asked any more; of recorded responses also how many are missing.
    fn closed(&self, endpoint: usize) -> Option<Diagnostics> {
        let desk = &self.context.desk;
        let Diagnostics(mut problems) = desk.closed(endpoint)?;
        for problem in problems.iter_mut().filter(|problem| problem.code == NOT_RECORDED) {
            let missing = match desk.unasked(endpoint) {
                0 | 1 => "1 response is missing".to_owned(),
                n => format!("{n} responses are missing"),
            };
            problem.notes.insert(0, format!("{missing}, and those that would be asked for once they are there"));
        }
        Some(Diagnostics(problems))
    }
}

/// The dialogues of the rows of a group.
struct Rows {
    /// None of a row for which there is nothing to ask.
    standings: Vec<Result<Vec<(Dialogue, Standing)>, RowFailure>>,
    paid: Paid,
}

impl Rows {
    /// Returns whether any waits for an answer.
    fn open(&self) -> bool {
        self.standings.iter().flatten().flatten().any(|(_, standing)| matches!(standing, Standing::Waits { .. }))
    }
}

/// Returns what the dialogues of a row came to, or the first failure.
fn ended(standings: Vec<(Dialogue, Standing)>) -> Result<Vec<Value>, RowFailure> {
    let standings = standings.into_iter().map(|(_, standing)| match standing {
        Standing::Ended(value) => Ok(value),
        Standing::Failed(failure) => Err(failure.into()),
        Standing::Waits { .. } => unreachable!("open rows were asked for"),
    });
    standings.collect()
}

/// Returns the first requests of each row, or why there is nothing to ask of it.
///
/// # Errors
/// What is no single row's fault.
pub(super) fn begun(ask: &Ask, batch: &Batch) -> Result<Vec<Result<Vec<Request>, RowError>>, RowError> {
    let failed = match ask.op.begin(batch) {
        Ok(begun) => return Ok(begun.into_iter().map(Ok).collect()),
        Err(error) => unable(batch, error, |batch| ask.op.begin(batch).map(drop))?,
    };
    let good = batch.take(rest(batch.rows, &failed).indices().to_vec());
    let (mut good, mut failed) = (ask.op.begin(&good)?.into_iter(), failed.into_iter().peekable());
    let row = |row: usize| match failed.next_if(|error| error.row == row) {
        Some(error) => Err(error),
        None => Ok(good.next().expect("every other row has its requests")),
    };
    Ok((0..batch.rows).map(row).collect())
}

/// Returns the columns that answers make, as rows in memory have them.
pub(super) fn concluded(ask: &Ask, rows: Vec<Vec<Value>>) -> Vec<ArrayRef> {
    let fields = ask.op.writes().iter().enumerate();
    let column = |at: usize| rows.iter().map(|row| row[at].clone()).collect::<Vec<_>>();
    fields.map(|(at, field)| array_of(&field.ty, &column(at))).collect()
}
