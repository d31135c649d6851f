//! Where rows meet models: what is recorded, what was given up in this build, and the dialogue between the two.

use super::Stop;
use super::count::{Count, Counting, Place};
use crate::ask::{self, Failure, FailureKind, Request, Response};
use crate::diag::Diagnostics;
use crate::expr::Value;
use crate::fetch::models::Models;
use crate::hash::Hash;
use crate::op::{AskOp, Turn};
use crate::store::Responses;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

/// The way to models. It is opened when the first request is to be sent, so that a build that needs none needs no key either.
pub struct Door<'a> {
    open: &'a (dyn Fn(&BTreeSet<usize>) -> Result<Models, Diagnostics> + Sync),
    models: OnceLock<Result<Models, Diagnostics>>,
}

impl<'a> Door<'a> {
    /// Leaves the opening to `open`, which is told the positions of all models that the build may ask.
    pub fn new(open: &'a (dyn Fn(&BTreeSet<usize>) -> Result<Models, Diagnostics> + Sync)) -> Door<'a> {
        Door { open, models: OnceLock::new() }
    }

    /// Returns the models, if any was asked.
    pub fn opened(&self) -> Option<&Models> {
        self.models.get()?.as_ref().ok()
    }
}

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
    given_up: HashMap<Hash, Failure>,
    /// Requests that were answered again because of `retry`.
    asked_again: HashSet<Hash>,
    /// By endpoint: why it is not asked any more.
    closed: HashMap<usize, Diagnostics>,
    /// By endpoint: what would have been asked of it, had it not been closed.
    unasked: HashMap<usize, HashSet<Hash>>,
}

/// A row's exchange with one model.
#[derive(Clone, Debug)]
pub struct Dialogue {
    pub request: Arc<Request>,
    /// Requests of it that were answered.
    turns: u32,
}

/// Where a dialogue stands.
pub enum Standing {
    /// It has come to this.
    Ended(Value),
    Failed(Failure),
    /// It goes on when this request is answered. `reuse`: a recorded response would do, if there were one.
    Waits {
        key: Hash,
        reuse: bool,
    },
}

impl Dialogue {
    /// Begins with a request.
    pub fn new(request: Request) -> Dialogue {
        Dialogue { request: Arc::new(request), turns: 0 }
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
        let models = door.models.get_or_init(|| (door.open)(&endpoints));
        models.as_ref().map(Some).map_err(Clone::clone)
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
            if let Some(failure) = self.notes().given_up.get(&key) {
                return Ok(Standing::Failed(failure.clone()));
            }
            let Some(response) = ask::find(&self.responses, &key, request)? else {
                return Ok(Standing::Waits { key, reuse: true });
            };
            match op.reply(request, &response, dialogue.turns) {
                Turn::Failed(kind, _) if self.asks_again(kind, &key) => {
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

    fn asks_again(&self, kind: FailureKind, key: &Hash) -> bool {
        self.retries(kind) && !self.notes().asked_again.contains(key)
    }

    /// Notes that a request was answered although a response to it was recorded.
    pub fn note_again(&self, key: Hash) {
        self.notes().asked_again.insert(key);
    }

    /// Notes that a request has no answer in this build.
    pub fn give_up(&self, key: Hash, failure: Failure) {
        self.notes().given_up.insert(key, failure);
    }

    /// Hands out what a plan counted so far, for more to be counted.
    pub(super) fn take_counting(&self) -> Counting {
        std::mem::take(&mut *self.counting.lock().expect("no thread panics with this lock"))
    }

    /// Takes back what a plan counted.
    pub(super) fn put_counting(&self, counted: Counting) {
        *self.counting.lock().expect("no thread panics with this lock") = counted;
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

impl Dialogue {
    /// Takes in how the op took a response; returns where the dialogue stands, unless it goes on with another request.
    fn take(&mut self, turn: Turn, key: Hash, response: &Response) -> Option<Standing> {
        self.turns += 1;
        match turn {
            Turn::Done(value) => Some(Standing::Ended(value)),
            Turn::Again(request) => {
                self.request = Arc::new(request);
                None
            }
            Turn::Failed(kind, detail) => Some(Standing::Failed(Failure {
                kind,
                detail,
                request: key,
                attempts: self.turns,
                reply: Some(response.text.clone()),
                tokens: response.usage,
            })),
        }
    }
}
