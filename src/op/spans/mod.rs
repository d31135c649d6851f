//! `dedup_spans`: lines, paragraphs and runs of words that stood in the dataset before, and texts without them.

mod repeated;
mod runs;
mod units;

pub use repeated::{Room, Which, marked, no_marks, repeated};

use super::packed::{self, Packed};
use super::{RowOp, columns, text_at};
use crate::hash::KeyWriter;
use crate::table::{Batch, RowError, Type};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray};
use runs::Runs;
use std::sync::Arc;
use units::Units;

/// What of a text is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Line,
    Paragraph,
    /// Runs of words.
    Words,
}

impl Unit {
    /// What they are called, in their order.
    pub const NAMES: [&'static str; 3] = ["line", "paragraph", "words"];

    /// Finds one by its name.
    pub fn named(name: &str) -> Option<Unit> {
        [Unit::Line, Unit::Paragraph, Unit::Words].into_iter().find(|unit| unit.name() == name)
    }

    /// Returns what it is called.
    pub fn name(self) -> &'static str {
        Unit::NAMES[self as usize]
    }
}

/// What of texts is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spans {
    pub unit: Unit,
    /// The words of the shortest that counts.
    pub min: u32,
}

impl Spans {
    /// Writes the parameters in canonical form.
    pub fn write_key(&self, key: &mut KeyWriter) {
        key.text("unit", self.unit.name()).int("min", self.min.into());
    }

    /// Makes of the texts whose anchors are marked the hashes of the runs that these are anchors of, each run of a text once.
    pub fn runs(&self, texts: &ArrayRef, anchors: &ArrayRef) -> Option<ArrayRef> {
        let (anchors, mut runs) = (Packed::of(anchors)?, Runs::new(self.min));
        Some(lists(texts, |row, text, into| {
            if let Some(marks) = marks_of(&anchors, row) {
                runs.read(text);
                runs.distinct(marks, |run| into.push(run as i64));
            }
        }))
    }

    /// Cuts out of texts what is marked: of lines and paragraphs which of them, of runs of words which anchors and, `of_runs`, which of their runs.
    pub fn cut(&self, texts: &ArrayRef, marks: &ArrayRef, of_runs: &ArrayRef) -> Option<ArrayRef> {
        let (marks, of_runs) = (Packed::of(marks)?, Packed::of(of_runs)?);
        let (mut units, mut runs) = (Units::new(*self), Runs::new(self.min));
        let texts = texts.as_string_opt::<i32>()?;
        let one = |(row, text): (usize, Option<&str>)| {
            let text = text?;
            let Some(of_row) = marks_of(&marks, row) else { return Some(text.to_owned()) };
            Some(match self.unit {
                Unit::Line | Unit::Paragraph => units.without(text, of_row),
                Unit::Words => {
                    runs.read(text);
                    runs.without(text, of_row, marks_of(&of_runs, row))
                }
            })
        };
        Some(Arc::new(texts.iter().enumerate().map(one).collect::<StringArray>()))
    }
}

/// Makes a list of ints: of lines and paragraphs the hash of each that counts, in order; of runs of words those of anchors of them, such that runs
/// that are equal have an equal one. Both are of normalised words, with 64 bits: of a billion different ones, two are taken for one with a probability of 3 %.
pub struct SpanHashes {
    column: [String; 1],
    spans: Spans,
}

impl SpanHashes {
    /// Hashes the texts of a column.
    pub fn new(column: &str, spans: Spans) -> SpanHashes {
        SpanHashes { column: [column.to_owned()], spans }
    }
}

impl RowOp for SpanHashes {
    fn write_key(&self, key: &mut KeyWriter) {
        self.spans.write_key(key);
    }

    fn name(&self) -> &'static str {
        "span-hashes"
    }

    fn reads(&self) -> &[String] {
        &self.column
    }

    fn writes(&self) -> &[Type] {
        &*packed::WRITES
    }

    fn run(&self, input: &Batch) -> Result<Vec<ArrayRef>, RowError> {
        let texts = columns(input, &self.column)?.remove(0);
        let (mut units, mut runs) = (Units::new(self.spans), Runs::new(self.spans.min));
        let hashes = lists(&texts, |_, text, into| match self.spans.unit {
            Unit::Line | Unit::Paragraph => units.each(text, |_, hash| into.extend(hash.map(|hash| hash as i64))),
            Unit::Words => {
                runs.read(text);
                runs.anchors(|anchor| into.push(anchor as i64));
            }
        });
        Ok(vec![hashes])
    }
}

/// Makes a list of ints for each text; what is no text has an empty one.
fn lists(texts: &ArrayRef, mut one: impl FnMut(usize, &str, &mut Vec<i64>)) -> ArrayRef {
    let (mut lengths, mut ints) = (Vec::with_capacity(texts.len()), Vec::new());
    for row in 0..texts.len() {
        let before = ints.len();
        if let Some(text) = text_at(texts, row) {
            one(row, text, &mut ints);
        }
        lengths.push(ints.len() - before);
    }
    packed::column(lengths, ints)
}

/// Returns the marks of a row as bits, if it has any; a column without rows has none for any row.
fn marks_of<'a>(marks: &Packed<'a>, row: usize) -> Option<&'a [i64]> {
    if row < marks.len() { marks.row(row) } else { None }
}

/// Returns whether the `nth` of a row is marked.
fn is_marked(marks: &[i64], nth: usize) -> bool {
    marks.get(nth / 64).is_some_and(|bits| bits >> (nth % 64) & 1 == 1)
}

#[cfg(test)]
mod tests;
