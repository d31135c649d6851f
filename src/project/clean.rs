//! Keeping the store: what may go, and whether what is there is right.

use super::{Project, unusable};
use crate::diag::{Diagnostic, Diagnostics};
use crate::exec::{NodeRecord, Output, decode_keys};
use crate::hash::{Hash, Key};
use crate::history::{History, View, read_record, read_view};
use crate::store::{GcPlan, Problem, Progress, Stats, Store, StoreError};
use crate::table::Table;
use std::collections::{BTreeSet, HashSet};
use std::io::ErrorKind;

/// What `gc` would remove, and what it keeps.
#[derive(Debug)]
pub struct Garbage {
    pub plan: GcPlan,
    /// Builds whose artifacts are kept.
    pub builds_kept: usize,
    /// Bytes that were saved by packing what is kept.
    pub packed: u64,
    /// What builds name and is let go of.
    gone: BTreeSet<Hash>,
}

/// What `verify` found.
#[derive(Debug)]
pub struct Checked {
    pub problems: Vec<Problem>,
    pub stats: Stats,
}

impl Project {
    /// Finds what no kept build needs: of each checkout that uses the store, the last `keep` builds are kept.
    ///
    /// # Errors
    /// A kept build names what cannot be read, so what it reaches cannot be told from garbage.
    pub fn garbage(&self, keep: usize) -> Result<Garbage, Diagnostics> {
        let keep = keep.max(1);
        let histories = History::roots(&self.store).map_err(|error| {
            Diagnostic::error("store", error.to_string())
                .help("`datamake verify --repair` sets aside a line that is damaged; then its build may go")
        })?;
        self.store.refresh().map_err(unusable)?;
        let mut live = Live::new(&self.store);
        let mut builds_kept = 0;
        for builds in &histories {
            for build in builds.iter().rev().take(keep) {
                builds_kept += 1;
                for view in build.views() {
                    live.build(view, Tables::Stay).map_err(unusable)?;
                }
            }
        }
        let mut gone = read_gone(&self.store).map_err(unusable)?;
        live.missing.retain(|hash| !gone.contains(hash));
        if let Some(hash) = live.missing.first() {
            return Err(unreachable(*hash, live.missing.len()));
        }
        for builds in &histories {
            for view in builds.iter().rev().skip(keep).flat_map(|build| build.views()) {
                live.build(view, Tables::Expire).map_err(unusable)?;
            }
        }
        gone.retain(|hash| !self.store.has(*hash));
        gone.extend(live.expired.difference(&live.blobs));
        let plan = self.store.gc(&live.blobs, &live.traces).map_err(unusable)?;
        Ok(Garbage { plan, builds_kept, packed: 0, gone })
    }

    /// Removes what no kept build needs, packs the rest, and returns what that was. No build may use the store meanwhile.
    pub fn collect(&self, keep: usize) -> Result<Garbage, Diagnostics> {
        let _alone = self.store.claim().map_err(unusable)?.ok_or_else(|| {
            Diagnostic::error("store", "a build is running that uses this store").help("collect when it has ended")
        })?;
        let mut garbage = self.garbage(keep)?;
        let plan = &garbage.plan;
        if plan.blobs + plan.traces + plan.leftovers > 0 {
            let collect = || write_gone(&self.store, &garbage.gone).and_then(|()| self.store.collect(plan));
            let collected = match collect() {
                // What has to be written first finds room when the blobs have gone.
                Err(error) if error.is_full() => self.store.make_room(plan).and_then(|()| collect()),
                collected => collected,
            };
            collected.map_err(unusable)?;
        }
        garbage.packed = self.store.pack();
        Ok(garbage)
    }

    /// Reads every blob and record of the store and checks it; `repair` removes what is damaged, so that it is made again.
    pub fn verify(&self, repair: Repair, progress: &(dyn Fn(Progress) + Sync)) -> Result<Checked, Diagnostics> {
        let mut problems = self.store.verify(progress);
        problems.extend(History::readable_roots(&self.store).1);
        if repair == Repair::Yes {
            self.store.repair(&problems).map_err(unusable)?;
            self.set_aside(&problems).map_err(unusable)?;
            self.forget_broken().map_err(unusable)?;
        }
        Ok(Checked { problems, stats: self.store.stats().map_err(unusable)? })
    }
}

impl Project {
    /// Sets aside the lines of the history that are no builds, unless a build runs that may be about to add one.
    fn set_aside(&self, problems: &[Problem]) -> Result<(), StoreError> {
        let damaged = |problem: &Problem| match problem {
            Problem::History { file, .. } => Some(file.clone()),
            _ => None,
        };
        let damaged: BTreeSet<_> = problems.iter().filter_map(damaged).collect();
        if damaged.is_empty() {
            return Ok(());
        }
        let Some(_alone) = self.store.claim()? else { return Ok(()) };
        damaged.iter().try_for_each(|file| History::set_aside(&self.store, file))
    }

    /// Forgets that nodes are fresh whose tables name what is not in the store, so that the next build makes it again;
    /// and what builds name that is lost, so that `gc` does without it.
    fn forget_broken(&self) -> Result<(), StoreError> {
        let builds = History::readable_roots(&self.store).0.into_iter().flatten();
        let views: Vec<Hash> = builds.flat_map(|build| build.views()).collect();
        let mut live = Live::new(&self.store);
        let mut broken = HashSet::new();
        let mut seen = HashSet::new();
        for view in views {
            live.build(view, Tables::Stay)?;
            let Ok(view) = read_view(&self.store, view) else { continue };
            for hash in view.into_values().filter(|hash| seen.insert(*hash)) {
                if let Ok(record) = read_record(&self.store, hash)
                    && tables(&record).into_iter().any(|table| !self.is_whole(table))
                {
                    broken.insert(record.key);
                }
            }
        }
        if !live.missing.is_empty() {
            let mut gone = read_gone(&self.store)?;
            gone.retain(|hash| !self.store.has(*hash));
            gone.extend(live.missing);
            write_gone(&self.store, &gone)?;
        }
        self.store.forget_traces(&broken)
    }

    fn is_whole(&self, table: Hash) -> bool {
        let Ok(contents) = self.store.get(table) else { return false };
        let Ok(table) = Table::decode(&contents) else { return false };
        let has = |hash: Hash| self.store.has(hash);
        table
            .groups
            .iter()
            .flat_map(|group| &group.columns)
            .all(|column| has(column.chunk) && column.take.is_none_or(has))
    }
}

/// Returns the tables that a node made: its own, its parts', and those of dropped rows.
fn tables(record: &NodeRecord) -> Vec<Hash> {
    let mut tables: Vec<Hash> = record.dropped.iter().chain(&record.failed).map(|lost| lost.table).collect();
    if let Output::Table { table, parts, .. } = &record.output {
        tables.push(*table);
        tables.extend(parts.values().map(|part| part.table));
    }
    tables
}

/// Whether `verify` mends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    Yes,
    No,
}

/// The file in the store that names what `gc` or `verify --repair` let go of though a build names it.
const GONE: &str = "gone";

fn read_gone(store: &Store) -> Result<BTreeSet<Hash>, StoreError> {
    let path = store.root().join(GONE);
    match store.disk().read(&path, 0) {
        // A line that does not read lets go of nothing.
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).lines().filter_map(|line| line.parse().ok()).collect()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(error) => Err(StoreError::io("read", &path, error)),
    }
}

fn write_gone(store: &Store, gone: &BTreeSet<Hash>) -> Result<(), StoreError> {
    let path = store.root().join(GONE);
    let lines: String = gone.iter().map(|hash| format!("{hash}\n")).collect();
    store.disk().write_new(&path, &[lines.as_bytes()]).map_err(|error| StoreError::io("write", &path, error))
}

fn unreachable(hash: Hash, n: usize) -> Diagnostics {
    let title = format!("the blob {} is not in the store, or is damaged, and a kept build needs it", hash.short());
    let mut problem = Diagnostic::error("lost-blob", title).note("what it leads to cannot be told from garbage");
    if n > 1 {
        problem = problem.note(format!("{} more of this kind", n - 1));
    }
    problem.help("run `datamake verify --repair` first").into()
}

/// Whether the tables of a build stay, and the traces that made them; its view and records stay in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tables {
    Stay,
    Expire,
}

/// What is reached from builds.
struct Live<'a> {
    store: &'a Store,
    blobs: HashSet<Hash>,
    traces: HashSet<Key>,
    /// What has been followed already, and how.
    views: HashSet<Hash>,
    records: HashSet<Hash>,
    /// What had to be followed and is not in the store.
    missing: Vec<Hash>,
    /// What leads from builds whose tables expire to these tables.
    expired: HashSet<Hash>,
}

impl<'a> Live<'a> {
    fn new(store: &'a Store) -> Live<'a> {
        Live {
            store,
            blobs: HashSet::new(),
            traces: HashSet::new(),
            views: HashSet::new(),
            records: HashSet::new(),
            missing: Vec::new(),
            expired: HashSet::new(),
        }
    }

    /// Follows a build; those whose tables stay come first.
    fn build(&mut self, view: Hash, and: Tables) -> Result<(), StoreError> {
        self.blobs.insert(view);
        if !self.views.insert(view) {
            return Ok(());
        }
        let found = read_view(self.store, view);
        for hash in self.there(view, found)?.into_iter().flat_map(View::into_values) {
            self.blobs.insert(hash);
            if self.records.insert(hash) {
                let found = read_record(self.store, hash);
                match self.there(hash, found)? {
                    Some(record) if and == Tables::Stay => self.record(&record)?,
                    Some(record) => self.expired.extend(tables(&record).into_iter().chain([record.actions])),
                    None => {}
                }
            }
        }
        Ok(())
    }

    fn record(&mut self, record: &NodeRecord) -> Result<(), StoreError> {
        self.traces.insert(record.key);
        for table in tables(record) {
            self.table(table)?;
        }
        self.blobs.insert(record.actions);
        let found = self.store.get(record.actions);
        for key in self.there(record.actions, found)?.iter().flat_map(|keys| decode_keys(keys)) {
            if self.traces.insert(key) {
                self.blobs.extend(self.store.trace(key).into_iter().flatten());
            }
        }
        Ok(())
    }

    fn table(&mut self, hash: Hash) -> Result<(), StoreError> {
        if !self.blobs.insert(hash) {
            return Ok(());
        }
        let found = self.store.get(hash);
        let found = found.and_then(|contents| Table::decode(&contents).map_err(|_| StoreError::Missing(hash)));
        for column in self.there(hash, found)?.iter().flat_map(|table| &table.groups).flat_map(|group| &group.columns) {
            self.blobs.insert(column.chunk);
            self.blobs.extend(column.take);
        }
        Ok(())
    }

    /// Notes what is missing; a disk that does not let us read is an error.
    fn there<T>(&mut self, hash: Hash, found: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(StoreError::Missing(_)) => {
                self.missing.push(hash);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
