//! One walk over the nodes of a request: what is fresh, what is stale, and what becomes of it.

use super::ahead::lane;
use super::around::Arounds;
use super::context::{Context, Mode, Stop, TableRef, Used};
use super::count::Place;
use super::desk::Desk;
use super::eager::{Eager, EagerFile};
use super::event::{Event, Progress};
use super::files::Reading;
use super::record::{LostRows, NodeRecord, Output, encode_keys};
use super::wave::heirs_of;
use super::{NodeRun, Outcome, Request, Run, Sources, State, Work};
use crate::diag::{Diagnostic, Diagnostics};
use crate::fetch::models::Traffic;
use crate::format::Format;
use crate::graph::{
    Bound, BoundMetric, BoundTest, Graph, Input, Kind, NodeId, Shape, Stage, bind_dataset, bind_metric, bind_test,
    maker_shape,
};
use crate::hash::{Hash, Key};
use crate::op;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// One attempt at a request.
pub(super) struct Walk<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) context: Context<'a>,
    pub(super) order: Vec<NodeId>,
    /// The versions of ops and the limits of row groups, as every node key has them.
    ops: String,
    limits: String,
    pub(super) sources: Sources,
    pub(super) arounds: Arounds,
    /// Checking: what is wrong with those, told together with what is wrong with columns.
    wrong: Diagnostics,
    /// By node; those that are up to date.
    pub(super) outcomes: HashMap<NodeId, Outcome>,
    pub(super) states: HashMap<NodeId, State>,
    pub(super) bound: HashMap<NodeId, Bound>,
    pub(super) metrics: HashMap<NodeId, Vec<BoundMetric>>,
    pub(super) tests: HashMap<NodeId, Vec<BoundTest>>,
    /// What was done to read the files of a node, before it was its turn.
    pub(super) read: HashMap<NodeId, Work>,
    /// The files of exports that were written before it was their turn.
    pub(super) eager: HashMap<NodeId, EagerFile>,
    /// What exports found in their places.
    pub(super) outputs: HashMap<NodeId, Option<Hash>>,
    /// Datasets that steps of others look into, and what those are made from.
    looked_into: HashSet<NodeId>,
    /// Datasets that take their rows from one alone, by that one.
    pub(super) heirs: HashMap<NodeId, Vec<NodeId>>,
    /// Whether a stage of any stale dataset asks models.
    pub(super) anything_asks: bool,
    /// Datasets whose rows went ahead through their first stages.
    pub(super) flowed: HashSet<NodeId>,
    /// Planning: those of them all of whose rows were known as far as they can be.
    pub(super) counted: HashSet<NodeId>,
    /// Why rows could not be made when they were to go ahead: told when it is the dataset's turn.
    pub(super) unmade: HashMap<NodeId, Diagnostics>,
    /// The records of datasets that are not published, because too many of their rows failed, and of tests that fail.
    pub(super) attempts: BTreeMap<NodeId, Hash>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(request: &'a Request<'a>, desk: Arc<Desk<'a>>) -> Result<Walk<'a>, Stop> {
        desk.clear_counting();
        let context = Context::new(request.store, request.mode, request.limits, request.cancel).at(desk);
        let context = context.in_workshop(request.workspace);
        let order = request.graph.closure(request.targets);
        let mut wrong = Diagnostics::default();
        let sources = Sources::find(request.graph, &order, request.workspace, &mut wrong);
        let arounds = Arounds::find(request.graph, &order, request.workspace, &mut wrong);
        if wrong.has_errors() && request.mode != Mode::Check {
            return Err(wrong.into());
        }
        Ok(Walk {
            request,
            context,
            ops: format!("{:?}", op::VERSIONS),
            limits: format!("{:?}", request.limits),
            sources,
            arounds,
            wrong,
            outcomes: HashMap::new(),
            states: HashMap::new(),
            bound: HashMap::new(),
            metrics: HashMap::new(),
            tests: HashMap::new(),
            read: HashMap::new(),
            eager: HashMap::new(),
            outputs: HashMap::new(),
            looked_into: looked_into(request.graph, &order),
            heirs: heirs_of(request.graph, &order),
            anything_asks: false,
            order,
            flowed: HashSet::new(),
            counted: HashSet::new(),
            unmade: HashMap::new(),
            attempts: BTreeMap::new(),
        })
    }

    pub(super) fn finish(mut self) -> Result<Run, Stop> {
        if self.trusts_keys() && !self.wrong.has_errors() {
            for id in self.order.clone() {
                if self.look_up(id)? {
                    self.states.insert(id, State::Fresh);
                }
            }
        }
        let stale: Vec<NodeId> = self.order.iter().copied().filter(|id| !self.states.contains_key(id)).collect();
        self.bind(&stale)?;
        let mut interrupted = false;
        for id in stale {
            if self.context.cancelled() {
                interrupted = true;
                break;
            }
            if let Err(stop) = self.node(id) {
                match stop {
                    Stop::Missing(hash) => return Err(Stop::Missing(hash)),
                    Stop::Interrupted => {
                        interrupted = true;
                        break;
                    }
                    Stop::Failed(problems) => {
                        (self.request.events)(Event::Failed { node: id });
                        self.states.insert(id, State::Failed(problems));
                    }
                    Stop::Pending => unreachable!("a node's pending actions make it stale"),
                }
            }
        }
        self.hold_back();
        let nodes = self.order.iter().filter_map(|id| {
            Some(NodeRun { node: *id, state: self.states.remove(id)?, outcome: self.outcomes.get(id).cloned() })
        });
        let nodes: Vec<NodeRun> = nodes.collect();
        let (ran, reused) =
            (self.context.counts.ran.load(Ordering::Relaxed), self.context.counts.reused.load(Ordering::Relaxed));
        let files = self.order.iter().map(|id| (*id, self.files(*id))).filter(|(_, files)| !files.is_empty()).collect();
        let with_programs = self.order.iter().filter(|id| self.arounds.has(**id));
        let words = with_programs.map(|id| (*id, self.arounds.words(self.request.graph, *id))).collect();
        let counts = self.context.desk.counted().into_iter().map(|(place, count)| {
            let steps = &self.bound[&place.node].steps;
            (Place { step: steps[place.step], ..place }, count)
        });
        let (traffic, counts, uncounted) = (self.traffic(), counts.collect(), self.uncounted());
        let (outputs, attempts) = (self.outputs, self.attempts);
        Ok(Run {
            nodes,
            ran,
            reused,
            files,
            words,
            outputs,
            attempts,
            counts,
            uncounted,
            traffic,
            interrupted,
            mended: Vec::new(),
        })
    }

    /// Takes nodes that were fresh before a test failed that has to pass before them for not begun: it holds back what is
    /// there too.
    fn hold_back(&mut self) {
        for id in &self.order {
            let failed = self.request.graph.node(*id).after.iter().find(|test| self.failed(**test));
            if let (Some(State::Fresh), Some(failed)) = (self.states.get(id), failed) {
                self.states.insert(*id, State::Skipped(*failed));
                self.outcomes.remove(id);
            }
        }
    }

    /// Returns whether a known node key says all. Not where a blob is known to be lost, or all responses are to be heard of:
    /// then every action is asked.
    fn trusts_keys(&self) -> bool {
        !self.request.store.known_bad() && self.request.listener.is_none()
    }

    /// Returns what was asked, by node and step.
    fn traffic(&self) -> BTreeMap<(NodeId, usize), Traffic> {
        let Some(models) = self.context.desk.opened() else { return BTreeMap::new() };
        let stages = self.bound.iter().flat_map(|(id, bound)| bound.steps.iter().enumerate().map(|at| (*id, at)));
        let traffic = stages.map(|(id, (stage, step))| ((id, *step), models.traffic(lane(id, stage))));
        traffic.filter(|(_, traffic)| *traffic != Traffic::default()).collect()
    }

    /// Tells sums of a dataset's stages by its steps.
    fn by_step<T>(&self, id: NodeId, sums: BTreeMap<usize, T>) -> BTreeMap<usize, T> {
        match self.bound.get(&id) {
            Some(bound) => sums.into_iter().map(|(stage, sum)| (bound.steps[stage], sum)).collect(),
            None => sums,
        }
    }

    /// Returns the nodes that ask, but of rows that no plan can know.
    fn uncounted(&self) -> Vec<NodeId> {
        if self.request.mode != Mode::Plan {
            return Vec::new();
        }
        let open = self.context.desk.uncounted();
        let asks = |id: &NodeId| {
            let stages = self.bound.get(id).map_or(&[][..], |bound| &bound.stages);
            let last = stages.iter().rposition(|stage| matches!(stage, Stage::Ask(_)));
            last.is_some_and(|last| {
                let whole = stages[..last].iter().any(Stage::is_whole);
                !self.outcomes.contains_key(id) && (whole || !self.counted.contains(id) || open.contains(id))
            })
        };
        self.order.iter().copied().filter(asks).collect()
    }

    /// Returns the tables that a node reads, as far as they are known.
    pub(super) fn known_inputs(&self, id: NodeId) -> Vec<Option<TableRef>> {
        let graph = self.request.graph;
        let table = |input: &Input| self.outcomes.get(&input.node)?.table(graph, input).cloned();
        graph.node(id).inputs.iter().map(table).collect()
    }

    /// Returns the tables that a node reads, if all are known.
    pub(super) fn inputs(&self, id: NodeId) -> Option<Vec<TableRef>> {
        self.known_inputs(id).into_iter().collect()
    }

    /// Returns the node key: the definition, the data files' contents and the input tables.
    fn node_key(&self, id: NodeId, inputs: &[TableRef]) -> Key {
        let node = self.request.graph.node(id);
        let mut key = op::key("node");
        // An op that makes something else now has every node looked at again.
        key.text("ops", &self.ops).text("kind", &node.kind.to_string()).text("limits", &self.limits);
        key.hash("words", node.words.key("words", 1));
        for file in self.sources.of(id) {
            key.text("format", &file.format_name()).hash("file", file.hash);
            // Plain text has it in a column.
            if matches!(file.format, Format::Text | Format::Lines) {
                key.text("path", &file.file.path);
            }
        }
        if self.arounds.has(id) {
            key.hash("around", self.arounds.key(id));
        }
        inputs.iter().for_each(|input| _ = key.hash("input", input.hash));
        if let Some(rows) = self.limit(id) {
            key.int("rows", rows as i64);
        }
        key.finish()
    }

    /// Returns about how many rows of a dataset models are asked, if it asks any. Datasets that others look into stay whole: with
    /// fewer rows in them, other things would be asked.
    pub(super) fn limit(&self, id: NodeId) -> Option<u64> {
        self.request.rows.filter(|_| !self.looked_into.contains(&id) && self.request.graph.asks(id))
    }

    /// Returns the nodes to be made that read the table of a node.
    pub(super) fn stale_readers(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        let reads = move |reader: &NodeId| {
            let first = self.request.graph.node(*reader).inputs.first();
            first.is_some_and(|input| input.node == id && input.part.is_none()) && !self.states.contains_key(reader)
        };
        self.order.iter().copied().filter(reads)
    }

    /// Looks a node up by its key; returns whether it is up to date.
    fn look_up(&mut self, id: NodeId) -> Result<bool, Stop> {
        let Some(inputs) = self.inputs(id) else { return Ok(false) };
        let key = self.node_key(id, &inputs);
        let Some(outputs) = self.request.store.trace(key) else { return Ok(false) };
        let Some((record, rest)) = outputs.split_first() else { return Ok(false) };
        let node = self.request.graph.node(id);
        if !outputs.iter().all(|output| self.request.store.has(*output)) {
            return Ok(false);
        }
        let tables = match node.kind {
            Kind::Dataset => rest.iter().map(|table| TableRef::stored(*table)).collect(),
            Kind::Metric | Kind::Test => Vec::new(),
            Kind::Export => {
                if rest.first().copied() != self.there(id).map(|file| seal(file).0) {
                    return Ok(false);
                }
                Vec::new()
            }
        };
        if !self.request.retry.is_empty() && self.has_to_retry(*record)? {
            return Ok(false);
        }
        self.outcomes.insert(id, Outcome { record: *record, tables });
        Ok(true)
    }

    /// Returns whether rows failed in a way that is not to stand in this build.
    fn has_to_retry(&self, record: Hash) -> Result<bool, Stop> {
        let record: NodeRecord =
            serde_json::from_slice(&self.context.get(record)?).map_err(|_| Stop::Missing(record))?;
        let mut words = record.failed.iter().flat_map(|lost| &lost.reasons);
        Ok(words.any(|(word, _)| self.request.retry.iter().any(|kind| kind.word() == word)))
    }

    /// Returns the hash of the file in an export's place, as it was before this build.
    fn there(&mut self, id: NodeId) -> Option<Hash> {
        let request = self.request;
        let to = &request.graph.manifest.exports[request.graph.node(id).declaration].to.value;
        *self.outputs.entry(id).or_insert_with(|| request.workspace.hash_output(to))
    }

    /// Binds all stale nodes before any of them runs, so that all that is wrong is said at once.
    fn bind(&mut self, stale: &[NodeId]) -> Result<(), Stop> {
        let graph = self.request.graph;
        let mut problems = std::mem::take(&mut self.wrong);
        let mut shapes: HashMap<NodeId, Shape> = HashMap::new();
        for id in stale {
            if self.sources.are_wrong(graph, *id) {
                continue;
            }
            let node = graph.node(*id);
            let mut inputs = Vec::with_capacity(node.inputs.len());
            for input in &node.inputs {
                match (shapes.get(&input.node), self.outcomes.get(&input.node)) {
                    (Some(shape), _) => inputs.push(shape.clone()),
                    (None, Some(outcome)) => {
                        let table = self.context.table(&outcome.tables[0])?;
                        let shape = Shape { schema: table.schema.clone(), key: table.key.clone() };
                        inputs.push(shapes.entry(input.node).or_insert(shape).clone());
                    }
                    (None, None) => {}
                }
            }
            if inputs.len() < node.inputs.len() {
                // An input is wrong, and was reported: nothing can be said of this one.
                continue;
            }
            match node.kind {
                Kind::Dataset => match self.bind_one(*id, &inputs) {
                    Ok(bound) => {
                        shapes.insert(*id, bound.shape.clone());
                        self.bound.insert(*id, bound);
                    }
                    Err(Stop::Failed(found)) => found.0.into_iter().for_each(|problem| problems.push(problem)),
                    Err(other) => return Err(other),
                },
                Kind::Metric => {
                    let metric = &graph.manifest.metrics[node.declaration];
                    let mut bound = Vec::with_capacity(inputs.len());
                    for input in &inputs {
                        match bind_metric(metric, &input.schema) {
                            Ok(one) => bound.push(one),
                            Err(found) => found.0.into_iter().for_each(|problem| problems.push(problem)),
                        }
                    }
                    self.metrics.insert(*id, bound);
                }
                Kind::Test => {
                    let test = &graph.manifest.tests[node.declaration];
                    let mut bound = Vec::with_capacity(inputs.len());
                    for (on, input) in test.on.iter().zip(&inputs) {
                        match bind_test(test, on, input) {
                            Ok(one) => bound.push(one),
                            Err(found) => found.0.into_iter().for_each(|problem| problems.push(problem)),
                        }
                    }
                    self.tests.insert(*id, bound);
                }
                Kind::Export => {}
            }
        }
        if problems.has_errors() {
            return Err(problems.into());
        }
        let asks = self.bound.values().flat_map(|bound| &bound.stages).filter_map(|stage| match stage {
            Stage::Ask(ask) => Some(ask.op.specs()),
            _ => None,
        });
        let endpoints: BTreeSet<_> = asks.flatten().map(|spec| spec.endpoint).collect();
        self.anything_asks = !endpoints.is_empty();
        *self.context.desk.endpoints.lock().expect("no thread panics with this lock") = endpoints;
        Ok(())
    }

    fn bind_one(&mut self, id: NodeId, inputs: &[Shape]) -> Result<Bound, Stop> {
        let graph = self.request.graph;
        let files = match self.sources.reading(graph, id) {
            None => None,
            Some(reading) => {
                let events = self.request.events;
                events(Event::Begin { node: id });
                let told = |rows| events(Event::Group { node: id, rows });
                let key = reading.key.clone();
                let eager = Eager::new(self, id);
                let read = self.context.files_schema(&Reading { told: &told, eager: Some(&eager), ..reading });
                let files = eager.into_files();
                let (schema, work) = read?;
                self.eager.extend(files);
                self.read.insert(id, work);
                Some(Shape { schema, key })
            }
        };
        let shape = maker_shape(graph, id, inputs, files.as_ref())?;
        let mut bound = bind_dataset(graph, id, shape, inputs, self.limit(id))?;
        for (stage, step) in bound.stages.iter_mut().zip(&bound.steps) {
            if let Stage::Run(run) = stage {
                run.around = self.arounds.of(id, Some(*step));
            }
        }
        Ok(bound)
    }

    /// Brings one node up to date, or finds what that would take.
    fn node(&mut self, id: NodeId) -> Result<(), Stop> {
        let graph = self.request.graph;
        let node = graph.node(id);
        let Some(inputs) = self.inputs(id) else {
            let state = match node.inputs.iter().find(|input| self.failed(input.node)) {
                Some(failed) => State::Skipped(failed.node),
                None => State::Unknown(
                    node.inputs.iter().map(|i| i.node).filter(|n| !self.outcomes.contains_key(n)).collect(),
                ),
            };
            self.states.insert(id, state);
            return Ok(());
        };
        if let Some(failed) = node.after.iter().find(|test| self.failed(**test)) {
            self.states.insert(id, State::Skipped(*failed));
            return Ok(());
        }
        // What came before may have come out as it was.
        if self.trusts_keys() && self.look_up(id)? {
            self.states.insert(id, State::Fresh);
            return Ok(());
        }
        if node.kind == Kind::Dataset {
            self.wave(id)?;
        }
        let progress = Progress::new(id, self.request.events);
        (self.request.events)(Event::Begin { node: id });
        let used = Used::default();
        let made = match node.kind {
            Kind::Dataset => self.dataset(id, &inputs, &used, &progress),
            Kind::Metric => self.metric(id, &inputs, &used, &progress),
            Kind::Test => self.test(id, &inputs, &used, &progress),
            Kind::Export => {
                // Remembered for the reasons: in a moment there is another file.
                self.there(id);
                self.export(id, &inputs, &progress)
            }
        };
        let read = self.read.remove(&id).unwrap_or_default();
        let exported = u64::from(node.kind == Kind::Export && made.is_ok());
        let work = progress.work(used.ran() + read.actions + exported);
        let Made { output, dropped, failed, tables, problem } = match made {
            Ok(made) => made,
            Err(Stop::Pending) => {
                self.states.insert(id, State::Stale(work));
                return Ok(());
            }
            Err(other) => return Err(other),
        };
        let key = self.node_key(id, &inputs);
        let unfinished = used.is_unfinished();
        let record = NodeRecord {
            key,
            kind: node.kind,
            words: self.arounds.words(graph, id),
            inputs: inputs.iter().map(|input| input.hash).collect(),
            files: self.files(id),
            dropped,
            failed,
            paid: self.by_step(id, used.paid()),
            actions: self.context.put(&encode_keys(&used.into_keys()))?,
            output,
        };
        let record_hash = self.context.put(&serde_json::to_vec(&record).expect("a record is plain data"))?;
        if let Some(problem) = problem {
            self.attempts.insert(id, record_hash);
            return Err(problem.into());
        }
        let mut outputs = vec![record_hash];
        outputs.extend(tables.iter().map(|table: &TableRef| table.hash));
        if let Output::Export { file, .. } = record.output {
            outputs.push(self.context.put(&seal(file).1)?);
        }
        // A row without an answer asks again in the next build.
        if !unfinished {
            self.request.store.record(key, &outputs)?;
        }
        self.outcomes.insert(id, Outcome { record: record_hash, tables });
        (self.request.events)(Event::End { node: id, work });
        let only_planned = self.request.mode != Mode::Build && work.actions > 0;
        self.states.insert(id, if only_planned { State::Stale(work) } else { State::Done(work) });
        Ok(())
    }

    /// Returns the path and the hash of each file that a node is made of, and then of those that its programs read.
    fn files(&self, id: NodeId) -> Vec<(String, Hash)> {
        let mut files = self.sources.contents_of(id);
        files.extend(self.arounds.files(id));
        files
    }

    fn failed(&self, id: NodeId) -> bool {
        matches!(self.states.get(&id), Some(State::Failed(_) | State::Skipped(_)))
    }
}

/// Returns the datasets that steps of `nodes` look into, and what those are made from.
fn looked_into(graph: &Graph, nodes: &[NodeId]) -> HashSet<NodeId> {
    let mut found = HashSet::new();
    let others = nodes.iter().map(|id| graph.node(*id)).flat_map(|node| &node.inputs[node.made_of..]);
    let mut open: Vec<NodeId> = others.map(|input| input.node).collect();
    while let Some(id) = open.pop() {
        if found.insert(id) {
            open.extend(graph.node(id).inputs.iter().map(|input| input.node));
        }
    }
    found
}

/// Returns what stands in the store for an exported file, as what a trace names has to be there: a blob of the file's hash.
fn seal(file: Hash) -> (Hash, [u8; 32]) {
    (Hash::of(file.as_bytes()), *file.as_bytes())
}

/// What a node's own part of the walk returns.
pub(super) struct Made {
    pub output: Output,
    pub dropped: Vec<LostRows>,
    pub failed: Vec<LostRows>,
    pub tables: Vec<TableRef>,
    /// Why it is not to be published.
    pub problem: Option<Diagnostic>,
}

impl Made {
    /// Makes what is no table.
    pub fn of(output: Output) -> Made {
        Made { output, dropped: Vec::new(), failed: Vec::new(), tables: Vec::new(), problem: None }
    }
}
