//! Joining finished logs, and collecting what nobody needs: first a plan, then its execution.
//!
//! Logs are joined beside running builds: a log whose writer lives is locked and left alone. Collecting has the store for
//! itself (`Store::claim`), so what no build in the history needs, nobody needs.

use super::disk::{Guard, Kind, Lock, Metadata, TEMPORARY, Wait};
use super::journal;
use super::log::{HEADER, MAGIC, Record, Records, hashes};
use super::{MANY_LOGS, Store, StoreError};
use crate::hash::{Hash, Key};
use arrow_buffer::Buffer;
use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What gc would remove.
#[derive(Clone, Debug, Default)]
pub struct GcPlan {
    /// Blobs, large and small.
    pub blobs: usize,
    pub traces: usize,
    /// Temporary files whose writer died.
    pub leftovers: usize,
    /// What all of it takes on disk.
    pub bytes: u64,
    files: Vec<(Option<Hash>, PathBuf)>,
    small: HashSet<Hash>,
    keys: HashSet<Key>,
    /// The logs that hold any of it.
    logs: Vec<String>,
}

/// A file below `blobs`: a blob, or what a dead writer left.
pub(super) struct BlobFile {
    pub(super) hash: Option<Hash>,
    pub(super) path: PathBuf,
    pub(super) metadata: Metadata,
}

/// What joining does with a log in which something cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damaged {
    /// Leaves it: joining would end what might be read yet.
    Stay,
    /// Takes what can be read: the user asked for a repair.
    Join,
}

/// A finished log, held so that nobody else joins it.
struct Finished {
    name: String,
    bytes: Buffer,
    _lock: Guard,
}

impl Finished {
    fn is_damaged(&self) -> bool {
        Records::new(&self.bytes, MAGIC.len()).finds_damage()
    }
}

impl Store {
    /// Lists the files below `blobs`, in order.
    pub(super) fn blob_files(&self) -> Result<Vec<BlobFile>, StoreError> {
        let root = self.blob_folder();
        let list = |path: &PathBuf| self.disk.list(path).map_err(|error| StoreError::io("list", path, error));
        let mut files = Vec::new();
        for folder in list(&root)?.into_iter().filter(|entry| entry.metadata.kind == Kind::Folder) {
            let path = root.join(&folder.name);
            for entry in list(&path)?.into_iter().filter(|entry| entry.metadata.kind == Kind::File) {
                let hash = format!("{}{}", folder.name, entry.name).parse().ok();
                // Anything else is not ours to touch.
                if hash.is_some() || entry.name.ends_with(TEMPORARY) {
                    files.push(BlobFile { hash, path: path.join(&entry.name), metadata: entry.metadata });
                }
            }
        }
        Ok(files)
    }

    /// Holds and reads a log whose writer is gone; nothing if it lives, or the log vanished, or is of another format.
    fn finished(&self, name: &str) -> Result<Option<Finished>, StoreError> {
        let path = self.log_folder().join(name);
        // Where files cannot be locked, nobody can tell: the writer may live.
        if self.journal.is_own(name) {
            return Ok(None);
        }
        let Ok(Some(guard)) = self.disk.lock(&path, Lock::Existing, Wait::Never) else { return Ok(None) };
        match self.disk.read(&path, 0) {
            Ok(bytes) if bytes.starts_with(MAGIC) || MAGIC.starts_with(&bytes) => {
                Ok(Some(Finished { name: name.to_owned(), bytes, _lock: guard }))
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("read", &path, error)),
        }
    }

    /// Waits for others that join logs, or gives up. Whoever joins alone keeps the order of the records; where files cannot
    /// be locked no log is ever known to be finished, and none is joined.
    pub(super) fn alone(&self, wait: Wait) -> Option<Guard> {
        self.disk.lock(&self.root.join("join.lock"), Lock::Exclusive, wait).ok().flatten()
    }

    /// Joins the newest finished logs if there are many, unless somebody else does.
    ///
    /// It goes back to the first log that is larger than all after it together, so that a record is rewritten only when its
    /// log has doubled, and as many logs stay as the large ones among them have doublings.
    pub(super) fn compact(&self) -> Result<(), StoreError> {
        if self.others()?.len() <= MANY_LOGS {
            return Ok(());
        }
        let Some(_alone) = self.alone(Wait::Never) else { return Ok(()) };
        let mut logs = self.others()?;
        let finished = |name: &str| {
            let held = self.disk.lock(&self.log_folder().join(name), Lock::Existing, Wait::Never);
            matches!(held, Ok(Some(_)))
        };
        logs.retain(|(name, _)| finished(name));
        if logs.len() <= MANY_LOGS {
            return Ok(());
        }
        let mut sum = 0;
        let newest = logs.iter().rev().enumerate().take_while(|(n, (_, found))| {
            let joins = *n == 0 || found.len <= sum;
            sum += found.len;
            joins
        });
        let from = logs.len() - newest.count();
        let names: Vec<String> = logs.drain(from..).map(|(name, _)| name).collect();
        if names.len() > 1 { self.join(&names, Damaged::Stay, |_| true) } else { Ok(()) }
    }

    /// Lists the logs that other processes began.
    fn others(&self) -> Result<Vec<(String, Metadata)>, StoreError> {
        Ok(self.log_files()?.into_iter().filter(|(name, _)| !self.journal.is_own(name)).collect())
    }

    /// Writes the records of the finished ones of `names` that `keep` wants into one new log, then removes the old.
    ///
    /// Of records with the same name the last stays. The caller is `alone`.
    pub(super) fn join(
        &self,
        names: &[String],
        damaged: Damaged,
        keep: impl Fn(&Record) -> bool,
    ) -> Result<(), StoreError> {
        let mut logs = Vec::new();
        for name in names {
            let wanted = |log: &Finished| damaged == Damaged::Join || !log.is_damaged();
            logs.extend(self.finished(name)?.filter(wanted));
        }
        let Some(newest) = logs.last() else { return Ok(()) };
        let (mut blobs, mut traces) = (Vec::new(), Vec::new());
        let mut last: HashMap<(Kept, Hash), usize> = HashMap::new();
        for log in &logs {
            for found in Records::new(&log.bytes, MAGIC.len()).filter(|found| keep(&found.record)) {
                let (kept, name, list) = match found.record {
                    Record::Blob(hash, contents) if Hash::of(contents) == hash => (Kept::Blob, hash, &mut blobs),
                    Record::Blob(..) => continue,
                    Record::Trace(key, _) => (Kept::Trace, key, &mut traces),
                };
                let at = *last.entry((kept, name)).or_insert(list.len());
                match list.get_mut(at) {
                    Some(slot) => *slot = found.whole,
                    None => list.push(found.whole),
                }
            }
        }
        let folder = self.log_folder();
        if !blobs.is_empty() || !traces.is_empty() {
            // A new log that sorts where the newest of its parts did: later logs still win over it.
            let path = folder.join(journal::name(journal::time_of(&newest.name)));
            let mut parts: Vec<&[u8]> = vec![MAGIC];
            parts.extend(blobs);
            parts.extend(traces);
            // The originals go next, and a loss of power must not take both.
            let written = self.disk.write_durably(&path, &[&parts.concat()]);
            written.map_err(|error| StoreError::io("write", &path, error))?;
        }
        logs.iter().try_for_each(|log| self.remove(&folder.join(&log.name)))
    }

    pub(super) fn remove(&self, path: &Path) -> Result<(), StoreError> {
        match self.disk.remove(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(StoreError::io("remove", path, error)),
            _ => Ok(()),
        }
    }

    /// Plans what to remove: blobs and traces that are not live, and what dead writers left.
    ///
    /// A log whose writer lives stays in any case, and the outputs of every trace that stays.
    pub fn gc(&self, live_blobs: &HashSet<Hash>, live_traces: &HashSet<Key>) -> Result<GcPlan, StoreError> {
        let mut plan = GcPlan::default();
        let files = self.blob_files()?;
        let folder = self.log_folder();
        let (mut open, mut logs) = (Vec::new(), Vec::new());
        for (name, _) in self.log_files()? {
            match self.finished(&name)? {
                Some(log) if log.is_damaged() => open.push(log.bytes),
                Some(log) => logs.push(log),
                None => match self.disk.read(&folder.join(&name), 0) {
                    Ok(bytes) if bytes.starts_with(MAGIC) => open.push(bytes),
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(StoreError::io("read", &folder.join(&name), error)),
                },
            }
        }
        let (mut kept_blobs, mut kept_traces) = (live_blobs.clone(), live_traces.clone());
        for record in open.iter().flat_map(|bytes| Records::new(bytes, MAGIC.len())).map(|found| found.record) {
            match record {
                Record::Blob(hash, _) => drop(kept_blobs.insert(hash)),
                Record::Trace(key, outputs) => {
                    kept_traces.insert(key);
                    kept_blobs.extend(hashes(outputs));
                }
            }
        }
        let records =
            || logs.iter().flat_map(|log| Records::new(&log.bytes, MAGIC.len()).map(move |found| (log, found.record)));
        for (_, record) in records() {
            if let Record::Trace(key, outputs) = record
                && kept_traces.contains(&key)
            {
                kept_blobs.extend(hashes(outputs));
            }
        }
        for (log, record) in records() {
            // The same record in two logs is counted once, and goes from both.
            let rest = match record {
                Record::Blob(hash, contents) if !kept_blobs.contains(&hash) => {
                    plan.small.insert(hash);
                    contents
                }
                Record::Trace(key, outputs) if !kept_traces.contains(&key) => {
                    plan.keys.insert(key);
                    outputs
                }
                _ => continue,
            };
            plan.bytes += (HEADER + 32 + rest.len()) as u64;
            if plan.logs.last() != Some(&log.name) {
                plan.logs.push(log.name.clone());
            }
        }
        for file in files {
            if file.hash.is_none_or(|hash| !kept_blobs.contains(&hash)) {
                plan.bytes += file.metadata.len;
                plan.blobs += usize::from(file.hash.is_some());
                plan.leftovers += usize::from(file.hash.is_none());
                plan.files.push((file.hash, file.path));
            }
        }
        for entry in self.disk.list(&folder).map_err(|error| StoreError::io("list", &folder, error))? {
            if entry.name.ends_with(TEMPORARY) {
                plan.leftovers += 1;
                plan.bytes += entry.metadata.len;
                plan.files.push((None, folder.join(entry.name)));
            }
        }
        plan.blobs += plan.small.len();
        plan.traces = plan.keys.len();
        Ok(plan)
    }

    /// Removes what was planned while the store was claimed. Traces go first, so that none is left without its blobs if this
    /// is interrupted.
    pub fn collect(&self, plan: &GcPlan) -> Result<(), StoreError> {
        let _alone = self.alone(Wait::UntilFree);
        self.join(&plan.logs, Damaged::Stay, |record| match record {
            Record::Blob(hash, _) => !plan.small.contains(hash),
            Record::Trace(key, _) => !plan.keys.contains(key),
        })?;
        plan.keys.iter().for_each(|key| self.index.forget_trace(key));
        plan.small.iter().for_each(|hash| self.index.forget_blob(hash));
        self.make_room(plan)
    }

    /// Removes the planned files alone, on a disk that is too full to write logs without the traces that name them. If this is
    /// interrupted, such a trace is found out when its output is read.
    pub fn make_room(&self, plan: &GcPlan) -> Result<(), StoreError> {
        for (hash, path) in &plan.files {
            self.remove(path)?;
            hash.iter().for_each(|hash| self.index.forget_blob(hash));
        }
        Ok(())
    }
}

/// The two kinds of record: a blob and a trace may have the same name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kept {
    Blob,
    Trace,
}
