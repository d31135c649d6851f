//! Language models of texts: `[lm.NAME]`, and the step `perplexity`.

use super::decl::{About, Text};
use super::declare::{Declarer, definition};
use super::keys::{ABOUT, COLUMN, NAME, REF};
use super::shape::Role::{Definition, Edge};
use super::shape::{Group, Required, Shape, Table, key};
use super::value;
use crate::diag::Span;
use crate::hash::Words;

/// A node `[lm.NAME]`.
#[derive(Clone, Debug)]
pub struct Lm {
    pub name: Text,
    pub about: About,
    /// A dataset, or a part of it.
    pub from: Text,
    pub column: Text,
    /// How many words its n-grams have.
    pub order: usize,
    pub definition: Words,
}

/// Measures a text by a language model.
#[derive(Clone, Debug)]
pub struct Perplexity {
    pub by: PerplexityBy,
    pub column: Text,
    pub into: Text,
    pub span: Span,
}

/// What measures texts.
#[derive(Clone, Debug)]
pub enum PerplexityBy {
    /// The name of a language model of a dataset's texts.
    Lm(Text),
    /// The name of a model at an endpoint.
    Model(Text),
}

impl PerplexityBy {
    /// Returns the name.
    pub fn name(&self) -> &Text {
        let (PerplexityBy::Lm(name) | PerplexityBy::Model(name)) = self;
        name
    }
}

pub static LM: Table = Table {
    sections: &[
        &[
            key("from", Edge, REF, "The dataset with the texts, or a part of it: `name.part`.").required(),
            key("column", Definition, COLUMN, "The column of texts. A line that has words is a sentence.").required(),
            key("order", Definition, Shape::Int(1, 6), "So many words are looked at together.").default("5"),
        ],
        ABOUT,
    ],
    groups: &[],
};

pub static PERPLEXITY: Table = Table {
    sections: &[&[
        key("lm", Edge, NAME, "A language model `[lm.NAME]`; its contents enter the key, its name does not."),
        key(
            "model",
            Edge,
            NAME,
            "A model with `api = \"completions\"`, at an endpoint that sends a text back with its log-probabilities (`echo`, `logprobs`); what \
             is a definition of it enters the key, its name does not.",
        ),
        key("column", Definition, COLUMN, "The column of texts.").required(),
        key("into", Definition, COLUMN, "The column for the perplexity.").required(),
    ]],
    groups: &[Group { keys: &["lm", "model"], required: Required::Yes, doc: "texts are measured by one model" }],
};

impl Declarer<'_> {
    /// Reads a node `[lm.NAME]`.
    pub fn lm(&mut self, name: Text, table: &value::Table) -> Option<Lm> {
        Some(Lm {
            name,
            about: self.about(table),
            from: self.text(table, "from")?,
            column: self.text(table, "column")?,
            order: self.count(table, "order").map_or(5, |order| order.value as usize),
            definition: definition(table, &LM),
        })
    }

    pub(super) fn perplexity(&mut self, table: &value::Table, span: Span) -> Option<Perplexity> {
        let model = || self.text(table, "model").map(PerplexityBy::Model);
        let (by, column) = (self.text(table, "lm").map(PerplexityBy::Lm).or_else(model)?, self.text(table, "column")?);
        Some(Perplexity { by, column, into: self.text(table, "into")?, span })
    }
}
