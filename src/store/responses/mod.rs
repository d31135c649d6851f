//! What models answered: records under the hashes of their requests, in append-only logs that are synced before anybody uses
//! what is in them, and that nothing ever removes.
//!
//! In memory there is only where each record lies. `docs/format.md` has the bytes, `docs/design/store.md` the figures.

mod index;
mod notes;
mod reader;
mod record;
mod scan;
mod sidecar;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

use super::disk::{Claim, Claims, Disk};
use super::error::StoreError;
use super::sync::{lock, read, write};
use crate::hash::Hash;
use index::{Entry, Index, Log};
use reader::Reader;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock, RwLockWriteGuard};
use std::thread::{self, JoinHandle};
use writer::Writer;

/// The folder of the files of which bytes are claimed.
const CLAIMS: &str = "claimed";
/// How many there are. Systems look through all claims of a file for each new one: 50,000 claims of one file take a minute, of 32 files
/// some seconds.
const CLAIM_FILES: u64 = 32;

/// What is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseStats {
    pub responses: u64,
    /// On disk.
    pub bytes: u64,
}

/// The responses of a store; shared by threads, and by processes as a folder of logs.
pub struct Responses {
    memo: Arc<Memo>,
    writer: Arc<Writer>,
    thread: Mutex<Option<JoinHandle<()>>>,
    reader: Mutex<Reader>,
    loaded: AtomicBool,
    /// By the number of the file.
    claims: Mutex<BTreeMap<u64, Arc<dyn Claims>>>,
}

/// What the thread that writes shares with those who ask.
struct Memo {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    index: RwLock<Index>,
    /// The logs that were begun here; more than one only if a write failed.
    own: Mutex<Vec<String>>,
}

/// A record that was read and checked.
struct Recorded {
    key: Hash,
    time: u64,
    whole: Vec<u8>,
    log: Arc<Log>,
    offset: u64,
}

impl std::fmt::Debug for Responses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Responses").field("folder", &self.memo.folder).finish_non_exhaustive()
    }
}

impl Responses {
    /// Names the responses in `folder`, which need not be there. Nothing is read before the first look-up.
    pub fn open(disk: Arc<dyn Disk>, folder: &Path) -> Responses {
        let memo = Memo { disk, folder: folder.to_owned(), index: RwLock::default(), own: Mutex::default() };
        Responses {
            memo: Arc::new(memo),
            writer: Arc::default(),
            thread: Mutex::default(),
            reader: Mutex::default(),
            loaded: AtomicBool::new(false),
            claims: Mutex::default(),
        }
    }

    /// Finds a record under `key`: the newest that `accept` accepts.
    ///
    /// What was added here is found once it is durable, what others added once [`Responses::refresh`] has seen it. A damaged
    /// record counts as none.
    pub fn find<T>(&self, key: &Hash, mut accept: impl FnMut(&[u8]) -> Option<T>) -> Result<Option<T>, StoreError> {
        if !self.loaded.load(Ordering::Acquire) {
            self.refresh()?;
        }
        let places = read(&self.memo.index).of(key);
        let mut records = self.memo.read_all(places)?;
        records.retain(|record| record.key == *key);
        Ok(records.iter().rev().find_map(|record| accept(record.body())))
    }

    /// Adds a record. `after` is called, on another thread perhaps, once it would outlive a loss of power, or cannot be written.
    ///
    /// Waits a moment if more has come in than memory should hold.
    pub fn add(&self, key: Hash, body: &[u8], after: impl FnOnce(Result<(), StoreError>) + Send + 'static) {
        if let Some(thread) = self.writer.add(&self.memo, key, body, Box::new(after)) {
            *lock(&self.thread) = Some(thread);
        }
    }

    /// Waits until all that was added so far is durable, or could not be written, and everybody was told so.
    pub fn sync(&self) {
        self.writer.wait();
    }

    /// Claims the sending of a request among all processes that share the store. A claim ends with its process.
    ///
    /// Whoever gets one looks whether the request is answered by now, and [`Responses::release`]s it in the end.
    pub fn claim(&self, key: &Hash) -> Result<Claim, StoreError> {
        let (file, at) = place(key);
        let path = self.memo.folder.join(CLAIMS).join(format!("{file:02}"));
        let failed = |error| StoreError::io("lock", &path, error);
        let claims = {
            let mut open = lock(&self.claims);
            match open.get(&file) {
                Some(claims) => claims.clone(),
                None => {
                    let claims: Arc<dyn Claims> = self.memo.disk.claims(&path).map_err(failed)?.into();
                    open.insert(file, claims.clone());
                    claims
                }
            }
        };
        claims.claim(at).map_err(failed)
    }

    /// Ends a claim.
    pub fn release(&self, key: &Hash) {
        let (file, at) = place(key);
        let claims = lock(&self.claims).get(&file).cloned();
        if let Some(claims) = claims {
            // It ends with the process in any case.
            let _ = claims.release(at);
        }
    }

    /// Picks up what other processes added since the last look. Cheap where nobody did.
    pub fn refresh(&self) -> Result<(), StoreError> {
        lock(&self.reader).refresh(&self.memo)?;
        self.loaded.store(true, Ordering::Release);
        Ok(())
    }

    /// Calls `each` with every record, by key and then from old to new.
    pub fn for_each(&self, mut each: impl FnMut(Hash, &[u8]) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.refresh()?;
        for number in 0.. {
            let Some(places) = read(&self.memo.index).shard(number) else { break };
            // Keys that begin alike are next to each other.
            for alike in places.chunk_by(|(one, _), (two, _)| one.head == two.head) {
                let records = self.memo.read_all(alike.to_vec())?;
                records.iter().try_for_each(|record| each(record.key, record.body()))?;
            }
        }
        Ok(())
    }

    /// Calls `each` with the records whose keys begin as `from` does up to `bits` bits, at most 64, in the order of
    /// [`Responses::for_each`].
    pub fn for_each_like(
        &self,
        from: &Hash,
        bits: u32,
        mut each: impl FnMut(Hash, &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.refresh()?;
        let places = read(&self.memo.index).like(from, bits.min(64));
        let records = self.memo.read_all(places)?;
        records.iter().try_for_each(|record| each(record.key, record.body()))
    }

    /// Counts what is recorded.
    pub fn stats(&self) -> Result<ResponseStats, StoreError> {
        self.refresh()?;
        let index = read(&self.memo.index);
        Ok(ResponseStats { responses: index.records, bytes: index.bytes })
    }
}

impl Drop for Responses {
    /// Returns when all that was added is written.
    fn drop(&mut self) {
        self.writer.end();
        let thread = lock(&self.thread).take();
        // The last one to let go may be whom the thread is telling something; then it ends by itself.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != thread::current().id()) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Memo {
    fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        write(&self.index)
    }

    fn is_own(&self, name: &str) -> bool {
        lock(&self.own).iter().any(|own| own == name)
    }

    /// Says that a log is written here, before anybody can see it.
    fn name_own(&self, name: String) -> String {
        lock(&self.own).push(name.clone());
        name
    }

    /// Reads records, and sorts them by key and then from old to new. Those that are damaged are left out.
    fn read_all(&self, places: Vec<(Entry, Arc<Log>)>) -> Result<Vec<Recorded>, StoreError> {
        let mut records = Vec::with_capacity(places.len());
        for (entry, log) in places {
            records.extend(self.read(entry, log)?);
        }
        let order = |record: &Recorded| (record.key, record.time);
        records.sort_by(|one, two| {
            order(one).cmp(&order(two)).then_with(|| (&one.log.name, one.offset).cmp(&(&two.log.name, two.offset)))
        });
        Ok(records)
    }

    fn read(&self, entry: Entry, log: Arc<Log>) -> Result<Option<Recorded>, StoreError> {
        let whole = match self.disk.read_range(&log.path, entry.offset, entry.length as usize) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            whole => whole.map_err(|error| StoreError::io("read", &log.path, error))?,
        };
        let record = if record::is_whole(&whole) { record::split(&whole) } else { None };
        let Some((key, time)) = record.map(|record| (record.key, record.time)) else { return Ok(None) };
        // Its writer may not have come to that yet, or never will.
        if log.synced() < entry.offset + u64::from(entry.length) {
            self.make_durable(&log)?;
        }
        Ok(Some(Recorded { key, time, whole, log, offset: entry.offset }))
    }

    /// Syncs what is known of a log.
    fn make_durable(&self, log: &Log) -> Result<(), StoreError> {
        let end = log.end();
        if log.synced() < end {
            self.disk.sync(&log.path).map_err(|error| StoreError::io("sync", &log.path, error))?;
            log.set_synced(end);
        }
        Ok(())
    }
}

impl Recorded {
    fn body(&self) -> &[u8] {
        &self.whole[record::BEFORE..]
    }
}

/// Returns which byte of which file stands for a key: 62 of its bits, and 5 of these once more.
fn place(key: &Hash) -> (u64, u64) {
    let at = key.head() >> 2;
    (at % CLAIM_FILES, at)
}
