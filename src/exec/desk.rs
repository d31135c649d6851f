//! Where rows meet models: what is recorded, and what came up in this build.

use super::Stop;
use super::count::{Count, Counting, Place};
use super::dialogue::{Dialogue, Standing};
use super::door::Door;
use crate::ask::{self, Failure, FailureKind, Request, Response};
use crate::diag::Diagnostics;
use crate::fetch::models::Models;
use crate::graph::NodeId;
use crate::hash::Hash;
use crate::op::{AskOp, Turn};
use crate::store::Responses;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What one build knows of requests and responses.
pub struct Desk<'a> {
    responses: Arc<Responses>,
    /// None in a plan: nothing is sent.
    door: Option<&'a Door<'a>>,
    /// The models that the build may ask.
    pub(super) endpoints: Mutex<BTreeSet<usize>>,
    /// Hears of every recorded response that is used; then no trace will do.
    pub(super) listener: Option<&'a Mutex<BTreeSet<Hash>>>,
    /// The failures that are not to stand: their rows ask again.
    retry: &'a [FailureKind],
    notes: Mutex<Notes>,
    counting: Mutex<Counting>,
    tickets: AtomicU64,
    /// Held by whoever waits for deliveries.
    pub(super) counter: Mutex<()>,
}

/// What came up in this build.
#[derive(Default)]
struct Notes {
    /// Requests without an answer: why.
    given_up: HashMap<Tried, Failure>,
    /// Requests that were answered again because of `retry`.
    asked_again: HashSet<Hash>,
    /// By endpoint: why it is not asked any more.
    closed: HashMap<usize, Diagnostics>,
    /// By endpoint: what would have been asked of it, had it not been closed.
    unasked: HashMap<usize, HashSet<Hash>>,
}

/// A request as an endpoint was tried with it: what one does not take, another may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Tried {
    key: Hash,
    endpoint: usize,
    max_tokens: Option<u32>,
}

impl Tried {
    fn of(key: Hash, request: &Request) -> Tried {
        Tried { key, endpoint: request.spec.endpoint, max_tokens: request.spec.max_tokens }
    }
}

impl<'a> Desk<'a> {
    /// Opens the desk; without a door only recorded responses are used.
    pub fn new(responses: Arc<Responses>, door: Option<&'a Door<'a>>, retry: &'a [FailureKind]) -> Desk<'a> {
        Desk {
            responses,
            door,
            endpoints: Mutex::default(),
            listener: None,
            retry,
            notes: Mutex::default(),
            counting: Mutex::default(),
            tickets: AtomicU64::new(0),
            counter: Mutex::default(),
        }
    }

    /// Lets `listener` hear of every recorded response that is used.
    pub fn heard_by(self, listener: Option<&'a Mutex<BTreeSet<Hash>>>) -> Desk<'a> {
        Desk { listener, ..self }
    }

    /// Opens the door if it is not; nothing in a plan.
    ///
    /// # Errors
    /// All that is wrong with the models that the build may ask.
    pub fn models(&self) -> Result<Option<&'a Models>, Diagnostics> {
        let Some(door) = self.door else { return Ok(None) };
        let endpoints = self.endpoints.lock().expect("no thread panics with this lock");
        door.models(&endpoints).map(Some)
    }

    /// Returns the models if the door is open.
    pub fn opened(&self) -> Option<&'a Models> {
        self.door?.opened()
    }

    /// Goes on with a dialogue as far as recorded responses lead. `told` hears of each that was used.
    pub fn advance(
        &self,
        op: &dyn AskOp,
        dialogue: &mut Dialogue,
        mut told: impl FnMut(&Request, &Response),
    ) -> Result<Standing, Stop> {
        loop {
            let request = &dialogue.request;
            let key = request.key();
            let Some(response) = ask::find(&self.responses, &key, request)? else {
                return Ok(match self.given_up(key, request) {
                    Some(failure) => dialogue.give_up(failure),
                    None => Standing::Waits { key, reuse: true },
                });
            };
            match op.reply(request, &response, dialogue.turns) {
                Turn::Failed(kind, _) if self.asks_again(kind, key, request) => {
                    return Ok(Standing::Waits { key, reuse: false });
                }
                turn => {
                    told(request, &response);
                    if let Some(listener) = self.listener {
                        listener.lock().expect("no thread panics with this lock").insert(key);
                    }
                    if let Some(standing) = dialogue.take(turn, key, &response) {
                        return Ok(standing);
                    }
                }
            }
        }
    }

    /// Takes in the response to the request of a dialogue, and goes on as far as recorded responses lead.
    pub fn hear(
        &self,
        op: &dyn AskOp,
        dialogue: &mut Dialogue,
        key: Hash,
        response: &Response,
    ) -> Result<Standing, Stop> {
        let turn = op.reply(&dialogue.request, response, dialogue.turns);
        match dialogue.take(turn, key, response) {
            Some(standing) => Ok(standing),
            None => self.advance(op, dialogue, |_, _| ()),
        }
    }

    /// Returns a number that no other request or row of this build has.
    pub fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns whether failures of a kind are not to stand in this build.
    pub fn retries(&self, kind: FailureKind) -> bool {
        self.retry.contains(&kind)
    }

    /// Returns whether a recorded response is not to stand: until it was asked for again, whatever came of that.
    fn asks_again(&self, kind: FailureKind, key: Hash, request: &Request) -> bool {
        self.retries(kind) && !self.notes().asked_again.contains(&key) && self.given_up(key, request).is_none()
    }

    fn given_up(&self, key: Hash, request: &Request) -> Option<Failure> {
        self.notes().given_up.get(&Tried::of(key, request)).cloned()
    }

    /// Notes that a request was answered although a response to it was recorded.
    pub fn note_again(&self, key: Hash) {
        self.notes().asked_again.insert(key);
    }

    /// Notes that a request has no answer in this build.
    pub fn give_up(&self, key: Hash, request: &Request, failure: Failure) {
        self.notes().given_up.insert(Tried::of(key, request), failure);
    }

    /// Begins to count anew.
    pub(super) fn clear_counting(&self) {
        self.put_counting(Counting::default());
    }

    /// Hands out what a plan counted so far, for more to be counted.
    pub(super) fn take_counting(&self) -> Counting {
        std::mem::take(&mut *self.counting.lock().expect("no thread panics with this lock"))
    }

    /// Takes back what a plan counted.
    pub(super) fn put_counting(&self, counted: Counting) {
        *self.counting.lock().expect("no thread panics with this lock") = counted;
    }

    /// Returns the nodes of which a plan cannot count what they ask.
    pub(super) fn uncounted(&self) -> HashSet<NodeId> {
        self.counting.lock().expect("no thread panics with this lock").open.clone()
    }

    /// Returns what a plan counted.
    pub fn counted(&self) -> BTreeMap<Place, Count> {
        self.counting.lock().expect("no thread panics with this lock").counts.clone()
    }

    /// Notes that an endpoint is not asked any more.
    pub fn close(&self, endpoint: usize, why: Diagnostics) {
        self.notes().closed.entry(endpoint).or_insert(why);
    }

    /// Notes a request that is not answered because its endpoint is closed.
    pub fn leave_unasked(&self, endpoint: usize, key: Hash) {
        self.notes().unasked.entry(endpoint).or_default().insert(key);
    }

    /// Returns how many requests were left because their endpoint is closed.
    pub fn unasked(&self, endpoint: usize) -> usize {
        self.notes().unasked.get(&endpoint).map_or(0, HashSet::len)
    }

    /// Returns why an endpoint is not asked any more.
    pub fn closed(&self, endpoint: usize) -> Option<Diagnostics> {
        self.notes().closed.get(&endpoint).cloned()
    }

    fn notes(&self) -> std::sync::MutexGuard<'_, Notes> {
        self.notes.lock().expect("no thread panics with this lock")
    }
}
