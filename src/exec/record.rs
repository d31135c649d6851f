//! What a build leaves to be known of each node, as a blob named by its contents.

use super::ask::Paid;
use crate::expr::Sample;
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
    pub dropped: Vec<LostRows>,
    /// The rows that have no value, those of the maker first, then by step; the reasons are kinds of failure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<LostRows>,
    /// What the answers behind the rows took when they were bought, by step.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub paid: BTreeMap<usize, Paid>,
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
        /// How many more there were because steps ask several times about a row.
        #[serde(default, skip_serializing_if = "is_zero")]
        repeated: u64,
        /// Where programs made other rows of those that came to them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        remade: Vec<Remade>,
        groups: u64,
        parts: BTreeMap<String, PartOutput>,
        /// What each input of a mix gave.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        gave: Vec<Gave>,
        /// What is in several parts of a split, where that is no error.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        leaks: Vec<Leak>,
    },
    Metric(Vec<MetricValue>),
    /// One per table that it is on.
    Test(Vec<Tested>),
    Export {
        /// The hash of the file's bytes.
        file: Hash,
        bytes: u64,
        rows: u64,
    },
}

/// What an input gave to a mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gave {
    /// The rows of the mix that are of this input.
    pub rows: u64,
    /// How many different ones they are: the others are repeats.
    pub different: u64,
    /// The rows that it has.
    pub of: u64,
}

/// Values that are in several parts of a split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leak {
    /// The expression whose values they are.
    pub check: String,
    /// How many different ones.
    pub values: u64,
    /// How many rows have one of them.
    pub rows: u64,
}

/// What a program that answers with any rows took and gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remade {
    /// The position of the step.
    pub step: usize,
    pub took: u64,
    pub gave: u64,
}

/// One part of a split.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartOutput {
    pub table: Hash,
    pub rows: u64,
}

/// What a test found at one of the tables that it is on. Its failing rows are the node's, by the position of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tested {
    pub rows: u64,
    /// How many of them do not meet a condition.
    pub failing: u64,
    /// The aggregates, and their values.
    pub values: Vec<(String, serde_json::Value)>,
    /// What is not as it has to be, each a sentence; empty: the test passes.
    pub broken: Vec<String>,
}

/// A metric over one of the tables that it is on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricValue {
    /// One per combination of the `by` values, in their order; without `by` one.
    pub slices: Vec<MetricSlice>,
    /// With `by`: what it is of all rows; none where it cannot be computed of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<MetricSlice>,
}

impl MetricValue {
    /// Returns what it is of all rows.
    pub fn of_all(&self) -> Option<&MetricSlice> {
        match self.slices.as_slice() {
            [one] if one.by.is_empty() => Some(one),
            _ => self.whole.as_ref(),
        }
    }
}

/// A metric's value over some of the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricSlice {
    pub by: Vec<serde_json::Value>,
    pub value: serde_json::Value,
    /// What it is the mean of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<Sample>,
}

impl MetricSlice {
    /// Returns the value, if it is a number.
    pub fn number(&self) -> Option<f64> {
        self.value.as_f64().filter(|value| !value.is_nan())
    }
}

/// Rows that a step dropped, or that failed there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LostRows {
    /// The position of the step; none: the maker. Of a test, the position of the table.
    pub step: Option<usize>,
    /// Names of the filters, or kinds of failure, and how many rows each took.
    pub reasons: Vec<(String, u64)>,
    /// The rows, with the reason's position in the column `dropped_by`, or the failure in the column `failure`.
    pub table: Hash,
}

impl LostRows {
    /// Returns how many rows there are.
    pub fn rows(&self) -> u64 {
        self.reasons.iter().map(|(_, rows)| rows).sum()
    }

    /// Returns whether a reason is the one of this name, or one of several that a filter of this name has: `name.condition`.
    pub fn is_of(reason: &str, name: &str) -> bool {
        reason.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Writes the keys of actions as a blob.
pub fn encode_keys(keys: &[Hash]) -> Vec<u8> {
    keys.iter().flat_map(|key| *key.as_bytes()).collect()
}

/// Reads what [`encode_keys`] wrote.
pub fn decode_keys(bytes: &[u8]) -> Vec<Hash> {
    bytes.as_chunks::<32>().0.iter().map(|key| Hash::from_bytes(*key)).collect()
}
