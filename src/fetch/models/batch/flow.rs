//! What is done about batches, and when: they are taken up again, gathered, sent, asked about and left.

use super::super::dispatch::{Claimed, Dispatcher, Event, lock};
use super::super::form::Part;
use super::super::group::Job;
use super::super::http;
use super::super::ledger::Room;
use super::super::wire::Billed;
use super::super::{Delivery, problem};
use super::call::{Way, form_data};
use super::wire::{FRAME, put_line};
use super::{Batch, Entry, Line, News, Origin, Stage, Step, note};
use crate::diag::Diagnostic;
use crate::hash::Hash;
use crate::store::{Claim, StoreError};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

/// Whether a batch was made of what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closed {
    Now,
    NotYet(Option<Instant>),
}

pub(super) fn store(error: StoreError) -> Diagnostic {
    problem::store(&error.to_string())
}

impl Dispatcher {
    /// Returns what a group has for batches.
    ///
    /// # Panics
    /// Its endpoint is not batched.
    pub(super) fn line(&mut self, at: usize) -> &mut Line {
        self.groups[at].line.as_mut().expect("only groups of batched endpoints come here")
    }

    pub(super) fn batch(&mut self, at: usize, number: u64) -> Option<&mut Batch> {
        self.groups[at].line.as_mut()?.batch(number)
    }

    /// Returns what the names of a group's notes begin with.
    pub(super) fn notes(&self, at: usize) -> String {
        let group = &self.groups[at];
        let line = group.line.as_ref().expect("only groups of batched endpoints come here");
        group.notes(&self.shared.endpoints[line.endpoint].model)
    }

    /// Takes up all batches that processes left behind which are no more.
    pub(in super::super) fn take_up(&mut self) {
        for at in 0..self.groups.len() {
            if self.groups[at].line.is_some()
                && let Err(error) = self.take_up_of(at)
            {
                self.die(store(error));
            }
        }
    }

    /// Takes up what was left behind at one endpoint; returns the labels of the batches that others look after.
    fn take_up_of(&mut self, at: usize) -> Result<Vec<String>, StoreError> {
        let notes = self.notes(at);
        let mut others = Vec::new();
        for label in note::labels(&self.shared.responses, &notes)? {
            let claim = note::claim_of(&label);
            if self.claims.contains(&claim) {
                continue;
            }
            if self.shared.responses.claim(&claim)? == Claim::Elsewhere {
                others.push(label);
                continue;
            }
            self.claims.insert(claim);
            let line = self.line(at);
            line.count += 1;
            let number = line.count;
            let Some(batch) = note::read(&self.shared.responses, &notes, &label, number)? else {
                self.let_go(&claim);
                continue;
            };
            // Others who want the same wait for it.
            for key in batch.entries.keys() {
                if !self.claims.contains(key) && self.shared.responses.claim(key)? == Claim::Mine {
                    self.claims.insert(*key);
                }
            }
            self.line(at).batches.push(batch);
        }
        Ok(others)
    }

    /// Returns the requests of batches that somebody else is just taking up, and may not have claimed one by one yet.
    fn requests_of(&self, at: usize, labels: &[String]) -> Result<HashSet<Hash>, StoreError> {
        let notes = self.notes(at);
        let mut requests = HashSet::new();
        for label in labels {
            let batch = note::read(&self.shared.responses, &notes, label, 0)?;
            requests.extend(batch.into_iter().flat_map(|batch| batch.entries.into_keys()));
        }
        Ok(requests)
    }

    /// Ends a claim of ours.
    pub(super) fn let_go(&mut self, key: &Hash) {
        if self.claims.remove(key) {
            self.shared.responses.release(key);
        }
    }

    /// Lets a job wait for a batch that has its request already; returns it if there is none.
    pub(in super::super) fn attach(&mut self, at: usize, mut job: Job) -> Option<Job> {
        let Some(line) = &mut self.groups[at].line else { return Some(job) };
        let entries = line.batches.iter_mut().filter_map(|batch| batch.entries.get_mut(&job.key));
        let Some(entry) = entries.into_iter().find(|entry| entry.job.is_none()) else { return Some(job) };
        job.sends += 1;
        entry.job = Some(job);
        None
    }

    /// Closes batches that are due, and takes each batch a step further. Returns when to look again.
    pub(in super::super) fn pump_batches(&mut self, at: usize, now: Instant) -> Option<Instant> {
        let closes = match self.closed(at) {
            Some(_) => None,
            None => loop {
                match self.close(at, now) {
                    Ok(Closed::Now) => {}
                    Ok(Closed::NotYet(until)) => break until,
                    Err(problem) => {
                        self.die(problem);
                        self.requeued = true;
                        return None;
                    }
                }
            },
        };
        let is_closed = self.closed(at).is_some();
        let due = |batch: &Batch| match batch.stage {
            // What has ended is harvested to the end.
            Stage::Due(then, step) if !is_closed || batch.end.is_some() => Some((then, batch.number, step)),
            _ => None,
        };
        let due: Vec<(Instant, u64, Step)> = self.line(at).batches.iter().filter_map(due).collect();
        for (_, number, step) in due.iter().filter(|(then, ..)| *then <= now) {
            if let Err(problem) = self.step(at, *number, *step) {
                self.die(problem);
                self.requeued = true;
                return None;
            }
        }
        due.iter().map(|(then, ..)| *then).filter(|then| *then > now).chain(closes).min()
    }

    /// Makes a batch of what waits, if it is time.
    fn close(&mut self, at: usize, now: Instant) -> Result<Closed, Diagnostic> {
        let group = &mut self.groups[at];
        let (count, weight) = (group.len(), group.weight());
        let line = group.line.as_ref().expect("only groups of batched endpoints come here");
        let quiet = line.arrived + line.pace.quiet;
        let (most, bytes) = (line.most, line.pace.bytes);
        if count == 0 || group.blocked {
            return Ok(Closed::NotYet(None));
        }
        if let Some(pause) = group.pause.filter(|pause| *pause > now) {
            return Ok(Closed::NotYet(Some(pause)));
        }
        if quiet > now && count < most && weight < bytes {
            return Ok(Closed::NotYet(Some(quiet)));
        }
        let jobs = group.next_of_one_task(most, bytes);
        let jobs = self.unanswered(jobs, now)?;
        // Who had the claims before may have left a batch.
        let theirs = match self.take_up_of(at).and_then(|others| self.requests_of(at, &others)) {
            Ok(theirs) => theirs,
            Err(error) => {
                self.groups[at].put_back(jobs);
                return Err(store(error));
            }
        };
        let (theirs, jobs): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(|job| theirs.contains(&job.key));
        for job in theirs {
            self.let_go(&job.key);
            self.park(job, now);
        }
        let jobs: Vec<Job> = jobs.into_iter().filter_map(|job| self.attach(at, job)).collect();
        let entries = self.reserve_all(at, jobs);
        let Some(first) = entries.keys().next() else { return Ok(Closed::Now) };
        let label = note::fresh_label(first);
        let task = entries.values().find_map(|entry| entry.job.as_ref()).map(|job| job.form.spec.task);
        let line = self.line(at);
        line.count += 1;
        line.batches.push(Batch {
            number: line.count,
            label,
            origin: Origin::Here,
            task: task.expect("each entry has its job"),
            file: None,
            id: None,
            noted: None,
            entries,
            stage: Stage::Due(now, Step::Upload),
            end: None,
            done: 0,
            polls: 0,
            trouble: 0,
            tries: 0,
            keeping: 0,
        });
        Ok(Closed::Now)
    }

    /// Claims requests; what others are at is parked, and what is answered by now is delivered.
    fn unanswered(&mut self, jobs: Vec<Job>, now: Instant) -> Result<Vec<Job>, Diagnostic> {
        let at = jobs.first().map_or(0, |job| job.group);
        let (mut mine, mut fresh) = (Vec::with_capacity(jobs.len()), HashSet::new());
        let mut jobs = jobs.into_iter();
        while let Some(job) = jobs.next() {
            match self.claim(&job.key) {
                Ok(Some(claimed)) => {
                    if claimed == Claimed::Now {
                        fresh.insert(job.key);
                    }
                    mine.push(job);
                }
                Ok(None) => self.park(job, now),
                Err(problem) => {
                    mine.push(job);
                    mine.extend(jobs);
                    self.groups[at].put_back(mine);
                    return Err(problem);
                }
            }
        }
        if fresh.is_empty() {
            return Ok(mine);
        }
        if let Err(error) = self.shared.responses.refresh() {
            self.groups[at].put_back(mine);
            return Err(store(error));
        }
        let mut open = Vec::with_capacity(mine.len());
        let mut mine = mine.into_iter();
        while let Some(job) = mine.next() {
            let found = if fresh.contains(&job.key) { self.find(&job) } else { Ok(None) };
            match found {
                Ok(Some(response)) => self.finish(job, Delivery::Answer(Arc::new(response))),
                Ok(None) => open.push(job),
                Err(problem) => {
                    open.push(job);
                    open.extend(mine);
                    self.groups[at].put_back(open);
                    return Err(problem);
                }
            }
        }
        Ok(open)
    }

    /// Reserves the worst case of as many requests as fit; the others wait, or are too dear.
    fn reserve_all(&mut self, at: usize, jobs: Vec<Job>) -> BTreeMap<Hash, Entry> {
        let mut entries = BTreeMap::new();
        let mut later = Vec::new();
        for mut job in jobs {
            let mut ledger = lock(&self.shared.ledger);
            let room = if later.is_empty() { ledger.room(job.worst) } else { Room::Later };
            match room {
                Room::Yes => {
                    let slip = Some(ledger.reserve(job.worst));
                    job.sends += 1;
                    let max_tokens = job.form.spec.max_tokens;
                    entries.insert(job.key, Entry { max_tokens, canonical: None, slip, job: Some(job) });
                }
                Room::Later => later.push(job),
                Room::No => {
                    let endpoint = &self.shared.endpoints[job.form.spec.endpoint];
                    let problem = problem::over_budget(endpoint, &ledger, self.shared.budget);
                    drop(ledger);
                    self.finish(job, Delivery::OverBudget(problem));
                }
            }
        }
        if !later.is_empty() {
            self.groups[at].blocked = true;
            self.groups[at].put_back(later);
        }
        entries
    }

    /// Lets one exchange of a batch go.
    fn step(&mut self, at: usize, number: u64, step: Step) -> Result<(), Diagnostic> {
        if step == Step::Create {
            self.note(at, number)?;
        }
        let line = self.line(at);
        let endpoint = line.endpoint;
        let Some(batch) = line.batch(number) else { return Ok(()) };
        batch.stage = Stage::Busy(step);
        batch.tries += u32::from(step == Step::Create);
        let (file, id, label, task) = (batch.file.clone(), batch.id.clone(), batch.label.clone(), batch.task);
        let end = batch.end.clone();
        let body = if step == Step::Upload { Some(form_data(&lines(batch))) } else { None };
        let Some(way) = self.way(at, endpoint) else {
            // All who wait for the group are told when it is looked at again.
            self.requeued = true;
            return Ok(());
        };
        let events = self.events.clone();
        tokio::spawn(async move {
            let named = |id: Option<String>| id.unwrap_or_default();
            let news = match step {
                Step::Upload => News::Uploaded(way.upload(body.unwrap_or_default()).await),
                Step::Create => News::Created(way.create(&named(file), task, &label).await),
                Step::Find => News::Found(way.find(&label, file.as_deref()).await),
                Step::Poll => News::Told(way.poll(&named(id)).await),
                Step::Answers | Step::Errors => {
                    let end = end.as_ref();
                    let file = match step {
                        Step::Answers => end.and_then(|end| end.output_file_id.clone()),
                        _ => end.and_then(|end| end.error_file_id.clone()),
                    };
                    let hand_over = |results| _ = events.send(Event::Batch(at, number, News::Results(results)));
                    News::Read(way.results(&named(file), task, hand_over).await)
                }
            };
            // Nobody listens any more only when the thread has ended.
            let _ = events.send(Event::Batch(at, number, news));
        });
        Ok(())
    }

    /// Writes down all that is about to be handed to the endpoint: the money first, and then the requests.
    fn note(&mut self, at: usize, number: u64) -> Result<(), Diagnostic> {
        {
            let mut ledger = lock(&self.shared.ledger);
            ledger.write().map_err(|error| problem::ledger(ledger.path(), &error))?;
        }
        let (notes, now, shared) = (self.notes(at), note::now(), self.shared.clone());
        let Some(batch) = self.batch(at, number) else { return Ok(()) };
        if batch.noted.is_some_and(|time| time > 0) {
            return Ok(());
        }
        let label = batch.label.clone();
        // Whoever sees the note sees as well that it is looked after.
        let claim = note::claim_of(&label);
        shared.responses.claim(&claim).map_err(store)?;
        self.claims.insert(claim);
        let Some(batch) = self.batch(at, number) else { return Ok(()) };
        note::write(&shared.responses, &notes, batch, batch.file.as_deref().unwrap_or_default(), now).map_err(store)?;
        batch.noted = Some(now);
        Ok(())
    }

    /// Returns the way to an endpoint; none: its key is gone, and the group is broken.
    fn way(&mut self, at: usize, endpoint: usize) -> Option<Way> {
        let client = self.client(at);
        let (group, endpoint) = (&mut self.groups[at], &self.shared.endpoints[endpoint]);
        let secret = match &group.key {
            None => None,
            Some(key) => match key.read() {
                Some(secret) => Some(secret),
                None => {
                    group.broken.get_or_insert(problem::lost_key(endpoint, &key.variable));
                    return None;
                }
            },
        };
        let (place, timeout, large) = (group.place.clone(), endpoint.timeout, self.large.clone());
        Some(Way { client, secret, place, timeout, large })
    }

    /// Tells all who wait for batches of a closed group. Batches at the endpoint go on there, and their notes stay; one that is
    /// not there yet is given up. What has ended is harvested before, and what a stop finds in one of the short exchanges is awaited.
    pub(in super::super) fn leave(&mut self, at: usize, delivery: &Delivery) {
        let is_dead = self.dead.is_some();
        let is_stop = matches!(delivery, Delivery::Stopped);
        let waits = |batch: &Batch| {
            batch.end.is_some() && !matches!(batch.stage, Stage::Read)
                || is_stop && matches!(batch.stage, Stage::Busy(Step::Create | Step::Find | Step::Poll))
        };
        let left: Vec<u64> =
            self.line(at).batches.iter().filter(|batch| is_dead || !waits(batch)).map(|batch| batch.number).collect();
        for number in left {
            let Some(batch) = self.batch(at, number) else { continue };
            let jobs = batch.take_jobs();
            match batch.is_noted() {
                true => batch.stage = Stage::Left,
                false => self.forget(at, number, Billed::No),
            }
            jobs.into_iter().for_each(|job| self.finish(job, delivery.copy()));
        }
    }

    /// Returns the connections to a group's endpoint.
    pub(in super::super) fn client(&mut self, at: usize) -> http::Client {
        let group = &mut self.groups[at];
        if let Some(client) = &group.client {
            return client.clone();
        }
        let tls = match group.place.https {
            true => self.tls.get_or_insert_with(|| http::tls(true)).clone(),
            false => http::tls(false),
        };
        group.client.insert(http::Client::new(group.proxy.as_ref(), &tls)).clone()
    }
}

/// Writes the file of a batch.
fn lines(batch: &Batch) -> Vec<u8> {
    let jobs = || batch.entries.values().filter_map(|entry| entry.job.as_ref());
    let mut out = Vec::with_capacity(jobs().map(|job| job.weight() as usize).sum());
    for job in jobs() {
        let part = Part { request: &job.order.request, canonical: &job.canonical };
        put_line(&mut out, &job.key, batch.task, &job.form.body([part].into_iter()));
    }
    out
}

impl Job {
    /// Returns about how many bytes its line in a batch has: the body has what the canonical form has, and some names.
    pub(in super::super) fn weight(&self) -> u64 {
        self.canonical.len() as u64 + self.form.prefix.len() as u64 + FRAME
    }
}
