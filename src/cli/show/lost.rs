//! The rows that a dataset's steps dropped, and those that have no value: what took them, and why.

use super::super::names::Names;
use super::super::session::{Ending, Exit, Fail, Session};
use super::super::words::{count, things};
use super::Show;
use super::failed::{Failed, Prices, behind};
use super::rows::{Drawing, json_row, until};
use crate::ask::FailureKind;
use crate::diag::{Diagnostic, list};
use crate::exec::{FailedAs, LostRows};
use crate::expr::Value;
use crate::graph::Kind;
use crate::project::{Project, Published};
use crate::table::{Field, Schema, Table, Type};
use std::collections::BTreeSet;
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Which of the lost rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    Dropped,
    Failed,
}

impl Which {
    fn word(self) -> &'static str {
        match self {
            Which::Dropped => "dropped",
            Which::Failed => "failed",
        }
    }
}

/// Shows lost rows, step by step.
pub fn show(args: &Show, session: &mut Session, project: &Project, name: &str, which: Which) -> Ending {
    let (steps, published) = match which {
        Which::Dropped => (project.dropped(&args.node)?, Published::Yes),
        Which::Failed => {
            let failed = project.failed(&args.node)?;
            (failed.steps, failed.published)
        }
    };
    check(args, &steps, which)?;
    let (names, (id, _)) = (Names::new(&project.graph), project.one(&args.node)?);
    let node = project.graph.node(id);
    let is_test = node.kind == Kind::Test;
    let all: u64 = steps.iter().map(|(step, _)| step.rows()).sum();
    if !session.json() {
        let held = published == Published::No && !is_test;
        let because = if held { ", so it was not published" } else { "" };
        super::title(session, name, &format!("{} {}{because}", things(all, "row"), which.word()))?;
    }
    let mut left = args.limit();
    let mut skip = args.skip;
    let (mut first, mut meant) = (true, 0);
    for (step, table) in &steps {
        let wanted = |reason: &str| args.reason.as_deref().is_none_or(|wanted| LostRows::is_of(reason, wanted));
        let reasons: Vec<&(String, u64)> =
            step.reasons.iter().filter(|(name, rows)| wanted(name) && *rows > 0).collect();
        if reasons.is_empty() {
            continue;
        }
        meant += reasons.iter().map(|(_, rows)| rows).sum::<u64>();
        if !session.json() {
            if !std::mem::take(&mut first) {
                writeln!(session.out)?;
            }
            let counts = reasons.iter().map(|(name, rows)| match of(table) {
                Which::Dropped => format!("{} by {name}", things(*rows, "row")),
                Which::Failed => format!("{} {name}", count(*rows)),
            });
            let tests = |at: usize| is_test.then(|| names.input(&node.inputs[at]));
            let place =
                step.step.map_or("the maker".to_owned(), |at| tests(at).unwrap_or_else(|| format!("step {}", at + 1)));
            writeln!(session.out, "{place}: {}", counts.collect::<Vec<_>>().join(", "))?;
        }
        draw(args, session, project, (step, table), of(table), (&mut skip, &mut left))?;
    }
    let more = meant.saturating_sub(args.skip).saturating_sub((args.limit() - left) as u64);
    if !session.json() && more > 0 {
        let more = format!("{} more; `-n 0` shows all", things(more, "row"));
        writeln!(session.out, "\n{}", session.out.paint.dim(&more))?;
    }
    if !session.json() && published == Published::No {
        let kinds = steps.iter().flat_map(|(step, _)| &step.reasons).map(|(kind, _)| kind.clone());
        let of_models = kinds.filter_map(|kind| kind.parse::<FailedAs>().ok()?.of_model());
        let kinds: BTreeSet<FailureKind> = of_models.collect();
        let retries: String =
            kinds.iter().filter(|kind| kind.is_recorded()).map(|kind| format!(" --retry {kind}")).collect();
        let again = format!("to ask again: datamake build {name}{retries}");
        if !kinds.is_empty() {
            writeln!(session.out, "\n{}", session.out.paint.dim(&again))?;
        }
    }
    Ok(Exit::Fine)
}

/// Tells by the column that says why a row is lost which rows a table has: a test has both.
fn of(table: &Table) -> Which {
    match table.schema.0.last().map(|field| &field.ty) {
        Some(Type::Struct(_)) => Which::Failed,
        _ => Which::Dropped,
    }
}

/// Refuses a reason that there is not.
fn check(args: &Show, steps: &[(LostRows, Arc<Table>)], which: Which) -> Result<(), Fail> {
    let Some(reason) = &args.reason else { return Ok(()) };
    let known: Vec<&str> = steps
        .iter()
        .flat_map(|(step, _)| &step.reasons)
        .filter(|(_, rows)| *rows > 0)
        .map(|(name, _)| name.as_str())
        .collect();
    if known.iter().any(|known| LostRows::is_of(known, reason)) {
        return Ok(());
    }
    let known_list = list(known.iter().copied());
    let (title, note) = match which {
        Which::Dropped => (format!("nothing was dropped by `{reason}`"), format!("rows were dropped by {known_list}")),
        Which::Failed => (format!("no row failed as `{reason}`"), format!("rows failed as {known_list}")),
    };
    Err(Diagnostic::error("unknown-reason", title).note(note).did_you_mean(reason, known).into())
}

/// Why a row is lost.
enum Why {
    /// By this filter or step.
    By(String),
    Failed(Box<Failed>),
}

impl Why {
    /// Reads the last value of a row.
    fn of(value: &Value, step: &LostRows, which: Which, price: Prices) -> Result<Why, Fail> {
        Ok(match which {
            Which::Dropped => {
                let position = match value {
                    Value::Int(position) => usize::try_from(*position).unwrap_or(usize::MAX),
                    _ => 0,
                };
                Why::By(step.reasons.get(position).map_or("", |(name, _)| name.as_str()).to_owned())
            }
            Which::Failed => Why::Failed(Box::new(Failed::of(value, price)?)),
        })
    }

    fn word(&self) -> &str {
        match self {
            Why::By(name) => name,
            Why::Failed(failed) => failed.word(),
        }
    }
}

/// Draws some rows of one step; `skip` and `left` count over all steps.
fn draw(
    args: &Show,
    session: &mut Session,
    project: &Project,
    (step, table): (&LostRows, &Table),
    which: Which,
    (skip, left): (&mut u64, &mut usize),
) -> Result<(), Fail> {
    if *left == 0 {
        return Ok(());
    }
    // Why the row is lost goes first, by its name; the table has it in the last column.
    let Some((by, before)) = table.schema.0.split_last() else { return Ok(()) };
    let rest = Schema(before.to_vec());
    let mut columns = vec![Field::new(&by.name, Type::String)];
    columns.extend(rest.0.iter().cloned());
    let behind = match which {
        Which::Dropped => Vec::new(),
        Which::Failed => behind(step),
    };
    columns.extend(behind.iter().map(|detail| Field::new(detail.name, detail.ty.clone())));
    let mut drawing = Drawing::new(session, &Schema(columns), args.wide);
    let (node, _) = project.one(&args.node)?;
    let price = |request: &str| project.price_of(node, step.step?, request);
    // Where every row counts, no page need be larger than what is shown.
    let most = match args.reason {
        None => left.saturating_add(usize::try_from(*skip).unwrap_or(usize::MAX)),
        Some(_) => usize::MAX,
    };
    until(project, table, 0, most, |at, row| {
        let Some((why, values)) = row.split_last() else { return Ok(ControlFlow::Continue(())) };
        let why = Why::of(why, step, which, &price)?;
        if args.reason.as_deref().is_some_and(|wanted| !LostRows::is_of(why.word(), wanted)) {
            return Ok(ControlFlow::Continue(()));
        }
        if *skip > 0 {
            *skip -= 1;
            return Ok(ControlFlow::Continue(()));
        }
        *left -= 1;
        if session.json() {
            let (at, value) = match &why {
                Why::By(name) => ("dropped_step", Value::String(name.clone())),
                Why::Failed(failed) => ("failed_step", failed.json()),
            };
            let place = step.step.map_or(Value::Null, |at| Value::Int(at as i64 + 1));
            let before = [(at, place), (by.name.as_str(), value)];
            json_row(session, &before, &rest, values)?;
        } else {
            let mut whole = vec![Value::String(why.word().to_owned())];
            whole.extend(values.iter().cloned());
            if let Why::Failed(failed) = &why {
                whole.extend(behind.iter().map(|detail| failed.detail(detail, session, args.wide)));
            }
            drawing.row(session, at, &whole)?;
        }
        Ok(if *left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    if !session.json() {
        drawing.finish(session)?;
    }
    Ok(())
}
