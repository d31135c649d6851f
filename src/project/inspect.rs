//! Looking at what was built: rows, columns, figures, dropped rows, and causes.

use super::build::{BuildOptions, PlannedNode};
use super::{Project, unusable};
use crate::diag::{Diagnostic, Diagnostics};
use crate::exec::{Context, LostRows, Mode, NodeRecord, Output, State, Stop, TableRef};
use crate::expr::{Aggregate, Value, value_at};
use crate::graph::{Kind, NodeId};
use crate::hash::Hash;
use crate::history::{Build, Made, TableDiff, diff_tables, read_record, read_view};
use crate::table::{Batch, Schema, Table, Type};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Rows of a table, ready to be shown.
#[derive(Clone, Debug)]
pub struct Rows {
    pub schema: Schema,
    /// How many rows the table has.
    pub total: u64,
    /// Some of them, in order; the values in the order of the schema.
    pub rows: Vec<Vec<Value>>,
}

/// Figures about a column.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Statistics {
    pub column: String,
    #[serde(rename = "type")]
    pub ty: String,
    pub nulls: u64,
    pub distinct: Option<u64>,
    pub min: Value,
    pub max: Value,
    /// Of numbers; of texts and lists, the mean length.
    pub mean: Value,
}

/// Rows that have no value, by step.
#[derive(Debug)]
pub struct Failed {
    pub steps: Vec<(LostRows, Arc<Table>)>,
    pub published: Published,
}

/// Whether a dataset came to be what it was made to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    Yes,
    /// Too many of its rows failed.
    No,
}

/// What is known of why a node is as it is.
#[derive(Debug)]
pub struct Explanation {
    pub now: PlannedNode,
    /// What it needs, directly or not, and is not fresh.
    pub upstream: Vec<PlannedNode>,
    /// The last build that made it: its number, and what it made and why.
    pub last: Option<(Build, Made)>,
}

impl Project {
    /// Finds the one node that a name means; `name.part` gives the part as well.
    pub fn one(&self, name: &str) -> Result<(NodeId, Option<String>), Diagnostics> {
        let exact = |name: &str| {
            let named = self.graph.iter().filter(|(_, node)| node.name == name || node.full_name() == name);
            // A dataset before a metric of the same name: it is what most people mean.
            named.map(|(id, _)| id).min_by_key(|id| self.graph.node(*id).kind)
        };
        if let Some(id) = exact(name) {
            return Ok((id, None));
        }
        if let Some((dataset, part)) = name.rsplit_once('.')
            && let Some(id) = exact(dataset)
            && self.graph.parts(id).contains(&part)
        {
            return Ok((id, Some(part.to_owned())));
        }
        self.targets(&[name.to_owned()]).and_then(|found| match found.as_slice() {
            [one] => Ok((*one, None)),
            _ => Err(Diagnostic::error("several-nodes", format!("`{name}` means {} nodes", found.len()))
                .help("name one of them")
                .into()),
        })
    }

    /// Returns what a node was after the last build.
    pub fn record(&self, id: NodeId) -> Result<NodeRecord, Diagnostics> {
        let name = self.graph.node(id).full_name();
        let view = self.last_view(&self.history()?)?;
        match view.get(&name) {
            Some(hash) => read_record(&self.store, *hash).map_err(unusable),
            None => Err(Diagnostic::error("not-built", format!("`{name}` was never built here"))
                .help(format!("build it: datamake build {}", self.graph.node(id).name))
                .into()),
        }
    }

    /// Returns what a node was after a build, as far as it is still known.
    pub fn record_in(&self, build: u64, id: NodeId) -> Option<NodeRecord> {
        let history = self.history().ok()?;
        let view = read_view(&self.store, history.find(&build.to_string())?.view).ok()?;
        read_record(&self.store, *view.get(&self.graph.node(id).full_name())?).ok()
    }

    /// Returns a dataset's table as it was last built.
    pub fn table(&self, name: &str) -> Result<Arc<Table>, Diagnostics> {
        let (id, part) = self.one(name)?;
        let Output::Table { table, parts, .. } = self.record(id)?.output else {
            let node = self.graph.node(id);
            let kind = match node.kind {
                Kind::Export => "an export",
                Kind::Test => "a test",
                _ => "a metric",
            };
            return Err(Diagnostic::error("no-rows", format!("`{}` is {kind}, it has no rows", node.name)).into());
        };
        let hash = match part {
            None => table,
            Some(part) => parts.get(&part).map(|part| part.table).ok_or_else(|| {
                Diagnostics::from(Diagnostic::error("not-built", format!("the part `{part}` was not built yet")))
            })?,
        };
        self.with_context(|context| context.table(&TableRef::stored(hash)))
    }

    /// Returns rows `skip..skip + limit` of a table.
    pub fn rows(&self, table: &Table, skip: u64, limit: usize) -> Result<Rows, Diagnostics> {
        let mut rows = Vec::new();
        let mut skip = skip;
        self.with_context(|context| {
            for group in &table.groups {
                if rows.len() >= limit {
                    break;
                }
                if skip >= u64::from(group.rows) {
                    skip -= u64::from(group.rows);
                    continue;
                }
                let columns = group.columns.iter().map(|at| context.column(*at)).collect::<Result<Vec<_>, Stop>>()?;
                let last = (skip as usize + limit - rows.len()).min(group.rows as usize);
                rows.extend(
                    (skip as usize..last).map(|row| columns.iter().map(|column| value_at(column, row)).collect()),
                );
                skip = 0;
            }
            Ok(())
        })?;
        Ok(Rows { schema: table.schema.clone(), total: table.rows(), rows })
    }

    /// Computes figures about each column of a table.
    pub fn statistics(&self, table: &Table) -> Result<Vec<Statistics>, Diagnostics> {
        let one = |at: usize| {
            let field = &table.schema.0[at];
            let schema = Schema(vec![crate::table::Field::new("x", field.ty.clone())]);
            let mean = match field.ty {
                Type::Int | Type::Float | Type::Bool => Some("avg(x)"),
                Type::String => Some("avg(length(x))"),
                Type::List(_) => Some("avg(len(x))"),
                _ => None,
            };
            let ordered =
                matches!(field.ty, Type::Int | Type::Float | Type::String | Type::Date | Type::Timestamp | Type::Bool);
            let texts = [
                Some("count(*) - count(x)"),
                ordered.then_some("count(distinct x)"),
                ordered.then_some("min(x)"),
                ordered.then_some("max(x)"),
                mean,
            ];
            let values = texts.map(|text| match text {
                Some(text) => self.aggregate(table, at, text, &schema),
                None => Ok(Value::Null),
            });
            let [nulls, distinct, min, max, mean] = values;
            let count = |value: &Value| if let Value::Int(n) = value { u64::try_from(*n).ok() } else { None };
            Ok(Statistics {
                column: field.name.clone(),
                ty: field.ty.to_string(),
                nulls: count(&nulls?).unwrap_or(0),
                distinct: count(&distinct?),
                min: min?,
                max: max?,
                mean: mean?,
            })
        };
        (0..table.schema.0.len()).map(one).collect()
    }

    fn aggregate(&self, table: &Table, at: usize, text: &str, schema: &Schema) -> Result<Value, Diagnostics> {
        let wrong = |what: String| Diagnostics::from(Diagnostic::error("statistics", what));
        let aggregate = Aggregate::parse(text, &[], schema)
            .map_err(|errors| wrong(errors.first().map_or_else(String::new, |(_, error)| error.title.clone())))?;
        let mut sum = aggregate.empty();
        for group in &table.groups {
            let column = self.with_context(|context| context.column(group.columns[at]))?;
            let batch = Batch { rows: group.rows as usize, columns: vec![("x".to_owned(), column)] };
            aggregate.merge(&mut sum, aggregate.fold(&batch).map_err(|error| wrong(error.message))?);
        }
        let slices = aggregate.finish(&sum).map_err(|error| wrong(error.message))?;
        Ok(slices.into_iter().next().map_or(Value::Null, |slice| slice.value))
    }

    /// Returns the rows that a dataset's steps dropped.
    pub fn dropped(&self, name: &str) -> Result<Vec<(LostRows, Arc<Table>)>, Diagnostics> {
        let (id, _) = self.one(name)?;
        let record = self.record(id)?;
        let read = |dropped: LostRows| {
            let table = self.with_context(|context| context.table(&TableRef::stored(dropped.table)))?;
            Ok((dropped, table))
        };
        record.dropped.into_iter().map(read).collect()
    }

    /// Reads what was written of a node.
    pub fn read_record(&self, hash: Hash) -> Result<NodeRecord, Diagnostics> {
        read_record(&self.store, hash).map_err(unusable)
    }

    /// Returns the rows of a dataset that have no value: of the last build that came to it, even if it was not published
    /// because of them.
    pub fn failed(&self, name: &str) -> Result<Failed, Diagnostics> {
        let (id, _) = self.one(name)?;
        let full = self.graph.node(id).full_name();
        let attempt = self.last_attempt(&full)?;
        let (record, published) = match attempt {
            Some(record) => (record, Published::No),
            None => (self.record(id)?, Published::Yes),
        };
        let read = |failed: LostRows| {
            let table = self.with_context(|context| context.table(&TableRef::stored(failed.table)))?;
            Ok((failed, table))
        };
        // The rows that a test drops are those that fail it.
        let dropped = if record.kind == Kind::Test { record.dropped } else { Vec::new() };
        let steps = dropped.into_iter().chain(record.failed).map(read).collect::<Result<_, Diagnostics>>()?;
        Ok(Failed { steps, published })
    }

    /// Returns what a dataset was when it was not published last, unless a later build made it.
    fn last_attempt(&self, full: &str) -> Result<Option<NodeRecord>, Diagnostics> {
        let history = self.history()?;
        for build in history.builds().rev().filter(|build| build.options == self.options) {
            let attempts = build.attempts.and_then(|view| read_view(&self.store, view).ok()).unwrap_or_default();
            if let Some(record) = attempts.get(full) {
                return Ok(read_record(&self.store, *record).ok());
            }
            if build.nodes.contains_key(full) {
                break;
            }
        }
        Ok(None)
    }

    /// Compares two tables of this store; keeps up to `samples` rows of each kind.
    pub fn compare(&self, old: &Table, new: &Table, samples: usize) -> Result<TableDiff, Diagnostics> {
        self.with_context(|context| diff_tables(context, old, new, samples))
    }

    /// Finds why a node is stale, or why it was made last.
    pub fn explain(&self, name: &str) -> Result<Explanation, Diagnostics> {
        let (id, _) = self.one(name)?;
        let full = self.graph.node(id).full_name();
        let planned = self.plan(&BuildOptions::quiet(std::slice::from_ref(&full)))?;
        let (mut now, upstream): (Vec<_>, Vec<_>) = planned
            .nodes
            .into_iter()
            .filter(|one| one.node == id || !matches!(one.state, State::Fresh))
            .partition(|one| one.node == id);
        let now = now.pop().expect("a plan has its targets");
        let history = self.history()?;
        let mut builds = history.builds().rev();
        let last = builds.find_map(|mut build| build.nodes.remove(&full).map(|made| (build, made)));
        Ok(Explanation { now, upstream, last })
    }

    /// Reads from the store; says what to do where something is lost.
    pub(super) fn with_context<T>(&self, read: impl FnOnce(&Context) -> Result<T, Stop>) -> Result<T, Diagnostics> {
        let never = AtomicBool::new(false);
        let context = Context::new(&self.store, Mode::Plan, self.limits, &never);
        read(&context).map_err(|stop| match stop {
            Stop::Failed(problems) => problems,
            Stop::Missing(hash) => lost(hash),
            Stop::Pending | Stop::Interrupted => Diagnostic::error("interrupted", "reading was stopped").into(),
        })
    }

    /// Returns whether a node is a dataset.
    pub fn is_dataset(&self, id: NodeId) -> bool {
        self.graph.node(id).kind == Kind::Dataset
    }
}

fn lost(hash: Hash) -> Diagnostics {
    Diagnostic::error("lost-blob", format!("the blob {} is not in the store, or is damaged", hash.short()))
        .help("`datamake verify --repair` forgets what is damaged; the next build makes it again")
        .into()
}
