//! What follows from how an attempt ended: an answer is recorded, another attempt is made, or somebody is told why not.

use super::dispatch::{Dispatcher, Flight, cost, lock};
use super::group::Job;
use super::pace::Ended;
use super::retry::backoff;
use super::wire::{Billed, Outcome};
use super::{Delivery, Endpoint, problem};
use crate::ask::{Failure, FailureKind, Response, Usage};
use crate::diag::Diagnostic;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// An endpoint that asks to wait longer is given up: it is out of quota, rather than out of breath.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);
/// Requests that may be rejected for the same reason before any is answered.
const REJECTIONS: usize = 3;
/// Requests in a row that an endpoint which has answered before may forbid, or not find, before it is of no use.
const FORBIDDEN: u32 = 10;
/// Requests that may come to nothing before any is answered.
const HOPELESS: u32 = 20;
/// How often a connection is tried before the first answer, and how often if each try takes its whole time.
const CONNECTIONS: u32 = 5;
const SLOW_CONNECTIONS: u32 = 2;
/// How long a connection is tried after the endpoint has answered before: servers are started again.
const RESTART: Duration = Duration::from_secs(60);
/// How often a request goes out for each of its attempts, if the endpoint only wants others to go first.
const TURNED_AWAY: u32 = 10;

impl Dispatcher {
    /// Takes in how an attempt ended.
    pub(super) fn ended(&mut self, flight: Flight, outcome: Outcome) {
        let now = Instant::now();
        let Flight { group: at, jobs, slip, sent, tokens } = flight;
        let endpoint = self.shared.endpoints[jobs[0].form.spec.endpoint].clone();
        let ended = match &outcome {
            Outcome::Answered(_) => Ended::Served,
            Outcome::Throttled { .. } => Ended::Throttled,
            _ => Ended::Otherwise,
        };
        let group = &mut self.groups[at];
        let too_much = group.pace.ended(ended, sent, now);
        let usage = usage_of(&outcome);
        if let Spent::Tokens(usage) = usage {
            let total = (usage.input + usage.output) as f64;
            group.give_back(0.0, tokens - total);
            group.output += (usage.output as f64 / jobs.len() as f64 - group.output) / 16.0;
        }
        {
            let mut ledger = lock(&self.shared.ledger);
            match usage {
                Spent::Tokens(usage) => ledger.settle(slip, cost(&endpoint, usage)),
                Spent::Unknown => ledger.settle(slip, None),
                Spent::Nothing if matches!(outcome, Outcome::Unreachable { .. }) => ledger.cancel(slip),
                Spent::Nothing => ledger.settle(slip, Some(0)),
            }
        }
        self.groups.iter_mut().for_each(|group| group.blocked = false);
        self.note_traffic(&endpoint, &jobs, usage, &outcome);
        match outcome {
            Outcome::Answered(answers) if answers.len() == jobs.len() => self.answered(at, jobs, answers),
            // One of them was withheld, and nobody says which.
            Outcome::Answered(_) => self.one_by_one(at, jobs),
            Outcome::Throttled { why, wait } => self.throttled(at, &endpoint, jobs, &why, wait, too_much, now),
            Outcome::Again { why, wait, .. } => self.again_later(at, &endpoint, jobs, &why, wait, now),
            Outcome::Rejected { why } => self.rejected(at, &endpoint, jobs, &why, now),
            // One that answers otherwise has a proxy in front of it, perhaps, that was out of sorts for a moment.
            Outcome::Useless { status: Some(300..400), why } if self.groups[at].answered > 0 => {
                self.again_later(at, &endpoint, jobs, &why, None, now);
            }
            Outcome::Useless { status, why } => self.denied(at, &endpoint, jobs, (status, &why), now),
            Outcome::Unreachable { why } => self.unreachable(at, &endpoint, jobs, &why, sent, now),
        }
    }

    pub(super) fn note_traffic(&self, endpoint: &Endpoint, jobs: &[Job], spent: Spent, outcome: &Outcome) {
        if matches!(outcome, Outcome::Unreachable { .. }) {
            return;
        }
        let mut traffic = lock(&self.shared.traffic);
        for (place, job) in jobs.iter().enumerate() {
            let lane = traffic.entry(job.order.lane).or_default();
            lane.requests += u64::from(place == 0);
            lane.retried += u64::from(place == 0 && job.sends > 1);
            lane.answers += u64::from(matches!(outcome, Outcome::Answered(answers) if answers.len() == jobs.len()));
        }
        let shares = match spent {
            Spent::Nothing => return,
            Spent::Unknown => {
                traffic.entry(jobs[0].order.lane).or_default().unpriced += 1;
                return;
            }
            Spent::Tokens(usage) => shares(usage, jobs),
        };
        if endpoint.price.is_none() {
            traffic.entry(jobs[0].order.lane).or_default().unpriced += 1;
        }
        for (job, usage) in jobs.iter().zip(shares) {
            let lane = traffic.entry(job.order.lane).or_default();
            lane.usage += usage;
            lane.money += endpoint.price.map_or(0.0, |price| price.of(usage));
        }
    }

    fn answered(&mut self, at: usize, jobs: Vec<Job>, answers: Vec<Response>) {
        let group = &mut self.groups[at];
        group.answered += 1;
        group.forbidden = 0;
        group.throttles = 0;
        group.unreachable = None;
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let total = answers[0].usage;
        let shares: Vec<Option<Usage>> = match total {
            Some(total) => shares(total, &jobs).into_iter().map(Some).collect(),
            None => vec![None; jobs.len()],
        };
        for ((job, answer), usage) in jobs.into_iter().zip(answers).zip(shares) {
            let (max_tokens, attempts) = (job.form.spec.max_tokens, job.sends);
            self.record(job, Response { usage, max_tokens, time, attempts, ..answer });
        }
    }

    /// Lets texts that went out together go out again, each by itself.
    fn one_by_one(&mut self, at: usize, jobs: Vec<Job>) {
        let alone = |mut job: Job| {
            job.alone = true;
            job
        };
        self.groups[at].put_back(jobs.into_iter().map(alone).collect());
    }

    #[expect(clippy::too_many_arguments, reason = "each is one fact of how the attempt ended")]
    fn throttled(
        &mut self,
        at: usize,
        endpoint: &Endpoint,
        jobs: Vec<Job>,
        why: &str,
        wait: Option<Duration>,
        too_much: bool,
        now: Instant,
    ) {
        if self.waits_too_long(at, endpoint, wait, why) {
            return self.closed_now(at, jobs);
        }
        let group = &mut self.groups[at];
        if let Some(wait) = wait {
            group.pause(wait, now);
        } else if too_much {
            group.throttles += 1;
            group.pause(backoff(group.throttles, group.answered), now);
        }
        let answered = group.answered;
        for mut job in jobs {
            // While others are served it only has to wait for its turn.
            let in_line = job.seen != Some(answered) && job.sends < endpoint.attempts.saturating_mul(TURNED_AWAY);
            job.seen = Some(answered);
            job.failures += u32::from(!in_line || endpoint.attempts <= 1);
            self.retry(at, endpoint, job, why, wait, now);
        }
    }

    fn again_later(
        &mut self,
        at: usize,
        endpoint: &Endpoint,
        jobs: Vec<Job>,
        why: &str,
        wait: Option<Duration>,
        now: Instant,
    ) {
        if self.waits_too_long(at, endpoint, wait, why) {
            return self.closed_now(at, jobs);
        }
        if let Some(wait) = wait {
            self.groups[at].pause(wait, now);
        }
        for mut job in jobs {
            job.failures += 1;
            self.retry(at, endpoint, job, why, wait, now);
        }
    }

    fn waits_too_long(&mut self, at: usize, endpoint: &Endpoint, wait: Option<Duration>, why: &str) -> bool {
        let group = &mut self.groups[at];
        if let Some(wait) = wait.filter(|wait| *wait > PATIENCE) {
            group.broken.get_or_insert_with(|| problem::long_wait(endpoint, &group.place, wait, why));
            return true;
        }
        false
    }

    /// Lets a job go out again, if it has an attempt left.
    pub(super) fn retry(
        &mut self,
        at: usize,
        endpoint: &Endpoint,
        job: Job,
        why: &str,
        wait: Option<Duration>,
        now: Instant,
    ) {
        if self.stopped {
            return self.finish(job, Delivery::Stopped);
        }
        if job.failures < endpoint.attempts.max(1) {
            let salt = job.key.head() ^ u64::from(job.sends);
            let pause = backoff(job.failures.max(1), salt).max(wait.unwrap_or_default());
            self.groups[at].push_later(job, now + pause);
            return;
        }
        let group = &mut self.groups[at];
        group.given_up += 1;
        if group.answered == 0 && group.given_up >= HOPELESS {
            let problem = problem::never_answered(endpoint, &group.place, group.given_up, why);
            group.broken.get_or_insert(problem);
        }
        let failure = failure(&job, FailureKind::Transport, why);
        self.finish(job, Delivery::Failed(failure));
    }

    pub(super) fn rejected(&mut self, at: usize, endpoint: &Endpoint, jobs: Vec<Job>, why: &str, now: Instant) {
        if jobs.len() > 1 {
            return self.one_by_one(at, jobs);
        }
        let group = &mut self.groups[at];
        if group.answered == 0 && group.rejections.len() < REJECTIONS {
            // Lengths and positions differ where the reason is the same.
            group.rejections.push(why.chars().filter(|c| !c.is_ascii_digit()).collect());
            if group.rejections.len() == REJECTIONS {
                if group.rejections.iter().all(|one| *one == group.rejections[0]) {
                    let problem = problem::all_rejected(endpoint, REJECTIONS as u32, why);
                    return self.break_off(at, jobs, problem);
                }
                group.pace.open(now);
            }
        }
        for job in jobs {
            let failure = failure(&job, FailureKind::Rejected, why);
            self.finish(job, Delivery::Failed(failure));
        }
    }

    /// Takes in that the endpoint will have none of this. After it has answered, that may be about these requests alone (one
    /// that a moderation forbids), until it says so again and again; a key or an account that it refuses is about all.
    pub(super) fn denied(
        &mut self,
        at: usize,
        endpoint: &Endpoint,
        jobs: Vec<Job>,
        (status, why): (Option<u16>, &str),
        now: Instant,
    ) {
        let group = &mut self.groups[at];
        let before = group.forbidden;
        if group.answered > 0 && matches!(status, Some(403..=405)) {
            group.forbidden += 1;
            if group.forbidden < FORBIDDEN {
                return self.rejected(at, endpoint, jobs, why, now);
            }
        }
        let key = group.key.as_ref().map(|key| key.variable.as_str());
        let mut problem = problem::useless(endpoint, &group.place, key, status, why);
        if before > 0 {
            problem =
                problem.note(format!("{} requests in a row ended like this, after others were answered", before + 1));
        }
        self.break_off(at, jobs, problem);
    }

    fn unreachable(
        &mut self,
        at: usize,
        endpoint: &Endpoint,
        mut jobs: Vec<Job>,
        why: &str,
        sent: Instant,
        now: Instant,
    ) {
        jobs.iter_mut().for_each(|job| job.sends -= 1);
        let group = &mut self.groups[at];
        let (mut count, since, last) = group.unreachable.unwrap_or((0, now, now));
        // What was on its way together failed together.
        if count == 0 || sent >= last {
            count += 1;
        }
        group.unreachable = Some((count, since, now));
        let slow = why.contains("timed out");
        let given_up = match group.answered {
            0 => count >= if slow { SLOW_CONNECTIONS } else { CONNECTIONS },
            _ => now - since >= RESTART,
        };
        if given_up {
            let problem = problem::unreachable(endpoint, &group.place, why);
            return self.break_off(at, jobs, problem);
        }
        let most = if group.answered == 0 { Duration::from_secs(1) } else { Duration::from_secs(8) };
        group.pause((Duration::from_millis(100) * (1 << count.min(10))).min(most), now);
        group.put_back(jobs);
    }

    /// Sends nothing more to a group.
    pub(super) fn break_off(&mut self, at: usize, jobs: Vec<Job>, problem: Diagnostic) {
        self.groups[at].broken.get_or_insert(problem);
        self.closed_now(at, jobs);
    }

    /// Delivers why the group of these is closed; all others that wait are told when the groups are looked through.
    fn closed_now(&mut self, at: usize, jobs: Vec<Job>) {
        let problem = self.groups[at].broken.clone().expect("it was broken off just now");
        jobs.into_iter().for_each(|job| self.finish(job, Delivery::Unusable(problem.clone())));
    }
}

/// What an attempt cost.
#[derive(Clone, Copy, Debug)]
pub(super) enum Spent {
    Nothing,
    Tokens(Usage),
    /// Perhaps the worst.
    Unknown,
}

pub(super) fn usage_of(outcome: &Outcome) -> Spent {
    match outcome {
        Outcome::Answered(answers) => {
            answers.first().and_then(|answer| answer.usage).map_or(Spent::Unknown, Spent::Tokens)
        }
        Outcome::Again { billed: Billed::Perhaps, .. } => Spent::Unknown,
        _ => Spent::Nothing,
    }
}

fn failure(job: &Job, kind: FailureKind, why: &str) -> Failure {
    Failure { kind, detail: why.to_owned(), request: job.key, attempts: job.sends, reply: None, tokens: None }
}

/// Shares out what an attempt took among its requests, by their bytes; nothing is lost in rounding.
fn shares(total: Usage, jobs: &[Job]) -> Vec<Usage> {
    let all: u64 = jobs.iter().map(|job| job.order.request.bytes()).sum::<u64>().max(1);
    let (mut bytes, mut given) = (0u64, Usage::default());
    let share = |job: &Job| {
        bytes += job.order.request.bytes();
        let part = |total: u64| (u128::from(total) * u128::from(bytes) / u128::from(all)) as u64;
        let upto = Usage { input: part(total.input), output: part(total.output) };
        let own = Usage { input: upto.input - given.input, output: upto.output - given.output };
        given = upto;
        own
    };
    let mut shares: Vec<Usage> = jobs.iter().map(share).collect();
    if let Some(last) = shares.last_mut() {
        last.input += total.input - given.input;
        last.output += total.output - given.output;
    }
    shares
}
