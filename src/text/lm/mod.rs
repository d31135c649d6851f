//! N-gram language models: interpolated, with modified Kneser-Ney smoothing (Chen and Goodman 1998, TR-10-98; Heafield et al. 2013).
//!
//! Estimated as KenLM's `lmplz --interpolate_unigrams 1 --discount_fallback` does. A line of a text that has words is a sentence, with a
//! beginning and an end of its own; words are those between white space, compared exactly. No word of a text is taken for a mark:
//! `<s>`, `</s>` and `<unk>` are words like others.

mod count;
mod estimate;
mod model;
#[cfg(test)]
mod tests;

pub use count::{Counts, Merged};
pub use estimate::estimate;
pub use model::Model;

use super::words::{WordKind, Words};
use crate::hash::mix64;

/// The longest n-grams that a model may have.
pub const LONGEST: usize = 6;
/// The most different n-grams of a model's own order. While it is made, each takes some 200 bytes with all that is shorter: 1.7 GB.
pub const MOST: usize = 1 << 23;

/// What stands for the beginning of a sentence.
const BEGIN: u64 = 0x6265_6769_6e2d_6f66;
/// What stands for its end.
const END: u64 = 0x656e_642d_6f66_2d61;

/// Makes an n-gram one word longer on the left; 0 is the empty one.
fn longer(gram: u64, word: u64) -> u64 {
    mix64(gram.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(word).wrapping_add(1))
}

/// Yields the words of each sentence of a text, as their numbers.
fn sentences<'w>(text: &str, words: &'w mut Words) -> impl Iterator<Item = &'w [u64]> {
    words.read(text, WordKind::Space);
    let (words, mut next) = (&*words, 0);
    let ends_line = move |word: usize| {
        let between = words.bytes(word, 1).end..words.bytes(word + 1, 1).start;
        text.as_bytes()[between].contains(&b'\n')
    };
    std::iter::from_fn(move || {
        let first = next;
        next += words.numbers()[first..]
            .iter()
            .zip(first..)
            .take_while(|(_, word)| *word + 1 < words.len() && !ends_line(*word))
            .count();
        next = (next + 1).min(words.len());
        (first < next).then(|| &words.numbers()[first..next])
    })
}
