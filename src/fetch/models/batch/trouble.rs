//! What follows when an exchange about a batch comes to nothing. While a batch may be alive, none of its requests is sent again.

use super::super::dispatch::Dispatcher;
use super::super::retry::backoff;
use super::super::wire::{Billed, Outcome};
use super::super::{Endpoint, problem};
use super::{Origin, Stage, Step, note};
use std::time::{Duration, Instant};

/// How often an exchange is tried before anything came back from the endpoint.
const FIRST_TRIES: u32 = 5;
/// How often a batch at the endpoint is asked about in vain before it is left to a later build: for more than half an hour.
const TRIES: u32 = 80;
/// How often an endpoint has to say that it does not know a batch or a file, before it is believed.
const UNKNOWN: u32 = 3;

impl Dispatcher {
    /// Takes in that a step came to nothing.
    pub(super) fn trouble(&mut self, at: usize, number: u64, step: Step, outcome: Outcome, now: Instant) {
        let line = self.line(at);
        let (reached, endpoint) = (line.reached, line.endpoint);
        let endpoint = self.shared.endpoints[endpoint].clone();
        let Some(batch) = self.batch(at, number) else { return };
        batch.trouble += 1;
        let (trouble, salt) = (batch.trouble, batch.number);
        let pause = |wait: Option<Duration>| backoff(trouble, salt).max(wait.unwrap_or_default());
        let place = self.groups[at].place.clone();
        match outcome {
            Outcome::Throttled { why, wait } | Outcome::Again { why, wait, .. }
                if wait.is_some_and(|wait| wait > super::super::outcome::PATIENCE) =>
            {
                let problem = problem::long_wait(&endpoint, &place, wait.unwrap_or_default(), &why);
                self.break_off(at, Vec::new(), problem);
            }
            Outcome::Throttled { wait, .. } => self.try_later(at, number, step, now + pause(wait)),
            Outcome::Unreachable { why } => {
                let most = if reached { TRIES } else { FIRST_TRIES };
                self.try_later_or_leave(at, number, step, (trouble < most, now + pause(None)), || {
                    problem::unreachable(&endpoint, &place, &why)
                });
            }
            Outcome::Again { why, wait, .. } => {
                let most = match step {
                    Step::Upload => endpoint.attempts.max(1),
                    Step::Create | Step::Find | Step::Poll | Step::Answers | Step::Errors => TRIES,
                };
                // A batch that was not confirmed may have been created all the same.
                let step = if step == Step::Create { Step::Find } else { step };
                self.try_later_or_leave(at, number, step, (trouble < most, now + pause(wait)), || {
                    problem::no_word(&endpoint, &place, &why)
                });
            }
            Outcome::Useless { status: Some(404), .. } if matches!(step, Step::Poll | Step::Answers | Step::Errors) => {
                match trouble < UNKNOWN {
                    true => self.try_later(at, number, step, now + pause(None)),
                    false => self.gone(at, number),
                }
            }
            Outcome::Rejected { why } | Outcome::Useless { status: Some(404 | 405), why } => {
                self.useless(at, number, &endpoint, None, &why);
            }
            Outcome::Useless { status, why } => self.useless(at, number, &endpoint, Some(status), &why),
            // Only answers of models come as such.
            Outcome::Answered(_) => self.try_later(at, number, step, now + pause(None)),
        }
    }

    fn try_later(&mut self, at: usize, number: u64, step: Step, then: Instant) {
        if let Some(batch) = self.batch(at, number) {
            batch.stage = Stage::Due(then, step);
        }
    }

    fn try_later_or_leave(
        &mut self,
        at: usize,
        number: u64,
        step: Step,
        (goes_on, then): (bool, Instant),
        problem: impl FnOnce() -> crate::diag::Diagnostic,
    ) {
        self.try_later(at, number, step, then);
        if !goes_on {
            self.stop_asking(at, number);
            self.break_off(at, Vec::new(), problem());
        }
    }

    /// The endpoint will not do this: nothing more is sent there. What was not created is not.
    fn useless(&mut self, at: usize, number: u64, endpoint: &Endpoint, status: Option<Option<u16>>, why: &str) {
        let group = &self.groups[at];
        let key = group.key.as_ref().map(|key| key.variable.as_str());
        let problem = match status {
            None => problem::no_batches(endpoint, &group.place, why),
            Some(status) => problem::useless(endpoint, &group.place, key, status, why),
        };
        let is_here = self.batch(at, number).is_some_and(|batch| {
            batch.id.is_none() && batch.origin == Origin::Here && batch.stage.step() != Some(Step::Find)
        });
        if is_here {
            let jobs = self.withdraw(at, number, Billed::No);
            return self.break_off(at, jobs, problem);
        }
        self.stop_asking(at, number);
        self.break_off(at, Vec::new(), problem);
    }

    /// Leaves a batch alone, also if it has ended: a later build takes it up.
    fn stop_asking(&mut self, at: usize, number: u64) {
        if let Some(batch) = self.batch(at, number) {
            batch.end = None;
        }
    }

    /// The list has no batch with this label. It may take a moment until it has.
    pub(super) fn not_found(&mut self, at: usize, number: u64, now: Instant) {
        let grace = self.line(at).pace.grace;
        let Some(batch) = self.batch(at, number) else { return };
        let waited = note::now().saturating_sub(batch.noted.unwrap_or(0));
        let left = grace.saturating_sub(Duration::from_millis(waited));
        let (origin, tries) = (batch.origin, batch.tries);
        if left.is_zero() && origin == Origin::Here {
            // It is written down anew: from now on it may be there again.
            batch.noted = Some(0);
        }
        self.fine(at, number, Stage::Due(now + left, Step::Find));
        match origin {
            _ if !left.is_zero() => {}
            Origin::Note => self.gone(at, number),
            Origin::Here => {
                let endpoint = self.line(at).endpoint;
                let endpoint = self.shared.endpoints[endpoint].clone();
                if tries < endpoint.attempts.max(1) {
                    return self.try_later(at, number, Step::Create, now);
                }
                let problem = problem::no_word(&endpoint, &self.groups[at].place, "it is not in the list of batches");
                let jobs = self.withdraw(at, number, Billed::Perhaps);
                self.break_off(at, jobs, problem);
            }
        }
    }

    /// A batch is not there, or its results are not: what waits for it goes into the next one.
    fn gone(&mut self, at: usize, number: u64) {
        let jobs = self.withdraw(at, number, Billed::Perhaps);
        self.groups[at].put_back(jobs);
    }
}

impl Stage {
    /// Returns the exchange that is due or under way.
    fn step(self) -> Option<Step> {
        match self {
            Stage::Due(_, step) | Stage::Busy(step) => Some(step),
            Stage::Read | Stage::Left => None,
        }
    }
}
