//! The step `augment`: its keys, and what is declared with them.

use super::check::number;
use super::decl::Text;
use super::declare::Declarer;
use super::keys::{COLUMN, SEED, SQL};
use super::shape::Role::{Definition, Edge};
use super::shape::{self, Range, Shape, Table, key};
use super::value;
use crate::diag::{Diagnostic, Span};
use crate::op::Noise;

/// The kinds of noise.
const KINDS: &[&str] = &{
    let mut names = [""; Noise::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = Noise::ALL[at].0;
        at += 1;
    }
    names
};

const KIND: Shape = Shape::Text(shape::Text::OneOf(KINDS));

pub static AUGMENT: Table = Table {
    sections: &[&[
        key("column", Definition, COLUMN, "The column with the text.").required(),
        key("into", Definition, COLUMN, "The column for the text with noise.").required(),
        key(
            "noise",
            Definition,
            Shape::Either(
                &Shape::OneOrMore(&KIND),
                &Shape::Map(shape::Text::OneOf(KINDS), &Shape::Number(Range::Positive)),
            ),
            "The kinds of noise, all alike, or each with a weight: `{ keyboard = 3, ocr = 1 }`.",
        )
        .required(),
        key(
            "intensity",
            Definition,
            Shape::Either(&Shape::Number(Range::Probability), &SQL),
            "The probability with which a word that can be changed is changed, from 0 to 1: a number, or an expression over the row.",
        )
        .default("0.1"),
        key("share", Definition, Shape::Number(Range::Share), "About this share of the rows get noise; the others keep their text.")
            .default("1"),
        key(
            "synonyms",
            Edge,
            Shape::Text(shape::Text::Path),
            "For the kind `synonym`: a file with a word, a tab, and its synonyms with commas between them on each line. Without it, a small list \
             of common English words.",
        ),
        key("n", Definition, Shape::Int(1, 1000), "So many variants of each row; each is a row.").default("1"),
        key(
            "variant",
            Definition,
            COLUMN,
            "The column that tells the variants apart, from 0. With `n` above 1 it is `variant` if left out.",
        ),
        key("edits", Definition, COLUMN, "A column for what was done: the kinds of noise in the order of the words."),
        key("seed", Definition, SEED, "Another seed gives other noise.").default("0"),
    ]],
    groups: &[],
};

/// Puts noise into a text.
#[derive(Clone, Debug)]
pub struct Augment {
    pub column: Text,
    pub into: Text,
    /// Kinds and their weights.
    pub noise: Vec<(Noise, f64)>,
    pub intensity: Intensity,
    /// Of the rows: above 0, at most 1.
    pub share: f64,
    /// A path relative to the project.
    pub synonyms: Option<Text>,
    /// How many variants each row gets.
    pub n: u32,
    /// The column that tells the variants apart; with `n` above 1 `variant`, unless another is named.
    pub variant: Option<Text>,
    /// The column for the kinds of the edits.
    pub edits: Option<Text>,
    pub seed: u64,
    pub span: Span,
}

/// How likely a word is changed.
#[derive(Clone, Debug)]
pub enum Intensity {
    Fixed(f64),
    Of(Text),
}

impl Declarer<'_> {
    pub(super) fn augment(&mut self, table: &value::Table, span: Span) -> Option<Augment> {
        let weights = self.map(table, "noise", |_, value| number(value));
        let noise: Vec<(Noise, f64)> = match weights.is_empty() {
            true => {
                self.texts(table, "noise").iter().filter_map(|kind| Some((Noise::named(&kind.value)?, 1.0))).collect()
            }
            false => weights.iter().filter_map(|(kind, weight)| Some((Noise::named(&kind.value)?, *weight))).collect(),
        };
        for (at, kind) in self.texts(table, "noise").iter().enumerate() {
            if self.texts(table, "noise")[..at].iter().any(|other| other.value == kind.value) {
                let problem = Diagnostic::error("duplicate", format!("`{}` is named twice", kind.value));
                let problem = problem.at(&kind.span, "again here");
                self.problems.push(problem.help(format!("give it a weight: `noise = {{ {} = 2, … }}`", kind.value)));
            }
        }
        let synonyms = self.text(table, "synonyms");
        if let Some(path) = &synonyms
            && !noise.iter().any(|(kind, _)| *kind == Noise::Synonym)
        {
            let problem =
                Diagnostic::error("stray-key", "`synonyms` has no meaning without the kind of noise `synonym`");
            self.problems.push(problem.at(&path.span, "has no effect"));
        }
        let intensity = match table.get("intensity").map(|entry| &entry.value) {
            None => Intensity::Fixed(0.1),
            Some(value) => match number(value) {
                Some(intensity) => Intensity::Fixed(intensity),
                None => Intensity::Of(value.text(self.sources)?),
            },
        };
        Some(Augment {
            column: self.text(table, "column")?,
            into: self.text(table, "into")?,
            noise: super::declare::some(noise)?,
            intensity,
            share: table.get("share").and_then(|entry| number(&entry.value)).unwrap_or(1.0),
            synonyms,
            n: self.count(table, "n").map_or(Some(1), |n| u32::try_from(n.value).ok())?,
            variant: self.text(table, "variant"),
            edits: self.text(table, "edits"),
            seed: self.seed(table),
            span,
        })
    }
}
