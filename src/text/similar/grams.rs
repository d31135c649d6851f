//! n-grams of numbers, each packed into one number, and how many of them two sequences have in common.

use std::collections::HashMap;

/// The tokens of two texts as numbers: equal tokens have equal ones.
pub struct Pair {
    pub a: Vec<u32>,
    pub b: Vec<u32>,
}

impl Pair {
    /// Numbers tokens by first appearance.
    pub fn of<'t>(a: impl Iterator<Item = &'t str>, b: impl Iterator<Item = &'t str>) -> Pair {
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let mut number = |token| {
            let next = numbers.len() as u32;
            *numbers.entry(token).or_insert(next)
        };
        let a = a.map(&mut number).collect();
        Pair { a, b: b.map(&mut number).collect() }
    }
}

/// What two texts have of n-grams of one length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared {
    pub of_a: usize,
    pub of_b: usize,
    /// Those in both, each as often as in the text that has it less often.
    pub both: usize,
}

/// Counts n-grams of numbers below `2^bits`.
///
/// # Panics
/// If `n * bits` is above 128: the n-gram would not fit.
pub fn shared(pair: &Pair, n: usize, bits: u32) -> Shared {
    assert!(n as u32 * bits <= 128, "an n-gram is packed into 128 bits");
    let packed = |tokens: &[u32]| {
        let mut grams: Vec<u128> = tokens
            .windows(n)
            .map(|gram| gram.iter().fold(0, |packed, token| (packed << bits) | u128::from(*token)))
            .collect();
        grams.sort_unstable();
        grams
    };
    let (a, b) = (packed(&pair.a), packed(&pair.b));
    let (mut i, mut j, mut both) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => (i, j, both) = (i + 1, j + 1, both + 1),
        }
    }
    Shared { of_a: a.len(), of_b: b.len(), both }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ngrams_are_matched_as_often_as_both_have_them() {
        let pair = Pair::of("a b a b a".split(' '), "a b b a b c".split(' '));
        assert_eq!(shared(&pair, 1, 32), Shared { of_a: 5, of_b: 6, both: 4 });
        assert_eq!(shared(&pair, 2, 32), Shared { of_a: 4, of_b: 5, both: 3 });
        assert_eq!(shared(&pair, 4, 32), Shared { of_a: 2, of_b: 3, both: 0 });
        assert_eq!(shared(&Pair { a: vec![1], b: vec![] }, 3, 21), Shared { of_a: 0, of_b: 0, both: 0 });
    }
}
