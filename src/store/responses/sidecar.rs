//! What a finished log holds, written beside it so that nobody has to read the log through again. Derived and checked:
//! one that does not read is as good as none.

use super::Memo;
use super::index::Log;
use super::scan::Found;
use crate::store::check::check;
use crate::store::sync::read;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

const MAGIC: &[u8; 8] = b"dmridx\0\x01";

/// Head u64, offset u64, length u32.
const ENTRY: usize = 20;

/// Shorter logs are read through as fast.
const WORTH_IT: u64 = 64 << 10;

/// Returns where the sidecar of a log is.
pub(super) fn beside(log: &Path) -> PathBuf {
    log.with_extension("index")
}

fn encode(log_length: u64, entries: &[Found]) -> Vec<u8> {
    let mut out = Vec::with_capacity(MAGIC.len() + 16 + entries.len() * ENTRY + 8);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&log_length.to_le_bytes());
    out.extend_from_slice(&(entries.len() as u64).to_le_bytes());
    for Found { head, offset, length } in entries {
        out.extend_from_slice(&head.to_le_bytes());
        out.extend_from_slice(&offset.to_le_bytes());
        out.extend_from_slice(&length.to_le_bytes());
    }
    let sum = check(0, &out);
    out.extend_from_slice(&sum.to_le_bytes());
    out
}

/// Returns up to where the log is described, and its records.
fn decode(bytes: &[u8]) -> Option<(u64, impl Iterator<Item = Found>)> {
    let (whole, sum) = bytes.split_last_chunk::<8>()?;
    let (start, entries) = whole.split_first_chunk::<24>()?;
    let (entries, rest) = entries.as_chunks::<ENTRY>();
    let right = start.starts_with(MAGIC) && rest.is_empty() && number(&start[16..]) == entries.len() as u64;
    if !right || u64::from_le_bytes(*sum) != check(0, whole) {
        return None;
    }
    Some((number(&start[8..]), entries.iter().map(found)))
}

fn found(entry: &[u8; ENTRY]) -> Found {
    let length = u32::from_le_bytes(*entry.last_chunk().expect("4 of 20 bytes"));
    Found { head: number(entry), offset: number(&entry[8..]), length }
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(*bytes.first_chunk().expect("8 bytes of a longer text"))
}

/// Takes in the sidecar of a log that has `length` bytes, if there is one that is right.
pub(super) fn load(memo: &Memo, log: &Log, length: u64) {
    let Ok(bytes) = memo.disk.read(&beside(&log.path), 0) else { return };
    // A log only grows: what describes less of it is right as far as it goes.
    let Some((described, entries)) = decode(&bytes).filter(|(described, _)| *described <= length) else { return };
    let mut index = memo.index_mut();
    entries.for_each(|found| index.add(log, found));
    log.set_end(described);
    log.set_synced(described);
    log.indexed.store(described, Ordering::Relaxed);
}

/// Writes the sidecars that are worth it. The best is done, and no more: what they say is in the logs too.
pub(super) fn write_missing(memo: &Memo) {
    let mut wanted: HashMap<u32, Vec<Found>> = HashMap::new();
    let logs = {
        let index = read(&memo.index);
        let is_missing = |log: &Log| {
            let end = log.end();
            log.finished.load(Ordering::Relaxed) && end >= WORTH_IT && log.indexed.load(Ordering::Relaxed) < end
        };
        let logs: Vec<_> = index.logs.iter().filter(|log| is_missing(log)).cloned().collect();
        if logs.is_empty() {
            return;
        }
        wanted.extend(logs.iter().map(|log| (log.number, Vec::new())));
        for entry in index.entries() {
            if let Some(entries) = wanted.get_mut(&entry.log) {
                entries.push(Found { head: entry.head, offset: entry.offset, length: entry.length });
            }
        }
        logs
    };
    for log in logs {
        let mut entries = wanted.remove(&log.number).expect("each log is listed once");
        entries.sort_by_key(|found| (found.head, found.offset));
        let end = log.end();
        // Whoever reads the sidecar takes the log for synced.
        if memo.make_durable(&log).is_ok() && memo.disk.write_new(&beside(&log.path), &[&encode(end, &entries)]).is_ok()
        {
            log.indexed.store(end, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sidecar_cut_or_flipped_anywhere_is_none() {
        let entries = [Found { head: 1, offset: 8, length: 70 }, Found { head: 7, offset: 78, length: 90 }];
        let bytes = encode(168, &entries);
        let (described, read) = decode(&bytes).expect("it is whole");
        assert_eq!((described, read.collect::<Vec<_>>()), (168, entries.to_vec()));
        for i in 0..bytes.len() {
            assert!(decode(&bytes[..i]).is_none(), "length {i}");
            let mut damaged = bytes.clone();
            damaged[i] ^= 0x10;
            assert!(decode(&damaged).is_none(), "byte {i}");
        }
    }
}
