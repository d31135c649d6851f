//! What waits for one endpoint, in which order, and what is known of the endpoint by now.

use super::batch::Line;
use super::form::Form;
use super::http::Client;
use super::keys::KeyName;
use super::pace::{Bucket, Pace};
use super::place::Place;
use super::{Limits, Order};
use crate::ask::Task;
use crate::diag::Diagnostic;
use crate::hash::Hash;
use hyper_util::client::proxy::matcher::Intercept;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Texts that go out in one request for embeddings at most, and their bytes.
const TEXTS: usize = 64;
const TEXT_BYTES: u64 = 1 << 20;

/// One order, on its way through.
#[derive(Debug)]
pub(super) struct Job {
    pub order: Order,
    pub canonical: String,
    pub key: Hash,
    pub form: Arc<Form>,
    /// The position of the group.
    pub group: usize,
    /// What it can cost at most.
    pub worst: u64,
    /// How often it went out.
    pub sends: u32,
    /// How many of these count against the attempts that it has.
    pub failures: u32,
    /// The endpoint's answers when it was last told to ask less.
    pub seen: Option<u64>,
    /// It goes out by itself: with others it was rejected, or too dear.
    pub alone: bool,
}

impl Job {
    /// Returns a rough number of tokens.
    pub fn tokens(&self, output: f64) -> f64 {
        let request = &self.order.request;
        let known = match self.form.spec.task {
            Task::Embedding => 0.0,
            Task::Chat | Task::Completion => {
                self.form.spec.max_tokens.map_or(output, |most| output.min(f64::from(most)))
            }
        };
        request.bytes() as f64 / 4.0 + known
    }
}

/// All that has the same URL, model and key: one set of limits, one circuit breaker.
#[derive(Debug)]
pub(super) struct Group {
    pub place: Place,
    pub key: Option<KeyName>,
    pub proxy: Option<Intercept>,
    /// Made when the first request goes out.
    pub client: Option<Client>,
    pub pace: Pace,
    pub requests: Option<Bucket>,
    pub tokens: Option<Bucket>,
    /// Tokens of a reply, on average.
    pub output: f64,
    /// Nothing is sent before.
    pub pause: Option<Instant>,
    /// The next request waits until others turn out cheaper than their worst.
    pub blocked: bool,
    pub answered: u64,
    pub given_up: u32,
    /// Why requests were rejected before any was answered.
    pub rejections: Vec<String>,
    /// In a row, requests that were forbidden or not found after others were answered.
    pub forbidden: u32,
    /// In a row, told to ask less although it was one at a time.
    pub throttles: u32,
    /// How often in a row nothing could be sent, since when, and when last.
    pub unreachable: Option<(u32, Instant, Instant)>,
    pub broken: Option<Diagnostic>,
    /// Where requests go out in batches.
    pub line: Option<Line>,
    /// About how many bytes what waits would have in a batch.
    weight: u64,
    lanes: Vec<(u32, VecDeque<Job>)>,
    turn: usize,
    /// Was taken already, and goes out before all others.
    first: VecDeque<Job>,
    /// By the time when it goes out again.
    later: BTreeMap<(Instant, u64), Job>,
    count: u64,
}

impl Group {
    /// Begins; nothing is known of the endpoint.
    pub fn new(place: Place, key: Option<KeyName>, proxy: Option<Intercept>) -> Group {
        Group {
            place,
            key,
            proxy,
            client: None,
            pace: Pace::new(None, Instant::now()),
            requests: None,
            tokens: None,
            output: 256.0,
            pause: None,
            blocked: false,
            answered: 0,
            given_up: 0,
            rejections: Vec::new(),
            forbidden: 0,
            throttles: 0,
            unreachable: None,
            broken: None,
            line: None,
            weight: 0,
            lanes: Vec::new(),
            turn: 0,
            first: VecDeque::new(),
            later: BTreeMap::new(),
            count: 0,
        }
    }

    /// Keeps to limits.
    pub fn limited(self, limits: Limits, now: Instant) -> Group {
        Group {
            pace: Pace::new(limits.concurrency, now),
            requests: limits.rpm.map(|rpm| Bucket::new(rpm, now)),
            tokens: limits.tpm.map(|tpm| Bucket::new(tpm, now)),
            ..self
        }
    }

    /// Sends requests in batches.
    pub fn batched(self, line: Option<Line>) -> Group {
        Group { line, ..self }
    }

    /// Adds a job to the end of its lane.
    pub fn push(&mut self, job: Job) {
        self.came(&job);
        let lane = job.order.lane;
        match self.lanes.iter_mut().find(|(own, _)| *own == lane) {
            Some((_, jobs)) => jobs.push_back(job),
            None => self.lanes.push((lane, VecDeque::from([job]))),
        }
    }

    /// Puts jobs back that were taken: they are the next again, in their order.
    pub fn put_back(&mut self, jobs: Vec<Job>) {
        jobs.into_iter().rev().for_each(|job| {
            self.came(&job);
            self.first.push_front(job);
        });
    }

    /// Notes that a job came to wait.
    fn came(&mut self, job: &Job) {
        if let Some(line) = &mut self.line {
            line.arrived = Instant::now();
            self.weight += job.weight();
        }
    }

    /// Returns how many jobs wait.
    pub fn len(&self) -> usize {
        self.first.len() + self.later.len() + self.lanes.iter().map(|(_, jobs)| jobs.len()).sum::<usize>()
    }

    /// Returns about how many bytes what waits would have in a batch.
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// Takes what goes out in the next batch: jobs of one task, so many and of so many bytes at most, but at least one.
    pub fn next_of_one_task(&mut self, most: usize, bytes: u64) -> Vec<Job> {
        let mut jobs: Vec<Job> = self.next_if(|_| true).into_iter().collect();
        let Some(task) = jobs.first().map(|job| job.form.spec.task) else { return jobs };
        let mut sum = jobs[0].weight();
        while jobs.len() < most {
            let Some(job) = self.next_if(|job| job.form.spec.task == task && sum + job.weight() <= bytes) else {
                break;
            };
            sum += job.weight();
            jobs.push(job);
        }
        self.weight = self.weight.saturating_sub(sum);
        jobs
    }

    /// Lets a job go out again, not before a time.
    ///
    /// In batches nothing waits for a time: a batch takes longer.
    pub fn push_later(&mut self, job: Job, at: Instant) {
        if self.line.is_some() {
            return self.put_back(vec![job]);
        }
        self.count += 1;
        self.later.insert((at, self.count), job);
    }

    /// Waits at least so long before anything is sent.
    pub fn pause(&mut self, time: Duration, now: Instant) {
        self.pause = self.pause.max(Some(now + time));
    }

    /// Returns when the next of those that wait for a time is due.
    pub fn due(&self) -> Option<Instant> {
        self.later.first_key_value().map(|((at, _), _)| *at)
    }

    /// Returns whether nothing waits, not even for a time.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty() && self.later.is_empty() && self.lanes.iter().all(|(_, jobs)| jobs.is_empty())
    }

    /// Takes what goes out in the next attempt: one job, or several texts to embed.
    pub fn next(&mut self, now: Instant) -> Vec<Job> {
        let Some(job) = self.next_job(now) else { return Vec::new() };
        let mut batch = vec![job];
        if batch[0].alone || !batch[0].form.takes_many() {
            return batch;
        }
        let mut bytes = batch[0].order.request.bytes();
        while batch.len() < TEXTS {
            let form = &batch[0].form;
            let fits = |job: &Job| {
                !job.alone && Arc::ptr_eq(&job.form, form) && bytes + job.order.request.bytes() <= TEXT_BYTES
            };
            let Some(job) = self.next_if(fits) else { break };
            bytes += job.order.request.bytes();
            batch.push(job);
        }
        batch
    }

    fn next_job(&mut self, now: Instant) -> Option<Job> {
        if self.due().is_some_and(|at| at <= now) {
            return self.later.pop_first().map(|(_, job)| job);
        }
        self.next_if(|_| true)
    }

    /// Takes the next job if it suits: the lanes take turns.
    fn next_if(&mut self, suits: impl Fn(&Job) -> bool) -> Option<Job> {
        if let Some(job) = self.first.front() {
            return if suits(job) { self.first.pop_front() } else { None };
        }
        for step in 0..self.lanes.len() {
            let at = (self.turn + step) % self.lanes.len();
            let jobs = &mut self.lanes[at].1;
            if jobs.front().is_some_and(&suits) {
                self.turn = at + 1;
                return jobs.pop_front();
            }
        }
        None
    }

    /// Takes everything that waits.
    pub fn drain(&mut self) -> Vec<Job> {
        self.weight = 0;
        let mut jobs: Vec<Job> = self.first.drain(..).collect();
        jobs.extend(std::mem::take(&mut self.later).into_values());
        self.lanes.iter_mut().for_each(|(_, lane)| jobs.extend(lane.drain(..)));
        jobs
    }
}
