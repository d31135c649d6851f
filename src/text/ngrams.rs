//! Measures over word n-grams: repetition and diversity.

use std::collections::HashMap;

/// Returns the share of words that lie inside an n-gram of words that occurs more than once in the text.
///
/// All occurrences count, the first one too, and a word inside several repeated n-grams counts once. Words are
/// compared exactly, with case and punctuation. A text of fewer than `n` + 1 words has no repetition: 0.
/// After the "duplicate n-gram" rules of Gopher (Rae et al. 2021, arXiv:2112.11446, table A1), which count characters.
///
/// # Panics
/// If `n` is 0.
pub fn repetition(text: &str, n: usize) -> f64 {
    let words = interned(text);
    let mut seen: HashMap<&[u32], usize> = HashMap::new();
    let mut repeated = vec![false; words.len()];
    for (start, gram) in words.windows(n).enumerate() {
        if let Some(first) = seen.insert(gram, start) {
            // Occurrences are chained, so marking the previous one marks the first too.
            repeated[first..first + n].fill(true);
            repeated[start..start + n].fill(true);
        }
    }
    let inside = repeated.iter().filter(|repeated| **repeated).count();
    if words.is_empty() { 0.0 } else { inside as f64 / words.len() as f64 }
}

/// Returns the number of distinct n-grams of words divided by the number of n-grams; `None` if the text has none.
///
/// *distinct-n* of Li et al. 2016 (arXiv:1510.03055), with n-grams in the denominator. Words are compared exactly.
///
/// # Panics
/// If `n` is 0.
pub fn distinct(text: &str, n: usize) -> Option<f64> {
    let words = interned(text);
    let mut grams: Vec<&[u32]> = words.windows(n).collect();
    let all = grams.len();
    grams.sort_unstable();
    grams.dedup();
    (all > 0).then(|| grams.len() as f64 / all as f64)
}

/// Numbers the words of a text by first appearance, so that n-grams compare as numbers.
fn interned(text: &str) -> Vec<u32> {
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    text.split_whitespace()
        .map(|word| {
            let next = numbers.len() as u32;
            *numbers.entry(word).or_insert(next)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_inside_repeated_ngrams_are_counted_once() {
        let check = |text, n, expect: f64| assert_eq!(repetition(text, n), expect, "{text:?} {n}");
        check("", 1, 0.0);
        check("a b c d", 1, 0.0);
        check("a b a c", 1, 0.5);
        check("a b x a b", 2, 0.8);
        check("a a a", 2, 1.0);
        check("a b", 3, 0.0);
        check("A a", 1, 0.0);
    }

    #[test]
    fn distinct_is_the_share_of_different_ngrams() {
        let check = |text, n, expect| assert_eq!(distinct(text, n), expect, "{text:?} {n}");
        check("a b a b", 1, Some(0.5));
        check("a b a b", 2, Some(2.0 / 3.0));
        check("a b", 2, Some(1.0));
        check("a", 2, None);
        check("", 1, None);
    }

    proptest! {
        #[test]
        fn no_repetition_means_that_all_ngrams_are_distinct(text in "[ab ]{0,20}", n in 1usize..4) {
            if let Some(distinct) = distinct(&text, n) {
                prop_assert_eq!(repetition(&text, n) == 0.0, distinct == 1.0);
            }
        }

        #[test]
        fn repetition_matches_its_definition(text in "[abc ]{0,30}", n in 1usize..4) {
            let words: Vec<&str> = text.split_whitespace().collect();
            let starts = (words.len() + 1).saturating_sub(n);
            let repeated = |s: usize| (0..starts).any(|t| t != s && words[s..s + n] == words[t..t + n]);
            let inside = (0..words.len()).filter(|w| (0..starts).any(|s| (s..s + n).contains(w) && repeated(s))).count();
            prop_assert_eq!(repetition(&text, n), if words.is_empty() { 0.0 } else { inside as f64 / words.len() as f64 });
        }
    }
}
