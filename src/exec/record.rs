//! What a build leaves to be known of each node, as a blob named by its contents.

use crate::graph::Kind;
use crate::hash::{Hash, Words};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything about a node that depends on its definition and inputs alone: no times, no names of machines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// The node key, under which the trace of this record is.
    pub key: Hash,
    pub kind: Kind,
    /// The definition that the node key was made of.
    pub words: Words,
    /// The tables that it read, in the order of its edges.
    pub inputs: Vec<Hash>,
    /// The data files that it read: path and content.
    pub files: Vec<(String, Hash)>,
    pub output: Output,
    /// The rows that each step dropped.
    pub dropped: Vec<DroppedRows>,
    /// A blob with the keys of all actions, for `gc` to keep their traces.
    pub actions: Hash,
}

/// What a node made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    Table {
        table: Hash,
        rows: u64,
        /// How many rows the maker made.
        made: u64,
        groups: u64,
        parts: BTreeMap<String, PartOutput>,
    },
    Metric(Vec<MetricValue>),
    Export {
        /// The hash of the file's bytes.
        file: Hash,
        bytes: u64,
        rows: u64,
    },
}

/// One part of a split.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartOutput {
    pub table: Hash,
    pub rows: u64,
}

/// A metric over one of the tables that it is on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricValue {
    /// One per combination of the `by` values, in their order; without `by` one.
    pub slices: Vec<MetricSlice>,
}

/// A metric's value over some of the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricSlice {
    pub by: Vec<serde_json::Value>,
    pub value: serde_json::Value,
}

/// Rows that a step dropped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DroppedRows {
    /// The position of the step.
    pub step: usize,
    /// Names of the filters, and how many rows each dropped.
    pub reasons: Vec<(String, u64)>,
    /// The rows, with the reason's position in the column `dropped_by`.
    pub table: Hash,
}

/// Writes the keys of actions as a blob.
pub fn encode_keys(keys: &[Hash]) -> Vec<u8> {
    keys.iter().flat_map(|key| *key.as_bytes()).collect()
}

/// Reads what [`encode_keys`] wrote.
pub fn decode_keys(bytes: &[u8]) -> Vec<Hash> {
    bytes.as_chunks::<32>().0.iter().map(|key| Hash::from_bytes(*key)).collect()
}
