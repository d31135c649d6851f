//! What nodes came out as: rows, dropped rows, values of metrics, and what changed about them.

use super::names::Names;
use super::words::{bytes, count, number, plain, signed, things};
use crate::diag::Severity;
use crate::exec::{Gave, Leak, LostRows, MetricSlice, MetricValue, NodeRecord, Output, Remade, Tested};
use crate::graph::{Graph, NodeId};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Values of a metric that are shown before the rest is counted.
const MOST: usize = 12;

/// One number of a metric: what it is of, and what it is.
pub struct Figure {
    /// The table and the slice; empty where there is only one.
    pub label: String,
    pub value: Value,
    /// The confidence interval of a share of rows.
    pub interval: Option<(f64, f64)>,
}

impl Figure {
    fn of(label: String, slice: &MetricSlice) -> Figure {
        let sample = slice.sample.filter(|sample| {
            let share = sample.hits.map(|hits| hits as f64 / sample.n as f64);
            share.zip(slice.number()).is_some_and(|(share, value)| (share - value).abs() < 1e-9)
        });
        Figure { label, value: slice.value.clone(), interval: sample.and_then(|sample| sample.interval()) }
    }
}

/// Returns the numbers of a metric; `tables` are the names of those that it is on.
pub fn figures(tables: &[String], values: &[MetricValue]) -> Vec<Figure> {
    let mut found = Vec::new();
    for (at, value) in values.iter().enumerate() {
        let table = (values.len() > 1).then(|| tables.get(at).cloned().unwrap_or_default());
        for slice in &value.slices {
            let by = slice.by.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), plain));
            let label: Vec<String> = table.iter().cloned().chain(by).collect();
            found.push(Figure::of(label.join(" / "), slice));
        }
    }
    found
}

/// Returns what a metric with slices is of all rows, by table.
pub fn wholes(tables: &[String], values: &[MetricValue]) -> Vec<Figure> {
    let one = |(at, value): (usize, &MetricValue)| {
        let table = (values.len() > 1).then(|| tables.get(at).cloned().unwrap_or_default());
        let label = table.map_or("all rows".to_owned(), |table| format!("{table} / all rows"));
        Some(Figure::of(label, value.whole.as_ref()?))
    };
    values.iter().enumerate().filter_map(one).collect()
}

/// Writes a value of a metric.
pub fn value(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Number(n) => match (n.as_i64(), n.as_f64()) {
            (Some(n), _) if n >= 0 => count(n as u64),
            (_, Some(n)) => number(n),
            _ => n.to_string(),
        },
        Value::String(text) => plain(text),
        other => plain(&other.to_string()),
    }
}

/// Writes a value and how it came from another: `0.91 (was 0.9, +0.01)`.
pub fn against(now: &Value, before: Option<&Value>) -> String {
    let text = value(now);
    match before {
        Some(before) if before != now => match difference(before, now) {
            Some(difference) => format!("{text} (was {}, {difference})", value(before)),
            None => format!("{text} (was {})", value(before)),
        },
        Some(_) => format!("{text} (as before)"),
        None => text,
    }
}

/// Writes the difference of two numbers with its sign.
pub fn difference(old: &Value, new: &Value) -> Option<String> {
    let difference = new.as_f64()? - old.as_f64()?;
    Some(if difference < 0.0 { number(difference) } else { format!("+{}", number(difference)) })
}

/// A node's result in a few words, and lines with more of it.
pub struct Summary {
    pub short: String,
    pub more: Vec<String>,
}

/// Tells what a node came out as, against what it was in the build before.
pub fn summary(graph: &Graph, id: NodeId, record: &NodeRecord, before: Option<&NodeRecord>) -> Summary {
    let node = graph.node(id);
    match &record.output {
        Output::Table { rows, parts, remade, gave, leaks, .. } => {
            let mut short = things(*rows, "row");
            if let Some(Output::Table { rows: old, .. }) = before.map(|before| &before.output)
                && old != rows
            {
                short.push_str(&format!(" ({})", signed(*rows as f64 - *old as f64)));
            }
            if !parts.is_empty() {
                let parts: Vec<String> =
                    parts.iter().map(|(name, part)| format!("{name} {}", count(part.rows))).collect();
                short.push_str(&format!(": {}", parts.join(", ")));
            }
            let failed =
                failed(&record.failed).map(|failed| format!("{failed} (datamake show {} --failed)", node.name));
            let made =
                |one: &Remade| format!("step {} made {} of {}", one.step + 1, things(one.gave, "row"), count(one.took));
            let lost = [dropped(&record.dropped), failed];
            let names = Names::new(graph);
            let gave = node.inputs.iter().zip(gave).map(|(input, gave)| self::gave(&names.input(input), gave));
            let more = gave.chain(remade.iter().map(made)).chain(lost.into_iter().flatten());
            Summary { short, more: more.chain(leaks.iter().map(leak)).collect() }
        }
        Output::Metric(values) => {
            let names = Names::new(graph);
            let tables: Vec<String> = node.inputs.iter().map(|input| names.input(input)).collect();
            let old: BTreeMap<String, Value> = match before.map(|before| &before.output) {
                Some(Output::Metric(values)) => {
                    figures(&tables, values).into_iter().map(|f| (f.label, f.value)).collect()
                }
                _ => BTreeMap::new(),
            };
            let found = figures(&tables, values);
            let line = |figure: &Figure| against(&figure.value, old.get(&figure.label));
            if let [one] = found.as_slice()
                && one.label.is_empty()
            {
                return Summary { short: line(one), more: Vec::new() };
            }
            let mut more: Vec<String> =
                found.iter().take(MOST).map(|figure| format!("{}: {}", figure.label, line(figure))).collect();
            if found.len() > MOST {
                more.push(format!("… {} more: datamake show {}", found.len() - MOST, node.name));
            }
            Summary { short: things(found.len() as u64, "value"), more }
        }
        Output::Test(tables) => {
            let names = Names::new(graph);
            let rows: u64 = tables.iter().map(|table| table.rows).sum();
            let broken = || {
                node.inputs.iter().zip(tables).flat_map(|(input, table)| {
                    let name = names.input(input);
                    table.broken.iter().map(move |sentence| format!("`{name}`: {sentence}"))
                })
            };
            let failing: u64 = tables.iter().map(|table| table.failing).sum();
            let fails = graph.manifest.tests[node.declaration].severity == Severity::Error;
            let short = match (broken().next(), failing) {
                (Some(first), _) if fails => format!("fails: {first}"),
                (Some(first), _) => format!("warning: {first}"),
                (None, 0) => format!("passes, {}", things(rows, "row")),
                (None, failing) => format!("passes, {}, {} of them failing", things(rows, "row"), count(failing)),
            };
            let mut more: Vec<String> = broken().skip(1).collect();
            if failing > 0 {
                more.push(format!("the rows: datamake show test.{} --failed", node.name));
            }
            Summary { short, more }
        }
        Output::Export { bytes: size, rows, .. } => {
            let to = &graph.manifest.exports[node.declaration].to.value;
            Summary { short: format!("{}, {to}, {}", things(*rows, "row"), bytes(*size)), more: Vec::new() }
        }
    }
}

/// Tells how many rows were dropped, and by what.
pub fn dropped(steps: &[LostRows]) -> Option<String> {
    let reasons: Vec<(&str, u64)> = steps
        .iter()
        .flat_map(|step| &step.reasons)
        .map(|(name, rows)| (name.as_str(), *rows))
        .filter(|(_, n)| *n > 0)
        .collect();
    let all: u64 = reasons.iter().map(|(_, rows)| rows).sum();
    match reasons.as_slice() {
        [] => None,
        [(name, _)] => Some(format!("dropped {} by {name}", things(all, "row"))),
        several => {
            let by: Vec<String> = several.iter().map(|(name, rows)| format!("{} by {name}", count(*rows))).collect();
            Some(format!("dropped {}: {}", things(all, "row"), by.join(", ")))
        }
    }
}

/// Tells what an input gave to a mix.
fn gave(name: &str, gave: &Gave) -> String {
    let Gave { rows, different, of } = *gave;
    if rows == different {
        return format!("{} of {} of {name}", count(rows), things(of, "row"));
    }
    let epochs = number(rows as f64 / different as f64);
    format!("{} of {} of {name}, {epochs} times: {}", count(different), things(of, "row"), things(rows, "row"))
}

/// Tells of values that are in several parts.
fn leak(leak: &Leak) -> String {
    let (values, rows) = (things(leak.values, "value"), things(leak.rows, "row"));
    format!("warning: {values} of {} in several parts, in {rows}", leak.check)
}

/// Tells how many rows have no value, and why.
pub fn failed(steps: &[LostRows]) -> Option<String> {
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for (kind, rows) in steps.iter().flat_map(|step| &step.reasons) {
        *kinds.entry(kind).or_default() += rows;
    }
    let all: u64 = kinds.values().sum();
    let kinds: Vec<String> = kinds.iter().map(|(kind, rows)| format!("{} {kind}", count(*rows))).collect();
    (all > 0).then(|| format!("{} failed: {}", things(all, "row"), kinds.join(", ")))
}

/// Writes what a node made as JSON.
pub fn json(record: &NodeRecord) -> Value {
    match &record.output {
        Output::Table { table, rows, made, groups, parts, remade, gave, leaks, .. } => {
            let remade: Vec<Value> =
                remade.iter().map(|one| json!({ "step": one.step + 1, "took": one.took, "gave": one.gave })).collect();
            json!({ "table": table, "rows": rows, "rows_made": made, "remade": remade, "groups": groups, "parts": parts, "gave": gave, "leaks": leaks, "dropped": lost_json(&record.dropped), "failed": lost_json(&record.failed) })
        }
        Output::Metric(values) => json!({ "values": values }),
        Output::Test(tables) => {
            let passed = tables.iter().all(|table| table.broken.is_empty());
            let tables: Vec<Value> = tables.iter().map(tested_json).collect();
            json!({ "passed": passed, "tables": tables, "failing": lost_json(&record.dropped), "failed": lost_json(&record.failed) })
        }
        Output::Export { file, bytes, rows } => json!({ "file": file, "bytes": bytes, "rows": rows }),
    }
}

fn tested_json(tested: &Tested) -> Value {
    let values: serde_json::Map<String, Value> = tested.values.iter().cloned().collect();
    json!({ "rows": tested.rows, "failing": tested.failing, "values": values, "broken": tested.broken })
}

/// Writes counts of lost rows as JSON.
pub fn lost_json(steps: &[LostRows]) -> Value {
    let one = |step: &LostRows| {
        let at = step.step.map(|at| at + 1);
        step.reasons
            .iter()
            .map(move |(name, rows)| json!({ "step": at, "reason": name, "rows": rows }))
            .collect::<Vec<_>>()
    };
    steps.iter().flat_map(one).collect()
}

/// The form of [`json`], for the reference.
pub const FORM: &str = "\
An *output* is `{ \"table\", \"rows\", \"rows_made\", \"remade\": [{ \"step\", \"took\", \"gave\" }], \"groups\", \"parts\": { NAME: { \"table\", \"rows\" } }, \"gave\": [{ \"rows\", \"different\", \"of\" }], \"leaks\": [{ \"check\", \"values\", \"rows\" }], \"dropped\": [{ \"step\", \"reason\", \"rows\" }], \"failed\": [{ \"step\", \"reason\", \"rows\" }] }` of a dataset,
`{ \"values\": [{ \"slices\": [{ \"by\": […], \"value\", \"sample\": { \"n\", \"hits\" } }], \"whole\": { as a slice } }] }` of a metric (one value per table that it is on; `sample` tells of a mean how many values it is of, and of bools how many are true; `whole` is of all rows, where there are slices),
`{ \"passed\", \"tables\": [{ \"rows\", \"failing\", \"values\": { AGGREGATE: value }, \"broken\": [sentence] }], \"failing\": [{ \"step\", \"reason\", \"rows\" }], \"failed\" }` of a test (per table that it is on; `step` is the table's position), `{ \"file\", \"bytes\", \"rows\" }` of an export.
`table` and `file` are hashes; steps count from 1, and null is the maker. `gave` tells of each input of a mix the rows that it gave, how many different ones, and of how many. `remade`: where programs made other rows of theirs. `leaks` tells of values in several parts of a split. The reasons of failed rows are kinds of failure.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_tells_what_it_was() {
        assert_eq!(against(&json!(0.913), Some(&json!(0.9))), "0.913 (was 0.9, +0.013)");
        assert_eq!(against(&json!(2), Some(&json!(1500))), "2 (was 1,500, −1,498)");
        assert_eq!(against(&json!("b"), Some(&json!("a"))), "b (was a)");
        assert_eq!(against(&json!(null), Some(&json!(null))), "none (as before)");
    }

    #[test]
    fn dropped_rows_are_told_by_reason() {
        let step = |step, reasons: &[(&str, u64)]| LostRows {
            step: Some(step),
            reasons: reasons.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect(),
            table: crate::hash::Hash::of(b""),
        };
        assert_eq!(dropped(&[]), None);
        assert_eq!(dropped(&[step(0, &[("where", 1), ("x", 0)])]).as_deref(), Some("dropped 1 row by where"));
        let several = [step(0, &[("short", 1000)]), step(1, &[("dedup", 2)])];
        assert_eq!(dropped(&several).as_deref(), Some("dropped 1,002 rows: 1,000 by short, 2 by dedup"));
    }
}
