//! A test: which rows do not meet its conditions, and what the table as a whole is not.

use super::Progress;
use super::context::{Stop, TableRef, Used};
use super::example::{Example, SHOWN, WithRows};
use super::lost::Why;
use super::record::{LostRows, Output, Tested};
use super::refer::Others;
use super::stage::{Flow, Through};
use super::walk::{Made, Walk};
use crate::diag::{Diagnostic, Severity};
use crate::expr::Value;
use crate::graph::{BoundTest, NodeId};
use crate::manifest::Test;
use crate::table::Table;
use std::sync::Arc;

/// What a test found at one table.
struct Found {
    tested: Tested,
    dropped: Vec<LostRows>,
    failed: Vec<LostRows>,
    /// Some of the rows that fail.
    examples: Vec<Example>,
    failing: u64,
}

impl Walk<'_> {
    /// Tests each table that a test is on.
    pub(super) fn test(
        &mut self,
        id: NodeId,
        inputs: &[TableRef],
        used: &Used,
        progress: &Progress,
    ) -> Result<Made, Stop> {
        let node = self.request.graph.node(id);
        let test = &self.request.graph.manifest.tests[node.declaration];
        let others = Others::default();
        let flow = self.flow(id, used, progress, &others);
        let mut made = Made::of(Output::Test(Vec::new()));
        let (mut tables, mut problem) = (Vec::new(), None);
        for (at, (input, bound)) in inputs.iter().zip(&self.tests[&id]).enumerate() {
            let table = self.context.table(input)?;
            let found = flow.tested(test, bound, at, &table)?;
            if test.severity == Severity::Error && !found.tested.broken.is_empty() {
                problem = Some(broken(problem, test, at, &found));
            }
            made.dropped.extend(found.dropped);
            made.failed.extend(found.failed);
            tables.push(found.tested);
        }
        Ok(Made { output: Output::Test(tables), problem, ..made })
    }
}

impl Flow<'_> {
    fn tested(&self, test: &Test, bound: &BoundTest, at: usize, table: &Arc<Table>) -> Result<Found, Stop> {
        let rows = table.rows();
        let Through { groups, lost, .. } = self.run(&bound.stages, &table.schema, table.groups.clone())?;
        let failing: u64 = lost.iter().flat_map(|lost| &lost.counts).sum();
        let kept: u64 = groups.iter().map(|group| u64::from(group.rows)).sum();
        assert_eq!(rows, kept + failing, "a row meets all conditions, or fails one");
        let (mut dropped, mut failed, mut examples) = (Vec::new(), Vec::new(), Vec::new());
        let mut reasons: Vec<String> = Vec::new();
        for lost in lost {
            let stage = &bound.stages[lost.stage.expect("a test makes no rows")];
            examples.extend(self.examples(stage, &lost, &table.schema, &table.key)?);
            let counts = lost.reasons(Some(stage));
            let lost_table = self.context.put_table(lost.table(Some(stage), &table.schema, &table.key))?;
            let step = LostRows { step: Some(at), reasons: counts, table: lost_table.hash };
            let by = if lost.why == Why::Dropped { "by " } else { "" };
            let own = step.reasons.iter().filter(|(_, rows)| *rows > 0);
            reasons.extend(own.map(|(name, rows)| format!("{rows} {by}{name}")));
            match lost.why {
                Why::Dropped => dropped.push(step),
                Why::Failed => failed.push(step),
            }
        }
        examples.truncate(SHOWN);
        let mut broken = bound.wrong_columns.clone();
        if test.max_failing.is_passed(failing, rows) {
            let of = if rows == 1 { "row" } else { "rows" };
            let verb = if failing == 1 { "fails" } else { "fail" };
            broken.push(format!("{failing} of {rows} {of} {verb}: {}", reasons.join(", ")));
        }
        if let Some(bounds) = test.rows.as_ref().filter(|bounds| !bounds.hold(rows as f64)) {
            broken.push(format!("there are {rows} rows, not from {} to {}", bounds.least, bounds.most));
        }
        let mut values = Vec::with_capacity(bound.values.len());
        for ((text, bounds), aggregate) in test.values.iter().zip(&bound.values) {
            let measured = self.measure(&format!("`{}` of a test", text.value), &text.span, aggregate, table)?;
            let value = measured.slices.into_iter().next().map_or(Value::Null, |slice| slice.value);
            let number = match value {
                Value::Int(n) => Some(n as f64),
                Value::Float(n) => Some(n),
                _ => None,
            };
            if !number.is_some_and(|n| bounds.hold(n)) {
                let is = number.map_or("null".to_owned(), |n| n.to_string());
                broken.push(format!("`{}` is {is}, not from {} to {}", text.value, bounds.least, bounds.most));
            }
            values.push((text.value.clone(), serde_json::to_value(&value).expect("a value is plain data")));
        }
        Ok(Found { tested: Tested { rows, failing, values, broken }, dropped, failed, examples, failing })
    }
}

/// Says what is wrong with a table, after what is wrong with those before it.
fn broken(before: Option<Diagnostic>, test: &Test, at: usize, found: &Found) -> Diagnostic {
    let (name, on) = (&test.name.value, &test.on[at]);
    let mut sentences = found.tested.broken.iter().map(|sentence| format!("`{}`: {sentence}", on.value));
    let mut problem = match before {
        Some(before) => before,
        None => {
            let first = sentences.next().unwrap_or_default();
            Diagnostic::error("failed-test", format!("the test `{name}` fails: {first}"))
        }
    };
    problem = problem.with_rows(&found.examples, found.failing);
    for (text, bounds) in &test.values {
        if found.tested.broken.iter().any(|sentence| sentence.starts_with(&format!("`{}` is ", text.value))) {
            problem = problem.at(&bounds.span, format!("of `{}` it is not", on.value));
        }
    }
    problem = sentences.fold(problem, Diagnostic::note);
    problem = problem.at(&on.span, "tested here");
    let help = format!("`datamake show test.{name} --failed` has the rows");
    if found.failing > 0 && !problem.help.contains(&help) {
        problem = problem.help(help);
    }
    problem
}
