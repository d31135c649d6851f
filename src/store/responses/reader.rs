//! Following the logs of others: which there are, and how far each was read.

use super::index::Log;
use super::scan::Scan;
use super::{Memo, sidecar};
use crate::store::StoreError;
use crate::store::disk::{Kind, Lock, Version, Wait};
use std::collections::HashSet;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often we ask whether the writer of a log that does not grow is gone.
const PATIENCE: Duration = Duration::from_secs(1);

/// So many records are taken in at once.
const BATCH: usize = 4096;

/// What was seen of the folder at the last look.
#[derive(Debug, Default)]
pub(super) struct Reader {
    version: Option<Version>,
    /// The logs that were seen, own ones aside.
    seen: HashSet<String>,
    /// Those whose writers may live.
    growing: Vec<Growing>,
}

#[derive(Debug)]
struct Growing {
    log: Arc<Log>,
    /// How long it was at the last look; its end may be torn.
    length: u64,
    /// When somebody last asked whether its writer is gone.
    asked: Option<Instant>,
}

impl Reader {
    /// Takes in what is new. Where nothing is: one call for the folder, and one for each log whose writer may live.
    pub(super) fn refresh(&mut self, memo: &Memo) -> Result<(), StoreError> {
        let version = match memo.disk.version(&memo.folder) {
            // Nobody has added anything yet.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            version => version.map_err(|error| StoreError::io("read", &memo.folder, error))?,
        };
        if version.is_none() || version != self.version {
            self.list(memo)?;
            self.version = version;
        }
        let mut result = Ok(());
        self.growing.retain_mut(|growing| match growing.look(memo) {
            Ok(Stays::Growing) => true,
            Ok(Stays::Finished) => false,
            Err(error) => {
                result = Err(error);
                true
            }
        });
        result
    }

    fn list(&mut self, memo: &Memo) -> Result<(), StoreError> {
        let listed = memo.disk.list(&memo.folder);
        let entries = listed.map_err(|error| StoreError::io("list", &memo.folder, error))?;
        let names: HashSet<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        for entry in &entries {
            let Some(stem) = entry.name.strip_suffix(".log").filter(|_| entry.metadata.kind == Kind::File) else {
                continue;
            };
            if self.seen.contains(&entry.name) || memo.is_own(&entry.name) {
                continue;
            }
            let log = memo.index_mut().add_log(entry.name.clone(), memo.folder.join(&entry.name));
            self.seen.insert(entry.name.clone());
            if names.contains(format!("{stem}.index").as_str()) {
                sidecar::load(memo, &log, entry.metadata.len);
                // Only finished logs have one, so all of it is known.
                if log.end() == entry.metadata.len {
                    log.finished.store(true, Ordering::Relaxed);
                    continue;
                }
            }
            self.growing.push(Growing { log, length: 0, asked: None });
        }
        Ok(())
    }
}

/// What is to be done about a log at the next look.
enum Stays {
    Growing,
    Finished,
}

impl Growing {
    fn look(&mut self, memo: &Memo) -> Result<Stays, StoreError> {
        let path = &self.log.path;
        let failed = |error| StoreError::io("read", path, error);
        let mut length = 0;
        let mut due = self.asked.is_none();
        if !due {
            length = match memo.disk.metadata(path) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Stays::Finished),
                found => found.map_err(failed)?.len,
            };
            due = length == self.length && self.asked.is_none_or(|at| at.elapsed() >= PATIENCE);
        }
        // Whoever can lock a log is its only writer; held until all of it is read.
        let mut held = None;
        if due {
            self.asked = Some(Instant::now());
            held = memo.disk.lock(path, Lock::Existing, Wait::Never).ok().flatten();
            length = match memo.disk.metadata(path) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Stays::Finished),
                found => found.map_err(failed)?.len,
            };
        }
        let mut ended = held.is_some();
        if length != self.length {
            match read(memo, &self.log, length) {
                Ok(sealed) => ended |= sealed,
                Err(error) => {
                    // Otherwise this look would count.
                    self.asked = None;
                    return Err(failed(error));
                }
            }
            self.length = length;
        }
        if !ended {
            return Ok(Stays::Growing);
        }
        self.log.finished.store(true, Ordering::Relaxed);
        Ok(Stays::Finished)
    }
}

/// Takes in the records of a log from where it was read to up to `length`; returns whether its writer marked its end.
fn read(memo: &Memo, log: &Log, length: u64) -> std::io::Result<bool> {
    let mut scan = Scan::new(&*memo.disk, &log.path, log.end(), length);
    let mut batch = Vec::new();
    loop {
        let found = scan.next()?;
        let at_end = found.is_none();
        batch.extend(found);
        if at_end || batch.len() >= BATCH {
            let mut index = memo.index_mut();
            batch.drain(..).for_each(|found| index.add(log, found));
            log.set_end(scan.end);
            log.set_synced(scan.sealed);
        }
        if at_end {
            return Ok(scan.sealed > 0);
        }
    }
}
