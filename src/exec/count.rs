//! What a build would ask: requests counted one by one as far as rows are known, and by the steps that are left beyond.

use super::ahead::Pipe;
use crate::ask::{Request, Spec, Task};
use crate::graph::{NodeId, Stage};
use crate::hash::{Hash, KeyWriter};
use crate::table::{Batch, row_hashes};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Requests that a step of a node would make of one model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub requests: u64,
    /// Rows on the way here may yet be dropped by a filter, so it may be fewer.
    pub at_most: bool,
    /// Of the requests whose messages are known already: how many, and the bytes of the messages.
    pub known: u64,
    pub bytes: u64,
    /// The tokens that all replies may have together; none if a model has no limit.
    pub output_limit: Option<u64>,
}

impl Count {
    fn add(&mut self, spec: &Spec, requests: u64) {
        let first = self.requests == 0;
        self.requests += requests;
        let limit = match spec.task {
            Task::Embedding => Some(0),
            Task::Chat | Task::Completion => spec.max_tokens.map(|limit| u64::from(limit) * requests),
        };
        self.output_limit = if first { limit } else { self.output_limit.zip(limit).map(|(sum, limit)| sum + limit) };
    }
}

/// A step of a node, and an endpoint that it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub node: NodeId,
    pub step: usize,
    pub endpoint: usize,
}

/// A row that goes no further in a plan, and the requests that it waits for, with their keys.
pub(super) struct Stopped {
    pub row: usize,
    pub requests: Vec<(Arc<Request>, Hash)>,
}

/// What was counted.
#[derive(Debug, Default)]
pub struct Counting {
    pub counts: BTreeMap<Place, Count>,
    /// Requests that are counted.
    seen: HashSet<Hash>,
}

impl Counting {
    /// Adds what was counted elsewhere.
    pub(super) fn add(&mut self, other: Counting) {
        for (place, count) in other.counts {
            let own = self.counts.entry(place).or_default();
            own.output_limit = match (own.requests, own.output_limit, count.output_limit) {
                (0, _, limit) => limit,
                (_, Some(a), Some(b)) => Some(a + b),
                _ => None,
            };
            own.requests += count.requests;
            own.at_most |= count.at_most;
            own.known += count.known;
            own.bytes += count.bytes;
        }
        self.seen.extend(other.seen);
    }

    /// Counts what rows ask that stop at a stage for want of answers, and what is asked of them beyond.
    pub(super) fn open(&mut self, pipes: &[Pipe], number: usize, at: usize, batch: &Batch, rows: Vec<Stopped>) {
        let pipe = &pipes[number];
        let step = pipe.stages(at).next().map_or(0, |(step, _)| step);
        let later = later(pipes, number, at + 1);
        let identities = identities(batch, &later);
        for Stopped { row, requests } in rows {
            let mut identity = KeyWriter::new("open", 1);
            identity.int("pipe", number as i64).int("stage", at as i64);
            identities.iter().for_each(|hashes| _ = identity.hash("row", hashes[row]));
            for (request, key) in &requests {
                identity.hash("request", *key);
                if self.seen.insert(*key) {
                    let place = Place { node: pipe.node, step, endpoint: request.spec.endpoint };
                    let count = self.counts.entry(place).or_default();
                    count.add(&request.spec, 1);
                    count.known += 1;
                    count.bytes += request.bytes();
                }
            }
            // Rows that ask the same, and have the same in all that is read later, go on as one.
            if !later.asks.is_empty() && self.seen.insert(identity.finish()) {
                for (place, spec, times, at_most) in &later.asks {
                    let count = self.counts.entry(*place).or_default();
                    count.add(spec, *times);
                    count.at_most |= at_most;
                }
            }
        }
    }
}

/// What follows a stage.
struct Later {
    /// Where each row asks how often.
    asks: Vec<(Place, Arc<Spec>, u64, bool)>,
    /// The columns that are read.
    reads: HashSet<String>,
}

fn later(pipes: &[Pipe], number: usize, at: usize) -> Later {
    let mut later = Later { asks: Vec::new(), reads: HashSet::new() };
    follow(pipes, number, at, 1, false, &mut later);
    later
}

fn follow(pipes: &[Pipe], number: usize, at: usize, mut times: u64, mut at_most: bool, later: &mut Later) {
    let pipe = &pipes[number];
    for (step, stage) in pipe.stages(at) {
        match stage {
            Stage::Compute(works) => later.reads.extend(works.iter().flat_map(|work| work.op.reads().iter().cloned())),
            Stage::Filter(works) => {
                later.reads.extend(works.iter().flat_map(|work| work.op.reads().iter().cloned()));
                at_most = true;
            }
            Stage::Refer { op, .. } => later.reads.extend(op.reads().iter().cloned()),
            Stage::Repeat { times: n, .. } => times = times.saturating_mul(u64::from(*n)),
            Stage::Ask(ask) => {
                later.reads.extend(ask.op.reads().iter().cloned());
                for spec in ask.op.specs() {
                    let place = Place { node: pipe.node, step, endpoint: spec.endpoint };
                    later.asks.push((place, spec, times, at_most));
                }
            }
            // A renamed column is read under another name: take all of them.
            Stage::Select(columns) => later.reads.extend(columns.iter().map(|(_, name)| name.clone())),
            Stage::Whole { .. } => break,
        }
    }
    pipe.next.iter().for_each(|next| follow(pipes, *next, 0, times, at_most, later));
}

/// Returns the identity of each row in the columns that are read later.
fn identities(batch: &Batch, later: &Later) -> Option<Vec<Hash>> {
    let columns = batch.columns.iter().filter(|(name, _)| later.reads.contains(name));
    let columns: Vec<_> = columns.map(|(_, column)| column.clone()).collect();
    (!columns.is_empty()).then(|| row_hashes(&columns, batch.rows))
}
