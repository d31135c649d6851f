//! `datamake diff`: what differs between two builds, or two revisions of Git.

pub mod table;

use super::figures::{difference, value};
use super::session::{Ending, Exit, Fail, Session};
use super::words::{count, things};
use crate::diag::Diagnostic;
use crate::history::LockedNode;
use crate::project::{NodeDiff, Point, Project, Version};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Compares two builds, tags or Git revisions: rows, cells and metrics
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  datamake diff                      the last build against the one before
  datamake diff 3                    build 3 against the last
  datamake diff 3 5 -- problems      one node, of two builds
  datamake diff git:main             the datamake.lock of a branch against the last build
  datamake diff --samples 20         more of the rows that differ

Rows are matched by the key of the dataset; without a key, a changed row is one that went and one that came.
A and B are numbers of builds, `last`, `last-1`, or revisions of Git with a datamake.lock. Only row groups that differ are read.")]
pub struct Diff {
    /// The older version
    #[arg(value_name = "A")]
    old: Option<String>,
    /// The newer version
    #[arg(value_name = "B")]
    new: Option<String>,
    /// Compares only this node; may be repeated
    #[arg(long, value_name = "NODE")]
    node: Vec<String>,
    /// Rows to show of each kind
    #[arg(long, value_name = "N", default_value_t = 3)]
    samples: usize,
    /// Compares only these nodes
    #[arg(last = true, value_name = "NODES")]
    nodes: Vec<String>,
}

/// The form of the JSON.
pub const FORM: &str = "\
{ \"old\": { \"build\": 6 } | { \"revision\": \"main\" }, \"new\": { \"build\": 7 },
  \"nodes\": [{ \"node\": \"dataset.clean\", \"old\": state | null, \"new\": state | null,
             \"table\": null | { \"rows_added\": 1, \"rows_removed\": 0, \"rows_changed\": 400, \"cells_changed\": { \"question\": 400 },
                               \"columns_added\": [], \"columns_removed\": [], \"key\": [\"id\"], \"groups_read\": 4,
                               \"added\": [row], \"removed\": [row],
                               \"changed\": [{ \"key\": { \"id\": 17 }, \"cells\": { \"question\": { \"old\": \"…\", \"new\": \"…\" } } }] } }] }

Nodes that are the same are left out. A *state* is `{ \"table\", \"rows\", \"parts\", \"value\", \"file\", \"failed\", \"passed\", \"answers\", \"reuse\" }` as in datamake.lock. `table` is null where the rows
cannot be compared: not a dataset, new, gone, or no longer in the store. The rows are the first of their kind (`--samples`).";

impl Diff {
    /// Runs the command.
    pub fn run(self, session: &mut Session) -> Ending {
        let project = session.project()?;
        let (old, new) = self.versions(&project)?;
        let only: Vec<String> = self.node.iter().chain(&self.nodes).cloned().collect();
        let found = project.diff(&old, &new, &only, self.samples)?;
        if session.json() {
            let nodes: Vec<Value> = found.iter().map(node_json).collect();
            session
                .out
                .json(&json!({ "old": point_json(&old.point), "new": point_json(&new.point), "nodes": nodes }))?;
            return Ok(Exit::Fine);
        }
        writeln!(session.out, "{} → {}", old.point, new.point)?;
        if found.is_empty() {
            writeln!(session.out, "no difference")?;
        }
        found.iter().try_for_each(|node| text(session, node))?;
        Ok(Exit::Fine)
    }

    fn versions(&self, project: &Project) -> Result<(Version, Version), Fail> {
        let old = match &self.old {
            Some(name) => name.as_str(),
            None if project.history()?.builds().nth(1).is_none() => {
                let title = "there are no two builds to compare yet";
                let problem = Diagnostic::error("unknown-version", title);
                return Err(problem
                    .help("edit something and `datamake build`; or compare with a revision: `datamake diff git:main`")
                    .into());
            }
            None => "last-1",
        };
        Ok((project.version(old)?, project.version(self.new.as_deref().unwrap_or("last"))?))
    }
}

/// Names a version in JSON.
pub fn point_json(point: &Point) -> Value {
    match point {
        Point::Build(number) => json!({ "build": number }),
        Point::Revision(name) => json!({ "revision": name }),
    }
}

fn text(session: &mut Session, node: &NodeDiff) -> io::Result<()> {
    let paint = session.out.paint;
    let name = paint.bold(&node.name);
    let (old, new) = match (&node.old, &node.new) {
        (None, Some(new)) => return writeln!(session.out, "\n{name}  {}  {}", paint.green("new"), state(new)),
        (Some(old), None) => return writeln!(session.out, "\n{name}  {}  {}", paint.red("gone"), state(old)),
        (Some(old), Some(new)) => (old, new),
        (None, None) => return Ok(()),
    };
    if let (Some(before), Some(after)) = (old.passed, new.passed) {
        let word = |passed: bool| if passed { "passes" } else { "does not pass" };
        let outcome =
            if before == after { word(after).to_owned() } else { format!("{} → {}", word(before), word(after)) };
        writeln!(session.out, "\n{name}  {outcome}{}", asked(old, new))?;
        return values(session, old, new);
    }
    if !new.value.is_empty() || !old.value.is_empty() {
        writeln!(session.out, "\n{name}")?;
        return values(session, old, new);
    }
    let rows = match (old.rows, new.rows) {
        (Some(a), Some(b)) if a != b => format!("{} → {}", count(a), things(b, "row")),
        (_, rows) => things(rows.unwrap_or(0), "row"),
    };
    if new.file.is_some() {
        return writeln!(session.out, "\n{name}  {rows}, another file");
    }
    let parts = parts(old, new) + &asked(old, new);
    let Some(found) = &node.table else {
        let why = if old.table == new.table {
            ""
        } else {
            "; the rows of one are not in the store, so they cannot be compared"
        };
        return writeln!(session.out, "\n{name}  {rows}{why}{parts}");
    };
    writeln!(session.out, "\n{name}  {rows}  {}{parts}", table::counts(paint, found))?;
    table::text(session, found)
}

fn state(node: &LockedNode) -> String {
    match (node.rows, node.value.as_slice()) {
        (Some(rows), _) => things(rows, "row"),
        (None, [one]) if !one.is_table() => value(&json_value(one)),
        (None, values) => things(values.len() as u64, "value"),
    }
}

/// Tells which parts of a split have other numbers of rows.
fn parts(old: &LockedNode, new: &LockedNode) -> String {
    let changed = new.parts.iter().filter_map(|(name, part)| {
        let before = old.parts.get(name).filter(|before| before.rows != part.rows)?;
        Some(format!("  {name} {} → {}", count(before.rows), count(part.rows)))
    });
    changed.collect()
}

/// Tells how the numbers of answers and of failed rows changed.
fn asked(old: &LockedNode, new: &LockedNode) -> String {
    let failed = |node: &LockedNode| node.failed.values().sum::<u64>();
    let numbers =
        [("answers", old.answers.unwrap_or(0), new.answers.unwrap_or(0)), ("failed", failed(old), failed(new))];
    let changed = numbers.into_iter().filter(|(_, before, after)| before != after);
    changed.map(|(word, before, after)| format!("  {word} {} → {}", count(before), count(after))).collect()
}

fn json_value(value: &toml::Value) -> Value {
    serde_json::to_value(value).expect("a value of a metric is plain data")
}

/// Returns the numbers of a metric by table and slice.
fn numbers(node: &LockedNode) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for (at, value) in node.value.iter().enumerate() {
        let table = if node.value.len() > 1 { format!("{}. ", at + 1) } else { String::new() };
        match value {
            toml::Value::Table(slices) => {
                found.extend(slices.iter().map(|(name, value)| (format!("{table}{name}"), json_value(value))));
            }
            other => _ = found.insert(table.trim_end().to_owned(), json_value(other)),
        }
    }
    found
}

fn values(session: &mut Session, old: &LockedNode, new: &LockedNode) -> io::Result<()> {
    let (before, after) = (numbers(old), numbers(new));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let mut grid = super::grid::Grid::default();
    for name in names {
        let (a, b) = (before.get(name), after.get(name));
        if a == b {
            continue;
        }
        let shown = |value: Option<&Value>| value.map_or("none".to_owned(), super::figures::value);
        let change = a.zip(b).and_then(|(a, b)| difference(a, b)).map_or(String::new(), |change| format!("({change})"));
        let label = if name.is_empty() { Vec::new() } else { vec![super::words::plain(name)] };
        let figures = vec![format!("{} → {}", shown(a), shown(b)), change];
        grid.row(std::iter::once(String::new()).chain(label).chain(figures));
    }
    grid.lines(session.out.width).iter().try_for_each(|line| writeln!(session.out, "{line}"))
}

fn node_json(node: &NodeDiff) -> Value {
    let state = |node: &LockedNode| {
        let parts: BTreeMap<&String, Value> =
            node.parts.iter().map(|(name, part)| (name, json!({ "table": part.table, "rows": part.rows }))).collect();
        let value: Vec<Value> = node.value.iter().map(json_value).collect();
        json!({ "table": node.table, "rows": node.rows, "parts": parts, "value": value, "file": node.file,
                "failed": node.failed, "passed": node.passed, "answers": node.answers, "reuse": node.reuse })
    };
    json!({
        "node": node.name, "old": node.old.as_ref().map(state), "new": node.new.as_ref().map(state),
        "table": node.table.as_ref().map(table::json),
    })
}
