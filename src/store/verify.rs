//! Reading everything again: what is damaged, how to be rid of it, and what the store holds.

use super::disk::{Lock, Wait};
use super::frame::{self, Opened};
use super::gc::{BlobFile, Damaged};
use super::log::{Damage, MAGIC, Record, Records, hashes};
use super::{Store, StoreError};
use crate::hash::{Hash, Key};
use arrow_buffer::Buffer;
use rayon::prelude::*;
use std::collections::HashSet;
use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// Something in the store that is not as it should be; none of it can give a wrong result.
#[derive(Debug)]
pub enum Problem {
    /// A blob's file is not what its name says.
    Blob(Hash),
    /// So many bytes of a log cannot be read, the first of them at `at`.
    Log { name: String, at: u64, lost: u64 },
    /// So many bytes of a log of responses cannot be read, the first of them at `at`. They stay, and so do all others.
    Responses { log: String, at: u64, lost: u64 },
    /// A record of a log holds a blob that is not what its hash says.
    Record { log: String, hash: Hash },
    /// A trace names an output that the store does not have.
    Trace { log: String, key: Key, output: Hash },
    /// A line of the builds of a checkout, counted from 1, is not a build.
    History { file: PathBuf, line: usize },
    /// The disk does not let us read.
    Unreadable(StoreError),
}

/// How far `verify` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub done: u64,
    /// In bytes on disk.
    pub total: u64,
}

/// What the store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Blobs with a file of their own.
    pub large_blobs: u64,
    pub large_bytes: u64,
    /// Blobs that are records in logs; one that is in two logs counts twice, as it takes its room.
    pub small_blobs: u64,
    pub traces: u64,
    pub logs: u64,
    pub log_bytes: u64,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Blob(hash) => write!(f, "the blob `{}` is damaged", hash.short()),
            Problem::Log { name, at, lost } => {
                write!(f, "the log `{name}` is damaged at byte {at}, so {lost} bytes of it cannot be read")
            }
            Problem::Responses { log, at, lost } => {
                let what = format_args!("the responses in `{log}` are damaged at byte {at}");
                write!(f, "{what}, so {lost} bytes of them cannot be read; the others are used")
            }
            Problem::Record { log, hash } => write!(f, "the blob `{}` in the log `{log}` is damaged", hash.short()),
            Problem::Trace { key, output, .. } => {
                write!(f, "the blob `{}` is missing, an output of the action `{}`", output.short(), key.short())
            }
            Problem::History { file, line } => write!(f, "line {line} of `{}` is not a build", file.display()),
            Problem::Unreadable(error) => error.fmt(f),
        }
    }
}

impl Problem {
    /// Returns whether `repair` does nothing about it: what was paid for is never removed, and cannot be made again.
    pub fn stays(&self) -> bool {
        matches!(self, Problem::Responses { .. } | Problem::Unreadable(_))
    }
}

/// A log as `verify` reads it.
struct ReadLog {
    name: String,
    bytes: Buffer,
    /// Somebody holds it, so its end may be half written at this moment.
    growing: bool,
}

impl ReadLog {
    /// Whether the log was written by a later version, which knows what to do with it.
    fn is_later(&self) -> bool {
        !self.bytes.starts_with(MAGIC)
            && self.bytes.starts_with(&MAGIC[..MAGIC.len() - 1])
            && self.bytes.len() >= MAGIC.len()
    }

    fn records(&self) -> Records<'_> {
        let start = if self.bytes.starts_with(MAGIC) { MAGIC.len() } else { self.bytes.len() };
        Records::new(&self.bytes, start)
    }
}

impl Store {
    /// Reads every blob and every record, and names all that is damaged or missing, in order.
    pub fn verify(&self, progress: &(dyn Fn(Progress) + Sync)) -> Vec<Problem> {
        let mut problems = Vec::new();
        // Logs before files: whatever a trace names was put before it.
        let logs = self.read_logs(&mut problems);
        let files = self.blob_files().unwrap_or_else(|error| {
            problems.push(Problem::Unreadable(error));
            Vec::new()
        });
        let files: Vec<(Hash, BlobFile)> = files.into_iter().filter_map(|file| Some((file.hash?, file))).collect();
        let total = files.iter().map(|(_, file)| file.metadata.len).sum::<u64>()
            + logs.iter().map(|log| log.bytes.len() as u64).sum::<u64>();
        let responses = self.responses.logs().unwrap_or_else(|error| {
            problems.push(Problem::Unreadable(error));
            Vec::new()
        });
        let total = total + responses.iter().map(|(_, length)| length).sum::<u64>();
        let done = AtomicU64::new(0);
        let advance = |bytes: u64| {
            let before = done.fetch_add(bytes, Ordering::Relaxed);
            progress(Progress { done: before + bytes, total });
        };
        let checked: Vec<Option<Problem>> = files
            .par_iter()
            .map(|(hash, file)| {
                let problem = self.check_file(*hash, file);
                advance(file.metadata.len);
                problem
            })
            .collect();
        let mut there: HashSet<Hash> = HashSet::new();
        for ((hash, _), problem) in files.iter().zip(checked) {
            if !matches!(problem, Some(Problem::Blob(_))) {
                // What is there and cannot be read by us is not missing.
                there.insert(*hash);
            }
            problems.extend(problem);
        }
        for log in &logs {
            let mut records = log.records();
            for found in &mut records {
                match found.record {
                    Record::Blob(hash, contents) if Hash::of(contents) == hash => drop(there.insert(hash)),
                    Record::Blob(hash, _) => problems.push(Problem::Record { log: log.name.clone(), hash }),
                    Record::Trace(..) => {}
                }
            }
            let end = if log.bytes.starts_with(MAGIC) { records.end } else { 0 };
            let Damage { first, lost } = records.damage;
            let lost = lost + if log.growing || log.is_later() { 0 } else { log.bytes.len() - end };
            if lost > 0 {
                let (at, lost) = (first.unwrap_or(end) as u64, lost as u64);
                problems.push(Problem::Log { name: log.name.clone(), at, lost });
            }
        }
        for log in &logs {
            for found in log.records() {
                if let Record::Trace(key, outputs) = found.record {
                    let missing = hashes(outputs).filter(|output| !there.contains(output));
                    problems.extend(missing.map(|output| Problem::Trace { log: log.name.clone(), key, output }));
                }
            }
            advance(log.bytes.len() as u64);
        }
        for (name, length) in responses {
            problems
                .extend(self.responses.check(&name, length).unwrap_or_else(|error| Some(Problem::Unreadable(error))));
            advance(length);
        }
        problems
    }

    fn read_logs(&self, problems: &mut Vec<Problem>) -> Vec<ReadLog> {
        let folder = self.log_folder();
        let names = self.log_files().unwrap_or_else(|error| {
            problems.push(Problem::Unreadable(error));
            Vec::new()
        });
        let mut logs = Vec::new();
        for (name, _) in names {
            let path = folder.join(&name);
            // Held while it is read: nobody appends to it then.
            let guard = self.disk.lock(&path, Lock::Existing, Wait::Never);
            match self.disk.read(&path, 0) {
                Ok(bytes) => logs.push(ReadLog { name, bytes, growing: !matches!(guard, Ok(Some(_))) }),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => problems.push(Problem::Unreadable(StoreError::io("read", &path, error))),
            }
        }
        logs
    }

    fn check_file(&self, hash: Hash, file: &BlobFile) -> Option<Problem> {
        match self.disk.read(&file.path, 0) {
            Ok(bytes) => match frame::open(&bytes) {
                Opened::Contents(contents) if Hash::of(&contents) == hash => None,
                Opened::Later => Some(Problem::Unreadable(StoreError::later(&file.path))),
                _ => Some(Problem::Blob(hash)),
            },
            // Collected while we were reading.
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => Some(Problem::Unreadable(StoreError::io("read", &file.path, error))),
        }
    }

    /// Removes what is damaged, and the traces that name what is missing, so that the next build makes it again.
    ///
    /// Logs whose writer lives are left alone.
    pub fn repair(&self, problems: &[Problem]) -> Result<(), StoreError> {
        let _alone = self.alone(Wait::UntilFree);
        let (mut logs, mut keys) = (Vec::new(), HashSet::new());
        for problem in problems {
            match problem {
                Problem::Blob(hash) => {
                    self.remove(&self.blob_path(hash))?;
                    self.index.forget_blob(hash);
                    self.bad.add(*hash);
                }
                // Nothing of it can be read, so there is nothing to keep.
                Problem::Log { name, at: 0, .. } => self.remove_log(name)?,
                Problem::Log { name, .. } => logs.push(name.clone()),
                // Joining leaves out what is damaged.
                Problem::Record { log, hash } => {
                    self.index.forget_blob(hash);
                    logs.push(log.clone());
                }
                Problem::Trace { log, key, .. } => {
                    self.index.forget_trace(key);
                    keys.insert(*key);
                    logs.push(log.clone());
                }
                Problem::Responses { .. } | Problem::History { .. } | Problem::Unreadable(_) => {}
            }
        }
        // A key is dropped wherever it is recorded: an older record of it must not come to light.
        if !keys.is_empty() {
            logs.extend(self.log_files()?.into_iter().map(|(name, _)| name));
        }
        logs.sort();
        logs.dedup();
        self.join(&logs, Damaged::Join, |record| !matches!(record, Record::Trace(key, _) if keys.contains(key)))
    }

    /// Removes traces, so that their actions run again. Logs whose writer lives are left alone.
    pub fn forget_traces(&self, keys: &HashSet<Key>) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        let _alone = self.alone(Wait::UntilFree);
        keys.iter().for_each(|key| self.index.forget_trace(key));
        let logs: Vec<String> = self.log_files()?.into_iter().map(|(name, _)| name).collect();
        self.join(&logs, Damaged::Stay, |record| !matches!(record, Record::Trace(key, _) if keys.contains(key)))
    }

    fn remove_log(&self, name: &str) -> Result<(), StoreError> {
        let path = self.log_folder().join(name);
        match self.disk.lock(&path, Lock::Existing, Wait::Never) {
            Ok(Some(_held)) => self.remove(&path),
            _ => Ok(()),
        }
    }

    /// Counts what the store holds.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        let mut stats = Stats::default();
        for file in self.blob_files()?.into_iter().filter(|file| file.hash.is_some()) {
            stats.large_blobs += 1;
            stats.large_bytes += file.metadata.len;
        }
        let mut problems = Vec::new();
        for log in self.read_logs(&mut problems) {
            stats.logs += 1;
            stats.log_bytes += log.bytes.len() as u64;
            for found in log.records() {
                match found.record {
                    Record::Blob(..) => stats.small_blobs += 1,
                    Record::Trace(..) => stats.traces += 1,
                }
            }
        }
        match problems.into_iter().next() {
            Some(Problem::Unreadable(error)) => Err(error),
            _ => Ok(stats),
        }
    }
}
