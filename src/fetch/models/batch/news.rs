//! What follows from what comes back of batches: results are recorded, what got none goes into the next batch.

use super::super::dispatch::{Dispatcher, Event, cost, lock};
use super::super::group::Job;
use super::super::outcome::{Spent, usage_of};
use super::super::wire::{Billed, Outcome};
use super::super::{Delivery, problem};
use super::flow::store;
use super::wire::State;
use super::{Kept, News, Origin, Stage, Step, note};
use crate::ask::{self, Response};
use crate::hash::Hash;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

impl Dispatcher {
    /// Takes in what came back.
    pub(in super::super) fn hear(&mut self, at: usize, number: u64, news: News) {
        let now = Instant::now();
        // One that was given up or left meanwhile has nobody who waits for it; but what the endpoint calls it is worth knowing.
        if let News::Kept(kept) = news {
            self.kept(at, number, kept);
            return self.conclude(at, number);
        }
        let Some(batch) = self.batch(at, number) else { return };
        if matches!(batch.stage, Stage::Left) {
            if let News::Created(Ok(state)) | News::Found(Ok(Some(state))) = news {
                self.name(at, number, &state.id);
            }
            return;
        }
        match news {
            News::Uploaded(Ok(file)) => {
                self.fine(at, number, Stage::Due(now, Step::Create));
                if let Some(batch) = self.batch(at, number) {
                    batch.file = Some(file);
                }
            }
            News::Created(Ok(state)) | News::Found(Ok(Some(state))) => {
                self.name(at, number, &state.id);
                self.told(at, number, state, now);
            }
            News::Told(Ok(state)) => self.told(at, number, state, now),
            News::Found(Ok(None)) => self.not_found(at, number, now),
            News::Results(results) => {
                results.into_iter().for_each(|(key, outcome)| self.settle(at, number, key, outcome, now));
            }
            News::Read(Ok(())) => self.read(at, number, now),
            News::Kept(_) => {}
            News::Uploaded(Err(outcome)) => self.trouble(at, number, Step::Upload, outcome, now),
            News::Created(Err(outcome)) => self.trouble(at, number, Step::Create, outcome, now),
            News::Found(Err(outcome)) => self.trouble(at, number, Step::Find, outcome, now),
            News::Told(Err(outcome)) => self.trouble(at, number, Step::Poll, outcome, now),
            News::Read(Err(outcome)) => {
                let batch = self.batch(at, number);
                let step = match batch.map(|batch| batch.stage) {
                    Some(Stage::Busy(step)) => step,
                    _ => Step::Answers,
                };
                self.trouble(at, number, step, outcome, now);
            }
        }
        self.conclude(at, number);
    }

    /// Writes down what the endpoint calls a batch.
    fn name(&mut self, at: usize, number: u64, id: &str) {
        let (notes, shared) = (self.notes(at), self.shared.clone());
        if let Some(batch) = self.batch(at, number) {
            batch.id = Some(id.to_owned());
            // Without it the batch is found by its label.
            let _ = note::write_id(&shared.responses, &notes, &batch.label, id);
        }
    }

    /// Goes on after an exchange that was one.
    pub(super) fn fine(&mut self, at: usize, number: u64, stage: Stage) {
        self.line(at).reached = true;
        if let Some(batch) = self.batch(at, number) {
            batch.stage = stage;
            batch.trouble = 0;
        }
    }

    /// Takes in how a batch is.
    fn told(&mut self, at: usize, number: u64, state: State, now: Instant) {
        let pace = self.line(at).pace;
        let Some(batch) = self.batch(at, number) else { return };
        batch.done = state.done();
        if !state.has_ended() {
            let stage = Stage::Due(now + batch.next_poll(&pace), Step::Poll);
            return self.fine(at, number, stage);
        }
        let was_refused = state.was_refused();
        let next = match (&state.output_file_id, &state.error_file_id) {
            (Some(_), _) => Some(Step::Answers),
            (None, Some(_)) => Some(Step::Errors),
            (None, None) => None,
        };
        batch.end = Some(state);
        match next {
            Some(step) => self.fine(at, number, Stage::Due(now, step)),
            None if was_refused => self.refused(at, number, now),
            None => {
                self.fine(at, number, Stage::Read);
                self.unread(at, number, now);
            }
        }
    }

    /// Goes on to the next file of results.
    fn read(&mut self, at: usize, number: u64, now: Instant) {
        let Some(batch) = self.batch(at, number) else { return };
        let has_errors = batch.end.as_ref().is_some_and(|end| end.error_file_id.is_some());
        if has_errors && matches!(batch.stage, Stage::Busy(Step::Answers)) {
            return self.fine(at, number, Stage::Due(now, Step::Errors));
        }
        self.fine(at, number, Stage::Read);
        self.unread(at, number, now);
    }

    /// Sees to the requests that have no result at all.
    fn unread(&mut self, at: usize, number: u64, now: Instant) {
        let Some(batch) = self.batch(at, number) else { return };
        let status = batch.end.as_ref().map_or(String::new(), |end| end.status.clone());
        let keys: Vec<Hash> = batch.entries.keys().copied().collect();
        let is_whole = status == "completed";
        for key in keys {
            let billed = if is_whole { Billed::Perhaps } else { Billed::No };
            let why = format!("the batch is {status}, and has no result for it");
            self.settle(at, number, key, Outcome::Again { why, wait: None, billed }, now);
        }
    }

    /// Takes in the result of one request; one that is no more in the batch has one already.
    fn settle(&mut self, at: usize, number: u64, key: Hash, outcome: Outcome, now: Instant) {
        let default = self.line(at).endpoint;
        let Some(mut entry) = self.batch(at, number).and_then(|batch| batch.entries.remove(&key)) else { return };
        let place = entry.job.as_ref().map_or(default, |job| job.form.spec.endpoint);
        let endpoint = self.shared.endpoints[place].clone();
        let spent = usage_of(&outcome);
        if let Some(slip) = entry.slip.take() {
            let amount = match spent {
                Spent::Tokens(usage) => cost(&endpoint, usage),
                Spent::Unknown => None,
                Spent::Nothing => Some(0),
            };
            lock(&self.shared.ledger).settle(slip, amount);
        }
        self.groups.iter_mut().for_each(|group| group.blocked = false);
        if let Some(job) = &entry.job {
            self.note_traffic(&endpoint, std::slice::from_ref(job), spent, &outcome);
        }
        match (outcome, entry.job) {
            (Outcome::Answered(mut answers), job) => {
                self.groups[at].answered += 1;
                self.groups[at].forbidden = 0;
                let canonical = job.as_ref().map(|job| job.canonical.clone()).or(entry.canonical);
                let (Some(answer), Some(canonical)) = (answers.pop(), canonical) else { return };
                let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
                let attempts = job.as_ref().map_or(1, |job| job.sends);
                let response = Response { max_tokens: entry.max_tokens, time, attempts, ..answer };
                self.keep(at, number, key, job, &canonical, response);
            }
            // Nobody wants it any more.
            (_, None) => self.let_go(&key),
            (Outcome::Rejected { why }, Some(job)) => self.rejected(at, &endpoint, vec![job], &why, now),
            (Outcome::Useless { status, why }, Some(job)) => {
                self.denied(at, &endpoint, vec![job], (status, &why), now);
            }
            (
                Outcome::Throttled { why, .. } | Outcome::Again { why, .. } | Outcome::Unreachable { why },
                Some(mut job),
            ) => {
                job.failures += 1;
                self.retry(at, &endpoint, job, &why, None, now);
            }
        }
    }

    /// Hands an answer to the log, whether anybody waits for it or not: it was paid for.
    fn keep(&mut self, at: usize, number: u64, key: Hash, job: Option<Job>, canonical: &str, response: Response) {
        let body = ask::Record::encode(canonical, &response);
        if let Some(batch) = self.batch(at, number) {
            batch.keeping += 1;
        }
        let (events, response) = (self.events.clone(), Arc::new(response));
        self.shared.responses.add(key, &body, move |result| {
            let result = result.map_err(|error| error.to_string());
            let _ = events.send(Event::Batch(at, number, News::Kept(Kept { key, job, response, result })));
        });
    }

    fn kept(&mut self, at: usize, number: u64, kept: Kept) {
        let Kept { key, job, response, result } = kept;
        if let Some(batch) = self.batch(at, number) {
            batch.keeping -= 1;
        }
        if let Err(why) = result {
            if let Some(batch) = self.batch(at, number) {
                // Never to be done: the note stays.
                batch.keeping += 1;
            }
            let problem = self.die(problem::store(&why));
            if let Some(job) = job {
                self.finish(job, Delivery::Unusable(problem));
            }
            return;
        }
        match job {
            None => self.let_go(&key),
            Some(job) => {
                let spec = &job.order.request.spec;
                match response.fits(spec.max_tokens) && response.time >= spec.since {
                    true => self.finish(job, Delivery::Answer(response)),
                    // It was sent by somebody who wanted less.
                    false => self.groups[at].push(job),
                }
            }
        }
    }

    /// Forgets a batch of which everything is recorded, and its note.
    fn conclude(&mut self, at: usize, number: u64) {
        let is_done = |batch: &&mut super::Batch| matches!(batch.stage, Stage::Read) && batch.keeping == 0;
        if self.dead.is_some() || self.batch(at, number).filter(is_done).is_none() {
            return;
        }
        self.forget(at, number, Billed::No);
    }

    /// Removes a batch and its note; its jobs were taken.
    pub(super) fn forget(&mut self, at: usize, number: u64, billed: Billed) {
        let notes = self.notes(at);
        let batches = &mut self.line(at).batches;
        let Some(place) = batches.iter().position(|batch| batch.number == number) else { return };
        let batch = batches.remove(place);
        if batch.is_noted()
            && let Err(error) = note::remove(&self.shared.responses, &notes, &batch.label)
        {
            self.die(store(error));
        }
        let mut ledger = lock(&self.shared.ledger);
        for slip in batch.entries.into_values().filter_map(|entry| entry.slip) {
            match billed {
                Billed::No => ledger.cancel(slip),
                Billed::Perhaps => ledger.settle(slip, None),
            }
        }
        drop(ledger);
        self.let_go(&note::claim_of(&batch.label));
        self.groups.iter_mut().for_each(|group| group.blocked = false);
    }

    /// A batch was refused as a whole: nothing of it was answered, or billed.
    fn refused(&mut self, at: usize, number: u64, now: Instant) {
        let Some(batch) = self.batch(at, number) else { return };
        let (count, origin) = (batch.entries.len(), batch.origin);
        let Some(end) = batch.end.clone() else { return };
        let jobs = self.withdraw(at, number, Billed::No);
        match origin {
            // Too much waits there: smaller ones may fit, or this one when others are done.
            _ if end.is_too_much() && count > 1 => {
                let line = self.line(at);
                line.most = count.div_ceil(2);
                let pause = if line.batches.is_empty() { line.pace.first } else { line.pace.last };
                self.groups[at].pause(pause, now);
                self.groups[at].put_back(jobs);
            }
            // What was wrong with it may be right by now.
            Origin::Note => self.groups[at].put_back(jobs),
            Origin::Here => {
                let endpoint = &self.shared.endpoints[self.groups[at].line.as_ref().map_or(0, |line| line.endpoint)];
                let problem = problem::batch_refused(endpoint, &self.groups[at].place, &end.complaint());
                self.break_off(at, jobs, problem);
            }
        }
    }

    /// Takes all jobs out of a batch, and forgets it.
    pub(super) fn withdraw(&mut self, at: usize, number: u64, billed: Billed) -> Vec<Job> {
        let Some(batch) = self.batch(at, number) else { return Vec::new() };
        let jobs = batch.take_jobs();
        let with_job: Vec<Hash> = jobs.iter().map(|job| job.key).collect();
        let nobodys: Vec<Hash> =
            batch.entries.keys().filter(|key| with_job.binary_search(key).is_err()).copied().collect();
        nobodys.iter().for_each(|key| self.let_go(key));
        self.forget(at, number, billed);
        jobs
    }
}
