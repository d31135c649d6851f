//! Self-BLEU: how alike the texts of a set are.

use super::words::{WordKind, Words};
use std::collections::HashMap;

/// The longest n-grams that are compared.
const ORDER: usize = 4;
/// What stands for no match, as in "method 1" of Chen and Cherry 2014.
const EPSILON: f64 = 0.1;

/// What BLEU needs to know of a text.
struct Counted {
    words: usize,
    grams: [HashMap<u64, u32>; ORDER],
}

/// Returns the mean BLEU of each text against all others; `None` for fewer than two. A text comes as often as it is said to.
///
/// *Self-BLEU* of Zhu et al. 2018 (Texygen, arXiv:1802.01886): BLEU-4 with equal weights (Papineni et al. 2002), the closest
/// length of the references in the brevity penalty, 0.1 for no match of an n-gram (nltk's `SmoothingFunction().method1`),
/// and 0 where no word matches. Words are those between white space, compared exactly.
pub fn self_bleu(texts: &[(&str, u64)]) -> Option<f64> {
    let all: u64 = texts.iter().map(|(_, n)| n).sum();
    if all < 2 {
        return None;
    }
    let counted: Vec<Counted> = texts.iter().map(|(text, _)| count(text)).collect();
    // For each n-gram the two largest counts in a text, so that a text's own can be left out.
    let mut most: [HashMap<u64, [(u32, usize); 2]>; ORDER] = Default::default();
    for (at, text) in counted.iter().enumerate() {
        for (most, grams) in most.iter_mut().zip(&text.grams) {
            for (gram, n) in grams {
                let best = most.entry(*gram).or_insert([(0, usize::MAX); 2]);
                if *n > best[0].0 {
                    *best = [(*n, at), best[0]];
                } else if *n > best[1].0 {
                    best[1] = (*n, at);
                }
            }
        }
    }
    let mut sum = 0.0;
    for (at, (_, copies)) in texts.iter().enumerate() {
        // One that comes again is among its references.
        let again = *copies > 1;
        let other = |n: usize, gram: &u64| {
            let best = &most[n][gram];
            if again || best[0].1 != at { best[0].0 } else { best[1].0 }
        };
        let lengths = counted.iter().enumerate().filter(|(other, _)| again || *other != at).map(|(_, text)| text.words);
        sum += bleu(&counted[at], other, lengths) * *copies as f64;
    }
    Some(sum / all as f64)
}

fn count(text: &str) -> Counted {
    let mut grams: [HashMap<u64, u32>; ORDER] = Default::default();
    let mut words = Words::default();
    words.read(text, WordKind::Space);
    for (i, grams) in grams.iter_mut().enumerate() {
        words.ngrams(i + 1).for_each(|gram| *grams.entry(gram).or_insert(0) += 1);
    }
    Counted { words: words.len(), grams }
}

fn bleu(text: &Counted, other: impl Fn(usize, &u64) -> u32, lengths: impl Iterator<Item = usize>) -> f64 {
    let mut logs = 0.0;
    for (n, grams) in text.grams.iter().enumerate() {
        let matched: u64 = grams.iter().map(|(gram, count)| u64::from((*count).min(other(n, gram)))).sum();
        if n == 0 && matched == 0 {
            return 0.0;
        }
        let of = text.words.saturating_sub(n).max(1) as f64;
        let share = if matched == 0 { EPSILON / of } else { matched as f64 / of };
        logs += 0.25 * libm::log(share);
    }
    // The shorter of two that are as close.
    let closest = lengths.min_by_key(|length| (length.abs_diff(text.words), *length)).unwrap_or(0);
    let brevity = if text.words > closest { 1.0 } else { libm::exp(1.0 - closest as f64 / text.words as f64) };
    brevity * libm::exp(logs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_equal_score_one_and_those_that_share_no_word_score_nothing() {
        let check = |texts: &[(&str, u64)], expect: Option<f64>| assert_eq!(self_bleu(texts), expect, "{texts:?}");
        check(&[], None);
        check(&[("a b c d", 1)], None);
        check(&[("a b c d", 2)], Some(1.0));
        check(&[("a b c d", 1), ("e f g h", 1)], Some(0.0));
        check(&[("", 1), ("a", 1)], Some(0.0));
    }
}
