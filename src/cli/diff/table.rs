//! The difference of two tables: counts, and some of the rows and cells.

use super::super::out::Paint;
use super::super::session::Session;
use super::super::words::{cell, change, count, things};
use crate::expr::Value as Cell;
use crate::history::{ChangedRow, TableDiff};
use serde_json::{Value, json};
use std::io::{self, Write};

/// Writes `+3 −2 ~400`.
pub fn counts(paint: Paint, diff: &TableDiff) -> String {
    let added = (diff.rows_added, "added", paint.green(&format!("+{}", count(diff.rows_added))));
    let removed = (diff.rows_removed, "removed", paint.red(&format!("−{}", count(diff.rows_removed))));
    let changed = (diff.rows_changed, "changed", paint.yellow(&format!("~{}", count(diff.rows_changed))));
    let parts: Vec<String> = [added, removed, changed]
        .into_iter()
        .filter(|(n, ..)| *n > 0)
        .map(|(_, word, n)| format!("{n} {word}"))
        .collect();
    match (parts.is_empty(), diff.is_empty()) {
        (false, _) => parts.join(", "),
        (true, false) => "no row changed".to_owned(),
        // Another order, or cut into other groups.
        (true, true) => "the same rows, in another order or grouping".to_owned(),
    }
}

/// Writes what differs.
pub fn text(session: &mut Session, diff: &TableDiff) -> io::Result<()> {
    columns(session, diff)?;
    diff.changed.iter().try_for_each(|row| changed(session, diff, row))?;
    more(session, diff.rows_changed, diff.changed.len(), "changed")?;
    rows(session, diff)
}

/// Writes which columns are new or gone, and how many cells of the others changed.
pub fn columns(session: &mut Session, diff: &TableDiff) -> io::Result<()> {
    let paint = session.out.paint;
    for (names, sign, colour) in [
        (&diff.columns_added, "+", Paint::green as fn(Paint, &str) -> String),
        (&diff.columns_removed, "−", Paint::red as fn(Paint, &str) -> String),
    ] {
        if !names.is_empty() {
            let word = if names.len() == 1 { "column" } else { "columns" };
            writeln!(session.out, "  {}", colour(paint, &format!("{sign} {word} {}", names.join(", "))))?;
        }
    }
    for (column, cells) in &diff.cells_changed {
        writeln!(session.out, "  {column}: {} changed", things(*cells, "cell"))?;
    }
    Ok(())
}

/// Writes rows that are gone or new.
pub fn rows(session: &mut Session, diff: &TableDiff) -> io::Result<()> {
    let paint = session.out.paint;
    for (rows, columns, sign, colour, total, word) in [
        (&diff.removed, &diff.old_columns, "-", Paint::red as fn(Paint, &str) -> String, diff.rows_removed, "removed"),
        (&diff.added, &diff.new_columns, "+", Paint::green as fn(Paint, &str) -> String, diff.rows_added, "added"),
    ] {
        for row in rows {
            let cells: Vec<String> =
                columns.iter().zip(row).map(|(name, value)| format!("{name}={}", cell(value))).collect();
            let line = fit(session, &cells.join("  "), 4);
            writeln!(session.out, "  {}", colour(paint, &format!("{sign} {line}")))?;
        }
        more(session, total, rows.len(), word)?;
    }
    Ok(())
}

/// Counts the rows that are not shown.
pub fn more(session: &mut Session, total: u64, shown: usize, word: &str) -> io::Result<()> {
    let rest = total.saturating_sub(shown as u64);
    if shown == 0 || rest == 0 {
        return Ok(());
    }
    let line = session.out.paint.dim(&format!("    … {} more {word}", count(rest)));
    writeln!(session.out, "{line}")
}

fn changed(session: &mut Session, diff: &TableDiff, row: &ChangedRow) -> io::Result<()> {
    let paint = session.out.paint;
    let key: Vec<String> =
        diff.key.iter().zip(&row.key).map(|(name, value)| format!("{name}={}", cell(value))).collect();
    let key = fit(session, &key.join("  "), 4);
    writeln!(session.out, "  {}", paint.yellow(&format!("~ {key}")))?;
    for one in &row.cells {
        let (old, new) = match (&one.old, &one.new) {
            (Cell::String(old), Cell::String(new)) => change(old, new),
            (old, new) => (cell(old), cell(new)),
        };
        // Short values stand in one line, long ones under each other.
        let line = format!("{}: {old} → {new}", one.column);
        if console::measure_text_width(&line) + 4 <= session.out.width.unwrap_or(100) {
            writeln!(session.out, "    {}: {} → {}", one.column, paint.red(&old), paint.green(&new))?;
        } else {
            writeln!(session.out, "    {}:", one.column)?;
            let (old, new) = (fit(session, &old, 8), fit(session, &new, 8));
            writeln!(session.out, "      {}", paint.red(&format!("- {old}")))?;
            writeln!(session.out, "      {}", paint.green(&format!("+ {new}")))?;
        }
    }
    Ok(())
}

/// Cuts a line to what is left of the terminal after `used` columns.
fn fit(session: &Session, text: &str, used: usize) -> String {
    match session.out.width {
        Some(width) => console::truncate_str(text, width.saturating_sub(used).max(8), "…").into_owned(),
        None => text.to_owned(),
    }
}

/// Writes the difference as JSON, with names at all values.
pub fn json(diff: &TableDiff) -> Value {
    let named = |columns: &[String], row: &[Cell]| -> Value {
        let pairs = columns.iter().zip(row).map(|(name, value)| (name.clone(), json!(value)));
        Value::Object(pairs.collect())
    };
    let rows =
        |columns: &[String], rows: &[Vec<Cell>]| rows.iter().map(|row| named(columns, row)).collect::<Vec<Value>>();
    let changed = |row: &ChangedRow| {
        let cells = row.cells.iter().map(|one| (one.column.clone(), json!({ "old": one.old, "new": one.new })));
        json!({ "key": named(&diff.key, &row.key), "cells": Value::Object(cells.collect()) })
    };
    let cells = diff.cells_changed.iter().map(|(name, n)| (name.clone(), json!(n)));
    json!({
        "rows_added": diff.rows_added, "rows_removed": diff.rows_removed, "rows_changed": diff.rows_changed,
        "cells_changed": Value::Object(cells.collect()),
        "columns_added": diff.columns_added, "columns_removed": diff.columns_removed, "key": diff.key, "groups_read": diff.groups_read,
        "added": rows(&diff.new_columns, &diff.added), "removed": rows(&diff.old_columns, &diff.removed),
        "changed": diff.changed.iter().map(changed).collect::<Vec<Value>>(),
    })
}
