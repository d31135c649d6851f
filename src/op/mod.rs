//! Ops: pure functions of the columns that they read. No I/O, no clock, no randomness of their own.
//!
//! Ops that need the whole table (`dedup`, `sample` by a number of rows, `mix`) do their heavy part row by row, into
//! a column of hashes, and then see only those hashes.

mod alike;
mod asking;
mod augment;
mod choose;
mod computed;
mod contaminated;
mod dedup;
mod draw;
mod fanning;
mod identity;
mod leaks;
mod mix;
mod normal;
mod packed;
mod program;
mod referring;
mod rank;
mod render;
mod sample;
mod shares;
mod sieve;
mod spans;
mod split;
mod static_embed;
mod strata;
mod synth;
mod tokens;

pub use alike::{
    Alike, Banded, Banding, Buckets, Cosine, Deduping, Direction, MOST, SHINGLE, Signature, equal, keep, nearly,
};
pub use asking::{
    Asked, AskedPerplexity, BEYOND, Embed, Formed, Generate, Judge, Kept, Opening, TIE, Verdict, is_dialogue, turn_type,
};
pub use augment::{Augment, Augmented, Augmenting, Intensity, Noise, Synonyms};
pub use choose::{By, Grouped, Quota, Sampling};
pub use computed::{Computed, Over};
pub use contaminated::{Common, Contaminated, Ngrams};
pub use dedup::{Fingerprint, Matching};
pub use fanning::{Explode, FanOp, Fanned, JoinKeys, JoinKind, Matches, Places, Repeat, TooMany};
pub use identity::{Identity, row_identity};
pub use leaks::{Checked, LeakedRow, Leaks, leaks};
pub use mix::{MixError, MixInput, Mixing, Pass};
pub use program::{Answers, ERROR, Per, Program, Wrong, wrong_line};
pub use rank::Ranking;
pub use referring::{Choice, Examples, Nearest, Perplexity, SIMILARITY, Same};
pub use render::Render;
pub use sample::Sample;
pub use spans::{Room, SpanHashes, Spans, Unit, Which, marked, no_marks, repeated};
pub use split::Split;
pub use static_embed::StaticEmbed;
pub use synth::{Literal, NamePart, Recipe, synth_column, synth_groups};
pub use tokens::TokenCount;

use crate::ask::{FailureKind, Request, Response, Spec};
use crate::expr::Value;
use crate::hash::KeyWriter;
use crate::table::{Batch, Field, RowError, Take, Type};
use crate::text::Measure;
use crate::text::lm::Model;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::Buffer;
use std::sync::Arc;

/// The versions of ops, by their names in keys. Whoever changes what an op makes, or lets a library change it, raises its
/// version: all nodes are looked at again once, and what the op made is made again.
pub const VERSIONS: [(&str, u32); 55] = [
    ("alike", 1),
    ("asked-perplexity", 1),
    ("augment", 1),
    ("conform", 1),
    ("constant", 2),
    ("decontaminate", 1),
    ("dedup", 3),
    ("direction", 1),
    ("embed", 2),
    ("examples", 1),
    ("explode", 1),
    ("expression", 2),
    ("failed", 1),
    ("filter", 2),
    ("fingerprint", 5),
    ("fold", 2),
    ("gather", 1),
    ("generate", 2),
    ("identity", 1),
    ("join", 1),
    ("join-keys", 1),
    ("judge", 2),
    ("last-read", 1),
    ("leaks", 1),
    ("lines", 1),
    ("lm", 2),
    ("lm-counts", 2),
    ("mix", 2),
    ("name-failures", 1),
    ("nearest", 1),
    ("node", 2),
    ("nulls", 1),
    ("parse", 1),
    ("parts", 1),
    ("perplexity", 2),
    ("rank", 1),
    ("read", 1),
    ("render", 2),
    ("repeat", 2),
    ("run", 1),
    ("sample", 2),
    ("segments", 2),
    ("signature", 2),
    ("span-hashes", 1),
    ("spans-cut", 1),
    ("spans-repeated", 1),
    ("spans-runs", 1),
    ("split", 1),
    ("sql", 1),
    ("static-embed", 1),
    ("synth", 1),
    ("texts", 1),
    ("tokens", 1),
    ("unread", 1),
    ("weight", 1),
];

/// Begins the key of an action of an op.
///
/// # Panics
/// If the op is not among [`VERSIONS`].
pub fn key(op: &str) -> KeyWriter {
    let version = VERSIONS.iter().find(|(name, _)| *name == op).map(|(_, version)| *version);
    KeyWriter::new(op, version.unwrap_or_else(|| unreachable!("the op `{op}` has no version")))
}

/// A pure function of the columns that it reads: one row group in, one or more columns of equal length out.
pub trait RowOp: Send + Sync {
    /// Writes the parameters in canonical form; the caller begins the key, and adds the chunks.
    fn write_key(&self, key: &mut KeyWriter);

    /// Returns the name in keys; it never changes.
    fn name(&self) -> &'static str;

    /// Returns exactly the columns that are read, in a fixed order.
    fn reads(&self) -> &[String];

    /// Returns the types of the columns that `run` makes.
    fn writes(&self) -> &[Type];

    /// Makes the columns, each of `input.rows` rows. The input has at least the columns that are read.
    fn run(&self, input: &Batch) -> Result<Vec<ArrayRef>, RowError>;

    /// Returns the conditions of which this one is the conjunction, in order; none where it is not made so.
    fn all_of(&self) -> &[Arc<dyn RowOp>] {
        &[]
    }

    /// Returns the measure of its only column that it is, if it is one.
    fn measure(&self) -> Option<&Measure> {
        None
    }

    /// Returns what is dear in it, and what it makes of that, if it can be taken apart so.
    fn apart(&self) -> Option<&Apart> {
        None
    }
}

/// An op as what is dear in it, each an op, and one that reads what they make.
///
/// A threshold is in the key of what is made of a dear column, and not in that of the column.
pub struct Apart {
    pub dear: Vec<Arc<dyn RowOp>>,
    /// What the columns that they make are called to the rest.
    pub names: Vec<String>,
    pub rest: Arc<dyn RowOp>,
}

/// A function of rows that asks models on the way: pure on both sides of the door. Each row has one or more dialogues, which
/// do not wait for each other; the row's values are made of how they ended.
pub trait AskOp: Send + Sync {
    /// Writes the parameters in canonical form; the caller begins the key, and adds the chunks.
    fn write_key(&self, key: &mut KeyWriter);

    /// Returns the name in keys; it never changes.
    fn name(&self) -> &'static str;

    /// Returns exactly the columns that are read, in a fixed order.
    fn reads(&self) -> &[String];

    /// Returns the columns that are made.
    fn writes(&self) -> &[Field];

    /// Returns what the dialogues of a row ask with, in the order of [`AskOp::begin`].
    fn specs(&self) -> Vec<Arc<Spec>>;

    /// Writes what tells the first request of the dialogue at `nth` in each row from other requests, beside the columns that are
    /// read. Steps that write the same of the same columns ask the same; one that asks nothing in common with others need not say.
    fn write_request(&self, nth: usize, key: &mut KeyWriter) {
        self.write_key(key);
        key.int("nth", nth as i64);
    }

    /// Returns the first request of each dialogue of each row. Every row has as many dialogues.
    fn begin(&self, input: &Batch) -> Result<Vec<Vec<Request>>, RowError>;

    /// Returns how often, at most, a reply is sent back in a dialogue: never, if nothing else is said.
    fn retries(&self) -> u32 {
        0
    }

    /// Takes in the response to a request; `turns` requests of this dialogue were answered before it.
    fn reply(&self, request: &Request, response: &Response, turns: u32) -> Turn;

    /// Makes the values of a row, one for each column of `writes`, of what its dialogues came to: as they are, if nothing else is said.
    fn conclude(&self, _input: &Batch, _row: usize, answers: Vec<Value>) -> Vec<Value> {
        answers
    }
}

/// How a dialogue goes on.
#[derive(Debug)]
pub enum Turn {
    /// It has come to this.
    Done(Value),
    /// It needs another request, which says what was wrong with the reply.
    Again(Request),
    Failed(FailureKind, String),
}

/// What a row-wise op sees of another table.
pub enum Other {
    Rows(Batch),
    /// A language model of a column.
    Model(Model<Buffer>),
}

impl Other {
    /// Returns the rows, where they are looked into.
    pub fn rows(&self) -> Result<&Batch, RowError> {
        let wrong = |message: &str| RowError { row: usize::MAX, message: message.to_owned(), help: None };
        if let Other::Rows(rows) = self { Ok(rows) } else { Err(wrong("the other table is a model here")) }
    }
}

/// A row-wise op that also sees a whole other table.
pub trait ReferOp: Send + Sync {
    /// Writes the parameters in canonical form; the caller begins the key, and adds the chunks of both.
    fn write_key(&self, key: &mut KeyWriter);

    /// Returns the name in keys; it never changes.
    fn name(&self) -> &'static str;

    /// Returns exactly the columns that are read of the rows, in a fixed order.
    fn reads(&self) -> &[String];

    /// Returns exactly the columns that are read of the other table, in a fixed order.
    fn refers(&self) -> &[String];

    /// Returns the columns that are made.
    fn writes(&self) -> &[Field];

    /// Makes the columns, each of `input.rows` rows. An error at `usize::MAX` is one of the other table, and not of a row.
    fn run(&self, input: &Batch, other: &Other) -> Result<Vec<ArrayRef>, RowError>;

    /// Returns the order of the language model that is made of the other table's column; none: its rows are looked into.
    fn learns(&self) -> Option<usize> {
        None
    }
}

/// Returns the columns called `names`, in their order.
fn columns(input: &Batch, names: &[String]) -> Result<Vec<ArrayRef>, RowError> {
    let absent = |name| RowError { row: 0, message: format!("there is no column `{name}`"), help: None };
    names.iter().map(|name| input.column(name).cloned().ok_or_else(|| absent(name))).collect()
}

/// Returns the text in a row of a column of texts; none for null. A column of nothing but nulls may have no type yet.
fn text_at(column: &ArrayRef, row: usize) -> Option<&str> {
    let texts = column.as_string_opt::<i32>()?;
    texts.is_valid(row).then(|| texts.value(row))
}

/// Writes the names of the columns whose values make up a row's identity.
fn write_count(key: &mut KeyWriter, columns: &[String]) {
    // Their contents are in the key as chunks; what they are called does not matter.
    key.int("columns", columns.len() as i64);
}

/// Cuts one mask over all rows into a take for each group.
fn takes(lengths: impl Iterator<Item = usize>, keep: &[bool]) -> Vec<Take> {
    let mut rest = keep;
    lengths
        .map(|length| {
            let (group, after) = rest.split_at(length);
            rest = after;
            Take::of_mask(group.iter().copied())
        })
        .collect()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_choosing;
