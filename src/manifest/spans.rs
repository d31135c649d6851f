//! The part of the language that takes out of texts what stood before: the step `dedup_spans`, its table of keys and its declaration.

use super::decl::Text;
use super::declare::Declarer;
use super::keys::{COLUMN, REF};
use super::shape::Role::{Definition, Edge};
use super::shape::{self, Shape, Text as Meaning, key};
use super::value::Table;
use crate::diag::Span;
use crate::op::{Spans, Unit};

/// Takes out of texts what stood before.
#[derive(Clone, Debug)]
pub struct DedupSpans {
    pub column: Text,
    pub spans: Spans,
    /// The column for the texts without it.
    pub into: Text,
    /// The column for the share that went.
    pub share: Option<Text>,
    /// Other datasets that stand before ours.
    pub against: Vec<Text>,
    pub span: Span,
}

pub static DEDUP_SPANS: shape::Table = shape::Table {
    sections: &[&[
        key("column", Definition, COLUMN, "The column of texts.").required(),
        key(
            "unit",
            Definition,
            Shape::Text(Meaning::OneOf(&Unit::NAMES)),
            "`line`: lines that are the same but for case, white space and Unicode forms; `paragraph`: the same of lines between blank ones; `words`: runs of \
             `min` words or more, wherever they begin.",
        )
        .required(),
        key(
            "min",
            Definition,
            Shape::Int(1, 10_000),
            "The words of the shortest line, paragraph or run that counts. Without it, 5, and 50 of `words`.",
        ),
        key("into", Definition, COLUMN, "The column for the text without what stood before.").required(),
        key("share", Definition, COLUMN, "A column for the share of the text's characters that went, from 0 to 1."),
        key(
            "against",
            Edge,
            Shape::OneOrMore(&REF),
            "Other datasets with a column of this name: what stands in their texts stood before.",
        ),
    ]],
    groups: &[],
};

impl Declarer<'_> {
    pub(super) fn dedup_spans(&mut self, table: &Table, span: Span) -> Option<DedupSpans> {
        let unit = Unit::named(&self.text(table, "unit")?.value)?;
        // Lines as the filter of C4 has them; of runs, Lee et al. 2021 have 50 tokens.
        let least = if unit == Unit::Words { 50 } else { 5 };
        let min = self.count(table, "min").map_or(least, |min| u32::try_from(min.value).unwrap_or(u32::MAX));
        Some(DedupSpans {
            column: self.text(table, "column")?,
            spans: Spans { unit, min: min.max(1) },
            into: self.text(table, "into")?,
            share: self.text(table, "share"),
            against: self.texts(table, "against"),
            span,
        })
    }
}
