//! Alarms: metrics that moved further than they may, against an earlier value, and what moved them.

use super::Project;
use super::revision::Point;
use crate::exec::{LostRows, MetricSlice, MetricValue, NodeRecord, Output, Run, State};
use crate::fetch::file_at_revision;
use crate::graph::{Input, Kind, NodeId};
use crate::hash::Hash;
use crate::history::{Alarmed, History, LOCK_FILE, Move, View, parse_lock, read_record, read_view};
use crate::manifest::{Alarm, Allowed, LAST, Spanned};
use crate::plan::{Reason, changed};
use std::cell::OnceCell;
use std::collections::BTreeMap;

/// A metric on a dataset, beside what its alarm compares it with.
#[derive(Clone, Debug)]
pub struct Compared {
    pub metric: NodeId,
    /// The position of the dataset among those that it is on.
    pub on: usize,
    /// What it is compared with, and how it moved since; or why it cannot be compared.
    pub found: Result<Moved, String>,
}

/// How a metric moved.
#[derive(Clone, Debug)]
pub struct Moved {
    pub since: Point,
    pub value: Move,
    /// What is passed, and where that stands; none: it may move so far.
    pub passed: Option<Spanned<Allowed>>,
    /// What is another in the metric and in all that it is made of, those that it needs first; where the builds are known here.
    pub causes: Vec<Cause>,
}

/// What of a node is not as it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    pub node: NodeId,
    pub reasons: Vec<Reason>,
    /// Why rows are lost, and how many were and are; where that differs.
    pub lost: Vec<(String, u64, u64)>,
}

impl Compared {
    /// Returns whether somebody is to be told.
    pub fn is_alarm(&self) -> bool {
        !self.found.as_ref().is_ok_and(|moved| moved.passed.is_none())
    }
}

/// What an alarm compares with.
struct Base {
    point: Point,
    /// None: nothing is known but the values of the lock file.
    view: Option<View>,
    values: Vec<Option<MetricValue>>,
}

impl Project {
    /// Returns the alarms of the metrics that a run made; `view` is what it came to.
    pub(super) fn alarms(&self, run: &Run, history: &History, view: &View) -> Vec<Compared> {
        let made = run.nodes.iter().filter(|one| matches!(one.state, State::Done(_)));
        let compared = made.flat_map(|one| self.compared_in(one.node, history, view));
        compared.filter(Compared::is_alarm).collect()
    }

    /// Returns a metric beside what its alarm compares it with, for each dataset that it is on, as it was last built.
    pub fn compared(&self, metric: NodeId) -> Vec<Compared> {
        let found = self.history().and_then(|history| Ok((self.last_view(&history)?, history)));
        found.map_or_else(|_| Vec::new(), |(view, history)| self.compared_in(metric, &history, &view))
    }

    /// Returns what the history keeps of an alarm.
    pub(super) fn alarmed(&self, alarm: &Compared) -> Option<Alarmed> {
        let Move { before, after, .. } = alarm.found.as_ref().ok()?.value;
        Some(Alarmed { metric: self.graph.node(alarm.metric).full_name(), on: alarm.on, before, after })
    }

    fn compared_in(&self, id: NodeId, history: &History, view: &View) -> Vec<Compared> {
        let node = self.graph.node(id);
        if node.kind != Kind::Metric {
            return Vec::new();
        }
        let Some(alarm) = &self.graph.manifest.metrics[node.declaration].alarm else { return Vec::new() };
        let Some((hash, record)) = self.record_of(view, id) else { return Vec::new() };
        let values = self.values_by_dataset(id, &record, view);
        let base = match self.base(alarm, id, hash, history) {
            Ok(Some(base)) => base,
            Ok(None) => return Vec::new(),
            Err(why) => return vec![Compared { metric: id, on: 0, found: Err(why) }],
        };
        let causes = OnceCell::new();
        let compared = values.iter().zip(&base.values).enumerate().filter_map(|(on, (new, old))| {
            let new = new.as_ref()?;
            let cannot = |why: String| Some(Compared { metric: id, on, found: Err(why) });
            let value = match old {
                // A dataset that the metric is on since then.
                None if alarm.versus() == LAST => return None,
                None => return cannot(unknown(&base.point)),
                Some(_) if new.of_all().is_none() => {
                    return cannot("its value over all rows cannot be computed".to_owned());
                }
                Some(old) => Move::between(old, new)?,
            };
            let passed = alarm.passed(value.before, value.after).cloned();
            let found = || base.view.as_ref().map(|before| self.causes(id, before, view)).unwrap_or_default();
            let causes = if passed.is_some() { causes.get_or_init(found).clone() } else { Vec::new() };
            let since = base.point.clone();
            Some(Compared { metric: id, on, found: Ok(Moved { since, value, passed, causes }) })
        });
        compared.collect()
    }

    fn record_of(&self, view: &View, id: NodeId) -> Option<(Hash, NodeRecord)> {
        let hash = *view.get(&self.graph.node(id).full_name())?;
        Some((hash, read_record(&self.store, hash).ok()?))
    }

    /// Finds what an alarm compares a metric with; none if there is nothing yet.
    fn base(&self, alarm: &Alarm, id: NodeId, now: Hash, history: &History) -> Result<Option<Base>, String> {
        let of_build = |number: u64, view: Hash| {
            let view = read_view(&self.store, view).ok()?;
            let (hash, record) = self.record_of(&view, id)?;
            let values = self.values_by_dataset(id, &record, &view);
            Some((hash, Base { point: Point::Build(number), view: Some(view), values }))
        };
        let versus = alarm.versus();
        if versus == LAST {
            // What was built with other profiles is another thing.
            let mut builds = history.builds().rev().filter(|build| build.options == self.options);
            return Ok(builds.find_map(|build| {
                let (hash, base) = of_build(build.number, build.view)?;
                let has_value =
                    base.values.iter().flatten().any(|value| value.of_all().and_then(MetricSlice::number).is_some());
                (hash != now && has_value).then_some(base)
            }));
        }
        if let Some(build) = history.find(versus) {
            let base = of_build(build.number, build.view);
            return base.map(|(_, base)| Some(base)).ok_or(format!("build {versus} has no such metric"));
        }
        let revision = versus.strip_prefix("git:").unwrap_or(versus);
        let text = file_at_revision(self.root(), revision, LOCK_FILE)
            .map_err(|why| format!("`{versus}` is neither a build nor a Git revision with a {LOCK_FILE}: {why}"))?;
        let point = Point::Revision(revision.to_owned());
        // The build that wrote this very file knows more than it says.
        let lock = Hash::of(text.as_bytes());
        let built = history.builds().rev().find(|build| build.lock == lock);
        if let Some((_, base)) = built.and_then(|build| of_build(build.number, build.view)) {
            return Ok(Some(Base { point, ..base }));
        }
        let nodes = parse_lock(&text).map_err(|why| format!("the {LOCK_FILE} of `{versus}` cannot be read: {why}"))?;
        let name = self.graph.node(id).full_name();
        let node = nodes.get(&name).ok_or(format!("the {LOCK_FILE} of `{versus}` has no `{name}`"))?;
        let inputs = self.graph.node(id).inputs.len();
        if node.value.len() != inputs {
            return Err(format!("in `{versus}` the metric is on other datasets"));
        }
        let value = |value: &toml::Value| {
            let value = serde_json::to_value(value).ok().filter(|value| !value.is_object())?;
            Some(MetricValue { slices: vec![MetricSlice { by: Vec::new(), value, sample: None }], whole: None })
        };
        Ok(Some(Base { point, view: None, values: node.value.iter().map(value).collect() }))
    }

    /// Returns what a record says of each dataset that the metric is on now.
    fn values_by_dataset(&self, id: NodeId, record: &NodeRecord, view: &View) -> Vec<Option<MetricValue>> {
        let Output::Metric(values) = &record.output else { return Vec::new() };
        let value = |input: &Input| {
            let (_, dataset) = self.record_of(view, input.node)?;
            let Output::Table { table, parts, .. } = dataset.output else { return None };
            let table = match &input.part {
                Some(part) => parts.get(part)?.table,
                None => table,
            };
            values.get(record.inputs.iter().position(|input| *input == table)?).cloned()
        };
        self.graph.node(id).inputs.iter().map(value).collect()
    }

    /// Finds what differs between two builds in a node and in all that it is made of.
    fn causes(&self, id: NodeId, before: &View, now: &View) -> Vec<Cause> {
        let scratch = OnceCell::new();
        let scratch = || scratch.get_or_init(|| self.store.scratch());
        let cause = |node: NodeId| {
            let ((_, old), (_, new)) = (self.record_of(before, node)?, self.record_of(now, node)?);
            let rows = |path: &str, old, new| self.changed_rows(scratch(), node, path, old, new);
            let cause = Cause { node, reasons: changed(&new.words, &new.files, &rows, &old), lost: lost(&old, &new) };
            (!cause.reasons.is_empty() || !cause.lost.is_empty()).then_some(cause)
        };
        self.graph.closure(&[id]).into_iter().filter_map(cause).collect()
    }
}

fn unknown(point: &Point) -> String {
    let told = match point {
        Point::Build(_) => point.to_string(),
        Point::Revision(name) => format!("`{name}`, which was not built here as it is there"),
    };
    format!("its value over all rows is not known of {told}")
}

/// Returns why rows are lost where their number differs: the reasons of most change first.
fn lost(old: &NodeRecord, new: &NodeRecord) -> Vec<(String, u64, u64)> {
    let mut counts: BTreeMap<&String, (u64, u64)> = BTreeMap::new();
    let all =
        |record: &'_ NodeRecord| -> Vec<LostRows> { record.dropped.iter().chain(&record.failed).cloned().collect() };
    let (old, new) = (all(old), all(new));
    old.iter().flat_map(|lost| &lost.reasons).for_each(|(name, rows)| counts.entry(name).or_default().0 += rows);
    new.iter().flat_map(|lost| &lost.reasons).for_each(|(name, rows)| counts.entry(name).or_default().1 += rows);
    let differ = counts.into_iter().filter(|(_, (was, is))| was != is);
    let mut found: Vec<(String, u64, u64)> = differ.map(|(name, (was, is))| (name.clone(), was, is)).collect();
    found.sort_by_key(|(_, was, is)| std::cmp::Reverse(was.abs_diff(*is)));
    found
}
