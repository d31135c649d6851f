//! The check that no value is in several parts of a split.

use super::context::Stop;
use super::record::Leak;
use super::stage::Flow;
use crate::diag::{Diagnostic, Severity};
use crate::expr::value_at;
use crate::graph::{LeakCheck, Parts, Work};
use crate::op::{self, Checked, LeakedRow};
use crate::table::{RowGroup, Table};
use arrow_array::{Array, ArrayRef, Int64Array};
use std::sync::Arc;

/// How many values are shown.
const SHOWN: usize = 3;

/// How much of a value is shown.
const MOST: usize = 120;

/// What is in several parts, and some rows of it: by value, one in each part.
struct Found {
    leak: Leak,
    shown: Vec<Vec<LeakedRow>>,
}

impl Flow<'_> {
    /// Checks all that is to be in one part only. What is found is an error, or is returned where a warning is enough.
    pub(super) fn check_leaks(&self, parts: &Parts, table: &Table) -> Result<Vec<Leak>, Stop> {
        let mut leaks = Vec::new();
        for (check, prints) in parts.checks.iter().zip(&parts.works[1..]) {
            let Some(found) = self.leak(parts, check, prints, table)? else { continue };
            if parts.severity == Severity::Error {
                return Err(self.leaked(parts, check, prints.op.reads(), table, &found)?.into());
            }
            leaks.push(found.leak);
        }
        Ok(leaks)
    }

    /// Finds what is in several parts.
    fn leak(&self, parts: &Parts, check: &LeakCheck, prints: &Work, table: &Table) -> Result<Option<Found>, Stop> {
        let chunks = self.each(&table.groups, |flow, group| {
            let prints = flow.column_again(prints, &table.schema, group)?;
            Ok([prints, flow.column_again(&parts.works[0], &table.schema, group)?].concat())
        })?;
        let mut key = op::key("leaks");
        chunks.iter().flatten().for_each(|chunk| _ = key.hash("chunk", *chunk));
        let outputs = self.action(key.finish(), || {
            let columns = self.ints(&chunks)?;
            let groups: Vec<Checked> = columns
                .iter()
                .map(|group| Checked { high: group[0].values(), low: group[1].values(), part: group[2].values() })
                .collect();
            let found = op::leaks(&groups, SHOWN);
            let rows =
                found.shown.iter().enumerate().flat_map(|(value, rows)| rows.iter().map(move |row| (value, row)));
            let rows = rows.flat_map(|(value, row)| [value as i64, row.group as i64, row.row as i64, row.part]);
            let told = [found.values as i64, found.rows as i64].into_iter().chain(rows);
            let told: ArrayRef = Arc::new(Int64Array::from_iter_values(told));
            Ok(vec![self.context.put_column(&told)?])
        })?;
        let told = self.ints(std::slice::from_ref(&outputs))?;
        let [values, rows, shown @ ..] = &told[0][0].values()[..] else { return Err(Stop::Missing(outputs[0])) };
        let mut by_value: Vec<Vec<LeakedRow>> = Vec::new();
        for [value, group, row, part] in shown.as_chunks::<4>().0 {
            by_value.resize(by_value.len().max(*value as usize + 1), Vec::new());
            by_value[*value as usize].push(LeakedRow { group: *group as usize, row: *row as usize, part: *part });
        }
        let leak = Leak { check: check.text.value.clone(), values: *values as u64, rows: *rows as u64 };
        Ok((leak.values > 0).then_some(Found { leak, shown: by_value }))
    }

    /// Says what is in several parts, where, and how it is kept in one.
    fn leaked(
        &self,
        parts: &Parts,
        check: &LeakCheck,
        reads: &[String],
        table: &Table,
        found: &Found,
    ) -> Result<Diagnostic, Stop> {
        let (Found { leak: Leak { values, rows, .. }, shown }, text) = (found, &check.text.value);
        let (noun, verb) = if *values == 1 { ("value", "is") } else { ("values", "are") };
        let title = format!("{values} {noun} of `{text}` {verb} in several parts of `{}`, in {rows} rows", self.node);
        let mut problem = Diagnostic::error("leak", title).at(&check.text.span, "checked here");
        for rows in shown {
            let mut places = Vec::new();
            for row in rows {
                let part = parts.names.get(row.part as usize).map_or("", String::as_str);
                places.push(format!("`{part}` ({})", self.row_of(table, row)?));
            }
            let first = &rows[0];
            let value = self.cells(reads, table, &table.groups[first.group], first.row)?.join(", ");
            problem = problem.note(format!("{value}: {}", places.join(", ")));
        }
        if *values > shown.len() as u64 {
            problem = problem.note(format!("and {} more", values - shown.len() as u64));
        }
        Ok(problem
            .note("texts are compared without case, white space and Unicode forms, as `dedup` with `normalised` does")
            .help(format!("keep such rows together: `group_by = \"{}\"`", check.remedy))
            .help(format!(
                "or keep one of them: a step `dedup = {{ by = \"{text}\", method = \"normalised\" }}` before the split"
            )))
    }

    /// Names a row by its key, or by its position where the whole row is the key.
    fn row_of(&self, table: &Table, at: &LeakedRow) -> Result<String, Stop> {
        if table.key.is_empty() || table.key.len() == table.schema.0.len() {
            let before: u64 = table.groups[..at.group].iter().map(|group| u64::from(group.rows)).sum();
            return Ok(format!("row {}", before + at.row as u64 + 1));
        }
        Ok(self.cells(&table.key, table, &table.groups[at.group], at.row)?.join(", "))
    }

    /// Shows some cells of a row.
    fn cells(&self, names: &[String], table: &Table, group: &RowGroup, row: usize) -> Result<Vec<String>, Stop> {
        let one = |name: &String| {
            let at = table.schema.index(name).expect("binding checked the columns");
            let column = self.context.column(group.columns[at])?;
            let text = if row < column.len() { value_at(&column, row).to_string() } else { String::new() };
            let cut: String = text.chars().take(MOST).collect();
            let more = if cut.len() < text.len() { "…" } else { "" };
            Ok(format!("`{name}` {cut}{more}"))
        };
        names.iter().map(one).collect()
    }
}
