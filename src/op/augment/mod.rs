//! `augment`: a text with noise in it, word by word, drawn for each row by its identity alone.

mod noise;
mod synonyms;
mod tables;

pub use noise::Noise;
pub use synonyms::Synonyms;

use super::draw::{Draw, bound, parts};
use super::identity::identities;
use super::shares::reduced;
use super::{RowOp, columns, write_count};
use crate::expr::Expr;
use crate::hash::{KeyWriter, mix64};
use crate::table::{Batch, RowError, Type};
use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, StringArray};
use noise::Edit;
use std::sync::Arc;
use unicode_segmentation::UnicodeSegmentation;

/// The noise of a step.
///
/// The chance of noise lies in words, as Unicode divides texts (UAX #29): each word that one of the kinds can change is changed with the
/// probability `intensity`, once, in one of the kinds that can, chosen by their weights. Every word has draws of its own, made of the row's
/// identity, the seed and the position of the word. So a row has its noise whatever the other rows are, and a larger intensity touches every word
/// that a smaller one does.
#[derive(Clone)]
pub struct Augmenting {
    /// Kinds and their weights above 0.
    pub noise: Vec<(Noise, f64)>,
    pub intensity: Intensity,
    /// Of rows; the others have their text as it is.
    pub share: f64,
    pub seed: i64,
    pub synonyms: Arc<Synonyms>,
}

/// How likely a word is changed, from 0 to 1.
#[derive(Clone)]
pub enum Intensity {
    Fixed(f64),
    Of(Expr),
}

/// Which column an [`Augment`] makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Augmented {
    /// The text with noise.
    Text,
    /// The kinds of its edits, in the order of the words.
    Edits,
}

/// Makes a column of a text with noise, or of what was done to it. Null where the text is null.
pub struct Augment {
    how: Augmenting,
    made: Augmented,
    /// The text, what identifies the row, and what the intensity reads.
    reads: Vec<String>,
    key: Vec<String>,
    writes: [Type; 1],
}

impl Augment {
    /// Augments the texts of `column`, of rows that `key` identifies.
    pub fn new(how: Augmenting, column: String, key: Vec<String>, made: Augmented) -> Augment {
        let mut reads = vec![column];
        let more = if let Intensity::Of(expr) = &how.intensity { expr.reads() } else { &[] };
        for name in key.iter().chain(more) {
            if !reads.contains(name) {
                reads.push(name.clone());
            }
        }
        let writes = match made {
            Augmented::Text => Type::String,
            Augmented::Edits => Type::List(Box::new(Type::String)),
        };
        Augment { how, made, reads, key, writes: [writes] }
    }

    /// Returns the intensity of each row in parts of the whole.
    fn intensities(&self, input: &Batch) -> Result<Vec<u128>, RowError> {
        let expr = match &self.how.intensity {
            Intensity::Fixed(intensity) => return Ok(vec![parts(*intensity).unwrap_or(0); input.rows]),
            Intensity::Of(expr) => expr,
        };
        let values = expr.eval(input)?;
        let value = |row: usize| match expr.ty() {
            _ if values.is_null(row) => None,
            Type::Int => Some(values.as_primitive::<Int64Type>().value(row) as f64),
            Type::Float => Some(values.as_primitive::<Float64Type>().value(row)),
            _ => None,
        };
        let one = |row| {
            let value = value(row);
            value.filter(|value| (0.0..=1.0).contains(value)).and_then(parts).ok_or_else(|| {
                let found = value.map_or("null".to_owned(), |value| value.to_string());
                let message = format!("its intensity is {found}; an intensity is a number from 0 to 1");
                RowError { row, message, help: Some("bring it there: `least(greatest(x, 0), 1)`".to_owned()) }
            })
        };
        (0..input.rows).map(one).collect()
    }
}

impl RowOp for Augment {
    fn write_key(&self, key: &mut KeyWriter) {
        let at =
            |name: &String| self.reads.iter().position(|read| read == name).expect("all that is read was gathered");
        write_count(key, &self.key);
        self.key.iter().for_each(|name| _ = key.int("identity", at(name) as i64));
        for (noise, weight) in &self.how.noise {
            key.text("noise", noise.name()).float("weight", *weight);
        }
        match &self.how.intensity {
            Intensity::Fixed(intensity) => _ = key.float("intensity", *intensity),
            Intensity::Of(expr) => {
                expr.reads().iter().for_each(|name| _ = key.int("column", at(name) as i64));
                key.text("expression", expr.canonical());
            }
        }
        key.float("share", self.how.share).int("seed", self.how.seed);
        if self.how.noise.iter().any(|(noise, _)| *noise == Noise::Synonym) {
            key.hash("synonyms", self.how.synonyms.hash());
        }
        key.text("made", if self.made == Augmented::Text { "text" } else { "edits" });
    }

    fn name(&self) -> &'static str {
        "augment"
    }

    fn reads(&self) -> &[String] {
        &self.reads
    }

    fn writes(&self) -> &[Type] {
        &self.writes
    }

    fn run(&self, input: &Batch) -> Result<Vec<ArrayRef>, RowError> {
        let texts = columns(input, &self.reads[..1])?.remove(0);
        let texts: &StringArray = texts.as_string_opt::<i32>().ok_or_else(|| RowError {
            row: 0,
            message: format!("`{}` is no text", self.reads[0]),
            help: None,
        })?;
        let intensities = self.intensities(input)?;
        let (rows, words) = (Draw::new("augment rows", self.how.seed), Draw::new("augment", self.how.seed));
        let share = bound(parts(self.how.share).unwrap_or(0));
        let weights = self.how.weights();
        let (mut made, mut edits) = (StringBuilder::new(), ListBuilder::new(StringBuilder::new()));
        for (row, identity) in identities(input, &self.key)?.enumerate() {
            if texts.is_null(row) {
                made.append_null();
                edits.append_null();
                continue;
            }
            let (text, mut done) = (texts.value(row), Vec::new());
            if u128::from(rows.of(identity)) < share {
                let random = Random(words.of(identity));
                made.append_value(self.how.text(text, bound(intensities[row]), &weights, random, &mut done));
            } else {
                made.append_value(text);
            }
            done.iter().for_each(|noise: &Noise| edits.values().append_value(noise.name()));
            edits.append(true);
        }
        Ok(vec![match self.made {
            Augmented::Text => Arc::new(made.finish()),
            Augmented::Edits => Arc::new(edits.finish()),
        }])
    }
}

impl Augmenting {
    fn weights(&self) -> Vec<u128> {
        reduced(&self.noise.iter().map(|(_, weight)| parts(*weight).unwrap_or(0)).collect::<Vec<_>>())
    }

    /// Returns a text with noise; a word is changed where its draw is below `bound`. What is done is added to `done`.
    fn text(&self, text: &str, bound: u128, weights: &[u128], random: Random, done: &mut Vec<Noise>) -> String {
        let mut pieces: Vec<&str> = text.split_word_bounds().collect();
        let words: Vec<usize> = (0..pieces.len()).filter(|at| pieces[*at].contains(char::is_alphanumeric)).collect();
        let touched = |word: usize| u128::from(random.word(word, 0)) < bound;
        let mut changed: Vec<(usize, Option<String>)> = Vec::new();
        let mut gone: Vec<usize> = Vec::new();
        // Where a word was exchanged with the one before it, it has had its change.
        let mut had = None;
        let mut kinds: Vec<(usize, Noise)> = Vec::new();
        for (word, piece) in words.iter().enumerate().filter(|(word, _)| touched(*word)) {
            if had == Some(word) {
                continue;
            }
            let next = words.get(word + 1).map(|at| pieces[*at]);
            let can = |noise: Noise| noise.can_change(pieces[*piece], next, words.len(), &self.synonyms);
            let open: Vec<usize> = (0..self.noise.len()).filter(|at| can(self.noise[*at].0)).collect();
            let total: u128 = open.iter().map(|at| weights[*at]).sum();
            let mut pick = random.below(word, 1, total);
            let chosen = open.into_iter().find(|at| {
                let here = pick < weights[*at];
                pick = pick.saturating_sub(weights[*at]);
                here
            });
            let Some((noise, _)) = chosen.map(|at| self.noise[at]) else { continue };
            kinds.push((word, noise));
            match noise.change(pieces[*piece], &self.synonyms, |n, of| random.below(word, n, of as u128) as usize) {
                Edit::Word(new) => changed.push((*piece, Some(new))),
                Edit::Gone => gone.push(word),
                Edit::Exchanged => {
                    pieces.swap(*piece, words[word + 1]);
                    had = Some(word + 1);
                }
            }
        }
        if !gone.is_empty() && gone.len() == words.len() {
            // Something of a text is left: one word, by a draw.
            let stays = gone.remove(random.below(words.len(), 0, gone.len() as u128) as usize);
            kinds.retain(|(word, _)| *word != stays);
        }
        for word in gone {
            let piece = words[word];
            // The space before it goes too; that after it, if that one is gone already or it is the first.
            let blank = |at: &usize| {
                let is_blank = pieces.get(*at).is_some_and(|piece| piece.chars().all(char::is_whitespace));
                is_blank && !changed.iter().any(|(other, _)| other == at)
            };
            let space = [piece.wrapping_sub(1), piece + 1].into_iter().find(blank);
            changed.extend([Some(piece), space].into_iter().flatten().map(|at| (at, None)));
        }
        done.extend(kinds.into_iter().map(|(_, noise)| noise));
        let mut out: Vec<std::borrow::Cow<str>> = pieces.into_iter().map(Into::into).collect();
        for (at, new) in changed {
            out[at] = new.unwrap_or_default().into();
        }
        out.concat()
    }
}

/// The random numbers of one row.
#[derive(Clone, Copy)]
struct Random(u64);

impl Random {
    /// Returns the `n`-th number of a word; `n` is below 8.
    fn word(self, word: usize, n: u64) -> u64 {
        // Multiples of 2^64 by the golden ratio are spread evenly.
        mix64(self.0.wrapping_add((word as u64 * 8 + n).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// Returns a whole number below `of`; 0 if that is 0.
    fn below(self, word: usize, n: u64, of: u128) -> u128 {
        (u128::from(self.word(word, n)) * of.min(1 << 64)) >> 64
    }
}

#[cfg(test)]
mod tests;
