//! What a build would ask: requests counted one by one, also those that depend on answers that are not there yet.
//!
//! A plan lets rows go on where an answer is missing. What the answer is, and what is made of it, is unknown then; but two
//! values that are made in the same way of the same request are one value, and so a request with them in it is one request.

use crate::ask::{Request, Spec, Task};
use crate::graph::NodeId;
use crate::hash::{Hash, KeyWriter};
use crate::table::{Batch, row_hashes};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Requests that a step of a node would make of one model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub requests: u64,
    /// It may be fewer: rows on the way here may yet be dropped by a filter, or an answer within another limit of tokens will do.
    pub at_most: bool,
    /// Requests more, at most: for replies that are sent back because they do not have the form that is wanted.
    pub sent_back: u64,
    /// Of the requests whose messages are known already: how many, and the bytes of the messages.
    pub known: u64,
    pub bytes: u64,
    /// The tokens that all replies may have together; none if a model has no limit.
    pub output_limit: Option<u64>,
}

impl Count {
    fn add(&mut self, spec: &Spec, retries: u32, unknown: &Unknown) {
        let limit = match spec.task {
            Task::Embedding => Some(0),
            Task::Chat | Task::Completion => spec.max_tokens.map(u64::from),
        };
        let first = self.requests == 0;
        self.output_limit = if first { limit } else { self.output_limit.zip(limit).map(|(sum, limit)| sum + limit) };
        self.requests += 1;
        self.sent_back += u64::from(retries);
        self.at_most |= unknown.at_most;
    }
}

/// A step of a node, and an endpoint that it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub node: NodeId,
    pub step: usize,
    pub endpoint: usize,
}

/// What was counted.
#[derive(Debug, Default)]
pub struct Counting {
    pub counts: BTreeMap<Place, Count>,
    /// Nodes of which it cannot be told what they ask: how many rows they have depends on answers.
    pub open: HashSet<NodeId>,
    /// Requests that are counted, by their limits of tokens: where, and how often their replies may be sent back.
    seen: HashMap<Hash, BTreeMap<Option<u32>, (Place, u32)>>,
}

impl Counting {
    /// Counts a request that would be sent, unless it is counted already. Its reply may be sent back `retries` times.
    pub(super) fn request(&mut self, place: Place, request: &Request, key: Hash, retries: u32, unknown: &Unknown) {
        if let Some(count) = self.count(place, &request.spec, key, retries, unknown) {
            count.known += 1;
            count.bytes += request.bytes();
        }
    }

    /// Counts a request whose messages are unknown; `identity` tells it from others.
    pub(super) fn unknown(&mut self, place: Place, spec: &Spec, identity: Hash, retries: u32, unknown: &Unknown) {
        self.count(place, spec, identity, retries, unknown);
    }

    /// Counts a request unless it is counted already; then only the replies to it that others do not send back so often. With
    /// another limit it may have to be sent again.
    fn count(
        &mut self,
        place: Place,
        spec: &Spec,
        identity: Hash,
        retries: u32,
        unknown: &Unknown,
    ) -> Option<&mut Count> {
        let limits = self.seen.entry(identity).or_default();
        if let Some((first, most)) = limits.get_mut(&spec.max_tokens) {
            let count = self.counts.get_mut(first).expect("what was seen was counted there");
            count.sent_back += u64::from(retries.saturating_sub(*most));
            *most = retries.max(*most);
            return None;
        }
        let count = self.counts.entry(place).or_default();
        count.add(spec, retries, unknown);
        count.at_most |= !limits.is_empty();
        limits.insert(spec.max_tokens, (place, retries));
        Some(count)
    }
}

/// What is unknown of some rows. In a build nothing is.
#[derive(Clone, Debug, Default)]
pub(super) struct Unknown {
    /// Columns without values, and what tells the value of each row from others.
    columns: Vec<(String, Vec<Hash>)>,
    /// A filter reads such a column, so there may be fewer rows.
    at_most: bool,
}

impl Unknown {
    /// Returns whether any of these columns has no values.
    pub fn has(&self, names: &[String]) -> bool {
        self.columns.iter().any(|(name, _)| names.contains(name))
    }

    /// Returns what tells rows from others in some columns, known or not, for whom `key` stands.
    pub fn identities(&self, known: &Batch, names: &[String], key: Hash) -> Vec<Hash> {
        let parts = names.iter().map(|name| match self.columns.iter().find(|(own, _)| own == name) {
            Some((_, identities)) => identities.clone(),
            None => {
                known.column(name).map_or(Vec::new(), |column| row_hashes(std::slice::from_ref(column), known.rows))
            }
        });
        let parts: Vec<Vec<Hash>> = parts.collect();
        let of = |row: usize| {
            let mut identity = KeyWriter::new("unknown", 1);
            identity.hash("key", key);
            parts.iter().filter_map(|part| part.get(row)).for_each(|part| _ = identity.hash("part", *part));
            identity.finish()
        };
        (0..known.rows).map(of).collect()
    }

    /// Adds columns that are made of what `identities` stand for.
    pub fn add(&mut self, names: impl Iterator<Item = String>, identities: &[Hash]) {
        for (at, name) in names.enumerate() {
            let column = identities.iter().map(|identity| nth(*identity, at)).collect();
            self.columns.push((name, column));
        }
    }

    /// Notes that a filter reads an unknown column.
    pub fn filter(&mut self) {
        self.at_most = true;
    }

    /// Picks rows by position.
    pub fn take(&self, rows: &[u32]) -> Unknown {
        let pick = |of: &[Hash]| rows.iter().map(|row| of[*row as usize]).collect();
        let columns = self.columns.iter().map(|(name, column)| (name.clone(), pick(column)));
        Unknown { columns: columns.collect(), at_most: self.at_most }
    }

    /// Keeps columns, each under a name that it has from here on.
    pub fn select<'n>(&self, names: impl Iterator<Item = (&'n str, &'n str)>) -> Unknown {
        let kept = names.filter_map(|(old, new)| {
            let (_, column) = self.columns.iter().find(|(own, _)| own == old)?;
            Some((new.to_owned(), column.clone()))
        });
        Unknown { columns: kept.collect(), at_most: self.at_most }
    }
}

/// Returns what stands for the nth of several things that are made of one.
fn nth(identity: Hash, at: usize) -> Hash {
    KeyWriter::new("nth", 1).hash("of", identity).int("at", at as i64).finish()
}
