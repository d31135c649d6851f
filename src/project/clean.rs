//! Keeping the store: what may go, and whether what is there is right.

use super::{Project, unusable};
use crate::diag::Diagnostics;
use crate::exec::{NodeRecord, Output, decode_keys};
use crate::hash::{Hash, Key};
use crate::history::{History, read_record, read_view};
use crate::store::{GcPlan, Problem, Progress, Stats, StoreError};
use crate::table::Table;
use std::collections::HashSet;
use std::time::Duration;

/// What `gc` would remove, and what it keeps.
#[derive(Debug)]
pub struct Garbage {
    pub plan: GcPlan,
    /// Builds whose artifacts are kept.
    pub builds_kept: usize,
}

/// What `verify` found.
#[derive(Debug)]
pub struct Checked {
    pub problems: Vec<Problem>,
    pub stats: Stats,
}

impl Project {
    /// Finds what no kept build needs: of each checkout that uses the store, the last `keep` builds are kept.
    pub fn garbage(&self, keep: usize) -> Result<Garbage, Diagnostics> {
        let mut live = Live { project: self, blobs: HashSet::new(), traces: HashSet::new() };
        let mut builds_kept = 0;
        for views in History::views(&self.store).map_err(unusable)? {
            for view in views.iter().rev().take(keep.max(1)) {
                builds_kept += 1;
                live.build(*view);
            }
        }
        let plan = self.store.gc(&live.blobs, &live.traces, GRACE).map_err(unusable)?;
        Ok(Garbage { plan, builds_kept })
    }

    /// Removes it.
    pub fn remove(&self, garbage: &Garbage) -> Result<(), Diagnostics> {
        self.store.collect(&garbage.plan).map_err(unusable)
    }

    /// Reads every blob and record of the store and checks it; `repair` removes what is damaged, so that it is made again.
    pub fn verify(&self, repair: Repair, progress: &(dyn Fn(Progress) + Sync)) -> Result<Checked, Diagnostics> {
        let problems = self.store.verify(progress);
        if repair == Repair::Yes && !problems.is_empty() {
            self.store.repair(&problems).map_err(unusable)?;
            self.forget_broken().map_err(unusable)?;
        }
        Ok(Checked { problems, stats: self.store.stats().map_err(unusable)? })
    }
}

impl Project {
    /// Forgets that nodes are fresh whose tables name what is not in the store, so that the next build makes it again.
    fn forget_broken(&self) -> Result<(), StoreError> {
        let mut broken = HashSet::new();
        let mut seen = HashSet::new();
        for view in History::views(&self.store)?.into_iter().flatten() {
            let Ok(view) = read_view(&self.store, view) else { continue };
            for hash in view.into_values().filter(|hash| seen.insert(*hash)) {
                if let Ok(record) = read_record(&self.store, hash)
                    && tables(&record).into_iter().any(|table| !self.is_whole(table))
                {
                    broken.insert(record.key);
                }
            }
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
    let mut tables: Vec<Hash> = record.dropped.iter().map(|dropped| dropped.table).collect();
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

/// Files younger than this may belong to a build that runs now.
const GRACE: Duration = Duration::from_secs(3600);

/// What is reached from builds. What cannot be read reaches nothing: it is made again when it is needed.
struct Live<'a> {
    project: &'a Project,
    blobs: HashSet<Hash>,
    traces: HashSet<Key>,
}

impl Live<'_> {
    fn build(&mut self, view: Hash) {
        self.blobs.insert(view);
        let Ok(view) = read_view(&self.project.store, view) else { return };
        for hash in view.values() {
            if self.blobs.insert(*hash)
                && let Ok(record) = read_record(&self.project.store, *hash)
            {
                let _ = self.record(&record);
            }
        }
    }

    fn record(&mut self, record: &NodeRecord) -> Result<(), StoreError> {
        let store = &self.project.store;
        self.blobs.insert(record.actions);
        self.traces.insert(record.key);
        for key in decode_keys(&store.get(record.actions)?) {
            if self.traces.insert(key) {
                self.blobs.extend(store.trace(key).into_iter().flatten());
            }
        }
        for table in tables(record) {
            self.table(table)?;
        }
        Ok(())
    }

    fn table(&mut self, hash: Hash) -> Result<(), StoreError> {
        if !self.blobs.insert(hash) {
            return Ok(());
        }
        let contents = self.project.store.get(hash)?;
        let table = Table::decode(&contents).map_err(|_| StoreError::Missing(hash))?;
        for column in table.groups.iter().flat_map(|group| &group.columns) {
            self.blobs.insert(column.chunk);
            self.blobs.extend(column.take);
        }
        Ok(())
    }
}
