//! The thread that talks to endpoints: it alone decides what is sent, and when.
//!
//! Everything that happens is an [`Event`] on one channel. After each few of them the groups are looked through for what can go
//! out. Attempts are tasks of the same thread's runtime, which do nothing but the exchange itself.

use super::batch::{Afoot, Line, News};
use super::form::Part;
use super::group::{Group, Job};
use super::http::{self, Large};
use super::ledger::{Ledger, Room, Slip, parts};
use super::outbox::Outbox;
use super::wire::Outcome;
use super::{Budget, Delivery, Endpoint, Traffic, problem};
use crate::ask::{self, Response};
use crate::diag::Diagnostic;
use crate::hash::Hash;
use crate::store::{Claim, Responses};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

/// How often what another process is at is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How much longer than a look the time until the next one is.
const LOOKING: u32 = 20;
/// Events that are taken in before the groups are looked through.
const AT_ONCE: usize = 256;

/// What happens.
pub(super) enum Event {
    Order(Job),
    Ended(Flight, Outcome),
    /// A response outlives a loss of power, or could not be written.
    Recorded(Job, Arc<Response>, Result<(), String>),
    /// Something came back of a batch of a group, by its number.
    Batch(usize, u64, News),
    Stop,
    Quit,
}

/// One attempt on its way.
#[derive(Debug)]
pub(super) struct Flight {
    pub group: usize,
    /// Those of one form; more than one only for embeddings.
    pub jobs: Vec<Job>,
    pub slip: Slip,
    pub sent: Instant,
    /// Tokens that were guessed.
    pub tokens: f64,
}

/// What callers and the thread share.
#[derive(Debug)]
pub(super) struct Shared {
    pub endpoints: Vec<Endpoint>,
    pub budget: Budget,
    pub responses: Arc<Responses>,
    pub outbox: Outbox,
    pub ledger: Mutex<Ledger>,
    pub traffic: Mutex<BTreeMap<u32, Traffic>>,
    /// Batches that go on at endpoints, by group.
    pub afoot: Mutex<Vec<Afoot>>,
}

/// Locks what is whole between any two steps.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All that the thread knows.
pub(super) struct Dispatcher {
    pub(super) shared: Arc<Shared>,
    pub(super) groups: Vec<Group>,
    pub(super) events: UnboundedSender<Event>,
    /// Requests that are being taken care of, and who else wants them.
    flights: HashMap<Hash, Vec<Job>>,
    pub(super) claims: HashSet<Hash>,
    /// Those that other processes are at.
    parked: Vec<Job>,
    look: Option<Instant>,
    pub(super) stopped: bool,
    /// Why nothing is sent to anybody.
    pub(super) dead: Option<Diagnostic>,
    out: Vec<(u64, Delivery)>,
    pub(super) tls: Option<rustls::ClientConfig>,
    pub(super) large: Large,
    /// Somebody stands in line again, or a group is closed: all are looked through once more.
    pub(super) requeued: bool,
    quit: bool,
}

impl Dispatcher {
    /// Begins with nothing to do.
    pub fn new(shared: Arc<Shared>, groups: Vec<Group>, events: UnboundedSender<Event>) -> Dispatcher {
        Dispatcher {
            shared,
            groups,
            events,
            flights: HashMap::new(),
            claims: HashSet::new(),
            parked: Vec::new(),
            look: None,
            stopped: false,
            dead: None,
            out: Vec::new(),
            tls: None,
            large: Large::new(),
            requeued: false,
            quit: false,
        }
    }

    /// Runs until it is told to quit.
    pub async fn run(mut self, mut events: UnboundedReceiver<Event>) {
        let mut batch = Vec::with_capacity(AT_ONCE);
        self.take_up();
        while !self.quit {
            let wake = self.pump();
            let afoot = |group: &Group| group.line.as_ref().map(Line::afoot).unwrap_or_default();
            *lock(&self.shared.afoot) = self.groups.iter().map(afoot).collect();
            let mut out = std::mem::take(&mut self.out);
            self.shared.outbox.put(&mut out);
            self.out = out;
            let incoming = events.recv_many(&mut batch, AT_ONCE);
            match wake {
                None => _ = incoming.await,
                Some(at) => _ = tokio::time::timeout_at(at.into(), incoming).await,
            }
            batch.drain(..).for_each(|event| self.take(event));
        }
        self.claims.iter().for_each(|key| self.shared.responses.release(key));
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Order(job) => self.enqueue(job),
            Event::Ended(flight, outcome) => self.ended(flight, outcome),
            Event::Recorded(job, response, Ok(())) => self.finish(job, Delivery::Answer(response)),
            Event::Recorded(job, _, Err(why)) => {
                let problem = self.die(problem::store(&why));
                self.finish(job, Delivery::Unusable(problem));
            }
            Event::Batch(group, number, news) => self.hear(group, number, news),
            Event::Stop => self.stopped = true,
            Event::Quit => self.quit = true,
        }
    }

    /// Sends nothing more to anybody; the first reason is the one that is told.
    pub(super) fn die(&mut self, problem: Diagnostic) -> Diagnostic {
        self.dead.get_or_insert(problem).clone()
    }

    /// Lets a job wait for its turn, or for one that is the same.
    fn enqueue(&mut self, job: Job) {
        match self.flights.get_mut(&job.key) {
            Some(joiners) => joiners.push(job),
            None => {
                self.flights.insert(job.key, Vec::new());
                let group = job.group;
                if let Some(job) = self.attach(group, job) {
                    self.groups[group].push(job);
                }
            }
        }
    }

    /// Delivers what became of a job, to all who wait for it.
    pub(super) fn finish(&mut self, job: Job, delivery: Delivery) {
        if self.claims.remove(&job.key) {
            self.shared.responses.release(&job.key);
        }
        for other in self.flights.remove(&job.key).unwrap_or_default() {
            let spec = &other.order.request.spec;
            let is_meant = match &delivery {
                Delivery::Answer(response) => response.fits(spec.max_tokens) && response.time >= spec.since,
                Delivery::Failed(_) | Delivery::Unusable(_) | Delivery::OverBudget(_) => other.group == job.group,
                Delivery::Stopped => true,
            };
            if is_meant {
                self.out.push((other.order.ticket, delivery.copy()));
            } else {
                self.requeued = true;
                self.enqueue(other);
            }
        }
        self.out.push((job.order.ticket, delivery));
    }

    /// Sends all that can go out. Returns when to look again, if nothing happens before.
    fn pump(&mut self) -> Option<Instant> {
        let now = Instant::now();
        self.look_elsewhere(now);
        loop {
            self.requeued = false;
            let mut wake = None;
            for group in 0..self.groups.len() {
                let next = self.pump_group(group, now);
                wake = [wake, next].into_iter().flatten().min();
            }
            // A job may have come to stand in a group that was looked through before.
            if !self.requeued {
                let look = if self.parked.is_empty() { None } else { self.look };
                return [wake, look].into_iter().flatten().min();
            }
        }
    }

    fn pump_group(&mut self, at: usize, now: Instant) -> Option<Instant> {
        loop {
            if let Some(delivery) = self.closed(at) {
                // Who joined one of these and wants something else stands in line again, and is told the same.
                while !self.groups[at].is_empty() {
                    let jobs = self.groups[at].drain();
                    jobs.into_iter().for_each(|job| self.finish(job, delivery.copy()));
                }
                if self.groups[at].line.is_some() {
                    self.leave(at, &delivery);
                    return self.pump_batches(at, now);
                }
                return None;
            }
            if self.groups[at].line.is_some() {
                return self.pump_batches(at, now);
            }
            let group = &mut self.groups[at];
            if group.is_empty() {
                group.pace.starved(now);
                return None;
            }
            if let Some(pause) = group.pause.filter(|pause| *pause > now) {
                return Some(pause);
            }
            if group.blocked {
                return None;
            }
            let free = group.pace.free(now);
            if free == 0 {
                return group.pace.opens(now);
            }
            let (batches, wait) = collect(group, free, now);
            if batches.is_empty() {
                if wait.is_none() {
                    group.pace.starved(now);
                }
                return [wait, group.due()].into_iter().flatten().min();
            }
            if let Err(problem) = self.launch(at, batches, now) {
                self.die(problem);
            }
        }
    }

    /// Returns what is delivered to all that wait for a group, if nothing more is sent there.
    pub(super) fn closed(&self, group: usize) -> Option<Delivery> {
        if let Some(problem) = self.groups[group].broken.as_ref().or(self.dead.as_ref()) {
            return Some(Delivery::Unusable(problem.clone()));
        }
        self.stopped.then_some(Delivery::Stopped)
    }

    /// Sends batches, except for what is answered by now, what others are at, and what is too dear.
    fn launch(&mut self, at: usize, batches: Vec<Batch>, now: Instant) -> Result<(), Diagnostic> {
        let mut fresh: HashSet<Hash> = HashSet::new();
        let mut ready = Vec::with_capacity(batches.len());
        let mut failed = None;
        for (jobs, tokens) in batches {
            let mut mine = Vec::with_capacity(jobs.len());
            for job in jobs {
                match self.claim(&job.key) {
                    _ if failed.is_some() => mine.push(job),
                    Ok(Some(claim)) => {
                        if claim == Claimed::Now {
                            fresh.insert(job.key);
                        }
                        mine.push(job);
                    }
                    Ok(None) => self.park(job, now),
                    Err(problem) => {
                        failed = Some(problem);
                        mine.push(job);
                    }
                }
            }
            ready.push((mine, tokens));
        }
        // Who claims a request late finds the answer of who had it before.
        if failed.is_none() && !fresh.is_empty() {
            failed = self.shared.responses.refresh().err().map(|error| problem::store(&error.to_string()));
        }
        let mut outgoing = Vec::with_capacity(ready.len());
        for (jobs, tokens) in ready {
            let mut open = Vec::with_capacity(jobs.len());
            for job in jobs {
                match fresh.contains(&job.key) && failed.is_none() {
                    true => match self.find(&job) {
                        Ok(Some(response)) => self.finish(job, Delivery::Answer(Arc::new(response))),
                        Ok(None) => open.push(job),
                        Err(problem) => {
                            failed = Some(problem);
                            open.push(job);
                        }
                    },
                    false => open.push(job),
                }
            }
            if failed.is_some() || open.is_empty() {
                let group = &mut self.groups[at];
                group.give_back(1.0, tokens);
                group.put_back(open);
                continue;
            }
            outgoing.extend(self.reserve(at, open, tokens, now));
        }
        match failed {
            Some(problem) => {
                outgoing.into_iter().for_each(|flight| self.take_back(flight));
                Err(problem)
            }
            None => self.send(outgoing),
        }
    }

    /// Reserves the worst case of an attempt; none: it was put back, or delivered as too dear.
    fn reserve(&mut self, at: usize, jobs: Vec<Job>, tokens: f64, now: Instant) -> Option<Flight> {
        let worst = jobs.iter().fold(0u64, |sum, job| sum.saturating_add(job.worst));
        let mut ledger = lock(&self.shared.ledger);
        let room = if self.groups[at].blocked { Room::Later } else { ledger.room(worst) };
        match room {
            Room::Yes => {
                let slip = ledger.reserve(worst);
                drop(ledger);
                self.groups[at].pace.sent(now);
                return Some(Flight { group: at, jobs, slip, sent: now, tokens });
            }
            Room::No if jobs.len() == 1 => {
                let endpoint = &self.shared.endpoints[jobs[0].form.spec.endpoint];
                let problem = problem::over_budget(endpoint, &ledger, self.shared.budget);
                drop(ledger);
                self.groups[at].give_back(1.0, tokens);
                jobs.into_iter().for_each(|job| self.finish(job, Delivery::OverBudget(problem.clone())));
            }
            Room::Later | Room::No => {
                drop(ledger);
                let group = &mut self.groups[at];
                group.give_back(1.0, tokens);
                // Together they are too dear; one by one, some may go.
                let alone = room == Room::No;
                let job = |mut job: Job| {
                    job.alone |= alone;
                    job
                };
                group.blocked |= !alone;
                group.put_back(jobs.into_iter().map(job).collect());
            }
        }
        None
    }

    /// Undoes a reservation of an attempt that was not sent.
    fn take_back(&mut self, flight: Flight) {
        lock(&self.shared.ledger).cancel(flight.slip);
        let group = &mut self.groups[flight.group];
        group.give_back(1.0, flight.tokens);
        group.pace.unsent();
        group.put_back(flight.jobs);
    }

    /// Notes all reservations, and then lets the attempts go.
    fn send(&mut self, outgoing: Vec<Flight>) -> Result<(), Diagnostic> {
        let written = {
            let mut ledger = lock(&self.shared.ledger);
            ledger.write().map_err(|error| problem::ledger(ledger.path(), &error))
        };
        if let Err(problem) = written {
            outgoing.into_iter().for_each(|flight| self.take_back(flight));
            return Err(problem);
        }
        for mut flight in outgoing {
            let form = flight.jobs[0].form.clone();
            let endpoint = &self.shared.endpoints[form.spec.endpoint];
            let group = &mut self.groups[flight.group];
            let secret = match &group.key {
                None => None,
                Some(key) => match key.read() {
                    Some(secret) => Some(secret),
                    None => {
                        group.broken = Some(problem::lost_key(endpoint, &key.variable));
                        self.take_back(flight);
                        continue;
                    }
                },
            };
            let timeout = endpoint.timeout;
            let body = form
                .body(flight.jobs.iter().map(|job| Part { request: &job.order.request, canonical: &job.canonical }));
            let client = self.client(flight.group);
            flight.jobs.iter_mut().for_each(|job| job.sends += 1);
            let (events, large, count) = (self.events.clone(), self.large.clone(), flight.jobs.len());
            tokio::spawn(async move {
                let outcome = http::exchange(client, form, secret, body, count, timeout, large).await;
                // Nobody listens any more only when the thread has ended.
                let _ = events.send(Event::Ended(flight, outcome));
            });
        }
        Ok(())
    }

    /// Hands a response to the log. It is delivered when it would outlive a loss of power.
    pub(super) fn record(&self, job: Job, response: Response) {
        let body = ask::Record::encode(&job.canonical, &response);
        let (key, response, events) = (job.key, Arc::new(response), self.events.clone());
        self.shared.responses.add(key, &body, move |result| {
            let result = result.map_err(|error| error.to_string());
            let _ = events.send(Event::Recorded(job, response, result));
        });
    }

    /// Claims a request; none: another process has it.
    pub(super) fn claim(&mut self, key: &Hash) -> Result<Option<Claimed>, Diagnostic> {
        if self.claims.contains(key) {
            return Ok(Some(Claimed::Before));
        }
        match self.shared.responses.claim(key) {
            Ok(Claim::Mine) => {
                self.claims.insert(*key);
                Ok(Some(Claimed::Now))
            }
            Ok(Claim::Elsewhere) => Ok(None),
            Err(error) => Err(problem::store(&error.to_string())),
        }
    }

    /// Looks for a recorded response, if one would do.
    pub(super) fn find(&self, job: &Job) -> Result<Option<Response>, Diagnostic> {
        if !job.order.reuse {
            return Ok(None);
        }
        ask::find(&self.shared.responses, &job.key, &job.order.request)
            .map_err(|error| problem::store(&error.to_string()))
    }

    pub(super) fn park(&mut self, job: Job, now: Instant) {
        self.parked.push(job);
        if self.parked.len() == 1 {
            self.look = Some(now + LOOK_AGAIN);
        }
    }

    /// Looks whether what other processes were at is answered, or left to us.
    fn look_elsewhere(&mut self, now: Instant) {
        let all_closed = self.stopped || self.dead.is_some();
        if self.parked.is_empty() || !(all_closed || self.look.is_none_or(|look| look <= now)) {
            return;
        }
        let begun = Instant::now();
        if let Err(error) = self.shared.responses.refresh() {
            self.die(problem::store(&error.to_string()));
        }
        for job in std::mem::take(&mut self.parked) {
            if let Some(delivery) = self.closed(job.group) {
                self.finish(job, delivery);
                continue;
            }
            match self.find(&job) {
                Ok(Some(response)) => self.finish(job, Delivery::Answer(Arc::new(response))),
                // It is claimed when its turn comes, and looked for once more after that.
                Ok(None) => match self.claim(&job.key) {
                    Ok(None) => self.parked.push(job),
                    Ok(Some(_)) => self.again(job),
                    Err(problem) => {
                        let problem = self.die(problem);
                        self.finish(job, Delivery::Unusable(problem));
                    }
                },
                Err(problem) => {
                    let problem = self.die(problem);
                    self.finish(job, Delivery::Unusable(problem));
                }
            }
        }
        // Many that wait for a batch of another process wait long: looking is to take a small part of the time.
        self.look = Some(now + LOOK_AGAIN.max(begun.elapsed() * LOOKING));
    }

    /// Puts a job in front that another process has let go of, unless that process answered it in the last moment.
    fn again(&mut self, job: Job) {
        let found = match self.shared.responses.refresh() {
            Ok(()) => self.find(&job),
            Err(error) => Err(problem::store(&error.to_string())),
        };
        match found {
            Ok(Some(response)) => self.finish(job, Delivery::Answer(Arc::new(response))),
            Ok(None) => self.groups[job.group].put_back(vec![job]),
            Err(problem) => {
                let problem = self.die(problem);
                self.finish(job, Delivery::Unusable(problem));
            }
        }
    }
}

/// Since when a claim is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claimed {
    Now,
    Before,
}

/// What goes out together, and a guess of its tokens.
type Batch = (Vec<Job>, f64);

/// Takes what may go out now, within the limits per minute. Also returns when more may.
fn collect(group: &mut Group, free: u32, now: Instant) -> (Vec<Batch>, Option<Instant>) {
    let mut batches = Vec::new();
    while batches.len() < free as usize {
        let jobs = group.next(now);
        if jobs.is_empty() {
            break;
        }
        let tokens = jobs.iter().map(|job| job.tokens(group.output)).sum();
        if let Some(wait) = group.wait(tokens, now) {
            group.put_back(jobs);
            return (batches, Some(wait));
        }
        group.give_back(-1.0, -tokens);
        batches.push((jobs, tokens));
    }
    (batches, None)
}

impl Group {
    /// Returns until when the limits per minute have no room; none: there is room.
    fn wait(&mut self, tokens: f64, now: Instant) -> Option<Instant> {
        let requests = self.requests.as_mut().and_then(|bucket| bucket.wait(1.0, now));
        let tokens = self.tokens.as_mut().and_then(|bucket| bucket.wait(tokens, now));
        requests.max(tokens)
    }

    /// Gives back what was taken of the limits per minute.
    pub(super) fn give_back(&mut self, requests: f64, tokens: f64) {
        if let Some(bucket) = &mut self.requests {
            bucket.take(-requests);
        }
        if let Some(bucket) = &mut self.tokens {
            bucket.take(-tokens);
        }
    }
}

/// Money at an endpoint's price; none: the price is not known.
pub(super) fn cost(endpoint: &Endpoint, usage: ask::Usage) -> Option<u64> {
    endpoint.price.map(|price| parts(price.of(usage)))
}
