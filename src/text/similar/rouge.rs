//! ROUGE (Lin 2004, "ROUGE: a Package for Automatic Evaluation of Summaries"), as `rouge-score` 0.1.2 computes it.

use super::grams::{Pair, shared};
use super::{TooLong, within};
use rapidfuzz::distance::lcs_seq;

/// Returns ROUGE-L: the F1 of the longest common subsequence of words, from 0 to 1.
///
/// A word is a run of `a`–`z` and `0`–`9` after lower-casing, with no stemmer; so a text of other letters has none and scores 0.
pub fn rouge_l(text: &str, reference: &str) -> Result<f64, TooLong> {
    let (a, b) = (text.to_lowercase(), reference.to_lowercase());
    let pair = Pair::of(words(&a), words(&b));
    let both = if pair.a == pair.b {
        pair.a.len()
    } else {
        within(pair.a.len(), pair.b.len())?;
        lcs_seq::similarity(pair.a.iter().copied(), pair.b.iter().copied())
    };
    Ok(f1(both, pair.a.len(), pair.b.len()))
}

/// Returns ROUGE-N: the F1 of the n-grams of the same words.
///
/// # Panics
/// If `n` is not 1 to 4.
pub fn rouge_n(text: &str, reference: &str, n: usize) -> f64 {
    let (a, b) = (text.to_lowercase(), reference.to_lowercase());
    let found = shared(&Pair::of(words(&a), words(&b)), n, 32);
    f1(found.both, found.of_a, found.of_b)
}

fn words(lower: &str) -> impl Iterator<Item = &str> {
    lower.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit())).filter(|word| !word.is_empty())
}

fn f1(both: usize, of_a: usize, of_b: usize) -> f64 {
    if both == 0 {
        return 0.0;
    }
    let (precision, recall) = (both as f64 / of_a as f64, both as f64 / of_b as f64);
    2.0 * precision * recall / (precision + recall)
}
