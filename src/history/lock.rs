//! `datamake.lock`: what the nodes are, for Git. One node per block, sorted, so that it merges.

use super::{View, read_record};
use crate::exec::{MetricValue, Output, PartOutput};
use crate::hash::Hash;
use crate::store::{Store, StoreError};
use serde::Deserialize;
use std::collections::BTreeMap;
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
    match read_record(store, record)?.output {
        Output::Table { table, rows, parts, .. } => {
            node.table = Some(table);
            node.rows = Some(rows);
            let locked = |(name, part): (String, PartOutput)| (name, LockedPart { table: part.table, rows: part.rows });
            node.parts = parts.into_iter().map(locked).collect();
        }
        Output::Metric(values) => node.value = values.iter().map(metric).collect(),
        Output::Export { file, rows, .. } => {
            node.file = Some(file);
            node.rows = Some(rows);
        }
    }
    Ok(node)
}

/// Writes a metric's value: a number, or a table of slices.
fn metric(value: &MetricValue) -> toml::Value {
    let one = |json: &serde_json::Value| match json {
        serde_json::Value::Bool(value) => toml::Value::Boolean(*value),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(int) => toml::Value::Integer(int),
            None => toml::Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => toml::Value::String(text.clone()),
        other => toml::Value::String(other.to_string()),
    };
    match value.slices.as_slice() {
        [slice] if slice.by.is_empty() => one(&slice.value),
        slices => {
            let name = |by: &[serde_json::Value]| {
                let texts = by.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
                texts.collect::<Vec<_>>().join(" / ")
            };
            toml::Value::Table(slices.iter().map(|slice| (name(&slice.by), one(&slice.value))).collect())
        }
    }
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
        for (part, locked) in &node.parts {
            let _ = writeln!(out, "parts.{part} = {{ table = \"{}\", rows = {} }}", locked.table, locked.rows);
        }
    }
    out
}

fn inline(value: &toml::Value) -> String {
    match value {
        toml::Value::Table(slices) => {
            let slice = |(name, value): (&String, &toml::Value)| {
                format!("{} = {}", toml::Value::String(name.clone()), inline(value))
            };
            format!("{{ {} }}", slices.iter().map(slice).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
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
