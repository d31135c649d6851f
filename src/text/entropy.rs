//! Entropy of word n-grams: how hard it is to guess which one comes.

use std::collections::HashMap;

/// Returns Shannon's entropy of the n-grams of words of one text, in bits; `None` if it has none.
///
/// 0 where all are the same, log2 of their number where all differ; so it grows with the length of the text. Words are compared exactly.
///
/// # Panics
/// If `n` is 0.
pub fn ngram_entropy(text: &str, n: usize) -> Option<f64> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut counts: HashMap<&[&str], u64> = HashMap::new();
    words.windows(n).for_each(|gram| *counts.entry(gram).or_default() += 1);
    entropy(counts.into_values().collect())
}

/// Returns Shannon's entropy of what comes so often, in bits; `None` of nothing.
pub fn entropy(mut counts: Vec<u64>) -> Option<f64> {
    let all: u64 = counts.iter().sum();
    // In the order of the counts, so that the sum is the same every time.
    counts.sort_unstable();
    let share = |count: u64| count as f64 / all as f64;
    (all > 0).then(|| counts.into_iter().map(|count| -share(count) * libm::log2(share(count))).sum::<f64>().abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_ngrams_are_no_surprise() {
        assert_eq!(ngram_entropy("a b c d", 1), Some(2.0));
        assert_eq!(ngram_entropy("a a a", 1), Some(0.0));
        assert_eq!(ngram_entropy("a b a b a", 2), Some(1.0));
        assert_eq!(ngram_entropy("a", 2), None);
    }

    proptest! {
        #[test]
        fn it_is_between_none_and_that_of_different_ngrams(text in "[abc ]{0,40}", n in 1usize..4) {
            if let Some(entropy) = ngram_entropy(&text, n) {
                let grams = text.split_whitespace().count() + 1 - n;
                prop_assert!((0.0..=libm::log2(grams as f64) + 1e-9).contains(&entropy));
            }
        }
    }
}
