//! How fast an endpoint is asked: requests at once, requests and tokens per minute.

use std::time::{Duration, Instant};

/// Requests at once where the user says nothing.
pub(super) const UNDECLARED: u32 = 256;
/// Requests at once after the first answer.
const START: u32 = 64;
/// How much more has to come back for growth to go on.
const WORTH: f64 = 1.1;
/// How long a number that was found to be enough is kept before more is tried.
const KEPT: Duration = Duration::from_secs(10);

/// How a request ended, as far as pace is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The endpoint did its work.
    Served,
    /// The endpoint said that it is asked too much.
    Throttled,
    /// Anything else.
    Otherwise,
}

/// What the number of requests at once is doing.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// Nobody knows yet whether the endpoint is of use: as few as possible are sent.
    Probe { since: Option<Instant> },
    /// It doubles as long as more comes back; `before` was served at `best` per second.
    Grow { before: f64, best: f64 },
    /// More did not help.
    Hold { since: Instant },
    /// It was halved because the endpoint said so at `ceiling`, and creeps up.
    Creep { ceiling: f64 },
}

/// The number of requests at once that an endpoint gets.
#[derive(Debug)]
pub(super) struct Pace {
    cap: f64,
    start: f64,
    limit: f64,
    in_flight: u32,
    phase: Phase,
    cut: Option<Instant>,
    /// Since when the present round is measured, and what was served in it.
    round: (Instant, u32),
}

impl Pace {
    /// Begins with one request. `declared` is the most that the user allows.
    pub fn new(declared: Option<u32>, now: Instant) -> Pace {
        let cap = declared.unwrap_or(UNDECLARED).max(1);
        // Who declares a number knows the endpoint: half of it is tried at once.
        let start = declared.map_or(START, |declared| START.max(declared / 2)).min(cap);
        Pace {
            cap: f64::from(cap),
            start: f64::from(start),
            limit: 1.0,
            in_flight: 0,
            phase: Phase::Probe { since: None },
            cut: None,
            round: (now, 0),
        }
    }

    /// Returns how many more requests may be sent now.
    pub fn free(&self, now: Instant) -> u32 {
        (self.allowed(now) as u32).saturating_sub(self.in_flight)
    }

    fn allowed(&self, now: Instant) -> f64 {
        match self.phase {
            // Slow models need not be waited for one by one, and a stalled first request not for its whole time.
            Phase::Probe { since: Some(since) } => {
                let waited = now.saturating_duration_since(since).as_secs_f64();
                let more = if waited < 4.0 { 1.0 + (waited / 1.5).floor() } else { 2f64.powf((waited - 2.0).floor()) };
                more.min(self.start).min(self.cap)
            }
            _ => self.limit,
        }
    }

    /// Returns when more may be sent without an answer having come.
    pub fn opens(&self, now: Instant) -> Option<Instant> {
        matches!(self.phase, Phase::Probe { since: Some(_) }).then(|| now + Duration::from_millis(500))
    }

    /// Notes that a request goes out.
    pub fn sent(&mut self, now: Instant) {
        self.in_flight += 1;
        if let Phase::Probe { since: since @ None } = &mut self.phase {
            *since = Some(now);
        }
    }

    /// Notes that a request did not go out after all.
    pub fn unsent(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Notes that fewer requests were there than could have been sent: what comes back says nothing about the endpoint.
    pub fn starved(&mut self, now: Instant) {
        self.round = (now, 0);
    }

    /// Notes that a request that was sent at `sent` ended. Returns whether even one at a time is too much.
    pub fn ended(&mut self, ended: Ended, sent: Instant, now: Instant) -> bool {
        self.in_flight = self.in_flight.saturating_sub(1);
        match ended {
            Ended::Served => self.served(now),
            Ended::Throttled => return self.throttled(sent, now),
            Ended::Otherwise if self.in_flight == 0 => {
                // The next probe has its own time.
                if let Phase::Probe { since } = &mut self.phase {
                    *since = None;
                }
            }
            Ended::Otherwise => {}
        }
        false
    }

    /// Ends the probing: the endpoint is of use.
    pub fn open(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Probe { .. }) {
            self.limit = self.start;
            self.phase = Phase::Grow { before: self.start, best: 0.0 };
            self.round = (now, 0);
        }
    }

    fn served(&mut self, now: Instant) {
        self.round.1 += 1;
        match self.phase {
            Phase::Probe { .. } => self.open(now),
            Phase::Grow { before, best } if f64::from(self.round.1) >= self.limit && self.limit < self.cap => {
                let rate = f64::from(self.round.1) / (now - self.round.0).as_secs_f64().max(1e-6);
                if rate >= best * WORTH {
                    self.phase = Phase::Grow { before: self.limit, best: rate };
                    self.limit = (self.limit * 2.0).min(self.cap);
                } else {
                    self.limit = before;
                    self.phase = Phase::Hold { since: now };
                }
                self.round = (now, 0);
            }
            Phase::Grow { .. } => {}
            Phase::Hold { since } if now - since >= KEPT && f64::from(self.round.1) >= self.limit => {
                let rate = f64::from(self.round.1) / (now - self.round.0).as_secs_f64().max(1e-6);
                self.phase = Phase::Grow { before: self.limit, best: rate };
                self.limit = (self.limit * 2.0).min(self.cap);
                self.round = (now, 0);
            }
            Phase::Hold { .. } => {}
            Phase::Creep { ceiling } => {
                // Near where it was too much before, a quarter as fast.
                let near = ceiling >= 4.0 && (ceiling - 1.0..ceiling + 1.0).contains(&self.limit);
                let step = if near { 0.25 } else { (self.limit / 8.0).max(1.0) };
                self.limit = (self.limit + step / self.limit).min(self.cap);
            }
        }
    }

    fn throttled(&mut self, sent: Instant, now: Instant) -> bool {
        if self.cut.is_some_and(|cut| sent <= cut) {
            // It went out before the last cut: the endpoint has not seen yet that there was one.
            return false;
        }
        let at = match self.phase {
            Phase::Probe { .. } => 1.0,
            _ => self.limit,
        };
        self.cut = Some(now);
        self.limit = (at / 2.0).floor().max(1.0);
        self.phase = Phase::Creep { ceiling: at };
        self.round = (now, 0);
        at < 2.0
    }
}

/// So many of something per minute, saved up for a tenth of a second: no minute has more, wherever it begins.
#[derive(Debug)]
pub(super) struct Bucket {
    per_second: f64,
    room: f64,
    level: f64,
    at: Instant,
}

impl Bucket {
    /// Begins full.
    pub fn new(per_minute: u64, now: Instant) -> Bucket {
        let per_second = per_minute.max(1) as f64 / 60.0 * 0.995;
        let room = (per_second / 10.0).max(1.0);
        Bucket { per_second, room, level: room, at: now }
    }

    /// Returns when so many may be taken; none: now. More than fits is allowed when the bucket is full, and owed afterwards.
    pub fn wait(&mut self, amount: f64, now: Instant) -> Option<Instant> {
        self.level = (self.level + (now - self.at).as_secs_f64() * self.per_second).min(self.room);
        self.at = now;
        let missing = amount.min(self.room) - self.level;
        (missing > 1e-6).then(|| now + Duration::from_secs_f64(missing / self.per_second))
    }

    /// Takes so many; a negative number gives back.
    pub fn take(&mut self, amount: f64) {
        self.level = (self.level - amount).min(self.room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Serves in rounds of 50 ms, no more than `most` in each.
    fn rounds(pace: &mut Pace, from: Instant, most: u32, count: u32) -> Vec<u32> {
        let mut widths = Vec::new();
        for round in 0..count {
            let sent = from + Duration::from_millis(u64::from(round) * 50);
            let width = pace.free(sent);
            (0..width).for_each(|_| pace.sent(sent));
            // A server that has enough to do takes longer for more.
            let time = Duration::from_millis(50).mul_f64((f64::from(width) / f64::from(most)).max(1.0));
            (0..width).for_each(|_| _ = pace.ended(Ended::Served, sent, sent + time));
            widths.push(width);
        }
        widths
    }

    #[test]
    fn one_request_goes_first_then_the_number_doubles_while_that_helps() {
        let now = Instant::now();
        assert_eq!(rounds(&mut Pace::new(None, now), now, 10_000, 5), [1, 64, 128, 256, 256]);
        assert_eq!(rounds(&mut Pace::new(Some(100), now), now, 10_000, 4), [1, 64, 100, 100]);
        assert_eq!(rounds(&mut Pace::new(Some(8), now), now, 10_000, 3), [1, 8, 8]);
        assert_eq!(rounds(&mut Pace::new(Some(1000), now), now, 10_000, 4), [1, 500, 1000, 1000]);
    }

    #[test]
    fn it_stays_where_more_stops_helping() {
        let now = Instant::now();
        assert_eq!(rounds(&mut Pace::new(None, now), now, 64, 5), [1, 64, 128, 64, 64]);
    }

    #[test]
    fn it_halves_once_for_all_that_was_on_its_way() {
        let now = Instant::now();
        let mut pace = Pace::new(None, now);
        rounds(&mut pace, now, 10_000, 2);
        let sent = now + Duration::from_secs(1);
        (0..128).for_each(|_| pace.sent(sent));
        let back = sent + Duration::from_millis(5);
        (0..100).for_each(|_| assert!(!pace.ended(Ended::Throttled, sent, back)));
        assert_eq!(pace.free(back), 64 - 28);
        (0..28).for_each(|_| assert!(!pace.ended(Ended::Served, sent, back)));
        assert!(pace.free(back) >= 64);
    }

    #[test]
    fn a_bucket_lets_through_what_it_says() {
        let now = Instant::now();
        let mut bucket = Bucket::new(600, now);
        let mut at = now;
        let mut taken = 0;
        while at - now < Duration::from_secs(60) {
            match bucket.wait(1.0, at) {
                None => {
                    bucket.take(1.0);
                    taken += 1;
                }
                Some(then) => at = then,
            }
        }
        assert!((590..=600).contains(&taken), "{taken}");
    }
}
