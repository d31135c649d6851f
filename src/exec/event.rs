//! What happens during a build, told as it happens.

use super::Work;
use crate::fetch::models::{Afoot, Traffic};
use crate::graph::NodeId;
use std::sync::Mutex;
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
    /// So many requests were answered, or given up. So many rows of the node wait for answers, and so many may yet come to it.
    Answers {
        node: NodeId,
        answered: u64,
        unanswered: u64,
        waiting: u64,
        queued: u64,
        /// What went out for this node in this build so far.
        traffic: Traffic,
        /// What goes on at the endpoints that it asks; while anything does, this is told now and then.
        afoot: Afoot,
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
    /// What the passes before this one made at most.
    before: Mutex<(u64, u64)>,
}

impl<'a> Progress<'a> {
    /// Begins to tell of `node`.
    pub fn new(node: NodeId, events: &'a (dyn Fn(Event) + Sync)) -> Progress<'a> {
        Progress {
            node,
            events,
            groups: AtomicU64::new(0),
            made: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            before: Mutex::default(),
        }
    }

    /// Returns the node that is told of.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Returns where it is told.
    pub fn events(&self) -> &'a (dyn Fn(Event) + Sync) {
        self.events
    }

    /// Begins a pass over row groups. Passes follow each other; the one that made most is what counts.
    pub fn begin(&self, groups: usize) {
        let made = (self.made.swap(0, Ordering::Relaxed), self.rows.swap(0, Ordering::Relaxed));
        let mut before = self.before.lock().expect("no thread panics with this lock");
        *before = (*before).max(made);
        self.groups.fetch_max(groups as u64, Ordering::Relaxed);
        (self.events)(Event::Groups { node: self.node, total: groups as u64 });
    }

    /// Counts what was read before it was the node's turn.
    pub fn read(&self, work: Work) {
        self.groups.fetch_max(work.groups, Ordering::Relaxed);
        self.made.store(work.groups_made, Ordering::Relaxed);
        self.rows.store(work.rows_made, Ordering::Relaxed);
    }

    /// Tells that a row group of `rows` rows is done; `made`: an action ran for it, or would run.
    pub fn group(&self, rows: u64, made: bool) {
        if made {
            self.made.fetch_add(1, Ordering::Relaxed);
            self.rows.fetch_add(rows, Ordering::Relaxed);
        }
        (self.events)(Event::Group { node: self.node, rows });
    }

    /// Returns what was counted.
    pub fn work(&self, actions: u64) -> Work {
        let before = *self.before.lock().expect("no thread panics with this lock");
        let (groups_made, rows_made) =
            before.max((self.made.load(Ordering::Relaxed), self.rows.load(Ordering::Relaxed)));
        Work { groups: self.groups.load(Ordering::Relaxed), groups_made, rows_made, actions }
    }
}
