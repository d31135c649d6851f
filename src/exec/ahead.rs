//! Rows ahead of their groups: each goes through the row-wise steps of its dataset, and of those made from it, as soon as what it
//! needs is answered. Nothing is made of it but responses in the store, where the groups find them.
//!
//! In a plan nothing is sent: what would be asked is counted, and rows go on without the answers.

mod counter;
mod pipe;
mod steps;

pub(super) use pipe::{Pipe, Source, lane};

use super::context::{Context, Stop, Used};
use super::count::Counting;
use super::event::{Event, Progress};
use super::example::Example;
use super::lost::Why;
use super::stage::{Effort, Flow};
use crate::fetch::models::Afoot;
use crate::graph::Stage;
use crate::table::{Batch, RowGroup, Schema};
use counter::{Sent, Waiting};
use pipe::Parcel;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Rows that wait for answers before more groups are begun.
const WAITING: usize = 4096;
/// As many where batches are made of them.
const GATHERING: usize = 50_000;

/// How long deliveries are waited for before the user is listened to again.
const PATIENCE: Duration = Duration::from_millis(100);

/// How often it is told that batches go on, where nothing else happens.
const REMIND: Duration = Duration::from_secs(10);

/// Rows on their way.
pub(super) struct Ahead<'a> {
    context: &'a Context<'a>,
    pipes: &'a [Pipe<'a>],
    events: &'a (dyn Fn(Event) + Sync),
    waiting: HashMap<u64, Waiting>,
    /// How many of them are in each pipe.
    waits: Vec<u64>,
    /// What was last told of batches for each pipe, and when.
    afoot: Vec<(Afoot, Instant)>,
    sent: HashMap<u64, Sent>,
    /// Of each pipe, how many rows could not be computed, and the first of them.
    failed: Vec<(u64, Vec<Example>)>,
    /// Pipes in which more rows cannot be computed than may fail: nothing more is asked for them.
    broken: HashSet<usize>,
    counting: Counting,
    /// Rows in groups that were not begun.
    queued: u64,
}

/// Asks for all that the rows of a group need at one step, and waits for it.
pub(super) fn settle(flow: &Flow, at: usize, stage: &Stage, schema: &Schema, batch: &Batch) -> Result<(), Stop> {
    let pipes = [Pipe::of(flow.progress.node(), flow.node, stage, at, schema).failing(flow.most_failed)];
    let mut ahead = Ahead::new(flow.context, &pipes, flow.progress.events());
    let _alone = flow.context.desk.counter.lock().expect("no thread panics with this lock");
    let waited = ahead.process(Parcel::of(0, 0, batch.clone())).and_then(|()| ahead.wait(Vec::new()));
    if waited.is_err() {
        ahead.drain();
    }
    waited
}

impl<'a> Ahead<'a> {
    pub fn new(context: &'a Context<'a>, pipes: &'a [Pipe<'a>], events: &'a (dyn Fn(Event) + Sync)) -> Ahead<'a> {
        Ahead {
            context,
            pipes,
            events,
            waiting: HashMap::new(),
            waits: vec![0; pipes.len()],
            afoot: vec![(Afoot::default(), Instant::now()); pipes.len()],
            sent: HashMap::new(),
            failed: vec![Default::default(); pipes.len()],
            broken: HashSet::new(),
            counting: Counting::default(),
            queued: 0,
        }
    }

    /// Sends all rows on their way, and waits for the last of them. In a plan, they are counted at the desk.
    pub fn run(mut self, sources: Vec<Source>) -> Result<(), Stop> {
        let desk = &self.context.desk;
        let _alone = desk.counter.lock().expect("no thread panics with this lock");
        self.counting = desk.take_counting();
        let waited = self.wait(sources);
        if waited.is_err() {
            self.drain();
        }
        desk.put_counting(self.counting);
        waited
    }

    /// Goes on until no row waits and no group is left. The sources take turns.
    fn wait(&mut self, mut sources: Vec<Source>) -> Result<(), Stop> {
        let mut turn = 0;
        let rows = |group: &Arc<RowGroup>| u64::from(group.rows);
        self.queued = sources.iter().flat_map(|source| &source.groups).map(rows).sum();
        loop {
            if self.context.cancelled() {
                sources.clear();
                if let Some(models) = self.context.desk.opened() {
                    models.stop();
                }
            }
            sources.retain(|source| !source.groups.is_empty() && !self.broken.contains(&source.pipe));
            while self.waiting.len() < self.most() && !sources.is_empty() && !self.context.cancelled() {
                turn = (turn + 1) % sources.len();
                let source = &mut sources[turn];
                let (pipe, group) = (source.pipe, source.groups.pop_front());
                if let Some(group) = group {
                    self.queued -= rows(&group);
                    for (pipe, stage, group) in self.unsettled(pipe, group)? {
                        let batch = self.load(pipe, stage, &group)?;
                        self.process(Parcel::of(pipe, stage, batch))?;
                    }
                }
                sources.retain(|source| !source.groups.is_empty() && !self.broken.contains(&source.pipe));
            }
            if self.waiting.is_empty() {
                if sources.is_empty() || self.context.cancelled() {
                    return Ok(());
                }
                continue;
            }
            self.receive()?;
        }
    }

    /// Returns how many rows may wait.
    fn most(&self) -> usize {
        let gathers = self.context.desk.opened().is_some_and(|models| models.gathers());
        if gathers { GATHERING } else { WAITING }
    }

    /// Finds where a row group has to begin: behind the steps whose actions are known. Nowhere, if all that ask are.
    fn unsettled(&mut self, pipe: usize, group: Arc<RowGroup>) -> Result<Vec<(usize, usize, Arc<RowGroup>)>, Stop> {
        let (mut found, mut open) = (Vec::new(), vec![(pipe, 0, group)]);
        while let Some((number, at, group)) = open.pop() {
            if !self.asks(number, at) {
                continue;
            }
            let pipes = self.pipes;
            let pipe = &pipes[number];
            let Some(stage) = pipe.stages.get(at) else {
                open.extend(pipe.next.iter().map(|next| (*next, 0, group.clone())));
                continue;
            };
            let used = Used::default();
            let progress = Progress::new(pipe.node, &|_| ());
            let flow = pipe.flow(self.context, &used, &progress, Effort::Look);
            match flow.stage(pipe.first + at, stage, pipe.schema(at), &group) {
                Ok((after, lost)) => {
                    let mut lost = lost.iter().filter(|lost| lost.why == Why::Failed);
                    lost.try_for_each(|lost| self.count_failed(number, &flow, at, lost))?;
                    open.extend(after.into_iter().rev().map(|group| (number, at + 1, group)));
                }
                Err(Stop::Pending) => found.push((number, at, group)),
                Err(other) => return Err(other),
            }
        }
        Ok(found)
    }

    /// Returns whether anything is asked from a stage on.
    fn asks(&self, pipe: usize, at: usize) -> bool {
        let pipe = &self.pipes[pipe];
        pipe.stages[at..].iter().any(|stage| matches!(stage, Stage::Ask(_)))
            || pipe.next.iter().any(|next| self.asks(*next, 0))
    }

    fn load(&self, pipe: usize, stage: usize, group: &RowGroup) -> Result<Batch, Stop> {
        let fields = self.pipes[pipe].schema(stage).0.iter();
        let columns = fields.zip(&group.columns).map(|(field, at)| Ok((field.name.clone(), self.context.column(*at)?)));
        Ok(Batch { rows: group.rows as usize, columns: columns.collect::<Result<_, Stop>>()? })
    }

    /// Takes rows as far as they get.
    fn process(&mut self, parcel: Parcel) -> Result<(), Stop> {
        let mut open = vec![parcel];
        while let Some(mut parcel) = open.pop() {
            let number = parcel.pipe;
            let pipe = &self.pipes[number];
            while parcel.batch.rows > 0 && self.asks(number, parcel.stage) && !self.broken.contains(&number) {
                let Some(stage) = pipe.stages.get(parcel.stage) else {
                    let next = |pipe: &usize| Parcel { pipe: *pipe, stage: 0, ..parcel.clone() };
                    open.extend(pipe.next.iter().rev().map(next));
                    break;
                };
                match self.step(stage, parcel, &mut open)? {
                    Some(after) => parcel = Parcel { stage: after.stage + 1, ..after },
                    None => {
                        // The groups say what is wrong with the row.
                        self.broken.insert(number);
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}
