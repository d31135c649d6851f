//! What happens during a build, told as it happens.

use super::Work;
use super::context::Stop;
use crate::graph::NodeId;
use std::sync::atomic::{AtomicU64, Ordering};

/// Something happened to a node.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    Begin {
        node: NodeId,
    },
    /// So many row groups are to be gone through, in this pass over them.
    Groups {
        node: NodeId,
        total: u64,
    },
    /// One of them is done.
    Group {
        node: NodeId,
        rows: u64,
    },
    End {
        node: NodeId,
        work: Work,
    },
    Failed {
        node: NodeId,
    },
}

/// Tells of one node's row groups, and counts them.
pub struct Progress<'a> {
    node: NodeId,
    events: &'a (dyn Fn(Event) + Sync),
    groups: AtomicU64,
    made: AtomicU64,
    rows: AtomicU64,
}

impl<'a> Progress<'a> {
    /// Begins to tell of `node`.
    pub fn new(node: NodeId, events: &'a (dyn Fn(Event) + Sync)) -> Progress<'a> {
        Progress { node, events, groups: AtomicU64::new(0), made: AtomicU64::new(0), rows: AtomicU64::new(0) }
    }

    /// Begins a pass over row groups.
    pub fn begin(&self, groups: usize) {
        self.groups.fetch_max(groups as u64, Ordering::Relaxed);
        (self.events)(Event::Groups { node: self.node, total: groups as u64 });
    }

    /// Ends a row group of `rows` rows.
    pub fn group<T>(&self, rows: u64, result: &Result<T, Stop>) {
        if matches!(result, Err(Stop::Pending)) {
            self.make(rows);
        }
        (self.events)(Event::Group { node: self.node, rows });
    }

    /// Counts a row group in which an action ran or would run.
    pub fn make(&self, rows: u64) {
        self.made.fetch_add(1, Ordering::Relaxed);
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// Returns what was counted.
    pub fn work(&self, actions: u64) -> Work {
        Work {
            groups: self.groups.load(Ordering::Relaxed),
            groups_made: self.made.load(Ordering::Relaxed),
            rows_made: self.rows.load(Ordering::Relaxed),
            actions,
        }
    }
}
