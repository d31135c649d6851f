//! Words and n-grams of words as numbers of 64 bits that are the same everywhere.

use crate::hash::mix64;
use twox_hash::XxHash3_64;

/// Odd, so that no bit of a word is lost as the gram goes on.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Returns the number that stands for a word: XXH3, 64 bits.
pub fn word_hash(word: &str) -> u64 {
    XxHash3_64::oneshot(word.as_bytes())
}

/// Calls `each` with what stands for every n-gram of a text's words, in order.
///
/// Of a billion different n-grams, two are taken for one with a probability of 3 % (n² / 2^65).
///
/// # Panics
/// If `n` is 0.
pub fn gram_hashes(text: &str, n: usize, mut each: impl FnMut(u64)) {
    assert!(n > 0, "n-grams have words");
    if n == 1 {
        text.split_whitespace().for_each(|word| each(mix64(word_hash(word))));
        return;
    }
    // A polynomial in `STEP` over the last n words: the one that leaves is taken off.
    let leaving = STEP.wrapping_pow(n as u32);
    let mut window = std::collections::VecDeque::with_capacity(n);
    let mut sum = 0u64;
    for word in text.split_whitespace() {
        let word = word_hash(word);
        sum = sum.wrapping_mul(STEP).wrapping_add(word);
        if window.len() == n {
            let first: u64 = window.pop_front().expect("it has n words");
            sum = sum.wrapping_sub(first.wrapping_mul(leaving));
        }
        window.push_back(word);
        if window.len() == n {
            each(mix64(sum));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hashes(text: &str, n: usize) -> Vec<u64> {
        let mut all = Vec::new();
        gram_hashes(text, n, |hash| all.push(hash));
        all
    }

    proptest! {
        #[test]
        fn grams_have_equal_numbers_exactly_where_their_words_are_equal(text in "[abc ]{0,30}", n in 1usize..5) {
            let words: Vec<&str> = text.split_whitespace().collect();
            let (grams, hashes): (Vec<&[&str]>, _) = (words.windows(n).collect(), hashes(&text, n));
            prop_assert_eq!(grams.len(), hashes.len());
            for (i, gram) in grams.iter().enumerate() {
                for (j, other) in grams.iter().enumerate() {
                    prop_assert_eq!(gram == other, hashes[i] == hashes[j]);
                }
            }
        }
    }

    #[test]
    fn the_numbers_never_change() {
        assert_eq!(word_hash("datamake"), 1_166_942_022_580_397_753);
    }
}
