//! What rows wait for: sent out, and taken in when it is delivered.

use super::super::ask::concluded;
use super::super::context::Stop;
use super::super::dialogue::{Dialogue, Standing};
use super::super::event::Event;
use super::super::rows::interleave;
use super::pipe::Parcel;
use super::{Ahead, PATIENCE, REMIND, lane};
use crate::expr::Value;
use crate::fetch::models::{Afoot, Delivery, Models, Order, Traffic};
use crate::graph::{NodeId, Stage};
use crate::hash::Hash;
use crate::table::Batch;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

/// A row that waits for answers.
pub struct Waiting {
    pub pipe: usize,
    pub stage: usize,
    pub batch: Arc<Batch>,
    pub row: usize,
    pub dialogues: Vec<Dialogue>,
    pub ended: Vec<Option<Value>>,
    /// Dialogues that have not ended.
    pub open: usize,
}

/// A request that was sent: which row and dialogue it is of.
pub struct Sent {
    pub row: u64,
    pub dialogue: usize,
    pub key: Hash,
    /// A response is recorded, and another is wanted.
    pub again: bool,
}

impl<'a> Ahead<'a> {
    /// Sends what a row waits for.
    pub(super) fn park(&mut self, mut waiting: Waiting, waits: Vec<(usize, Hash, bool)>) {
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
    pub(super) fn receive(&mut self) -> Result<(), Stop> {
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
    pub(super) fn hear(&mut self, sent: Sent, delivery: Delivery) -> Result<Option<Waiting>, Stop> {
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
    pub(super) fn drain(&mut self) {
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
