//! Models: the door through which requests go out and responses come back, recorded before anybody sees them.

mod anthropic;
mod batch;
mod dispatch;
mod endpoint;
mod form;
mod group;
mod http;
mod keys;
mod ledger;
mod openai;
mod outbox;
mod outcome;
mod pace;
mod place;
mod problem;
mod retry;
mod wire;

pub use batch::{Afoot, Batching, Cancel, Noted, Wish, Word, survey};
pub use endpoint::{Endpoint, Limits, Provider, TokensField};
pub use form::{RESERVED, Says, worst_case};
pub use keys::{Environment, key_variables};
pub use problem::NOT_RECORDED;

use crate::ask::{self, Failure, Request, Response, Spec, Usage};
use crate::diag::{Diagnostic, Diagnostics};
use crate::hash::Hash;
use crate::store::Responses;
use batch::Line;
use dispatch::{Dispatcher, Event, Shared, cost, lock};
use form::Form;
use group::{Group, Job};
use keys::KeyRules;
use ledger::Ledger;
use outbox::Outbox;
use place::Place;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::ops::AddAssign;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;

/// How to ask.
#[derive(Clone, Debug, Default)]
pub struct Asking {
    pub budget: Budget,
    /// The file in which spending is noted before it happens, so that a crash does not forget it.
    pub ledger: PathBuf,
    /// The pace of batches.
    pub batches: Batching,
}

/// What may be spent; none: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Budget {
    pub money: Option<f64>,
    pub requests: Option<u64>,
}

/// One request on its way.
#[derive(Clone, Debug)]
pub struct Order {
    /// What the caller knows it by.
    pub ticket: u64,
    /// Which node it is for: the lanes of an endpoint take turns.
    pub lane: u32,
    pub request: Arc<Request>,
    /// Whether a recorded response of another process will do; not if the user asked for another one.
    pub reuse: bool,
}

/// What became of a request.
#[derive(Debug)]
pub enum Delivery {
    /// It is recorded and synced.
    Answer(Arc<Response>),
    /// No answer for this row; others may fare better.
    Failed(Failure),
    /// The endpoint is of no use to anybody: a wrong key, no such model. Said once in full, then the same for all that wait.
    Unusable(Diagnostic),
    /// Sending it could pass the budget.
    OverBudget(Diagnostic),
    /// The user asked to stop, and it was not sent; or it is in a batch that goes on without us.
    Stopped,
}

impl Delivery {
    /// Returns the same for somebody else who waits.
    fn copy(&self) -> Delivery {
        match self {
            Delivery::Answer(response) => Delivery::Answer(response.clone()),
            Delivery::Failed(failure) => Delivery::Failed(failure.clone()),
            Delivery::Unusable(problem) => Delivery::Unusable(problem.clone()),
            Delivery::OverBudget(problem) => Delivery::OverBudget(problem.clone()),
            Delivery::Stopped => Delivery::Stopped,
        }
    }
}

/// What went through one lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// Requests that were sent and ended, each attempt; several texts that were embedded together are one.
    pub requests: u64,
    /// Of these, the ones that were not the first attempt.
    pub retried: u64,
    /// Answers that came of them; each text that was embedded is one.
    #[serde(default)]
    pub answers: u64,
    pub usage: Usage,
    /// At the endpoints' prices; requests whose price or usage is unknown are counted in `unpriced`.
    pub money: f64,
    pub unpriced: u64,
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Traffic) {
        self.requests += other.requests;
        self.retried += other.retried;
        self.answers += other.answers;
        self.usage += other.usage;
        self.money += other.money;
        self.unpriced += other.unpriced;
    }
}

/// What was spent of a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spending {
    pub money: f64,
    pub requests: u64,
    /// Of these, by builds that were killed: what they had not settled counts in full.
    pub carried: (f64, u64),
}

/// The forms of the specifications that were seen, by address: each holds its specification, so that no other gets the address.
type Forms = HashMap<usize, (Arc<Spec>, Result<Arc<Form>, Diagnostic>)>;

/// Specifications whose forms are kept; a step has one.
const FORMS: usize = 4096;

/// Sends requests and delivers what became of them, in whatever order they come back.
///
/// A thread of its own does all of it; it begins with the first request that nothing is recorded for. Dropping this ends
/// it at once: what is on its way is lost, so whoever ordered takes all deliveries first.
#[derive(Debug)]
pub struct Models {
    shared: Arc<Shared>,
    places: Vec<Place>,
    /// By endpoint.
    group_of: Vec<usize>,
    forms: Mutex<Forms>,
    events: UnboundedSender<Event>,
    thread: Option<JoinHandle<()>>,
}

impl Models {
    /// Gets ready to ask `endpoints`, by their positions.
    ///
    /// # Errors
    /// All that is wrong before the first request: a key that is not there, or that may not go to that host; a budget with an
    /// unknown price.
    pub fn open(endpoints: Vec<Endpoint>, responses: Arc<Responses>, asking: Asking) -> Result<Models, Diagnostics> {
        Models::open_in(&Environment::default(), endpoints, responses, asking)
    }

    /// As [`Models::open`], with keys and the place of the user's configuration from a given environment.
    pub fn open_in(
        environment: &Environment,
        endpoints: Vec<Endpoint>,
        responses: Arc<Responses>,
        asking: Asking,
    ) -> Result<Models, Diagnostics> {
        let now = Instant::now();
        let rules = KeyRules::read(environment)?;
        let proxies = environment.proxies();
        let mut problems = Diagnostics::default();
        let (mut groups, mut group_of, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (at, endpoint) in endpoints.iter().enumerate() {
            if asking.budget.money.is_some() && endpoint.price.is_none() && endpoint.provider != Provider::Replay {
                problems.push(problem::unpriced(endpoint));
            }
            if endpoint.batch && endpoint.provider != Provider::OpenAi {
                problems.push(problem::never_batched(endpoint));
            }
            let found = Place::of(endpoint).and_then(|place| {
                let key = rules.key(endpoint, &place)?;
                let proxy = http::proxy(endpoint, &place, &proxies)?;
                Ok((place, key, proxy))
            });
            let (place, key, proxy) = match found {
                Ok(found) => found,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            let is_same = |group: &(Group, Limits, usize)| {
                let variable = |key: &Option<keys::KeyName>| key.as_ref().map(|key| key.variable.clone());
                group.0.place.base() == place.base()
                    && endpoints[group.2].model == endpoint.model
                    && variable(&group.0.key) == variable(&key)
                    && endpoints[group.2].batch == endpoint.batch
            };
            let group = groups.iter().position(is_same).unwrap_or_else(|| {
                groups.push((Group::new(place.clone(), key, proxy), Limits::default(), at));
                groups.len() - 1
            });
            groups[group].1 = groups[group].1.and(endpoint.limits);
            group_of.push(group);
            places.push(place);
        }
        if problems.has_errors() {
            return Err(problems);
        }
        let ready = |(group, limits, first): (Group, Limits, usize)| {
            let line = endpoints[first].batch.then(|| Line::new(first, asking.batches));
            group.limited(limits, now).batched(line)
        };
        let groups = groups.into_iter().map(ready).collect();
        let ledger = Ledger::open(asking.budget, &asking.ledger);
        let ledger = ledger.map_err(|error| problem::ledger(&asking.ledger, &error))?;
        let shared = Arc::new(Shared {
            endpoints,
            budget: asking.budget,
            responses,
            outbox: Outbox::default(),
            ledger: Mutex::new(ledger),
            traffic: Mutex::default(),
            afoot: Mutex::default(),
        });
        let (events, incoming) = tokio::sync::mpsc::unbounded_channel();
        let dispatcher = Dispatcher::new(shared.clone(), groups, events.clone());
        let thread = std::thread::Builder::new().name("models".to_owned()).spawn(move || {
            let _closing = Closing(dispatcher.shared.clone());
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => runtime.block_on(dispatcher.run(incoming)),
                // Nothing is ever sent; whoever waits is woken by the closing.
                Err(_) => drop(dispatcher),
            }
        });
        let thread = thread.map_err(|error| {
            Diagnostic::error("no-thread", "a thread for asking models cannot be started")
                .note(crate::fetch::plain(&error))
        })?;
        Ok(Models { shared, places, group_of, forms: Mutex::default(), events, thread: Some(thread) })
    }

    /// Hands in a request. If a response is recorded and will do, it is delivered at once.
    pub fn order(&self, order: Order) {
        let ticket = order.ticket;
        if let Err(delivery) = self.try_order(order) {
            self.shared.outbox.put(&mut vec![(ticket, delivery)]);
        }
    }

    /// Hands in a request, unless what becomes of it is known already.
    fn try_order(&self, order: Order) -> Result<(), Delivery> {
        let request = &order.request;
        let canonical = request.canonical();
        let key = Hash::of(canonical.as_bytes());
        if order.reuse {
            match ask::find(&self.shared.responses, &key, request) {
                Ok(Some(response)) => return Err(Delivery::Answer(Arc::new(response))),
                Ok(None) => {}
                Err(error) => return Err(Delivery::Unusable(problem::store(&error.to_string()))),
            }
        }
        let at = request.spec.endpoint;
        let endpoint = &self.shared.endpoints[at];
        if endpoint.provider == Provider::Replay {
            return Err(Delivery::Unusable(problem::not_recorded(endpoint, request)));
        }
        let form = self.form(&request.spec).map_err(Delivery::Unusable)?;
        let worst = worst_case(request);
        if worst.is_none() && self.shared.budget.money.is_some() {
            return Err(Delivery::Unusable(problem::boundless(endpoint)));
        }
        let worst = worst.and_then(|usage| cost(endpoint, usage)).unwrap_or(0);
        let group = self.group_of[at];
        let job = Job { order, canonical, key, form, group, worst, sends: 0, failures: 0, seen: None, alone: false };
        self.events.send(Event::Order(job)).map_err(|_| Delivery::Stopped)
    }

    fn form(&self, spec: &Arc<Spec>) -> Result<Arc<Form>, Diagnostic> {
        let address = Arc::as_ptr(spec) as usize;
        let mut forms = lock(&self.forms);
        if let Some((_, form)) = forms.get(&address) {
            return form.clone();
        }
        if forms.len() >= FORMS {
            forms.clear();
        }
        let endpoint = &self.shared.endpoints[spec.endpoint];
        let form = Form::new(endpoint, &self.places[spec.endpoint], spec).map(Arc::new);
        forms.insert(address, (spec.clone(), form.clone()));
        form
    }

    /// Waits for the next delivery, but not longer than this. Each order has one.
    pub fn deliver_within(&self, time: Duration) -> Option<(u64, Delivery)> {
        self.shared.outbox.take(time)
    }

    /// Waits until something is delivered, but not longer than this, and takes all that is there; nothing if the time is up.
    ///
    /// # Errors
    /// The thread that talks to endpoints has ended, so nothing more will be delivered, whatever was ordered.
    pub fn deliver_all(&self, time: Duration) -> Result<Vec<(u64, Delivery)>, Diagnostic> {
        self.shared.outbox.take_all(time).ok_or_else(problem::ended)
    }

    /// Sends nothing more; what is on its way is still delivered.
    pub fn stop(&self) {
        // If the thread has ended, nothing is sent either.
        let _ = self.events.send(Event::Stop);
    }

    /// Returns whether requests to any endpoint gather until a batch is made of them: then many are to be ordered before
    /// any delivery is waited for.
    pub fn gathers(&self) -> bool {
        self.shared.endpoints.iter().any(|endpoint| endpoint.batch)
    }

    /// Returns what goes on at endpoints, also if this is dropped: the same requests find it again.
    pub fn afoot(&self) -> Afoot {
        lock(&self.shared.afoot).iter().copied().sum()
    }

    /// Returns what goes on where these are asked, by their positions.
    pub fn afoot_at(&self, endpoints: &BTreeSet<usize>) -> Afoot {
        let groups: BTreeSet<usize> = endpoints.iter().map(|at| self.group_of[*at]).collect();
        let afoot = lock(&self.shared.afoot);
        groups.into_iter().filter_map(|group| afoot.get(group)).copied().sum()
    }

    /// Returns what went through a lane so far.
    pub fn traffic(&self, lane: u32) -> Traffic {
        lock(&self.shared.traffic).get(&lane).copied().unwrap_or_default()
    }

    /// Returns what was spent of the budget so far: with an unknown usage the worst case, and without a budget only requests.
    pub fn spending(&self) -> Spending {
        let ledger = lock(&self.shared.ledger);
        let (money, requests) = ledger.spent();
        Spending { money, requests, carried: ledger.carried() }
    }

    /// Ends the session of the budget: the next build begins at zero. For a build that came to its end, whatever that was; one
    /// that is killed does not call it, and the next goes on where it was. All deliveries were taken.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn close_budget(&self) -> Result<(), Diagnostic> {
        let mut ledger = lock(&self.shared.ledger);
        ledger.close().map_err(|error| problem::ledger(ledger.path(), &error))
    }
}

impl Drop for Models {
    fn drop(&mut self) {
        let _ = self.events.send(Event::Quit);
        if let Some(thread) = self.thread.take() {
            // A panic of it was reported where it happened.
            let _ = thread.join();
        }
    }
}

/// Wakes all who wait when the thread ends, however it does.
struct Closing(Arc<Shared>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.outbox.close();
    }
}
