//! Why nodes are stale: what a run found, beside what was there after the last build.

use super::Project;
use crate::ask::FailureKind;
use crate::exec::{Context, Mode, NodeRecord, Run, rows_of_file};
use crate::graph::{Input, Kind, NodeId};
use crate::hash::Hash;
use crate::history::diff_tables;
use crate::plan::{ChangedRows, Places, Present, Reason, reasons};
use crate::store::Store;
use crate::table::{RowGroup, Table};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// More rows than this are not compared one by one.
const MANY_ROWS: u64 = 50_000;

/// Rows that are named of each kind.
const NAMED: usize = 5;

/// What of a build makes nodes ask again that are otherwise as they were.
#[derive(Clone, Copy)]
pub(super) struct Again<'a> {
    /// Rows that failed in these ways.
    pub retry: &'a [FailureKind],
    /// About how many rows models were asked in the build before.
    pub rows: Option<u64>,
}

impl Project {
    /// Returns why a node is not fresh; `scratch` has what was read of its files.
    pub(super) fn reasons_of<'a>(
        &self,
        run: &Run,
        id: NodeId,
        last: Option<&NodeRecord>,
        scratch: &dyn Fn() -> &'a Store,
        asking: Again,
    ) -> Vec<Reason> {
        let node = self.graph.node(id);
        let input = |input: &Input| {
            let outcome = run.of(input.node).and_then(|run| run.outcome.as_ref());
            let table = outcome.and_then(|outcome| outcome.table(&self.graph, input)).map(|table| table.hash);
            let name = self.graph.node(input.node).name.clone();
            (input.part.as_ref().map_or(name.clone(), |part| format!("{name}.{part}")), table)
        };
        let output = (node.kind == Kind::Export).then(|| {
            let to = self.graph.manifest.exports[node.declaration].to.value.clone();
            let there = run.outputs.get(&id).copied().unwrap_or_else(|| self.workspace.hash_output(&to));
            (to, there)
        });
        let present = Present {
            words: run.words.get(&id).unwrap_or(&node.words),
            files: run.files.get(&id).cloned().unwrap_or_default(),
            inputs: node.inputs.iter().map(input).collect(),
            rows: &|path, old, new| self.changed_rows(scratch(), id, path, old, new),
            output,
            // What has no recorded answer asks again in any case.
            again: &|kind| {
                let kind = kind.parse::<FailureKind>();
                kind.is_ok_and(|kind| !kind.is_recorded() || asking.retry.contains(&kind))
            },
            asked: (self.graph.asks(id) && asking.rows != self.options.rows).then_some(self.options.rows),
        };
        reasons(&present, last)
    }

    /// Compares the rows of two contents of a data file, where both were read before and few of them differ.
    pub(super) fn changed_rows(
        &self,
        store: &Store,
        id: NodeId,
        path: &str,
        old: Hash,
        new: Hash,
    ) -> Option<ChangedRows> {
        let never = AtomicBool::new(false);
        let context = Context::new(store, Mode::Plan, self.limits, &never);
        let rows = |hash| rows_of_file(&context, &self.graph, id, path, hash);
        let (old, new) = (rows(old)?, rows(new)?);
        if rows_apart(&old, &new) > MANY_ROWS {
            return None;
        }
        let diff = diff_tables(&context, &old, &new, NAMED).ok()?;
        let places = |count, at: &[u64]| Places { count, first: at.iter().take(NAMED).map(|row| row + 1).collect() };
        let changed = places(diff.rows_changed, &diff.changed_at);
        let added = places(diff.rows_added, &diff.added_at);
        let removed = places(diff.rows_removed, &diff.removed_at);
        let without_key = diff.key.len() == diff.new_columns.len();
        let (columns_added, columns_removed) = (diff.columns_added, diff.columns_removed);
        Some(if without_key && added.count == removed.count {
            ChangedRows { columns_added, columns_removed, changed: added, ..ChangedRows::default() }
        } else {
            ChangedRows { columns_added, columns_removed, changed, added, removed }
        })
    }
}

/// Counts the rows in row groups that only one of the tables has.
fn rows_apart(old: &Table, new: &Table) -> u64 {
    let alone = |one: &Table, other: &Table| -> u64 {
        let there: HashSet<&[_]> = other.groups.iter().map(|group| &group.columns[..]).collect();
        let is_alone = |group: &&Arc<RowGroup>| !there.contains(&group.columns[..]);
        one.groups.iter().filter(is_alone).map(|group| u64::from(group.rows)).sum()
    };
    alone(old, new) + alone(new, old)
}
