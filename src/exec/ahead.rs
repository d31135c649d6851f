//! Rows ahead of their groups: each goes through the row-wise steps of its dataset, and of those made from it, as soon as what it
//! needs is answered. Nothing is made of it but responses in the store, where the groups find them.
//!
//! In a plan nothing is sent: what would be asked is counted, and rows go on without the answers.

use super::ask::concluded;
use super::context::{Context, Mode, Stop, Used};
use super::count::{Counting, Place, Unknown, nth};
use super::dialogue::{Dialogue, Standing};
use super::event::{Event, Progress};
use super::refer::{Others, repeated};
use super::rows::{interleave, stays, take_rows};
use super::stage::{Effort, Flow, schemas};
use crate::expr::Value;
use crate::fetch::models::{Afoot, Delivery, Models, Order, Traffic};
use crate::graph::{Ask, NodeId, Stage};
use crate::hash::{Hash, KeyWriter};
use crate::op;
use crate::table::{Batch, RowGroup, Schema};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
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

/// Consecutive row-wise stages of one dataset.
pub(super) struct Pipe<'a> {
    pub node: NodeId,
    pub name: &'a str,
    pub others: Others,
    stages: &'a [Stage],
    /// The position of the first of them in the dataset.
    first: usize,
    /// The columns before each stage of the dataset.
    schemas: Vec<Schema>,
    /// The pipes that rows go on to at the end.
    pub next: Vec<usize>,
}

impl<'a> Pipe<'a> {
    /// Takes the row-wise stages from `first` on; `schema` has the columns before the first stage of all.
    pub fn new(
        node: NodeId,
        name: &'a str,
        others: Others,
        all: &'a [Stage],
        first: usize,
        schema: &Schema,
    ) -> Pipe<'a> {
        let row_wise = all[first..].iter().take_while(|stage| !matches!(stage, Stage::Whole { .. })).count();
        let stages = &all[first..first + row_wise];
        Pipe { node, name, others, stages, first, schemas: schemas(all, schema), next: Vec::new() }
    }

    fn schema(&self, at: usize) -> &Schema {
        &self.schemas[self.first + at]
    }

    /// Returns the positions of the endpoints that it asks.
    fn endpoints(&self) -> BTreeSet<usize> {
        let asks = self.stages.iter().filter_map(|stage| if let Stage::Ask(ask) = stage { Some(ask) } else { None });
        asks.flat_map(|ask| ask.op.specs()).map(|spec| spec.endpoint).collect()
    }
}

/// Row groups that are to go through a pipe.
pub(super) struct Source {
    pub pipe: usize,
    pub groups: VecDeque<Arc<RowGroup>>,
}

/// Rows at a stage of a pipe.
#[derive(Clone)]
struct Parcel {
    pipe: usize,
    stage: usize,
    batch: Batch,
    /// In a plan: the columns that `batch` lacks, because they depend on answers.
    unknown: Unknown,
}

impl Parcel {
    fn of(pipe: usize, stage: usize, batch: Batch) -> Parcel {
        Parcel { pipe, stage, batch, unknown: Unknown::default() }
    }

    fn take(&self, rows: Vec<u32>) -> Parcel {
        let unknown = self.unknown.take(&rows);
        Parcel { batch: take_rows(&self.batch, rows), unknown, ..*self }
    }
}

/// A row that waits for answers.
struct Waiting {
    pipe: usize,
    stage: usize,
    batch: Arc<Batch>,
    row: usize,
    dialogues: Vec<Dialogue>,
    ended: Vec<Option<Value>>,
    /// Dialogues that have not ended.
    open: usize,
}

/// A request that was sent: which row and dialogue it is of.
struct Sent {
    row: u64,
    dialogue: usize,
    key: Hash,
    /// A response is recorded, and another is wanted.
    again: bool,
}

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
    /// Pipes in which a row cannot be computed: their datasets fail, so nothing more is asked for them.
    broken: HashSet<usize>,
    counting: Counting,
    /// Rows in groups that were not begun.
    queued: u64,
}

/// Asks for all that the rows of a group need at one step, and waits for it.
pub(super) fn settle(flow: &Flow, at: usize, stage: &Stage, schema: &Schema, batch: &Batch) -> Result<(), Stop> {
    let pipe = Pipe {
        node: flow.progress.node(),
        name: flow.node,
        others: Others::default(),
        stages: std::slice::from_ref(stage),
        first: 0,
        schemas: vec![schema.clone()],
        next: Vec::new(),
    };
    let pipes = [Pipe { first: at, schemas: vec![schema.clone(); at + 1], ..pipe }];
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
    fn unsettled(&self, pipe: usize, group: Arc<RowGroup>) -> Result<Vec<(usize, usize, Arc<RowGroup>)>, Stop> {
        let (mut found, mut open) = (Vec::new(), vec![(pipe, group)]);
        while let Some((number, mut group)) = open.pop() {
            let pipe = &self.pipes[number];
            let used = Used::default();
            let progress = Progress::new(pipe.node, &|_| ());
            let flow = Flow {
                context: self.context,
                used: &used,
                node: pipe.name,
                progress: &progress,
                others: &pipe.others,
                effort: Effort::Look,
            };
            let mut at = 0;
            loop {
                if !self.asks(number, at) {
                    break;
                }
                let Some(stage) = pipe.stages.get(at) else {
                    open.extend(pipe.next.iter().map(|next| (*next, group.clone())));
                    break;
                };
                match flow.stage(pipe.first + at, stage, pipe.schema(at), &group) {
                    Ok((Some(after), _)) => group = after,
                    Ok((None, _)) => break,
                    Err(Stop::Pending) => {
                        found.push((number, at, group));
                        break;
                    }
                    Err(other) => return Err(other),
                }
                at += 1;
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

    /// Takes rows through one stage; returns those that are through. Nothing, if a row cannot be computed.
    fn step(&mut self, stage: &'a Stage, mut parcel: Parcel, open: &mut Vec<Parcel>) -> Result<Option<Parcel>, Stop> {
        let pipe = &self.pipes[parcel.pipe];
        Ok(Some(match stage {
            Stage::Compute(works) => {
                let (mut made, mut unknown) = (Vec::new(), parcel.unknown.clone());
                for work in works {
                    if parcel.unknown.has(work.op.reads()) {
                        let key = op_key(work.op.name(), |key| work.op.write_key(key));
                        let identities = parcel.unknown.identities(&parcel.batch, work.op.reads(), key);
                        unknown.add(work.op.writes().iter().map(|_| work.name.clone()), &identities);
                    } else {
                        let Ok(columns) = work.op.run(&parcel.batch) else { return Ok(None) };
                        made.extend(columns.into_iter().map(|column| (work.name.clone(), column)));
                    }
                }
                parcel.batch.columns.extend(made);
                Parcel { unknown, ..parcel }
            }
            Stage::Select(columns) => {
                let schema = pipe.schema(parcel.stage);
                let names = || columns.iter().map(|(index, new)| (schema.0[*index].name.as_str(), new.as_str()));
                let column = |(old, new): (&str, &str)| Some((new.to_owned(), parcel.batch.column(old)?.clone()));
                let batch = Batch { rows: parcel.batch.rows, columns: names().filter_map(column).collect() };
                Parcel { batch, unknown: parcel.unknown.select(names()), ..parcel }
            }
            Stage::Filter(works) => {
                let mut masks = Vec::new();
                for work in works {
                    if parcel.unknown.has(work.op.reads()) {
                        parcel.unknown.filter();
                        continue;
                    }
                    let Ok(mask) = work.op.run(&parcel.batch) else { return Ok(None) };
                    masks.extend(mask);
                }
                let stay = |row: &u32| masks.iter().all(|mask| stays(mask, *row as usize));
                parcel.take((0..parcel.batch.rows as u32).filter(stay).collect())
            }
            Stage::Repeat { times, index } => {
                let (take, column) = repeated(*times, parcel.batch.rows);
                let mut parcel = parcel.take(take.indices().to_vec());
                parcel.batch.columns.push((index.clone(), column));
                parcel
            }
            Stage::Refer { op, input, .. } => {
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
                let flow = Flow {
                    context: self.context,
                    used: &used,
                    node: pipe.name,
                    progress: &progress,
                    others: &pipe.others,
                    effort: Effort::Run,
                };
                let Some(columns) = flow.refer_rows(op.as_ref(), *input, &parcel.batch)? else { return Ok(None) };
                parcel.batch.columns.extend(names.zip(columns));
                parcel
            }
            Stage::Ask(ask) if parcel.unknown.has(ask.op.reads()) => self.count_unknown(ask, parcel),
            Stage::Ask(ask) => return self.ask(ask, parcel, open),
            Stage::Whole { .. } => unreachable!("a pipe has row-wise stages only"),
        }))
    }

    /// Asks what rows need; returns those that have all their answers, with the columns made of them. In a plan, rows whose
    /// answers are missing are added to `open`.
    fn ask(&mut self, ask: &'a Ask, parcel: Parcel, open: &mut Vec<Parcel>) -> Result<Option<Parcel>, Stop> {
        let Ok(begun) = ask.op.begin(&parcel.batch) else { return Ok(None) };
        let batch = Arc::new(parcel.batch.clone());
        let (mut through, mut answers) = (Vec::new(), Vec::new());
        let (mut stopped, mut identities) = (Vec::new(), Vec::new());
        for (row, requests) in begun.into_iter().enumerate() {
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
                    let request = &dialogues[which].request;
                    let place = self.place(&parcel, request.spec.endpoint);
                    self.counting.request(place, request, key, &parcel.unknown);
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
            for identity in &identities {
                self.counting.unknown(place, spec, nth(*identity, which), &parcel.unknown);
            }
        }
        parcel.unknown.add(ask.op.writes().iter().map(|field| field.name.clone()), &identities);
        parcel
    }

    fn place(&self, parcel: &Parcel, endpoint: usize) -> Place {
        let pipe = &self.pipes[parcel.pipe];
        Place { node: pipe.node, step: pipe.first + parcel.stage, endpoint }
    }

    /// Sends what a row waits for.
    fn park(&mut self, mut waiting: Waiting, waits: Vec<(usize, Hash, bool)>) {
        let desk = &self.context.desk;
        let models = match desk.models() {
            Ok(Some(models)) => models,
            Ok(None) => return,
            Err(why) => {
                let endpoints = waits.iter().map(|(at, ..)| waiting.dialogues[*at].request.spec.endpoint);
                return endpoints.for_each(|endpoint| desk.close(endpoint, why.clone()));
            }
        };
        let pipe = &self.pipes[waiting.pipe];
        let lane = lane(pipe.node, pipe.first + waiting.stage);
        let row = desk.ticket();
        waiting.open = 0;
        for (dialogue, key, reuse) in waits {
            let request = waiting.dialogues[dialogue].request.clone();
            if desk.closed(request.spec.endpoint).is_some() {
                desk.leave_unasked(request.spec.endpoint, key);
                continue;
            }
            if self.context.cancelled() {
                continue;
            }
            let ticket = desk.ticket();
            self.sent.insert(ticket, Sent { row, dialogue, key, again: !reuse });
            models.order(Order { ticket, lane, request, reuse });
            waiting.open += 1;
        }
        // A row of which something could not be sent goes no further, and its group says why; but what was sent is waited for.
        if waiting.open > 0 {
            self.waits[waiting.pipe] += 1;
            self.waiting.insert(row, waiting);
        }
    }

    /// Waits for deliveries, and takes the rows further that have all their answers.
    fn receive(&mut self) -> Result<(), Stop> {
        let Some(models) = self.context.desk.opened() else {
            self.waiting.clear();
            self.waits.fill(0);
            return Ok(());
        };
        let mut ready: HashMap<(usize, usize), Vec<Waiting>> = HashMap::new();
        let mut told: HashMap<NodeId, (u64, u64)> = HashMap::new();
        for (ticket, delivery) in models.deliver_all(PATIENCE)? {
            let Some(sent) = self.sent.remove(&ticket) else { continue };
            let Some(waiting) = self.waiting.get(&sent.row) else { continue };
            let node = self.pipes[waiting.pipe].node;
            let counts = told.entry(node).or_default();
            match delivery {
                Delivery::Answer(_) => counts.0 += 1,
                _ => counts.1 += 1,
            }
            if let Some(row) = self.hear(sent, delivery)? {
                ready.entry((row.pipe, row.stage)).or_default().push(row);
            }
        }
        for (number, pipe) in self.pipes.iter().enumerate() {
            let waiting = self.waits[number];
            let afoot = if waiting == 0 { Afoot::default() } else { models.afoot_at(&pipe.endpoints()) };
            let (before, then) = self.afoot[number];
            let is_news = afoot != before || afoot.batches > 0 && then.elapsed() >= REMIND;
            let told = told.remove(&pipe.node);
            if told.is_none() && !is_news {
                continue;
            }
            let (answered, unanswered) = told.unwrap_or_default();
            self.afoot[number] = (afoot, Instant::now());
            let (node, traffic, queued) =
                (pipe.node, self.traffic(models, pipe.node), self.queued + self.before(number));
            (self.events)(Event::Answers { node, answered, unanswered, waiting, queued, traffic, afoot });
        }
        let mut ready: Vec<_> = ready.into_iter().collect();
        ready.sort_by_key(|(at, _)| *at);
        for ((pipe, stage), rows) in ready {
            let Stage::Ask(ask) = &self.pipes[pipe].stages[stage] else {
                unreachable!("rows wait where models are asked")
            };
            let places: Vec<(Arc<Batch>, usize)> = rows.iter().map(|row| (row.batch.clone(), row.row)).collect();
            let mut batch = interleave(&places);
            let values = rows
                .into_iter()
                .map(|row| ask.op.conclude(&row.batch, row.row, row.ended.into_iter().flatten().collect()));
            let columns = concluded(ask, values.collect());
            batch.columns.extend(ask.op.writes().iter().map(|field| field.name.clone()).zip(columns));
            self.process(Parcel::of(pipe, stage + 1, batch))?;
        }
        Ok(())
    }

    /// Counts the rows that wait in pipes that lead to this one.
    fn before(&self, pipe: usize) -> u64 {
        let before = self.pipes.iter().enumerate().filter(|(_, other)| other.next.contains(&pipe));
        before.map(|(at, _)| self.waits[at] + self.before(at)).sum()
    }

    /// Ends the waiting of a row.
    fn unpark(&mut self, row: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&row)?;
        self.waits[waiting.pipe] -= 1;
        Some(waiting)
    }

    /// Returns what went out for a node so far.
    fn traffic(&self, models: &Models, node: NodeId) -> Traffic {
        let mut sum = Traffic::default();
        for pipe in self.pipes.iter().filter(|pipe| pipe.node == node) {
            let asking = pipe.stages.iter().enumerate().filter(|(_, stage)| matches!(stage, Stage::Ask(_)));
            asking.for_each(|(at, _)| sum += models.traffic(lane(node, pipe.first + at)));
        }
        sum
    }

    /// Takes in what became of a request; returns the row if all its dialogues have ended well.
    fn hear(&mut self, sent: Sent, delivery: Delivery) -> Result<Option<Waiting>, Stop> {
        let Sent { row, dialogue, key, again } = sent;
        let desk = &self.context.desk;
        let Some(waiting) = self.waiting.get_mut(&row) else { return Ok(None) };
        let Stage::Ask(ask) = &self.pipes[waiting.pipe].stages[waiting.stage] else {
            unreachable!("rows wait where models are asked")
        };
        let standing = match delivery {
            Delivery::Answer(response) => {
                if again {
                    desk.note_again(key);
                }
                desk.hear(ask.op.as_ref(), &mut waiting.dialogues[dialogue], key, &response)?
            }
            Delivery::Failed(failure) => {
                desk.give_up(key, &waiting.dialogues[dialogue].request, failure.clone());
                Standing::Failed(failure)
            }
            Delivery::Unusable(why) | Delivery::OverBudget(why) => {
                let endpoint = waiting.dialogues[dialogue].request.spec.endpoint;
                desk.close(endpoint, why.into());
                desk.leave_unasked(endpoint, key);
                return Ok(self.ended(row));
            }
            Delivery::Stopped => return Ok(self.ended(row)),
        };
        match standing {
            Standing::Ended(value) => waiting.ended[dialogue] = Some(value),
            Standing::Failed(_) => {}
            Standing::Waits { key, reuse } => {
                let request = waiting.dialogues[dialogue].request.clone();
                let pipe = &self.pipes[waiting.pipe];
                let (lane, ticket) = (lane(pipe.node, pipe.first + waiting.stage), desk.ticket());
                if let Some(models) = desk.opened() {
                    self.sent.insert(ticket, Sent { row, dialogue, key, again: !reuse });
                    models.order(Order { ticket, lane, request, reuse });
                }
                return Ok(None);
            }
        }
        Ok(self.ended(row))
    }

    /// Notes that a dialogue of a row has ended, however it did; returns the row with the last of them, if all ended well. What
    /// is on its way for a row that has failed is waited for all the same: it is paid for.
    fn ended(&mut self, row: u64) -> Option<Waiting> {
        let waiting = self.waiting.get_mut(&row)?;
        waiting.open -= 1;
        let all = waiting.open == 0;
        let row = if all { self.unpark(row) } else { None };
        row.filter(|row| row.ended.iter().all(Option::is_some))
    }

    /// Waits for what is on its way where rows are left behind because something is wrong: it is paid for, and recorded.
    fn drain(&mut self) {
        let Some(models) = self.context.desk.opened() else { return };
        while !self.sent.is_empty() {
            if self.context.cancelled() {
                models.stop();
            }
            let Ok(deliveries) = models.deliver_all(PATIENCE) else { return };
            for (ticket, delivery) in deliveries {
                let sent = self.sent.remove(&ticket);
                let waiting = sent.as_ref().and_then(|sent| self.waiting.get(&sent.row));
                if let (Some(sent), Some(waiting), Delivery::Failed(failure)) = (&sent, waiting, delivery) {
                    self.context.desk.give_up(sent.key, &waiting.dialogues[sent.dialogue].request, failure);
                }
            }
        }
    }
}

/// Returns what stands for an op, and for what else `write` writes.
fn op_key(name: &'static str, write: impl FnOnce(&mut KeyWriter)) -> Hash {
    let mut key = op::key(name);
    write(&mut key);
    key.finish()
}

/// Bits of a lane's number that say which stage of the node it is.
const STAGE_BITS: u32 = 12;

/// Returns the lane of a stage of a node.
pub(super) fn lane(node: NodeId, stage: usize) -> u32 {
    node.0 << STAGE_BITS | stage as u32
}
