//! How alike two texts are: edit distance, and the scores of summaries and translations against a reference.

mod bleu;
mod chrf;
mod edit;
mod grams;
mod rouge;
mod shared;

pub use bleu::bleu;
pub use chrf::chrf;
pub use edit::{edit_distance, edit_similarity};
pub use rouge::{rouge_l, rouge_n};
pub use shared::shared_span;

use super::normalise;

/// The most work that a comparison of two sequences takes on: one length times the other.
///
/// Sixty-four such steps are one instruction or two, so this is some seconds.
pub const MOST_STEPS: usize = 1 << 37;

/// Two texts too long to be compared in a sensible time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong(pub usize, pub usize);

/// Passes lengths whose comparison is worth its time.
fn within(a: usize, b: usize) -> Result<(), TooLong> {
    if a.saturating_mul(b) > MOST_STEPS { Err(TooLong(a, b)) } else { Ok(()) }
}

/// Tells whether two texts are equal but for white space at their ends.
pub fn exact_match(a: &str, b: &str) -> bool {
    a.trim() == b.trim()
}

/// Tells whether two texts are equal once both are normalised.
pub fn normalised_match(a: &str, b: &str) -> bool {
    a == b || normalise(a) == normalise(b)
}

/// White space of Python's `str.split`, which the reference implementations cut at: that of Unicode and four separators of ASCII.
fn is_python_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;

    /// A line of `tests/vectors/similarity.jsonl`, which `tests/vectors/similarity.py` wrote with the packages that it names.
    #[derive(Deserialize)]
    struct Vector {
        a: String,
        b: String,
        edit_distance: usize,
        edit_similarity: f64,
        rouge_l: f64,
        rouge_1: f64,
        rouge_2: f64,
        bleu: f64,
        chrf: f64,
    }

    #[test]
    fn every_score_is_that_of_its_reference_implementation() {
        let vectors = include_str!("../../../tests/vectors/similarity.jsonl");
        for line in vectors.lines() {
            let v: Vector = serde_json::from_str(line).expect("a vector");
            let (a, b) = (v.a.as_str(), v.b.as_str());
            let near = |name: &str, found: f64, expect: f64| {
                assert!((found - expect).abs() <= 1e-6, "{name} of {a:?} and {b:?} is {expect}, not {found}");
            };
            assert_eq!(edit_distance(a, b), Ok(v.edit_distance), "{a:?} {b:?}");
            near("edit_similarity", edit_similarity(a, b).expect("short"), v.edit_similarity);
            near("rouge_l", rouge_l(a, b).expect("short"), v.rouge_l);
            near("rouge_1", rouge_n(a, b, 1), v.rouge_1);
            near("rouge_2", rouge_n(a, b, 2), v.rouge_2);
            near("bleu", bleu(a, b), v.bleu);
            near("chrf", chrf(a, b), v.chrf);
        }
        assert!(vectors.lines().count() > 150);
    }

    #[test]
    fn matches_look_past_what_does_not_matter() {
        assert!(exact_match(" 42\n", "42") && !exact_match("4 2", "42") && !exact_match("A", "a"));
        assert!(normalised_match("The  Cat\n", "the cat") && !normalised_match("the cat.", "the cat"));
    }

    proptest! {
        #[test]
        fn a_text_is_like_itself(text in "\\PC{0,60}") {
            prop_assert_eq!(edit_distance(&text, &text), Ok(0));
            prop_assert_eq!(edit_similarity(&text, &text), Ok(1.0));
            prop_assert!(exact_match(&text, &text) && normalised_match(&text, &text));
            let scores = [rouge_l(&text, &text).unwrap(), bleu(&text, &text) / 100.0, chrf(&text, &text) / 100.0];
            for score in scores {
                prop_assert!(score == 0.0 || (score - 1.0).abs() < 1e-9, "{}", score);
            }
        }

        #[test]
        fn scores_have_bounds_and_those_of_both_sides_have_no_sides(a in "[ab .,]{0,30}", b in "[ab .,]{0,30}") {
            let chars = |text: &str| text.chars().count();
            let distance = edit_distance(&a, &b).unwrap();
            prop_assert!(chars(&a).abs_diff(chars(&b)) <= distance && distance <= chars(&a).max(chars(&b)));
            prop_assert_eq!(distance, edit_distance(&b, &a).unwrap());
            prop_assert_eq!(distance, strsim::levenshtein(&a, &b));
            let rouge = rouge_l(&a, &b).unwrap();
            prop_assert!((0.0..=1.0).contains(&rouge) && rouge == rouge_l(&b, &a).unwrap());
            prop_assert!((0.0..=100.000001).contains(&bleu(&a, &b)));
            prop_assert!((0.0..=100.000001).contains(&chrf(&a, &b)));
        }
    }
}
