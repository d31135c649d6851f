//! `datamake show`: rows, columns and figures of what was built, and the rows that were dropped or failed.

mod failed;
mod lost;
mod rows;

use super::alarm;
use super::figures;
use super::grid::Grid;
use super::names::Names;
use super::session::{Ending, Exit, Session};
use super::words::{bytes, cell, count, number, things};
use crate::diag::Diagnostic;
use crate::exec::Output;
use crate::expr::Value;
use crate::graph::{Kind, NodeId};
use crate::project::{Compared, Project, Statistics};
use crate::table::Table;
use serde_json::json;
use std::io::{self, Write};

/// Shows what was built: rows, columns, figures, and the rows that were dropped or failed
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  datamake show problems                       the first rows, cut to the terminal
  datamake show problems -n 3 --wide           whole records, one under the other
  datamake show all.train --skip 1000          a part of a split, further on
  datamake show problems --stats               nulls, distinct values, range and mean per column
  datamake show problems --dropped             the rows that filters and dedup dropped
  datamake show problems --dropped --reason short
  datamake show questions --failed             the rows that have no value: why, and what the model replied
  datamake show questions --failed --reason cut-off --wide
  datamake show problems -n 0 --json | jq .    all rows as JSONL
  datamake show accuracy                       the values of a metric
  datamake show test.clean --failed            the rows that fail a test, by condition

What is shown is what the last build made, even if it is stale by now; of failed rows, those of the last attempt, even if it was not published because of them.
The kinds of failure: unreadable, uncomputable; of models cut-off, refusal, content-filter, empty, invalid-json, invalid-schema, rejected, transport.")]
pub struct Show {
    /// The node, or a part of a split as in `all.train`
    #[arg(value_name = "NODE")]
    node: String,
    /// How many rows; 0 means all
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    rows: usize,
    /// How many rows to leave out before
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: u64,
    /// Shows one record under the other, with whole values
    #[arg(short, long)]
    wide: bool,
    /// Shows the columns and their types
    #[arg(long, conflicts_with_all = ["stats", "lost"])]
    schema: bool,
    /// Shows figures about each column
    #[arg(long, conflicts_with = "lost")]
    stats: bool,
    /// Shows the rows that were dropped, and by what
    #[arg(long, group = "lost")]
    dropped: bool,
    /// Shows the rows that have no value: why, and what the model replied
    #[arg(long, group = "lost")]
    failed: bool,
    /// Only the rows dropped by this filter or step, or failed in this way
    #[arg(long, value_name = "NAME", requires = "lost")]
    reason: Option<String>,
}

/// The form of the JSON.
pub const FORM: &str = "\
Rows: one document per row, its columns in the order of the table. Dates and timestamps are strings. Dropped rows have two columns more, before the others:
`dropped_step` (from 1) and `dropped_by`, and behind them, of `dedup`, `alike`: the key of the row that is kept, or of `decontaminate` `common` and `evaluation`; failed rows `failed_step` (null: the maker) and `failure`, an object that begins with `kind` and `detail`. Of a kind of models follow
`request` (its key), `attempts`, `input_tokens`, `output_tokens`, `cost` (that of the last reply; null: not known) and `reply` (whole); of `uncomputable` `help` (or null) and `of`: the
column, filter or step without a value; of `unreadable` these two, `file`, `line`, `column` and `text`.

{ \"question\": \"…\", \"answer\": 21 }

With `--schema`:

{ \"node\": \"dataset.clean\", \"rows\": 1000, \"groups\": 1, \"key\": [\"id\"], \"columns\": [{ \"name\": \"id\", \"type\": \"int\" }] }

With `--stats`:

{ \"node\": \"dataset.clean\", \"rows\": 1000, \"columns\": [{ \"column\": \"id\", \"type\": \"int\", \"nulls\": 0, \"distinct\": 1000, \"min\": 1, \"max\": 1000, \"mean\": 500.5 }] }

Of a metric or an export:

{ \"node\": \"metric.accuracy\", \"output\": output, \"alarms\": [alarm] }

`alarms` has how a metric with an alarm stands to what it is compared with, whether or not it moved too far.";

impl Show {
    /// Runs the command.
    pub fn run(self, session: &mut Session) -> Ending {
        let project = session.project()?;
        let (id, part) = project.one(&self.node)?;
        if !(project.is_dataset(id) || self.schema || self.stats || self.dropped || self.failed) {
            output(session, &project, id)?;
            return Ok(Exit::Fine);
        }
        let name = Names::new(&project.graph).of(id);
        let name = part.as_ref().map_or(name.clone(), |part| format!("{name}.{part}"));
        if self.dropped || self.failed {
            let kind = project.graph.node(id).kind;
            if !matches!(kind, Kind::Dataset | Kind::Test) {
                let title = format!("`{name}` has no rows that could be dropped or fail");
                return Err(Diagnostic::error("no-rows", title).help("name a dataset").into());
            }
            let which = if self.dropped { lost::Which::Dropped } else { lost::Which::Failed };
            return lost::show(&self, session, &project, &name, which);
        }
        let table = project.table(&self.node)?;
        if self.schema {
            schema(session, &name, &project.graph.node(id).full_name(), &table)?;
        } else if self.stats {
            let found = project.statistics(&table)?;
            statistics(session, &name, &project.graph.node(id).full_name(), &table, &found)?;
        } else {
            rows::show(session, &project, &name, &table, (self.skip, self.limit()), self.wide)?;
        }
        Ok(Exit::Fine)
    }

    fn limit(&self) -> usize {
        if self.rows == 0 { usize::MAX } else { self.rows }
    }
}

/// Shows the first rows of a table.
pub fn some_rows(
    session: &mut Session,
    project: &Project,
    name: &str,
    table: &Table,
    limit: usize,
) -> Result<(), super::session::Fail> {
    rows::show(session, project, name, table, (0, limit), false)
}

/// Shows what a metric or an export came out as.
fn output(session: &mut Session, project: &Project, id: NodeId) -> Result<(), super::session::Fail> {
    let (graph, record) = (&project.graph, project.record(id)?);
    let node = graph.node(id);
    if session.json() {
        return Ok(session.out.json(&json!({ "node": node.full_name(), "output": figures::json(&record), "alarms": alarm::json(project, &project.compared(id)) }))?);
    }
    let (paint, names) = (session.out.paint, Names::new(graph));
    match (&record.output, node.kind) {
        (Output::Metric(values), _) => {
            let tables: Vec<String> = node.inputs.iter().map(|input| names.input(input)).collect();
            let mut grid = Grid::right([1]);
            for figure in figures::figures(&tables, values).into_iter().chain(figures::wholes(&tables, values)) {
                let label = if figure.label.is_empty() { node.name.clone() } else { figure.label };
                let interval = |(low, high)| paint.dim(&format!("{} to {}", number(low), number(high)));
                let interval = figure.interval.map_or(String::new(), interval);
                grid.row([label, paint.bold(&figures::value(&figure.value)), interval]);
            }
            grid.lines(session.out.width).iter().try_for_each(|line| writeln!(session.out, "{line}"))?;
            let compared = project.compared(id);
            for one in compared.iter().filter(|one| !one.is_alarm()) {
                writeln!(session.out, "{}", paint.dim(&alarm::title(project, one)))?;
            }
            let alarms: Vec<_> = compared.into_iter().filter(Compared::is_alarm).collect();
            session.tell(&alarm::warnings(project, &alarms))?;
        }
        (Output::Test(_), _) => {
            let summary = figures::summary(graph, id, &record, None);
            writeln!(session.out, "{}: {}", paint.bold(&names.of(id)), summary.short)?;
            summary.more.iter().try_for_each(|line| writeln!(session.out, "{line}"))?;
        }
        (Output::Export { bytes: size, rows, file }, Kind::Export) => {
            let to = &graph.manifest.exports[node.declaration].to.value;
            writeln!(
                session.out,
                "{}: {}, {}, hash {}",
                paint.bold(to),
                things(*rows, "row"),
                bytes(*size),
                file.short()
            )?;
        }
        _ => {}
    }
    Ok(())
}

fn title(session: &mut Session, name: &str, rest: &str) -> io::Result<()> {
    let name = session.out.paint.bold(name);
    writeln!(session.out, "{name}: {rest}\n")
}

fn schema(session: &mut Session, name: &str, full: &str, table: &Table) -> io::Result<()> {
    if session.json() {
        let columns: Vec<_> =
            table.schema.0.iter().map(|f| json!({ "name": f.name, "type": f.ty.to_string() })).collect();
        let groups = table.groups.len();
        return session.out.json(
            &json!({ "node": full, "rows": table.rows(), "groups": groups, "key": table.key, "columns": columns }),
        );
    }
    let rows = format!("{} in {}", things(table.rows(), "row"), things(table.groups.len() as u64, "row group"));
    title(session, name, &format!("{rows}, {}", things(table.schema.0.len() as u64, "column")))?;
    // Where all columns together identify a row, none of them is a key.
    let keyed = table.key.len() < table.schema.0.len();
    let paint = session.out.paint;
    let mut grid = Grid::default();
    for field in &table.schema.0 {
        let key = if keyed && table.key.contains(&field.name) { "key" } else { "" };
        grid.row([paint.bold(&cell(&Value::String(field.name.clone()))), field.ty.to_string(), paint.dim(key)]);
    }
    grid.lines(session.out.width).iter().try_for_each(|line| writeln!(session.out, "{line}"))
}

fn statistics(session: &mut Session, name: &str, full: &str, table: &Table, found: &[Statistics]) -> io::Result<()> {
    if session.json() {
        return session.out.json(&json!({ "node": full, "rows": table.rows(), "columns": found }));
    }
    title(session, name, &things(table.rows(), "row"))?;
    let paint = session.out.paint;
    let mut grid = Grid::right([2, 3, 6]);
    grid.row(["column", "type", "nulls", "distinct", "min", "max", "mean"].map(|head| paint.dim(head)));
    let texts = found.iter().any(|one| one.ty == "string" || one.ty.starts_with("list"));
    for one in found {
        let mean = match &one.mean {
            Value::Float(mean) => number(*mean),
            other => blank(other),
        };
        grid.row([
            paint.bold(&one.column),
            one.ty.clone(),
            count(one.nulls),
            one.distinct.map_or(String::new(), count),
            short(&one.min),
            short(&one.max),
            mean,
        ]);
    }
    grid.lines(session.out.width).iter().try_for_each(|line| writeln!(session.out, "{line}"))?;
    if texts {
        writeln!(session.out, "\n{}", paint.dim("the mean of texts and lists is that of their lengths"))?;
    }
    Ok(())
}

fn blank(value: &Value) -> String {
    if *value == Value::Null { String::new() } else { cell(value) }
}

/// Writes the least or greatest value; of a text its beginning says enough.
fn short(value: &Value) -> String {
    const MOST: usize = 24;
    let text = match value {
        Value::Float(value) => number(*value),
        other => blank(other),
    };
    console::truncate_str(&text, MOST, "…").into_owned()
}
