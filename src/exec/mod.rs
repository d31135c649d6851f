//! Execution: stale nodes become tables, numbers and files. A plan is the same walk with nothing run.

mod able;
mod alike;
mod ahead;
mod apart;
mod around;
mod ask;
mod concat;
mod conform;
mod constant;
mod context;
mod contract;
mod count;
mod dataset;
mod decontaminate;
mod desk;
mod dialogue;
mod door;
mod eager;
mod event;
mod example;
mod export;
mod failure;
mod fan;
mod files;
mod filter;
mod join;
mod kept;
mod learn;
mod leaks;
mod lost;
mod measures;
mod metric;
mod mix;
mod program_trouble;
mod query;
mod record;
mod refer;
mod rows;
mod run;
mod sources;
mod spans;
mod stage;
mod too_many;
mod walk;
mod wave;
mod whole;

pub use ask::{Paid, Sum};
pub use context::{Context, Mode, Stop, TableRef, Used};
pub use count::{Count, Place};
pub use door::Door;
pub use event::{Event, Progress};
pub use failure::{FAILURE, FailedAs, RowFailure};
pub use lost::DROPPED_BY;
pub use metric::fold_rows;
pub use record::{
    Gave, Leak, LostRows, MetricSlice, MetricValue, NodeRecord, Output, PartOutput, Remade, Tested, decode_keys,
    encode_keys,
};
pub use sources::{Sources, rows_of_file};

use crate::ask::FailureKind;
use crate::diag::{Diagnostic, Diagnostics};
use crate::fetch::Workspace;
use crate::fetch::models::Traffic;
use crate::graph::{Graph, Input, NodeId};
use crate::hash::{Hash, Words};
use crate::store::Store;
use crate::table::Limits;
use desk::Desk;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use walk::Walk;

/// What to bring up to date, and how.
pub struct Request<'a> {
    pub graph: &'a Graph,
    pub targets: &'a [NodeId],
    pub workspace: &'a Workspace,
    pub store: &'a Store,
    /// With [`Mode::Plan`] and [`Mode::Check`], the store is to be a scratch store.
    pub mode: Mode,
    pub limits: Limits,
    pub events: &'a (dyn Fn(Event) + Sync),
    /// Set from outside to stop after what is in hand.
    pub cancel: &'a AtomicBool,
    /// The door to models; none in a plan.
    pub door: Option<&'a Door<'a>>,
    /// Hears of the recorded responses behind all rows; then every row is gone through again.
    pub listener: Option<&'a Mutex<BTreeSet<Hash>>>,
    /// Rows that failed in these ways ask again.
    pub retry: &'a [FailureKind],
    /// Datasets ask about so many rows only.
    pub rows: Option<u64>,
}

/// What became of a node.
#[derive(Debug)]
pub enum State {
    /// Its node key was known: nothing was looked at.
    Fresh,
    /// Made, or found by its actions' keys.
    Done(Work),
    /// Planning: so many row groups and rows would be made.
    Stale(Work),
    /// Planning: what it reads is not known before these have run.
    Unknown(Vec<NodeId>),
    Failed(Diagnostics),
    /// Not begun, because this one failed.
    Skipped(NodeId),
}

/// How much was or would be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Row groups gone through, and those of them in which an action ran.
    pub groups: u64,
    pub groups_made: u64,
    pub rows_made: u64,
    /// Actions run.
    pub actions: u64,
}

/// A node that is up to date: where its record and tables are.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub record: Hash,
    /// The dataset's table, then its parts in the order of their names; empty for other kinds.
    pub tables: Vec<TableRef>,
}

impl Outcome {
    /// Returns the table that an input of another node names: this one's own, or a part's.
    pub fn table(&self, graph: &Graph, input: &Input) -> Option<&TableRef> {
        let at = match &input.part {
            None => 0,
            Some(part) => 1 + graph.parts(input.node).iter().position(|name| name == part)?,
        };
        self.tables.get(at)
    }
}

/// One node after a build or plan.
#[derive(Debug)]
pub struct NodeRun {
    pub node: NodeId,
    pub state: State,
    /// Where it is up to date, or is known to come out as.
    pub outcome: Option<Outcome>,
}

/// A build or plan as a whole.
#[derive(Debug, Default)]
pub struct Run {
    /// In graph order.
    pub nodes: Vec<NodeRun>,
    /// Actions that ran, and actions that did not have to.
    pub ran: u64,
    pub reused: u64,
    /// The data files of `files` datasets, and what they held.
    pub files: HashMap<NodeId, Vec<(String, Hash)>>,
    /// The definitions of nodes with programs, with the variables that those get.
    pub words: HashMap<NodeId, Words>,
    /// The files that were in the places of exports before: none, or its hash.
    pub outputs: HashMap<NodeId, Option<Hash>>,
    /// The records of datasets that are not published, because too many of their rows failed, and of tests that fail.
    pub attempts: BTreeMap<NodeId, Hash>,
    /// Planning: what would be asked.
    pub counts: BTreeMap<Place, Count>,
    /// Planning: nodes that ask, but of rows that are not known before others have run.
    pub uncounted: Vec<NodeId>,
    /// What was asked, by node and step.
    pub traffic: BTreeMap<(NodeId, usize), Traffic>,
    /// Whether the user stopped it.
    pub interrupted: bool,
    /// Damaged or lost blobs that were made again.
    pub mended: Vec<Hash>,
}

impl Run {
    /// Returns what became of a node, if it was asked for.
    pub fn of(&self, node: NodeId) -> Option<&NodeRun> {
        self.nodes.binary_search_by_key(&node, |run| run.node).ok().map(|at| &self.nodes[at])
    }
}

/// Brings nodes and all that they need up to date, or says what that would take.
///
/// # Errors
/// All that is wrong with the manifest, files or expressions, before anything ran. What goes wrong while running is in the
/// nodes' states.
pub fn run(request: &Request) -> Result<Run, Diagnostics> {
    let mut mended: Vec<Hash> = Vec::new();
    // One for all attempts: what was given up or asked again stays so.
    let desk = Desk::new(request.store.responses().clone(), request.door, request.retry).heard_by(request.listener);
    let desk = Arc::new(desk);
    loop {
        match Walk::new(request, desk.clone()).and_then(Walk::finish) {
            Ok(run) => return Ok(Run { mended, ..run }),
            Err(Stop::Missing(hash)) if !mended.contains(&hash) => {
                // The store knows now that the blob is bad, so the traces that name it no longer hold.
                request.store.mark_bad(hash);
                mended.push(hash);
            }
            Err(Stop::Missing(hash)) => {
                return Err(Diagnostic::error(
                    "damaged-store",
                    format!("the blob {hash} is damaged and cannot be made again"),
                )
                .help("run `datamake verify --repair`, and build again")
                .into());
            }
            Err(Stop::Failed(problems)) => return Err(problems),
            Err(Stop::Interrupted) => return Ok(Run { interrupted: true, mended, ..Run::default() }),
            Err(Stop::Pending) => unreachable!("what binding needs is always read"),
        }
    }
}
