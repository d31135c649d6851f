//! Where each recorded response lies: 24 bytes a record, sorted within many small shards.

use super::scan::Found;
use crate::hash::Hash;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Keys are evenly spread, so shards of the first bits are of about one size, and adding to one moves few bytes.
const SHARDS: usize = 4096;

/// Returns the number that a key begins with; these sort as the keys do.
pub(super) fn head(key: &Hash) -> u64 {
    u64::from_be_bytes(*key.as_bytes().first_chunk().expect("a hash has 32 bytes"))
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The first bytes of its key: whoever reads the record compares the rest.
    pub(super) head: u64,
    pub(super) offset: u64,
    pub(super) log: u32,
    /// Header included.
    pub(super) length: u32,
}

/// A log in which records lie.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) number: u32,
    /// Up to where its records are in the index.
    end: AtomicU64,
    /// Up to where it is known to outlive a loss of power.
    synced: AtomicU64,
    /// Up to where its sidecar goes.
    pub(super) indexed: AtomicU64,
    /// Whether its writer is gone.
    pub(super) finished: AtomicBool,
}

impl Log {
    pub(super) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    pub(super) fn set_end(&self, end: u64) {
        self.end.store(end, Ordering::Release);
    }

    pub(super) fn synced(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    pub(super) fn set_synced(&self, end: u64) {
        self.synced.fetch_max(end, Ordering::AcqRel);
    }
}

/// The records of all logs.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Each sorted by head. No shard is made before the first record.
    shards: Vec<Vec<Entry>>,
    pub(super) logs: Vec<Arc<Log>>,
    pub(super) records: u64,
    pub(super) bytes: u64,
}

impl Index {
    /// Makes room for the records of a new log.
    pub(super) fn add_log(&mut self, name: String, path: PathBuf) -> Arc<Log> {
        let number = u32::try_from(self.logs.len()).expect("a folder has fewer files");
        let log = Log {
            name,
            path,
            number,
            end: AtomicU64::new(0),
            synced: AtomicU64::new(0),
            indexed: AtomicU64::new(0),
            finished: AtomicBool::new(false),
        };
        self.logs.push(Arc::new(log));
        self.logs[number as usize].clone()
    }

    /// Adds a record of a log.
    pub(super) fn add(&mut self, log: &Log, found: Found) {
        if self.shards.is_empty() {
            self.shards.resize_with(SHARDS, Vec::new);
        }
        let Found { head, offset, length } = found;
        let shard = &mut self.shards[shard_of(head)];
        if shard.len() == shard.capacity() {
            // Doubling would leave a quarter of all memory empty.
            shard.reserve_exact((shard.len() / 8).max(4));
        }
        let at = shard.partition_point(|entry| entry.head <= head);
        shard.insert(at, Entry { head, offset, log: log.number, length });
        self.records += 1;
        self.bytes += u64::from(length);
    }

    /// Returns the records whose keys begin as `key` does, each with its log.
    pub(super) fn of(&self, key: &Hash) -> Vec<(Entry, Arc<Log>)> {
        let head = head(key);
        let Some(shard) = self.shards.get(shard_of(head)) else { return Vec::new() };
        let from = shard.partition_point(|entry| entry.head < head);
        shard[from..].iter().take_while(|entry| entry.head == head).map(|entry| self.with_log(*entry)).collect()
    }

    /// Returns the records whose keys begin as `key` does up to `bits` bits.
    pub(super) fn like(&self, key: &Hash, bits: u32) -> Vec<(Entry, Arc<Log>)> {
        // A shift by all 64 bits is none that the machine knows.
        let mask = u64::MAX.checked_shl(64 - bits).unwrap_or(0);
        let (from, to) = (head(key) & mask, head(key) | !mask);
        let shards = self.shards.iter().take(shard_of(to) + 1).skip(shard_of(from));
        let like = |entry: &&Entry| (from..=to).contains(&entry.head);
        shards.flatten().filter(like).map(|entry| self.with_log(*entry)).collect()
    }

    /// Returns the records of one shard, sorted by head; nothing behind the last.
    pub(super) fn shard(&self, number: usize) -> Option<Vec<(Entry, Arc<Log>)>> {
        Some(self.shards.get(number)?.iter().map(|entry| self.with_log(*entry)).collect())
    }

    /// Returns all records, sorted by head.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.shards.iter().flatten()
    }

    fn with_log(&self, entry: Entry) -> (Entry, Arc<Log>) {
        (entry, self.logs[entry.log as usize].clone())
    }

    /// Returns how many bytes of memory it takes.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        let shards: usize = self.shards.iter().map(|shard| shard.capacity() * size_of::<Entry>()).sum();
        shards + self.shards.capacity() * size_of::<Vec<Entry>>()
    }
}

fn shard_of(head: u64) -> usize {
    (head >> 52) as usize
}
