//! The log of this process: what it puts and records is gathered here and handed to the operating system in batches.

use super::disk::{Append, Disk};
use super::error::StoreError;
use super::log::MAGIC;
use super::sync::lock;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// A batch is handed over when it has so many bytes …
const BATCH: usize = 64 << 10;

/// … or when a record comes so long after the last batch.
const PATIENCE: Duration = Duration::from_millis(100);

/// The log of this process; there is no file before the first batch.
#[derive(Default)]
pub(super) struct Journal {
    batch: Mutex<Batch>,
    /// Locked while a batch is written, never while the batch is locked.
    writer: Mutex<Option<Box<dyn Append>>>,
    /// Every log that this process began; more than one only if a write failed.
    names: Mutex<Vec<String>>,
}

#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    flushed: Option<Instant>,
}

impl Journal {
    /// Adds records to the batch. Memory only: it can be called under other locks.
    pub(super) fn push(&self, records: impl FnOnce(&mut Vec<u8>)) {
        records(&mut lock(&self.batch).bytes);
    }

    /// Hands the batch over if it is time.
    pub(super) fn flush_if_due(&self, disk: &dyn Disk, folder: &Path) -> Result<(), StoreError> {
        let due = {
            let batch = lock(&self.batch);
            batch.bytes.len() >= BATCH
                || !batch.bytes.is_empty() && batch.flushed.is_none_or(|at| at.elapsed() >= PATIENCE)
        };
        if due { self.flush(disk, folder) } else { Ok(()) }
    }

    /// Hands the batch to the operating system. What cannot be written stays in the batch, and goes to a new log: the
    /// end of the old one may be torn.
    pub(super) fn flush(&self, disk: &dyn Disk, folder: &Path) -> Result<(), StoreError> {
        // The order of batches is the order of the writers' turns, so a trace never overtakes its blobs.
        let mut writer = lock(&self.writer);
        let bytes = {
            let mut batch = lock(&self.batch);
            batch.flushed = Some(Instant::now());
            std::mem::take(&mut batch.bytes)
        };
        if bytes.is_empty() {
            return Ok(());
        }
        let written = self.write(&mut writer, disk, folder, &bytes);
        if written.is_err() {
            *writer = None;
            let mut batch = lock(&self.batch);
            let later = std::mem::replace(&mut batch.bytes, bytes);
            batch.bytes.extend(later);
        }
        written
    }

    fn write(
        &self,
        writer: &mut Option<Box<dyn Append>>,
        disk: &dyn Disk,
        folder: &Path,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let failed = |source| StoreError::io("write", &folder.join(self.last()), source);
        if let Some(log) = writer {
            return log.append(bytes).map_err(failed);
        }
        let name = name(time_now());
        lock(&self.names).push(name.clone());
        let log = disk.append(&folder.join(name), MAGIC).map_err(failed)?;
        writer.insert(log).append(bytes).map_err(failed)
    }

    fn last(&self) -> String {
        lock(&self.names).last().cloned().unwrap_or_default()
    }

    /// Returns whether this process wrote the log, so knows what is in it.
    pub(super) fn is_own(&self, name: &str) -> bool {
        lock(&self.names).iter().any(|own| own == name)
    }

    /// Returns whether this process has written anything.
    pub(super) fn began(&self) -> bool {
        !lock(&self.names).is_empty()
    }
}

/// Names a new log so that logs sort by `time`, and no two processes choose the same name.
pub(super) fn name(time: u64) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{time:016x}-{:x}-{count:x}.log", std::process::id())
}

/// Returns the time that a log's name begins with.
pub(super) fn time_of(name: &str) -> u64 {
    name.split('-').next().and_then(|time| u64::from_str_radix(time, 16).ok()).unwrap_or(0)
}

/// Returns the nanoseconds since 1970.
pub(super) fn time_now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64)
}
