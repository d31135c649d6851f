//! The rows that a dataset's steps dropped, and those that have no value: what took them, and why.

use super::super::asked::money;
use super::super::session::{Ending, Exit, Fail, Session};
use super::super::words::{count, plain, things};
use super::Show;
use super::rows::{Drawing, json_row, until};
use crate::ask::{FailureKind, Price, Usage};
use crate::diag::{Diagnostic, list};
use crate::exec::LostRows;
use crate::expr::Value;
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
    let all: u64 = steps.iter().map(|(step, _)| step.rows()).sum();
    if !session.json() {
        let because = if published == Published::No { ", so it was not published" } else { "" };
        super::title(session, name, &format!("{} {}{because}", things(all, "row"), which.word()))?;
    }
    let mut left = args.limit();
    let mut skip = args.skip;
    let mut first = true;
    for (step, table) in &steps {
        let wanted = |reason: &str| args.reason.as_deref().is_none_or(|wanted| wanted == reason);
        let reasons: Vec<&(String, u64)> =
            step.reasons.iter().filter(|(name, rows)| wanted(name) && *rows > 0).collect();
        if reasons.is_empty() {
            continue;
        }
        if !session.json() {
            if !std::mem::take(&mut first) {
                writeln!(session.out)?;
            }
            let counts = reasons.iter().map(|(name, rows)| match which {
                Which::Dropped => format!("{} by {name}", things(*rows, "row")),
                Which::Failed => format!("{} {name}", count(*rows)),
            });
            writeln!(session.out, "step {}: {}", step.step + 1, counts.collect::<Vec<_>>().join(", "))?;
        }
        draw(args, session, project, (step, table), which, (&mut skip, &mut left))?;
    }
    if !session.json() && published == Published::No {
        let kinds = steps.iter().flat_map(|(step, _)| &step.reasons).map(|(kind, _)| kind.clone());
        let kinds: BTreeSet<String> = kinds.filter(|kind| is_recorded(kind)).collect();
        let retries: String = kinds.iter().map(|kind| format!(" --retry {kind}")).collect();
        let again = format!("to ask again: datamake build {name}{retries}");
        writeln!(session.out, "\n{}", session.out.paint.dim(&again))?;
    }
    Ok(Exit::Fine)
}

/// Returns whether a row that failed so is asked about again only if the user wants it.
fn is_recorded(kind: &str) -> bool {
    kind.parse::<FailureKind>().is_ok_and(FailureKind::is_recorded)
}

/// Refuses a reason that there is not.
fn check(args: &Show, steps: &[(LostRows, Arc<Table>)], which: Which) -> Result<(), Fail> {
    let Some(reason) = &args.reason else { return Ok(()) };
    let known: Vec<&str> = steps.iter().flat_map(|(step, _)| &step.reasons).map(|(name, _)| name.as_str()).collect();
    if known.contains(&reason.as_str()) {
        return Ok(());
    }
    let known_list = list(known.iter().copied());
    let (title, note) = match which {
        Which::Dropped => (format!("nothing was dropped by `{reason}`"), format!("rows were dropped by {known_list}")),
        Which::Failed => (format!("no row failed as `{reason}`"), format!("rows failed as {known_list}")),
    };
    Err(Diagnostic::error("unknown-reason", title).note(note).did_you_mean(reason, known).into())
}

/// Tells the price of the model that a request was for.
type Prices<'a> = &'a dyn Fn(&str) -> Option<Price>;

/// Why a row is lost.
enum Why {
    /// By this filter or step.
    By(String),
    Failed(Failure),
}

/// Why a row has no value, as its table tells it.
struct Failure {
    kind: String,
    detail: String,
    request: String,
    attempts: Value,
    usage: Option<Usage>,
    cost: Option<f64>,
    reply: Option<String>,
}

impl Why {
    /// Reads the last value of a row.
    fn of(value: &Value, step: &LostRows, which: Which, price: Prices) -> Why {
        match which {
            Which::Dropped => {
                let position = match value {
                    Value::Int(position) => usize::try_from(*position).unwrap_or(usize::MAX),
                    _ => 0,
                };
                Why::By(step.reasons.get(position).map_or("", |(name, _)| name.as_str()).to_owned())
            }
            Which::Failed => Why::Failed(Failure::of(value, price)),
        }
    }

    fn word(&self) -> &str {
        match self {
            Why::By(name) => name,
            Why::Failed(failure) => &failure.kind,
        }
    }
}

impl Failure {
    fn of(value: &Value, price: Prices) -> Failure {
        let Value::Struct(fields) = value else { return Failure::of(&Value::Struct(Vec::new()), price) };
        let field =
            |name: &str| fields.iter().find(|(own, _)| own == name).map_or(Value::Null, |(_, value)| value.clone());
        let text = |name: &str| match field(name) {
            Value::String(text) => Some(text),
            _ => None,
        };
        let number = |name: &str| match field(name) {
            Value::Int(n) => u64::try_from(n).ok(),
            _ => None,
        };
        let request = text("request").unwrap_or_default();
        let usage = number("input_tokens").zip(number("output_tokens"));
        let usage = usage.map(|(input, output)| Usage { input, output });
        let cost = usage.and_then(|usage| Some(price(&request)?.of(usage)));
        let (kind, detail) = (text("kind").unwrap_or_default(), text("detail").unwrap_or_default());
        Failure { kind, detail, attempts: field("attempts"), usage, cost, reply: text("reply"), request }
    }

    fn json(&self) -> Value {
        let text = |text: &str| Value::String(text.to_owned());
        let tokens = |of: fn(Usage) -> u64| self.usage.map_or(Value::Null, |usage| Value::Int(of(usage) as i64));
        let fields = [
            ("kind", text(&self.kind)),
            ("detail", text(&self.detail)),
            ("request", text(&self.request)),
            ("attempts", self.attempts.clone()),
            ("input_tokens", tokens(|usage| usage.input)),
            ("output_tokens", tokens(|usage| usage.output)),
            ("cost", self.cost.map_or(Value::Null, Value::Float)),
            ("reply", self.reply.as_deref().map_or(Value::Null, text)),
        ];
        Value::Struct(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// Returns what stands behind the columns of the row, in the order of [`BEHIND`].
    fn behind(&self, session: &Session, wide: bool) -> Vec<Value> {
        let short = |text: &str| match session.out.width.filter(|_| !wide) {
            Some(width) => console::truncate_str(&plain(text), width.max(40), "…").into_owned(),
            None => text.to_owned(),
        };
        vec![
            Value::String(short(&self.detail)),
            self.reply.as_deref().map_or(Value::Null, |reply| Value::String(short(reply))),
            self.attempts.clone(),
            Value::String(self.cost.map_or("unknown".to_owned(), money)),
            Value::String(self.request.chars().take(if wide { 64 } else { 12 }).collect()),
        ]
    }
}

/// What is told of a failure behind the columns of the row.
const BEHIND: [(&str, Type); 5] = [
    ("detail", Type::String),
    ("reply", Type::String),
    ("attempts", Type::Int),
    ("cost", Type::String),
    ("request", Type::String),
];

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
    if which == Which::Failed {
        columns.extend(BEHIND.map(|(name, ty)| Field::new(name, ty)));
    }
    let mut drawing = Drawing::new(session, &Schema(columns), args.wide);
    let (node, _) = project.one(&args.node)?;
    let price = |request: &str| project.price_of(node, step.step, request);
    // Where every row counts, no page need be larger than what is shown.
    let most = match args.reason {
        None => left.saturating_add(usize::try_from(*skip).unwrap_or(usize::MAX)),
        Some(_) => usize::MAX,
    };
    until(project, table, 0, most, |at, row| {
        let Some((why, values)) = row.split_last() else { return Ok(ControlFlow::Continue(())) };
        let why = Why::of(why, step, which, &price);
        if args.reason.as_deref().is_some_and(|wanted| wanted != why.word()) {
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
                Why::Failed(failure) => ("failed_step", failure.json()),
            };
            let before = [(at, Value::Int(step.step as i64 + 1)), (by.name.as_str(), value)];
            json_row(session, &before, &rest, values)?;
        } else {
            let mut whole = vec![Value::String(why.word().to_owned())];
            whole.extend(values.iter().cloned());
            if let Why::Failed(failure) = &why {
                whole.extend(failure.behind(session, args.wide));
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
