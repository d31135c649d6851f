//! Adding responses: one thread writes down what has come in and tells those who wait, once another has synced it.
//!
//! Both go on at the same time, and one sync is for all that was written before it. What is written is lost only with the
//! machine, no more with the process; so what comes in while a sync takes its time is written within a moment all the same.

use super::index::Log;
use super::record::{BEFORE, MAGIC, Record, end_mark, fits};
use super::scan::Found;
use super::{Memo, index, sidecar};
use crate::hash::Hash;
use crate::store::StoreError;
use crate::store::disk::{Append, Syncing};
use crate::store::journal;
use crate::store::sync::lock;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant, SystemTime};

/// Whoever adds waits while so much has not been written yet.
const MOST_WAITING: usize = 64 << 20;

/// A buffer that grew beyond this is given back.
const SPARE: usize = 1 << 20;

/// While a sync goes on, what comes in gathers so long before it is written.
const GATHER: Duration = Duration::from_millis(1);

/// What is called when a record is durable or cannot be written.
type After = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Where records wait to be written.
#[derive(Default)]
pub(super) struct Writer {
    queue: Mutex<Queue>,
    /// Something came in, or no more will.
    wake: Condvar,
    /// Something was settled.
    settled: Condvar,
    /// The time of the last record.
    clock: AtomicU64,
}

#[derive(Default)]
struct Queue {
    batch: Batch,
    added: u64,
    settled: u64,
    state: State,
    /// How a sync of the other thread ended.
    synced: Option<io::Result<()>>,
}

/// What the thread is doing.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    NotStarted,
    Running(ThreadId),
    /// It ends when all is written.
    Ending(ThreadId),
}

/// Records that are written, or synced, together.
#[derive(Default)]
struct Batch {
    /// Empty once they are written.
    bytes: Vec<u8>,
    /// Offsets are from the start of the batch; once they are written, from that of the log.
    records: Vec<Found>,
    afters: Vec<After>,
}

impl Writer {
    /// Adds a record to the batch that is written next. Returns the thread if this made it.
    pub(super) fn add(
        self: &Arc<Self>,
        memo: &Arc<Memo>,
        key: Hash,
        body: &[u8],
        after: After,
    ) -> Option<JoinHandle<()>> {
        if !fits(body) {
            after(Err(StoreError::io("record a response in", &memo.folder, ErrorKind::FileTooLarge.into())));
            return None;
        }
        let mut record = Vec::with_capacity(BEFORE + body.len());
        Record { key, time: self.tick(), body }.put(&mut record);
        let mut queue = lock(&self.queue);
        while queue.batch.bytes.len() >= MOST_WAITING && !queue.is_own_thread() {
            queue = self.settled.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        let mut made = None;
        if queue.state == State::NotStarted {
            let (writer, shared) = (self.clone(), memo.clone());
            match thread::Builder::new().name("responses".to_owned()).spawn(move || writer.run(&shared)) {
                Ok(thread) => {
                    queue.state = State::Running(thread.thread().id());
                    made = Some(thread);
                }
                Err(error) => {
                    drop(queue);
                    after(Err(StoreError::io("start the thread that writes", &memo.folder, error)));
                    return None;
                }
            }
        }
        let batch = &mut queue.batch;
        let offset = batch.bytes.len() as u64;
        batch.records.push(Found { head: index::head(&key), offset, length: record.len() as u32 });
        batch.bytes.extend_from_slice(&record);
        batch.afters.push(after);
        queue.added += 1;
        if queue.batch.afters.len() == 1 {
            self.wake.notify_one();
        }
        made
    }

    /// Waits until all that was added so far is settled, and everybody was told.
    pub(super) fn wait(&self) {
        let mut queue = lock(&self.queue);
        let added = queue.added;
        while queue.settled < added && !queue.is_own_thread() {
            queue = self.settled.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Says that nothing more will be added.
    pub(super) fn end(&self) {
        let mut queue = lock(&self.queue);
        if let State::Running(thread) = queue.state {
            queue.state = State::Ending(thread);
        }
        self.wake.notify_one();
    }

    /// Returns a time later than all before it.
    fn tick(&self) -> u64 {
        let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64);
        let next = |last: u64| Some(now.max(last + 1));
        let last = self.clock.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        now.max(last.unwrap_or(0) + 1)
    }

    fn run(&self, memo: &Memo) {
        thread::scope(|scope| {
            let (jobs, incoming) = channel();
            let spawned = thread::Builder::new()
                .name("responses-sync".to_owned())
                .spawn_scoped(scope, move || self.sync_all(&incoming));
            let mut log =
                Writing { memo, writer: self, own: None, written: Batch::default(), syncing: Batch::default() };
            log.run(spawned.is_ok().then_some(jobs));
        });
        sidecar::write_missing(memo);
    }

    /// Syncs whatever comes.
    fn sync_all(&self, incoming: &Receiver<Syncing>) {
        for sync in incoming {
            let result = sync();
            lock(&self.queue).synced = Some(result);
            self.wake.notify_all();
        }
    }

    /// Waits for something to do; nothing if no more will come. `is_syncing`: the other thread is at it.
    fn next(&self, batch: &mut Batch, is_syncing: bool) -> Option<Option<io::Result<()>>> {
        let mut queue = lock(&self.queue);
        let mut gathers = is_syncing.then_some(GATHER);
        loop {
            if queue.synced.is_some() || gathers.is_none() && !queue.batch.afters.is_empty() {
                std::mem::swap(&mut queue.batch, batch);
                return Some(queue.synced.take());
            }
            if let Some(time) = gathers.filter(|_| !queue.batch.afters.is_empty()) {
                let begun = Instant::now();
                queue = self.wake.wait_timeout(queue, time).unwrap_or_else(PoisonError::into_inner).0;
                gathers = time.checked_sub(begun.elapsed());
                continue;
            }
            if !is_syncing && matches!(queue.state, State::Ending(_)) {
                return None;
            }
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for the sync of the other thread.
    fn synced(&self) -> io::Result<()> {
        let mut queue = lock(&self.queue);
        loop {
            match queue.synced.take() {
                Some(result) => return result,
                None => queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Tells all who wait for the records of a batch what became of them, and empties it.
    fn tell(&self, memo: &Memo, batch: &mut Batch, outcome: Result<(), (&str, &io::Error)>) {
        let count = batch.afters.len() as u64;
        for after in batch.afters.drain(..) {
            let answer = outcome.map_err(|(log, error)| told(memo, log, error));
            // A caller that panics must not keep the others waiting.
            let _ = catch_unwind(AssertUnwindSafe(|| after(answer)));
        }
        batch.records.clear();
        batch.bytes.clear();
        batch.bytes.shrink_to(SPARE);
        lock(&self.queue).settled += count;
        self.settled.notify_all();
    }
}

impl Queue {
    /// Whether we are the thread that others wait for.
    fn is_own_thread(&self) -> bool {
        matches!(self.state, State::Running(thread) | State::Ending(thread) if thread == thread::current().id())
    }
}

/// The log of this process.
struct Own {
    file: Box<dyn Append>,
    log: Arc<Log>,
    /// Up to where it is written.
    end: u64,
}

/// What the thread that writes is at.
struct Writing<'a> {
    memo: &'a Memo,
    writer: &'a Writer,
    /// There is none before the first record, and a new one after an error.
    own: Option<Own>,
    /// Is in the log, and waits for the next sync.
    written: Batch,
    /// Is in the log, and is being synced.
    syncing: Batch,
}

impl Writing<'_> {
    /// Writes all that comes in until no more will. `syncer`: where another thread takes what is to be synced.
    fn run(&mut self, syncer: Option<Sender<Syncing>>) {
        let mut batch = Batch::default();
        let mut is_syncing = false;
        while let Some(synced) = self.writer.next(&mut batch, is_syncing) {
            if let Some(result) = synced {
                is_syncing = false;
                self.settle(result);
            }
            if !batch.afters.is_empty()
                && let Err((log, error)) = self.append(&mut batch)
            {
                self.writer.tell(self.memo, &mut batch, Err((&log, &error)));
                // Nothing may follow a torn end, but what comes before it is good.
                if std::mem::take(&mut is_syncing) {
                    let result = self.writer.synced();
                    self.settle(result);
                }
                self.sync(None);
                self.abandon();
            }
            if !is_syncing {
                is_syncing = self.sync(syncer.as_ref());
            }
        }
        self.finish();
    }

    /// Appends a batch to the log; it waits for a sync then.
    fn append(&mut self, batch: &mut Batch) -> Result<(), (String, io::Error)> {
        let own = match &mut self.own {
            Some(own) => own,
            none => {
                let name = self.memo.name_own(journal::name(journal::time_now()));
                let path = self.memo.folder.join(&name);
                let file = self.memo.disk.append(&path, MAGIC).map_err(|error| (name.clone(), error))?;
                let log = self.memo.index_mut().add_log(name, path);
                let end = MAGIC.len() as u64;
                log.set_end(end);
                none.insert(Own { file, log, end })
            }
        };
        own.file.append(&batch.bytes).map_err(|error| (own.log.name.clone(), error))?;
        let start = own.end;
        own.end += batch.bytes.len() as u64;
        self.written
            .records
            .extend(batch.records.drain(..).map(|found| Found { offset: start + found.offset, ..found }));
        self.written.afters.append(&mut batch.afters);
        batch.bytes.clear();
        batch.bytes.shrink_to(SPARE);
        Ok(())
    }

    /// Syncs what is written; returns whether another thread is at it now.
    fn sync(&mut self, syncer: Option<&Sender<Syncing>>) -> bool {
        let Some(own) = self.own.as_mut().filter(|_| !self.written.afters.is_empty()) else { return false };
        std::mem::swap(&mut self.written, &mut self.syncing);
        let here = match (own.file.syncing(), syncer) {
            (Ok(sync), Some(syncer)) => match syncer.send(sync) {
                Ok(()) => return true,
                Err(back) => (back.0)(),
            },
            (Ok(sync), None) => sync(),
            (Err(error), _) => Err(error),
        };
        self.settle(here);
        false
    }

    /// Takes in how the sync of `syncing` ended.
    fn settle(&mut self, result: io::Result<()>) {
        let Some(own) = &self.own else { return };
        match result {
            Ok(()) => {
                let end = self.syncing.records.last().map_or(0, |last| last.offset + u64::from(last.length));
                own.log.set_synced(end);
                {
                    let mut index = self.memo.index_mut();
                    self.syncing.records.iter().for_each(|found| index.add(&own.log, *found));
                    own.log.set_end(end);
                }
                self.writer.tell(self.memo, &mut self.syncing, Ok(()));
            }
            Err(error) => {
                // A later sync may say that all is well, and what this one was for is lost nevertheless.
                let name = own.log.name.clone();
                self.abandon();
                for batch in [&mut self.syncing, &mut self.written] {
                    self.writer.tell(self.memo, batch, Err((&name, &error)));
                }
            }
        }
    }

    /// Leaves the log: the next record begins a new one.
    fn abandon(&mut self) {
        if let Some(own) = self.own.take() {
            own.log.finished.store(true, Ordering::Relaxed);
        }
    }

    /// Marks the end of the log: all before it is synced.
    fn finish(&mut self) {
        if let Some(mut own) = self.own.take() {
            let mark = end_mark();
            // Without it, whoever uses the log syncs it once more.
            if own.file.append(&mark).is_ok() {
                own.log.set_end(own.log.end() + mark.len() as u64);
            }
            own.log.finished.store(true, Ordering::Relaxed);
        }
    }
}

/// Says the same error to one more caller.
fn told(memo: &Memo, log: &str, error: &io::Error) -> StoreError {
    let copy = match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    };
    StoreError::io("write", &memo.folder.join(log), copy)
}
