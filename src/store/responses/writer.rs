//! Adding responses: one thread writes down what has come in, syncs once for all of it, and tells those who wait.

use super::index::Log;
use super::record::{BEFORE, MAGIC, Record, end_mark, fits};
use super::scan::Found;
use super::{Memo, index, sidecar};
use crate::hash::Hash;
use crate::store::StoreError;
use crate::store::disk::Append;
use crate::store::journal;
use crate::store::sync::lock;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::SystemTime;

/// Whoever adds waits while so much has not been written yet.
const MOST_WAITING: usize = 64 << 20;

/// A buffer that grew beyond this is given back.
const SPARE: usize = 1 << 20;

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

/// Records that are written together.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    /// Offsets are from the start of the batch.
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
        self.wake.notify_one();
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
        let mut own = Own::default();
        let mut batch = Batch::default();
        while self.take(&mut batch) {
            let written = own.write(memo, &mut batch);
            let count = batch.afters.len() as u64;
            for after in batch.afters.drain(..) {
                let answer = written.as_ref().copied().map_err(|(log, error)| told(memo, log, error));
                // A caller that panics must not keep the others waiting.
                let _ = catch_unwind(AssertUnwindSafe(|| after(answer)));
            }
            batch.records.clear();
            batch.bytes.clear();
            batch.bytes.shrink_to(SPARE);
            lock(&self.queue).settled += count;
            self.settled.notify_all();
        }
        own.finish();
        sidecar::write_missing(memo);
    }

    /// Waits for records, and takes those that there are; nothing if no more will come.
    fn take(&self, batch: &mut Batch) -> bool {
        let mut queue = lock(&self.queue);
        while queue.batch.afters.is_empty() {
            if matches!(queue.state, State::Ending(_)) {
                return false;
            }
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut queue.batch, batch);
        true
    }
}

impl Queue {
    /// Whether we are the thread that others wait for.
    fn is_own_thread(&self) -> bool {
        matches!(self.state, State::Running(thread) | State::Ending(thread) if thread == thread::current().id())
    }
}

/// The log of this process; there is none before the first record, and a new one after an error.
#[derive(Default)]
struct Own {
    open: Option<(Box<dyn Append>, Arc<Log>)>,
}

impl Own {
    /// Writes a batch and syncs it; then its records can be found.
    fn write(&mut self, memo: &Memo, batch: &mut Batch) -> Result<(), (String, io::Error)> {
        let (mut file, log) = match self.open.take() {
            Some(open) => open,
            None => {
                let name = memo.name_own(journal::name(journal::time_now()));
                let path = memo.folder.join(&name);
                let file = memo.disk.append(&path, MAGIC).map_err(|error| (name.clone(), error))?;
                let log = memo.index_mut().add_log(name, path);
                log.set_end(MAGIC.len() as u64);
                (file, log)
            }
        };
        if let Err(error) = file.append(&batch.bytes).and_then(|()| file.sync()) {
            // Its end may be torn, so nothing may follow there.
            log.finished.store(true, Ordering::Relaxed);
            return Err((log.name.clone(), error));
        }
        let start = log.end();
        let end = start + batch.bytes.len() as u64;
        log.set_synced(end);
        {
            let mut index = memo.index_mut();
            for found in &batch.records {
                index.add(&log, Found { offset: start + found.offset, ..*found });
            }
            log.set_end(end);
        }
        self.open = Some((file, log));
        Ok(())
    }

    /// Marks the end of the log: all before it is synced.
    fn finish(&mut self) {
        if let Some((mut file, log)) = self.open.take() {
            let mark = end_mark();
            // Without it, whoever uses the log syncs it once more.
            if file.append(&mark).is_ok() {
                log.set_end(log.end() + mark.len() as u64);
            }
            log.finished.store(true, Ordering::Relaxed);
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
