//! chrF (Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation"), as sacrebleu 2.6.0 computes it.

use super::grams::{Pair, shared};
use super::is_python_space;

/// The longest n-grams.
const ORDER: usize = 6;
/// How much more recall counts than precision: β², with β = 2.
const RECALL: f64 = 4.0;

/// Returns chrF2 of a text against a reference, from 0 to 100.
///
/// sacrebleu's defaults, `nc:6|nw:0|space:no|case:mixed|eff:yes`: n-grams of 1 to 6 characters without white space, case counts,
/// and only the lengths that both texts have are averaged.
pub fn chrf(text: &str, reference: &str) -> f64 {
    let chars = |text: &str| text.chars().filter(|c| !is_python_space(*c)).map(u32::from).collect();
    let pair = Pair { a: chars(text), b: chars(reference) };
    let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
    for n in 1..=ORDER {
        // A character is a number below 2^21.
        let found = shared(&pair, n, 21);
        if found.of_a > 0 && found.of_b > 0 {
            precision += found.both as f64 / found.of_a as f64;
            recall += found.both as f64 / found.of_b as f64;
            orders += 1.0;
        }
    }
    if precision + recall == 0.0 {
        return 0.0;
    }
    let (precision, recall) = (precision / orders, recall / orders);
    100.0 * (1.0 + RECALL) * precision * recall / (RECALL * precision + recall)
}
