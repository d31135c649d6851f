//! Batches: many requests in one file, answered within a day for less money, as one more way to the same memo.
//!
//! `docs/design/models.md` has the life of a batch.

mod call;
mod flow;
mod news;
mod note;
mod survey;
mod trouble;
mod wire;

pub use survey::{Cancel, Noted, Wish, Word, survey};

use super::group::Job;
use super::ledger::Slip;
use super::wire::Outcome;
use crate::ask::{Response, Task};
use crate::hash::Hash;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::State;

/// When batches are closed and asked about.
#[derive(Clone, Copy, Debug)]
pub struct Batching {
    /// A batch is closed when nothing was ordered for so long,
    pub quiet: Duration,
    /// when it has so many requests,
    pub requests: usize,
    /// or when its file could have so many bytes.
    pub bytes: u64,
    /// How long after its creation a batch is first asked about; each further time takes half as long again,
    pub first: Duration,
    /// up to this.
    pub last: Duration,
    /// How long a batch may take until the endpoint's list has it.
    pub grace: Duration,
}

impl Default for Batching {
    fn default() -> Batching {
        Batching {
            quiet: Duration::from_secs(2),
            requests: 50_000,
            bytes: 190_000_000,
            first: Duration::from_secs(5),
            last: Duration::from_secs(60),
            grace: Duration::from_secs(30),
        }
    }
}

/// What goes on at endpoints without us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Afoot {
    pub batches: u64,
    /// Those without a result here.
    pub requests: u64,
    /// How many of them the endpoint was through with when it was last asked.
    pub done: u64,
}

impl std::iter::Sum for Afoot {
    fn sum<I: Iterator<Item = Afoot>>(all: I) -> Afoot {
        let add = |sum: Afoot, one: Afoot| Afoot {
            batches: sum.batches + one.batches,
            requests: sum.requests + one.requests,
            done: sum.done + one.done,
        };
        all.fold(Afoot::default(), add)
    }
}

/// What a group of a batched endpoint has beside other groups.
#[derive(Debug)]
pub(super) struct Line {
    /// The position of the first endpoint of the group.
    pub endpoint: usize,
    pub pace: Batching,
    /// When the last job came to wait.
    pub arrived: Instant,
    /// Requests of a batch at most: less than the pace says once the endpoint said so.
    most: usize,
    /// Whether anything came back in this process.
    reached: bool,
    batches: Vec<Batch>,
    /// Batches so far, for their numbers.
    count: u64,
}

/// One batch.
#[derive(Debug)]
struct Batch {
    /// What it is called here.
    number: u64,
    label: String,
    origin: Origin,
    task: Task,
    /// What the endpoint calls the uploaded file, and the batch.
    file: Option<String>,
    id: Option<String>,
    /// When the note was written: milliseconds since 1970; none: there is no note.
    noted: Option<u64>,
    /// Those without a result.
    entries: BTreeMap<Hash, Entry>,
    stage: Stage,
    /// What the endpoint said when the batch had ended.
    end: Option<State>,
    /// How many of its requests the endpoint was through with when it was last asked.
    done: u64,
    /// How often it was asked about.
    polls: u32,
    /// Exchanges in a row that came to nothing.
    trouble: u32,
    /// How often its creation was asked for.
    tries: u32,
    /// Answers that are being written down.
    keeping: usize,
}

/// Who made a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Here,
    /// An earlier process.
    Note,
}

/// One request of a batch.
#[derive(Debug)]
struct Entry {
    /// The limit of tokens that it was sent with.
    max_tokens: Option<u32>,
    /// The canonical form, where no job of ours may have it.
    canonical: Option<String>,
    /// What is reserved for it; an earlier process reserved for itself.
    slip: Option<Slip>,
    /// Who waits for it.
    job: Option<Job>,
}

/// Where a batch stands.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// The next step is due then.
    Due(Instant, Step),
    /// A step is under way.
    Busy(Step),
    /// All is read.
    Read,
    /// Nobody here waits for it any more; it goes on at the endpoint, and a later process takes it up.
    Left,
}

/// One exchange with the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Upload,
    Create,
    /// Look for a batch by its label: nobody knows whether it was created.
    Find,
    Poll,
    /// Read the file of answers.
    Answers,
    /// Read the file of errors.
    Errors,
}

/// What came back.
#[derive(Debug)]
pub(super) enum News {
    Uploaded(Result<String, Outcome>),
    Created(Result<State, Outcome>),
    Found(Result<Option<State>, Outcome>),
    Told(Result<State, Outcome>),
    Results(Vec<(Hash, Outcome)>),
    /// The whole file was read, or not.
    Read(Result<(), Outcome>),
    /// An answer outlives a loss of power, or could not be written.
    Kept(Kept),
}

/// An answer that is written down.
#[derive(Debug)]
pub(super) struct Kept {
    key: Hash,
    job: Option<Job>,
    response: Arc<Response>,
    result: Result<(), String>,
}

impl Line {
    /// Begins without batches.
    pub fn new(endpoint: usize, pace: Batching) -> Line {
        let most = pace.requests.max(1);
        Line { endpoint, pace, arrived: Instant::now(), most, reached: false, batches: Vec::new(), count: 0 }
    }

    fn batch(&mut self, number: u64) -> Option<&mut Batch> {
        self.batches.iter_mut().find(|batch| batch.number == number)
    }

    /// Returns what goes on at the endpoint.
    pub fn afoot(&self) -> Afoot {
        let alive = self.batches.iter().filter(|batch| batch.noted.is_some() && batch.end.is_none());
        let one = |batch: &Batch| {
            let requests = batch.entries.len() as u64;
            Afoot { batches: 1, requests, done: batch.done.min(requests) }
        };
        alive.map(one).sum()
    }
}

impl Batch {
    /// Takes all jobs that wait for it.
    fn take_jobs(&mut self) -> Vec<Job> {
        self.entries.values_mut().filter_map(|entry| entry.job.take()).collect()
    }

    /// Returns when it is asked about next.
    fn next_poll(&mut self, pace: &Batching) -> Duration {
        let factor = 1.5f64.powi(self.polls.min(30) as i32);
        self.polls += 1;
        pace.first.mul_f64(factor).min(pace.last)
    }

    /// Returns whether there is a note of it: then it may be at the endpoint.
    fn is_noted(&self) -> bool {
        self.noted.is_some()
    }
}
