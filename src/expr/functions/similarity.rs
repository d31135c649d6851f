//! How alike two texts are: `crate::text`, against the implementations that papers use.

use super::super::cells::{Fault, map2, map3};
use super::Run::Rows;
use super::{Function, f};
use crate::text::{self, TooLong};

pub const TABLE: &[Function] = &[
    f(
        "exact_match",
        &[],
        &[("text: string, reference: string -> bool", Rows(|a| map2(a, text::exact_match)))],
        "Tells whether the texts are equal but for white space at their ends.",
        (r"exact_match('42 ', '42')", "true"),
    ),
    f(
        "normalised_match",
        &["normalized_match"],
        &[("text: string, reference: string -> bool", Rows(|a| map2(a, text::normalised_match)))],
        "Tells whether the texts are equal after `normalise`: case, white space and Unicode spelling do not matter, punctuation does.",
        ("normalised_match(' The  cat', 'the cat')", "true"),
    )
    .dear(),
    f(
        "edit_distance",
        &["levenshtein"],
        &[(
            "a: string, b: string -> int",
            Rows(|a| map2(a, |x: &str, y: &str| text::edit_distance(x, y).map(|n| n as i64).map_err(Fault::from))),
        )],
        "Gives the least number of characters to insert, delete or replace (Levenshtein; as `rapidfuzz` 3.14.6).",
        ("edit_distance('kitten', 'sitting')", "3"),
    )
    .dear(),
    f(
        "edit_similarity",
        &[],
        &[(
            "a: string, b: string -> float",
            Rows(|a| map2(a, |x: &str, y: &str| text::edit_similarity(x, y).map_err(Fault::from))),
        )],
        "Gives 1 - `edit_distance` / characters of the longer text; 1 for two empty ones.",
        ("edit_similarity('abcd', 'abcx')", "0.75"),
    )
    .dear(),
    f(
        "rouge_l",
        &[],
        &[(
            "text: string, reference: string -> float",
            Rows(|a| map2(a, |x: &str, y: &str| text::rouge_l(x, y).map_err(Fault::from))),
        )],
        "Gives ROUGE-L, 0 to 1: F1 of the longest common subsequence of words (Lin 2004; as `rouge-score` 0.1.2 without stemmer: words are runs of a-z and 0-9).",
        ("round(rouge_l('the cat sat', 'the cat lay down'), 4)", "0.5714"),
    )
    .dear(),
    f(
        "rouge_n",
        &[],
        &[("text: string, reference: string, n: 1..4 -> float", Rows(|a| map3(a, rouge_n)))],
        "Gives ROUGE-N, 0 to 1: F1 of the n-grams of the same words (as `rouge-score` 0.1.2).",
        ("rouge_n('the cat sat', 'the cat lay down', 2)", "0.4"),
    )
    .dear(),
    f(
        "shared_span",
        &[],
        &[("text: string, other: string -> string", Rows(|a| map2(a, text::shared_span)))],
        "Gives the longest run of words that both texts have, both normalised as by `normalise`; empty if they share no word. Its length is `word_count(shared_span(…))`.",
        ("shared_span('So the cat sat down.', 'The  cat sat up')", "'the cat sat'"),
    ),
    f(
        "bleu",
        &[],
        &[("text: string, reference: string -> float", Rows(|a| map2(a, text::bleu)))],
        "Gives sentence BLEU, 0 to 100 (Papineni et al. 2002; as `sacrebleu` 2.6.0: nrefs:1, case:mixed, eff:yes, tok:13a, smooth:exp).",
        ("round(bleu('the cat sat on a mat', 'the cat sat on the mat'), 2)", "53.73"),
    )
    .dear(),
    f(
        "chrf",
        &[],
        &[("text: string, reference: string -> float", Rows(|a| map2(a, text::chrf)))],
        "Gives chrF2, 0 to 100: character n-grams of 1 to 6 (Popović 2015; as `sacrebleu` 2.6.0: nrefs:1, case:mixed, eff:yes, nc:6, nw:0, space:no).",
        ("round(chrf('the cat', 'the hat'), 2)", "28.06"),
    )
    .dear(),
];

fn rouge_n(text: &str, reference: &str, n: i64) -> Result<f64, Fault> {
    match n {
        1..=4 => Ok(text::rouge_n(text, reference, n as usize)),
        _ => Err(Fault::new(format!("`rouge_n` does not count n-grams of {n} words")).help("n is 1 to 4")),
    }
}

impl From<TooLong> for Fault {
    fn from(TooLong(a, b): TooLong) -> Fault {
        Fault::new(format!("texts of {a} and {b} characters or words are too long to be compared"))
            .help("compare their beginnings: `left(text, 100000)`")
    }
}
