//! Building and planning: a run over the graph, and what is left of it in the history and the lock file.

use super::alarm::Compared;
use super::cause::Again;
use super::models::{NodeCost, Spent, close};
use super::{Project, unusable, unwritable};
use crate::ask::FailureKind;
use crate::diag::{Diagnostic, Diagnostics};
use crate::exec::{self, Door, Event, LostRows, Mode, NodeRecord, Outcome, Request, Run, State, Work};
use crate::fetch::commit;
use crate::fetch::files::HashedFile;
use crate::fetch::models::Afoot;
use crate::graph::{Kind, Node, NodeId};
use crate::hash::Hash;
use crate::history::{
    Build, History, LOCK_FILE, Lock, Made, View, lock_node, parse_lock, read_record, read_view, render_lock, write_view,
};
use crate::plan::Reason;
use crate::store::Store;
use crate::store::StoreError;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// How to build.
pub struct BuildOptions<'a> {
    /// Patterns of nodes; empty: all.
    pub targets: &'a [String],
    /// Threads; none: as many as the machine has.
    pub jobs: Option<usize>,
    pub events: &'a (dyn Fn(Event) + Sync),
    /// Called with what has to be waited for: another build of this project, or `gc`.
    pub waiting: &'a dyn Fn(&str),
    pub cancel: &'a AtomicBool,
    /// The command as given, for the log.
    pub command: &'a [String],
    /// What may be spent at most, where not as the manifest says.
    pub budget: Option<f64>,
    /// Rows that failed in these ways ask again.
    pub retry: &'a [FailureKind],
}

/// Never set: for what is not to be stopped.
static NEVER: AtomicBool = AtomicBool::new(false);

impl<'a> BuildOptions<'a> {
    /// Returns options for looking: nothing is told on the way, and nothing is remembered.
    pub fn quiet(targets: &'a [String]) -> BuildOptions<'a> {
        BuildOptions {
            targets,
            jobs: None,
            events: &|_| (),
            waiting: &|_| (),
            cancel: &NEVER,
            command: &[],
            budget: None,
            retry: &[],
        }
    }
}

/// A build that came to its end.
#[derive(Debug)]
pub struct Built {
    pub run: Run,
    /// Why each node that was made was made.
    pub reasons: BTreeMap<NodeId, Vec<Reason>>,
    /// The records of the nodes that are up to date, where something was made.
    pub records: BTreeMap<NodeId, NodeRecord>,
    /// What was spent; none if no model was to be asked.
    pub spent: Option<Spent>,
    /// The number in the log; none if nothing changed.
    pub number: Option<u64>,
    pub seconds: f64,
    /// The metrics that moved further than they may, and those that could not be compared.
    pub alarms: Vec<Compared>,
    /// Batches that go on at endpoints; the next build takes their answers.
    pub afoot: Afoot,
}

/// What a run came to.
#[derive(Default)]
struct Found {
    view: View,
    made: BTreeMap<String, Made>,
    reasons: BTreeMap<NodeId, Vec<Reason>>,
    records: BTreeMap<NodeId, NodeRecord>,
}

/// What a build would do.
#[derive(Debug)]
pub struct Planned {
    pub nodes: Vec<PlannedNode>,
    /// What it would ask of models.
    pub cost: Vec<NodeCost>,
}

/// What a build would do with a node.
#[derive(Debug)]
pub struct PlannedNode {
    pub node: NodeId,
    pub state: State,
    pub reasons: Vec<Reason>,
    /// The rows that would have no value, as far as that is known.
    pub failed: Vec<LostRows>,
}

/// What a run has to do with models.
#[derive(Default)]
pub(super) struct Asking<'a> {
    pub door: Option<&'a Door<'a>>,
    pub listener: Option<&'a Mutex<BTreeSet<Hash>>>,
}

impl Project {
    /// Chooses nodes by patterns; none: all.
    pub fn targets(&self, patterns: &[String]) -> Result<Vec<NodeId>, Diagnostics> {
        if patterns.is_empty() {
            return Ok(self.graph.iter().map(|(id, _)| id).collect());
        }
        self.graph.select(patterns).map_err(|pattern| {
            let plain = pattern.trim_matches('+');
            let names: Vec<String> = self.graph.nodes.iter().map(|node| node.name.clone()).collect();
            Diagnostic::error("unknown-node", format!("no node is called `{pattern}`"))
                .did_you_mean(plain, names.iter().map(String::as_str))
                .help("`datamake graph` lists the nodes; prompts and filters are not built by themselves")
                .into()
        })
    }

    pub(super) fn run(
        &self,
        mode: Mode,
        store: &Store,
        options: &BuildOptions,
        asking: Asking,
    ) -> Result<Run, Diagnostics> {
        let targets = self.targets(options.targets)?;
        self.run_nodes(mode, store, options, asking, &targets)
    }

    /// As [`Project::run`], of some nodes.
    pub(super) fn run_nodes(
        &self,
        mode: Mode,
        store: &Store,
        options: &BuildOptions,
        asking: Asking,
        targets: &[NodeId],
    ) -> Result<Run, Diagnostics> {
        let request = Request {
            graph: &self.graph,
            targets,
            workspace: &self.workspace,
            store,
            mode,
            limits: self.limits,
            events: options.events,
            cancel: options.cancel,
            door: asking.door,
            listener: asking.listener,
            retry: options.retry,
            rows: self.options.rows,
        };
        match options.jobs {
            None => exec::run(&request),
            Some(jobs) => {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs.max(1)).build().map_err(|error| {
                    Diagnostics::from(Diagnostic::error("threads", format!("cannot start {jobs} threads: {error}")))
                })?;
                pool.install(|| exec::run(&request))
            }
        }
    }

    /// Brings nodes up to date.
    ///
    /// One build of a project runs at a time; a second waits, and then finds the work done.
    ///
    /// # Errors
    /// What is wrong before anything runs. What fails while running is in the states of the nodes.
    pub fn build(&self, options: &BuildOptions) -> Result<Built, Diagnostics> {
        let begun = Instant::now();
        let state = self.workspace.state();
        let _lock = state
            .lock("lock", &|| (options.waiting)("another build of this project"))
            .map_err(|error| unwritable(&state.path("lock"), &error))?;
        self.claim()?;
        let _held = self.store.hold(|| (options.waiting)("`datamake gc` on this store"));
        self.store.refresh().map_err(unusable)?;
        self.take_in_responses(&self.store)?;
        let budget = self.budget(options.budget);
        let open = |used: &BTreeSet<usize>| self.open_models(used, budget);
        let door = Door::new(&open);
        let built = self.build_asking(&door, options, begun);
        // At the very end: a build that is killed before this goes on with its budget when it is run again.
        close(&door)?;
        built
    }

    fn build_asking(&self, door: &Door, options: &BuildOptions, begun: Instant) -> Result<Built, Diagnostics> {
        let mut history = self.history()?;
        let run = self.run(Mode::Build, &self.store, options, Asking { door: Some(door), ..Asking::default() });
        let budget = self.budget(options.budget);
        let spending = door.opened().map(|models| Spent { spending: models.spending(), budget });
        let afoot = door.opened().map(|models| models.afoot()).unwrap_or_default();
        // What was learned is kept even if the build failed.
        let run = run.and_then(|run| self.store.finish().map_err(unusable).map(|()| run));
        let _ = self.workspace.save();
        let run = run?;

        let before = self.view_of(history.last_with(&self.options));
        let run = self.told(run, &self.view_of(self.last_build(&history)));
        let Found { view, made, reasons, records } = self.found(&run, &history, &before, options.retry)?;
        let alarms = self.alarms(&run, &history, &view);
        let failed: Vec<String> = run
            .nodes
            .iter()
            .filter(|one| matches!(one.state, State::Failed(_)))
            .map(|one| self.graph.node(one.node).full_name())
            .collect();
        let doubt = history.doubt(&self.options).is_some();
        let changed = view != before || !made.is_empty() || !failed.is_empty() || doubt;
        // Asked before the lock file is written, which may be one of the files that Git compares.
        let commit = if changed { commit(self.root()) } else { None };
        let last_lock = history.last_with(&self.options).map(|build| build.lock);
        let lock = if self.is_plain() { self.write_lock(&view, last_lock, changed)? } else { last_lock };
        let mut built = Built { run, reasons, records, spent: spending, alarms, number: None, seconds: 0.0, afoot };
        if changed {
            let number = history.next_number();
            let build = Build {
                number,
                time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
                view: write_view(&self.store, &view).map_err(unusable)?,
                lock: lock.unwrap_or(Hash::of(b"")),
                commit,
                options: self.options.clone(),
                command: options.command.to_vec(),
                seconds: begun.elapsed().as_secs_f64(),
                ran: built.run.ran,
                reused: built.run.reused,
                traffic: self.traffic_by_name(&built.run),
                attempts: self.write_attempts(&built.run)?,
                nodes: made,
                failed,
                alarms: built.alarms.iter().filter_map(|alarm| self.alarmed(alarm)).collect(),
            };
            // The history names the view, so the view comes first.
            self.store.finish().map_err(unusable)?;
            history.append(&build).map_err(unusable)?;
            built.number = Some(number);
        } else {
            self.remember_fresh(&built.run, options.targets);
            let _ = self.workspace.save();
        }
        built.seconds = begun.elapsed().as_secs_f64();
        Ok(built)
    }

    /// Tells of nodes that are fresh, but not what they were in the last build, as made without running anything: an earlier
    /// definition or file came back.
    fn told(&self, mut run: Run, last: &View) -> Run {
        for one in run.nodes.iter_mut().filter(|one| matches!(one.state, State::Fresh)) {
            let known = last.get(&self.graph.node(one.node).full_name());
            let is_other = |outcome: &Outcome| known.is_some_and(|known| *known != outcome.record);
            if one.outcome.as_ref().is_some_and(is_other) {
                one.state = State::Done(Work::default());
            }
        }
        run
    }

    /// Compares what a run came to with what was there `before`.
    fn found(&self, run: &Run, history: &History, before: &View, retry: &[FailureKind]) -> Result<Found, Diagnostics> {
        // What another profile made is no part of the view, but worth a comparison.
        let last_build = self.last_build(history);
        let again = Again { retry, rows: last_build.as_ref().and_then(|build| build.options.rows) };
        let last_view = self.view_of(last_build);
        let scratch = OnceCell::new();
        let mut found = Found { view: before.clone(), ..Found::default() };
        if self.is_plain() {
            let names: HashSet<String> = self.graph.nodes.iter().map(Node::full_name).collect();
            found.view.retain(|name, _| names.contains(name));
        }
        for one in &run.nodes {
            let name = self.graph.node(one.node).full_name();
            // That a test fails is what it came to.
            if let (Kind::Test, Some(record)) = (self.graph.node(one.node).kind, run.attempts.get(&one.node)) {
                found.view.insert(name, *record);
                continue;
            }
            let Some(outcome) = &one.outcome else { continue };
            if let State::Done(work) = one.state {
                let last = last_view.get(&name).and_then(|hash| read_record(&self.store, *hash).ok());
                let scratch = || scratch.get_or_init(|| self.store.scratch());
                let reasons = self.reasons_of(run, one.node, last.as_ref(), &scratch, again);
                let made = Made {
                    reasons: reasons.clone(),
                    groups: work.groups,
                    groups_made: work.groups_made,
                    rows_made: work.rows_made,
                    actions: work.actions,
                };
                found.made.insert(name.clone(), made);
                found.reasons.insert(one.node, reasons);
                found.records.insert(one.node, read_record(&self.store, outcome.record).map_err(unusable)?);
            }
            found.view.insert(name, outcome.record);
        }
        Ok(found)
    }

    /// Brings the lock file up to date; `last` is the hash of what was written last. Returns the hash of what it is to say.
    fn write_lock(&self, view: &View, last: Option<Hash>, changed: bool) -> Result<Option<Hash>, Diagnostics> {
        let there = self.workspace.hash_output(LOCK_FILE);
        if !changed && there == last {
            return Ok(last);
        }
        let text = render_lock(&self.locked(view)?);
        let lock = Some(Hash::of(text.as_bytes()));
        if there != lock {
            let write = |mut file: HashedFile| file.write_all(text.as_bytes());
            let written = self.workspace.write_output(LOCK_FILE, write);
            written.map_err(|error| unwritable(&self.root().join(LOCK_FILE), &error))?;
        }
        Ok(lock)
    }

    /// Finds what a build would do, by doing it in memory as far as that is quick. Nothing is written.
    pub fn plan(&self, options: &BuildOptions) -> Result<Planned, Diagnostics> {
        let scratch = self.store.scratch();
        self.take_in_responses(&scratch)?;
        let run = self.run(Mode::Plan, &scratch, options, Asking::default())?;
        let last_build = self.last_build(&self.history()?);
        let again = Again { retry: options.retry, rows: last_build.as_ref().and_then(|build| build.options.rows) };
        let view = self.view_of(last_build);
        let run = self.told(run, &view);
        let nodes = run.nodes.iter().map(|one| {
            let last = view.get(&self.graph.node(one.node).full_name());
            let last = last.and_then(|hash| read_record(&self.store, *hash).ok());
            let reasons = match one.state {
                State::Fresh => Vec::new(),
                // What failed before and fails again may have no reason at all, nor what it holds back.
                State::Failed(_) | State::Skipped(_) => {
                    let reasons = self.reasons_of(&run, one.node, last.as_ref(), &|| &scratch, again);
                    reasons.into_iter().filter(|reason| *reason != Reason::Forgotten).collect()
                }
                _ => self.reasons_of(&run, one.node, last.as_ref(), &|| &scratch, again),
            };
            let known = one.outcome.as_ref().filter(|_| matches!(one.state, State::Stale(_)));
            let failed = known.and_then(|known| read_record(&scratch, known.record).ok()).map(|record| record.failed);
            (reasons, failed.unwrap_or_default())
        });
        let reasons: Vec<(Vec<Reason>, Vec<LostRows>)> = nodes.collect();
        let cost = self.cost(&run, &view);
        let nodes = run.nodes.into_iter().zip(reasons);
        Ok(Planned {
            nodes: nodes
                .map(|(one, (reasons, failed))| PlannedNode { node: one.node, state: one.state, reasons, failed })
                .collect(),
            cost,
        })
    }

    /// Returns the last build with the same profiles and `--set`; if there was none, the last.
    fn last_build(&self, history: &History) -> Option<Build> {
        history.last_with(&self.options).or(history.last())
    }

    /// Returns what every node was after the last build with the same profiles and `--set`; if there was none, after the last.
    pub(super) fn last_view(&self, history: &History) -> Result<View, Diagnostics> {
        self.no_doubt(history)?;
        Ok(self.view_of(self.last_build(history)))
    }

    /// Refuses to take an older build for the last one.
    pub(super) fn no_doubt(&self, history: &History) -> Result<(), Diagnostics> {
        let Some(line) = history.doubt(&self.options) else { return Ok(()) };
        let file = History::file(&self.store, &self.id());
        let title = format!("line {line} of {} is damaged, so what was built last is not known", file.display());
        Err(Diagnostic::error("damaged-store", title)
            .help("`datamake build` finds out what is there; only what is stale is made")
            .into())
    }

    /// Returns what every node was after a build. A view that is lost means that nothing is known of it; that is no error.
    fn view_of(&self, build: Option<Build>) -> View {
        build.and_then(|build| read_view(&self.store, build.view).ok()).unwrap_or_default()
    }

    /// Returns what the lock file is to say: of nodes whose record is unknown here, what it says already.
    fn locked(&self, view: &View) -> Result<Lock, Diagnostics> {
        let text = self.workspace.read(LOCK_FILE).unwrap_or_default();
        let known = parse_lock(&String::from_utf8_lossy(&text)).unwrap_or_default();
        let mut lock = Lock::new();
        for name in self.graph.nodes.iter().map(Node::full_name) {
            let node = match view.get(&name).map(|record| lock_node(&self.store, *record)) {
                Some(Err(StoreError::Missing(_))) | None => known.get(&name).cloned(),
                Some(found) => Some(found.map_err(unusable)?),
            };
            lock.extend(node.map(|node| (name, node)));
        }
        Ok(lock)
    }
}
