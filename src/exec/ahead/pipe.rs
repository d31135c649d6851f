//! The way that rows go: the row-wise stages of a dataset, and those of the datasets made from it.

use super::super::context::{Context, Used};
use super::super::count::Unknown;
use super::super::event::Progress;
use super::super::refer::Others;
use super::super::stage::{Effort, Flow, schemas};
use crate::graph::{NodeId, Stage};
use crate::table::{Batch, RowGroup, Schema};
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

/// Consecutive row-wise stages of one dataset.
pub struct Pipe<'a> {
    pub node: NodeId,
    pub name: &'a str,
    pub others: Others,
    pub stages: &'a [Stage],
    /// The position of the first of them in the dataset.
    pub first: usize,
    /// The columns before each of them.
    schemas: Vec<Schema>,
    /// The pipes that rows go on to at the end.
    pub next: Vec<usize>,
    /// How many rows may fail before nothing more is asked for the dataset.
    pub most_failed: u64,
}

impl<'a> Pipe<'a> {
    /// Takes the row-wise stages from `first` on; `schema` has the columns before the first stage of all.
    pub fn new(
        node: NodeId,
        name: &'a str,
        others: Others,
        all: &'a [Stage],
        first: usize,
        schema: &Schema,
    ) -> Pipe<'a> {
        let row_wise = all[first..].iter().take_while(|stage| !stage.is_whole()).count();
        let stages = &all[first..first + row_wise];
        let schemas = schemas(&all[..first + row_wise], schema).split_off(first);
        Pipe { node, name, others, stages, first, schemas, next: Vec::new(), most_failed: u64::MAX }
    }

    /// Takes one stage alone, the `at`th of the dataset.
    pub fn of(node: NodeId, name: &'a str, stage: &'a Stage, at: usize, schema: &Schema) -> Pipe<'a> {
        let stages = std::slice::from_ref(stage);
        Pipe {
            node,
            name,
            others: Others::default(),
            stages,
            first: at,
            schemas: vec![schema.clone()],
            next: Vec::new(),
            most_failed: u64::MAX,
        }
    }

    /// Asks nothing more once more rows than these cannot be computed.
    pub fn failing(self, most_failed: u64) -> Pipe<'a> {
        Pipe { most_failed, ..self }
    }

    /// Lets row groups go through its stages, beside the making of its dataset.
    pub fn flow<'f>(
        &'f self,
        context: &'f Context<'f>,
        used: &'f Used,
        progress: &'f Progress<'f>,
        effort: Effort,
    ) -> Flow<'f> {
        Flow { context, used, node: self.name, progress, others: &self.others, effort, most_failed: self.most_failed }
    }

    /// Returns the columns before a stage.
    pub fn schema(&self, at: usize) -> &Schema {
        &self.schemas[at]
    }

    /// Returns the positions of the endpoints that it asks.
    pub fn endpoints(&self) -> BTreeSet<usize> {
        let asks = self.stages.iter().filter_map(|stage| if let Stage::Ask(ask) = stage { Some(ask) } else { None });
        asks.flat_map(|ask| ask.op.specs()).map(|spec| spec.endpoint).collect()
    }
}

/// Row groups that are to go through a pipe.
pub struct Source {
    pub pipe: usize,
    pub groups: VecDeque<Arc<RowGroup>>,
}

/// Rows at a stage of a pipe.
#[derive(Clone)]
pub struct Parcel {
    pub pipe: usize,
    pub stage: usize,
    pub batch: Batch,
    /// In a plan: the columns that `batch` lacks, because they depend on answers.
    pub unknown: Unknown,
}

impl Parcel {
    /// Begins with rows of which all is known.
    pub fn of(pipe: usize, stage: usize, batch: Batch) -> Parcel {
        Parcel { pipe, stage, batch, unknown: Unknown::default() }
    }

    /// Leaves rows out, by position.
    pub fn without(self, rows: &HashSet<usize>) -> Parcel {
        if rows.is_empty() {
            return self;
        }
        self.take((0..self.batch.rows as u32).filter(|row| !rows.contains(&(*row as usize))).collect())
    }

    /// Picks rows by position.
    pub fn take(&self, rows: Vec<u32>) -> Parcel {
        let unknown = self.unknown.take(&rows);
        Parcel { batch: self.batch.take(rows), unknown, ..*self }
    }
}

/// Bits of a lane's number that say which stage of the node it is.
const STAGE_BITS: u32 = 12;

/// Returns the lane of a stage of a node.
pub fn lane(node: NodeId, stage: usize) -> u32 {
    node.0 << STAGE_BITS | stage as u32
}
