//! Row groups that go on while their columns are at hand: as soon as a segment of a file is parsed, its rows go through the stages
//! that follow, of all datasets made from them alone, into the metrics of those, and into the files that they are exported to.
//!
//! Nothing is decided here. Actions are found by their keys when it is their nodes' turn, and count there; a file is taken if it
//! holds just the table that the export is of. So whatever is wrong, or not known yet, only ends the going on.

mod file;
mod in_order;

pub(super) use file::EagerFile;

use super::context::{Mode, Stop, Used};
use super::event::Progress;
use super::files::{Part, Reading, unify};
use super::refer::Others;
use super::stage::schemas;
use super::walk::Walk;
use crate::diag::Diagnostics;
use crate::graph::{Bound, BoundMetric, Graph, Kind, NodeId, Shape, Stage, bind_dataset, bind_metric, maker_shape};
use crate::manifest::Maker;
use crate::table::{RowGroup, Schema};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// What goes on with the rows of one `files` dataset.
pub(super) struct Eager<'a> {
    walk: &'a Walk<'a>,
    id: NodeId,
    chain: OnceLock<Option<Chain>>,
    /// How many segments were cut so far.
    segments: AtomicUsize,
    is_over: AtomicBool,
}

/// The datasets that rows go through, bound to the columns of the first segment; the first is the one that is read.
struct Chain {
    /// The first segment, and the file that it is from.
    first: (usize, Part),
    schema: Schema,
    links: Vec<Link>,
}

struct Link {
    node: NodeId,
    bound: Bound,
    /// The columns before each stage.
    schemas: Vec<Schema>,
    metrics: Vec<BoundMetric>,
    files: Vec<(NodeId, EagerFile)>,
    /// The datasets made from this one alone.
    next: Vec<usize>,
}

impl<'a> Eager<'a> {
    /// Prepares for the rows of a `files` dataset that is to be made.
    pub fn new(walk: &'a Walk<'a>, id: NodeId) -> Eager<'a> {
        let is_over = AtomicBool::new(walk.request.mode != Mode::Build);
        Eager { walk, id, chain: OnceLock::new(), segments: AtomicUsize::new(0), is_over }
    }

    /// Returns the number of the next segment: those of all files are counted together, in order.
    pub fn next(&self) -> usize {
        self.segments.fetch_add(1, Ordering::Relaxed)
    }

    /// Ends it: the rest is not new, or not of the same columns, or cannot go on.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.files(EagerFile::give_up);
    }

    /// Waits until what was made is nearly written, unless `cancel` is set.
    pub fn catch_up(&self, cancel: &AtomicBool) {
        let is_behind = || {
            let mut is_behind = false;
            self.files(|file| is_behind |= file.is_behind());
            is_behind && !cancel.load(Ordering::Relaxed)
        };
        while is_behind() {
            if !matches!(rayon::yield_now(), Some(rayon::Yield::Executed)) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Lets the rows of a segment go on; `part` is what was parsed of it, from the file at `file`.
    pub fn take(&self, reading: &Reading, number: usize, file: usize, part: &Part) {
        if self.is_over.load(Ordering::Relaxed) {
            return;
        }
        // Before anything is bound, or a file begun, for what is known.
        if !part.is_fresh() {
            return self.end();
        }
        let chain = self.chain.get_or_init(|| {
            let first = (file, part.clone());
            let schema = unify(reading, std::slice::from_ref(&first)).ok()?;
            Some(Chain { links: self.links(&schema, &reading.key)?, first, schema })
        });
        let went = chain.as_ref().is_some_and(|chain| {
            // Columns may lack values here and there; new ones, or other types, change those of all segments.
            let same =
                unify(reading, &[chain.first.clone(), (file, part.clone())]).is_ok_and(|all| all == chain.schema);
            same && self.went(chain, reading, number, file, part).is_ok()
        });
        if !went {
            self.end();
        }
    }

    fn went(&self, chain: &Chain, reading: &Reading, number: usize, file: usize, part: &Part) -> Result<(), Stop> {
        let (context, used) = (&self.walk.context, Used::eager());
        let group = part.has_rows().then(|| context.conform_part(&used, reading, file, &chain.schema, part));
        self.go(chain, 0, number, group.transpose()?)
    }

    /// Returns the files that were begun.
    pub fn into_files(self) -> HashMap<NodeId, EagerFile> {
        let chain = self.chain.into_inner().flatten();
        let links = chain.into_iter().flat_map(|chain| chain.links);
        links.flat_map(|link| link.files).collect()
    }

    fn files(&self, mut each: impl FnMut(&EagerFile)) {
        let links = self.chain.get().into_iter().flatten().flat_map(|chain| &chain.links);
        links.flat_map(|link| &link.files).for_each(|(_, file)| each(file));
    }

    /// Sends a row group through a dataset and on from there.
    fn go(&self, chain: &Chain, at: usize, number: usize, group: Option<Arc<RowGroup>>) -> Result<(), Stop> {
        let link = &chain.links[at];
        let (used, progress, others) = (Used::eager(), Progress::new(link.node, &|_| ()), Others::default());
        let flow = self.walk.flow(link.node, &used, &progress, &others);
        let mut group = group;
        for (at, (stage, schema)) in link.bound.stages.iter().zip(&link.schemas).enumerate() {
            match (stage, &group) {
                (stage, Some(rows)) if goes_on(stage) => group = flow.stage(at, stage, schema, rows)?.0.pop(),
                (Stage::Whole { hashes, .. } | Stage::Spans { hashes, .. }, Some(rows)) => {
                    return flow.all_columns_of(hashes, schema, rows).map(drop);
                }
                (_, None) => {}
                // It may ask, or look into what is not there yet.
                (_, Some(_)) => return Ok(()),
            }
        }
        let schema = &link.bound.shape.schema;
        if let Some(rows) = &group {
            link.metrics.iter().try_for_each(|metric| flow.fold_eagerly(metric, schema, rows))?;
        }
        link.next.iter().try_for_each(|next| self.go(chain, *next, number, group.clone()))?;
        for (_, file) in &link.files {
            let rows = match &group {
                Some(group) => Some((group.clone(), flow.context.picked(schema, group)?)),
                None => None,
            };
            file.put(number, rows);
        }
        Ok(())
    }

    /// Binds the dataset to its columns, and those made from it.
    fn links(&self, schema: &Schema, key: &[String]) -> Option<Vec<Link>> {
        let mut links = Vec::new();
        let found = Shape { schema: schema.clone(), key: key.to_vec() };
        let made = maker_shape(self.walk.request.graph, self.id, &[], Some(&found)).ok()?;
        self.link(self.id, made, &mut links).ok()?;
        Some(links)
    }

    fn link(&self, id: NodeId, made: Shape, links: &mut Vec<Link>) -> Result<(), Diagnostics> {
        let walk = self.walk;
        let graph = walk.request.graph;
        let inputs = if id == self.id { &[][..] } else { std::slice::from_ref(&made) };
        let bound = bind_dataset(graph, id, made.clone(), inputs, walk.limit(id))?;
        let (at, shape) = (links.len(), bound.shape.clone());
        let schemas = schemas(&bound.stages, &made.schema);
        links.push(Link { node: id, bound, schemas, metrics: Vec::new(), files: Vec::new(), next: Vec::new() });
        if !links[at].bound.stages.iter().all(goes_on) {
            return Ok(());
        }
        for reader in walk.stale_readers(id) {
            let node = graph.node(reader);
            match node.kind {
                Kind::Dataset if is_heir(graph, reader) => {
                    let next = links.len();
                    links[at].next.push(next);
                    self.link(reader, shape.clone(), links)?;
                }
                Kind::Metric => {
                    let metric = &graph.manifest.metrics[node.declaration];
                    links[at].metrics.push(bind_metric(metric, &shape.schema)?);
                }
                Kind::Export => {
                    let export = &graph.manifest.exports[node.declaration];
                    let (to, workspace) = (&export.to.value, walk.request.workspace);
                    let file = EagerFile::begin(workspace, to, export.encoding, &shape.schema);
                    links[at].files.extend(file.map(|file| (reader, file)));
                }
                Kind::Dataset | Kind::Test => {}
            }
        }
        Ok(())
    }
}

/// Returns whether a row group goes on through a stage: alone, as one or none, and without a look at what may not be there yet.
fn goes_on(stage: &Stage) -> bool {
    matches!(stage, Stage::Compute(_) | Stage::Select(_) | Stage::Filter(_) | Stage::Split(_))
}

/// Returns whether a dataset takes its rows from one alone, and looks into no other.
fn is_heir(graph: &Graph, id: NodeId) -> bool {
    let node = graph.node(id);
    node.inputs.len() == 1 && matches!(graph.manifest.datasets[node.declaration].maker, Maker::From(_))
}
