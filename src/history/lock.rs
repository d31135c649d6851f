//! `datamake.lock`: what the nodes are, for Git. One node per block, sorted, so that it merges.

use super::{View, read_record};
use crate::exec::{MetricValue, Output, PartOutput};
use crate::hash::{Hash, Words};
use crate::store::{Store, StoreError};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// The name of the file.
pub const LOCK_FILE: &str = "datamake.lock";

/// The nodes of a lock file, by full name.
pub type Lock = BTreeMap<String, LockedNode>;

/// One node of a lock file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct LockedNode {
    pub table: Option<Hash>,
    pub rows: Option<u64>,
    /// Of a split: part → table and rows.
    #[serde(default)]
    pub parts: BTreeMap<String, LockedPart>,
    /// Of a metric: one text per table that it is on, or per slice.
    #[serde(default)]
    pub value: Vec<toml::Value>,
    /// Of an export: the hash of the file.
    pub file: Option<Hash>,
    /// Rows that have no value, by kind of failure; of a test, those that fail, by condition.
    #[serde(default)]
    pub failed: BTreeMap<String, u64>,
    /// Of a test.
    pub passed: Option<bool>,
    /// Of a dataset that asks models: how many answers its rows are made of.
    pub answers: Option<u64>,
    /// Which recorded answers count: `always`, or `2026-11-01 on`.
    pub reuse: Option<String>,
}

/// One part of a split in a lock file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct LockedPart {
    pub table: Hash,
    pub rows: u64,
}

/// Reads the records of a view as the nodes of a lock file.
pub fn lock_of(store: &Store, view: &View) -> Result<Lock, StoreError> {
    view.iter().map(|(name, record)| Ok((name.clone(), lock_node(store, *record)?))).collect()
}

/// Reads a record as a node of a lock file.
pub fn lock_node(store: &Store, record: Hash) -> Result<LockedNode, StoreError> {
    let mut node = LockedNode::default();
    let record = read_record(store, record)?;
    for (kind, rows) in record.failed.iter().flat_map(|lost| &lost.reasons) {
        *node.failed.entry(kind.clone()).or_default() += rows;
    }
    let policies = reuse(&record.words);
    if !policies.is_empty() {
        node.answers = Some(record.paid.values().flat_map(|paid| paid.0.values()).map(|sum| sum.answers).sum());
        node.reuse = Some(policies.into_iter().collect::<Vec<_>>().join(", "));
    }
    match record.output {
        Output::Table { table, rows, parts, .. } => {
            node.table = Some(table);
            node.rows = Some(rows);
            let locked = |(name, part): (String, PartOutput)| (name, LockedPart { table: part.table, rows: part.rows });
            node.parts = parts.into_iter().map(locked).collect();
        }
        Output::Metric(values) => node.value = values.iter().map(metric).collect(),
        Output::Test(tables) => {
            for (name, rows) in record.dropped.iter().flat_map(|lost| &lost.reasons).filter(|(_, rows)| *rows > 0) {
                *node.failed.entry(name.clone()).or_default() += rows;
            }
            node.rows = Some(tables.iter().map(|table| table.rows).sum());
            node.value = tables.iter().flat_map(|table| table.values.iter().map(|(_, value)| scalar(value))).collect();
            node.passed = Some(tables.iter().all(|table| table.broken.is_empty()));
        }
        Output::Export { file, rows, .. } => {
            node.file = Some(file);
            node.rows = Some(rows);
        }
    }
    Ok(node)
}

/// Returns which recorded answers count for the models that a node asks.
fn reuse(words: &Words) -> BTreeSet<String> {
    let models = words.0.keys().filter_map(|path| {
        let at = path.strip_suffix(".identity")?;
        let (step, model) = at.strip_prefix("steps.")?.split_once('.')?;
        let is_model = step.parse::<usize>().is_ok() && (model == "model" || model.starts_with("model."));
        is_model.then_some(at)
    });
    let policy = |at: &str| match words.0.get(&format!("{at}.reuse")) {
        Some(day) => format!("{day} on"),
        None => "always".to_owned(),
    };
    models.map(policy).collect()
}

fn scalar(json: &serde_json::Value) -> toml::Value {
    match json {
        serde_json::Value::Bool(value) => toml::Value::Boolean(*value),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(int) => toml::Value::Integer(int),
            None => toml::Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => toml::Value::String(text.clone()),
        other => toml::Value::String(other.to_string()),
    }
}

/// Writes a metric's value: a number, or a table of slices.
fn metric(value: &MetricValue) -> toml::Value {
    match value.slices.as_slice() {
        [slice] if slice.by.is_empty() => scalar(&slice.value),
        slices => {
            let mut table = toml::Table::new();
            for slice in slices {
                let mut name = slice_name(&slice.by);
                // What JSON has no word for, as an infinity, is null in a record.
                while table.contains_key(&name) {
                    name.push('\'');
                }
                table.insert(name, scalar(&slice.value));
            }
            toml::Value::Table(table)
        }
    }
}

/// Names a slice by what its rows have in common, so that other values give another name.
///
/// A text stands there as it is, unless it could be taken for something else: a value that is no text, or two of them.
fn slice_name(by: &[serde_json::Value]) -> String {
    let name = |value: &serde_json::Value| match value.as_str() {
        Some(text) if is_plain(text) => text.to_owned(),
        _ => value.to_string(),
    };
    by.iter().map(name).collect::<Vec<_>>().join(" / ")
}

fn is_plain(text: &str) -> bool {
    !text.starts_with(['"', '[', '{'])
        && !text.contains(" /")
        && !text.contains("/ ")
        && serde_json::from_str::<serde_json::Value>(text).is_err()
}

/// Writes a lock file.
pub fn render_lock(lock: &Lock) -> String {
    let mut out = String::from("# Made by `datamake build`; keep it in Git. It tells what every node was.\n");
    for (name, node) in lock {
        let _ = write!(out, "\n[{name}]\n");
        if let Some(table) = node.table {
            let _ = writeln!(out, "table = \"{table}\"");
        }
        if let Some(file) = node.file {
            let _ = writeln!(out, "file = \"{file}\"");
        }
        if let Some(rows) = node.rows {
            let _ = writeln!(out, "rows = {rows}");
        }
        match node.value.as_slice() {
            [] => {}
            values => {
                let texts: Vec<String> = values.iter().map(inline).collect();
                let _ = writeln!(out, "value = [{}]", texts.join(", "));
            }
        }
        if let Some(passed) = node.passed {
            let _ = writeln!(out, "passed = {passed}");
        }
        if !node.failed.is_empty() {
            let kinds: Vec<String> = node.failed.iter().map(|(kind, rows)| format!("{} = {rows}", key(kind))).collect();
            let _ = writeln!(out, "failed = {{ {} }}", kinds.join(", "));
        }
        if let Some(answers) = node.answers {
            let _ = writeln!(out, "answers = {answers}");
        }
        if let Some(reuse) = &node.reuse {
            let _ = writeln!(out, "reuse = {}", quoted(reuse));
        }
        for (part, locked) in &node.parts {
            let _ = writeln!(out, "parts.{part} = {{ table = \"{}\", rows = {} }}", locked.table, locked.rows);
        }
    }
    out
}

fn inline(value: &toml::Value) -> String {
    match value {
        toml::Value::Table(slices) => {
            let slice = |(name, value): (&String, &toml::Value)| format!("{} = {}", quoted(name), inline(value));
            format!("{{ {} }}", slices.iter().map(slice).collect::<Vec<_>>().join(", "))
        }
        toml::Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

/// Writes a name as a key, quoted where it has to be.
fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if bare { name.to_owned() } else { quoted(name) }
}

/// Writes a text as a string of one line, which a key is too.
fn quoted(text: &str) -> String {
    // All escapes of JSON are TOML's; TOML wants one more.
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// Reads a lock file.
pub fn parse_lock(text: &str) -> Result<Lock, String> {
    let kinds: BTreeMap<String, BTreeMap<String, LockedNode>> =
        toml::from_str(text).map_err(|error| error.message().to_owned())?;
    let full = |(kind, nodes): (String, BTreeMap<String, LockedNode>)| {
        nodes.into_iter().map(move |(name, node)| (format!("{kind}.{name}"), node))
    };
    Ok(kinds.into_iter().flat_map(full).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::MetricSlice;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// Writes a metric with a slice for each of `names` into a lock file, and reads back the names.
    fn names(slices: &[Vec<Value>]) -> Vec<String> {
        let slice = |(at, by): (usize, &Vec<Value>)| MetricSlice { by: by.clone(), value: json!(at), sample: None };
        let value = metric(&MetricValue { slices: slices.iter().enumerate().map(slice).collect(), whole: None });
        let lock = Lock::from([("metric.m".to_owned(), LockedNode { value: vec![value], ..LockedNode::default() })]);
        let text = render_lock(&lock);
        assert_eq!(parse_lock(&text).as_ref(), Ok(&lock), "{text}");
        let mut names: Vec<(i64, String)> = match &lock["metric.m"].value[0] {
            toml::Value::Table(table) => {
                table.iter().map(|(name, at)| (at.as_integer().expect("it is one"), name.clone())).collect()
            }
            _ => Vec::new(),
        };
        names.sort();
        names.into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn a_text_is_quoted_in_the_name_of_a_slice_where_it_could_be_something_else() {
        let slices = [
            vec![json!("good"), json!("a/b")],
            vec![json!(null), json!(1.5)],
            vec![json!("null"), json!("1.5")],
            vec![json!("a / b"), json!("c")],
            vec![json!("a"), json!("b / c")],
            vec![json!("\"a\""), json!("")],
        ];
        let expected =
            ["good / a/b", "null / 1.5", "\"null\" / \"1.5\"", "\"a / b\" / c", "a / \"b / c\"", "\"\\\"a\\\"\" / "];
        assert_eq!(names(&slices), expected);
    }

    #[test]
    fn slices_that_a_record_cannot_tell_apart_are_all_there() {
        assert_eq!(names(&[vec![json!(null)], vec![json!(null)]]), ["null", "null'"]);
    }

    #[test]
    fn what_a_dataset_asked_reads_back() {
        let node = LockedNode {
            rows: Some(8),
            failed: BTreeMap::from([("cut-off".to_owned(), 1), ("invalid-json".to_owned(), 2)]),
            answers: Some(12),
            reuse: Some("2026-11-01 on, always".to_owned()),
            ..LockedNode::default()
        };
        let lock = Lock::from([("dataset.a".to_owned(), node)]);
        let text = render_lock(&lock);
        let lines: Vec<&str> = text.lines().skip(2).collect();
        let expected = [
            "[dataset.a]",
            "rows = 8",
            "failed = { cut-off = 1, invalid-json = 2 }",
            "answers = 12",
            "reuse = \"2026-11-01 on, always\"",
        ];
        assert_eq!(lines, expected);
        assert_eq!(parse_lock(&text), Ok(lock));
    }

    #[test]
    fn the_policy_of_reuse_is_that_of_each_model_asked() {
        let policies = |words: &[(&str, &str)]| {
            let words = words.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned()));
            reuse(&Words(words.collect())).into_iter().collect::<Vec<_>>().join(", ")
        };
        let judges = [("steps.1.model.0.identity", "a"), ("steps.1.model.1.identity", "b")];
        assert_eq!(policies(&judges), "always");
        let dated = [judges[0], judges[1], ("steps.1.model.1.reuse", "2026-11-01")];
        assert_eq!(policies(&dated), "2026-11-01 on, always");
        assert_eq!(policies(&[("steps.0.columns.identity", "x")]), "");
    }

    #[test]
    fn a_name_of_several_lines_stands_in_one() {
        assert_eq!(names(&[vec![json!("a\nb\u{7f}\t\"")], vec![json!("c")]]).len(), 2);
    }

    proptest! {
        #[test]
        fn no_two_slices_share_a_name(texts in proptest::collection::btree_set(("[a/ \"]{0,4}", "[a/ \"]{0,4}|null|1"), 2..20)) {
            let slices: Vec<Vec<Value>> = texts.iter().map(|(a, b)| vec![json!(a), json!(b)]).collect();
            let distinct: std::collections::BTreeSet<String> = slices.iter().map(|by| slice_name(by)).collect();
            prop_assert_eq!(distinct.len(), slices.len());
        }
    }
}
