//! The rows that a dataset's steps dropped, and by what.

use super::super::session::{Ending, Exit, Fail, Session};
use super::super::words::things;
use super::Show;
use super::rows::{Drawing, json_row, until};
use crate::diag::{Diagnostic, list};
use crate::exec::LostRows;
use crate::expr::Value;
use crate::project::Project;
use crate::table::{Field, Schema, Table, Type};
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Shows dropped rows, step by step.
pub fn show(args: &Show, session: &mut Session, project: &Project, name: &str) -> Ending {
    let steps = project.dropped(&args.node)?;
    check(args, &steps)?;
    let all: u64 = steps.iter().flat_map(|(step, _)| &step.reasons).map(|(_, rows)| rows).sum();
    if !session.json() {
        super::title(session, name, &format!("{} dropped", things(all, "row")))?;
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
            let counts: Vec<String> =
                reasons.iter().map(|(name, rows)| format!("{} by {name}", things(*rows, "row"))).collect();
            writeln!(session.out, "step {}: {}", step.step + 1, counts.join(", "))?;
        }
        draw(args, session, project, (step, table), &mut skip, &mut left)?;
    }
    Ok(Exit::Fine)
}

/// Refuses a reason that there is not.
fn check(args: &Show, steps: &[(LostRows, Arc<Table>)]) -> Result<(), Fail> {
    let Some(reason) = &args.reason else { return Ok(()) };
    let known: Vec<&str> = steps.iter().flat_map(|(step, _)| &step.reasons).map(|(name, _)| name.as_str()).collect();
    if known.contains(&reason.as_str()) {
        return Ok(());
    }
    let problem = Diagnostic::error("unknown-reason", format!("nothing was dropped by `{reason}`"));
    Err(problem
        .note(format!("rows were dropped by {}", list(known.iter().copied())))
        .did_you_mean(reason, known)
        .into())
}

/// Draws some rows of one step; `skip` and `left` count over all steps.
fn draw(
    args: &Show,
    session: &mut Session,
    project: &Project,
    (step, table): (&LostRows, &Table),
    skip: &mut u64,
    left: &mut usize,
) -> Result<(), Fail> {
    if *left == 0 {
        return Ok(());
    }
    // What dropped the row goes first, by its name; the table has its position in the last column.
    let Some((by, before)) = table.schema.0.split_last() else { return Ok(()) };
    let rest = Schema(before.to_vec());
    let mut columns = vec![Field::new(&by.name, Type::String)];
    columns.extend(rest.0.iter().cloned());
    let mut drawing = Drawing::new(session, &Schema(columns), args.wide);
    // Where every row counts, no page need be larger than what is shown.
    let most = match args.reason {
        None => left.saturating_add(usize::try_from(*skip).unwrap_or(usize::MAX)),
        Some(_) => usize::MAX,
    };
    until(project, table, 0, most, |at, row| {
        let Some((position, values)) = row.split_last() else { return Ok(ControlFlow::Continue(())) };
        let position = match position {
            Value::Int(position) => usize::try_from(*position).unwrap_or(usize::MAX),
            _ => 0,
        };
        let reason = step.reasons.get(position).map_or("", |(name, _)| name.as_str());
        if args.reason.as_deref().is_some_and(|wanted| wanted != reason) {
            return Ok(ControlFlow::Continue(()));
        }
        if *skip > 0 {
            *skip -= 1;
            return Ok(ControlFlow::Continue(()));
        }
        *left -= 1;
        let reason = Value::String(reason.to_owned());
        if session.json() {
            let before = [("dropped_step", Value::Int(step.step as i64 + 1)), (by.name.as_str(), reason)];
            json_row(session, &before, &rest, values)?;
        } else {
            let whole: Vec<Value> = std::iter::once(reason).chain(values.iter().cloned()).collect();
            drawing.row(session, at, &whole)?;
        }
        Ok(if *left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    if !session.json() {
        drawing.finish(session)?;
    }
    Ok(())
}
