//! What a model has to be: probabilities that add up, and those that KenLM gives.

use super::*;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};

fn model(texts: &[&str], order: usize) -> Model<Vec<u8>> {
    // In two parts, as of two row groups.
    let half = texts.len() / 2;
    let parts = [&texts[..half], &texts[half..]].map(|part| {
        let counts = Counts::of(part.iter().copied(), order);
        assert_eq!(Counts::decode(&counts.encode()).as_ref(), Some(&counts));
        counts
    });
    let mut words = HashSet::new();
    parts.iter().for_each(|part| Merged::gather(part, &mut words));
    let mut merged = Merged::new(words);
    parts.into_iter().for_each(|part| assert!(merged.add(part)));
    Model::read(estimate(merged, order).expect("few n-grams")).expect("it reads back")
}

/// The same by the formulas, with words and maps of words, and nothing shared with what is tested.
struct Slow {
    order: usize,
    /// By length.
    counts: Vec<HashMap<Vec<String>, u64>>,
    discounts: Vec<[f64; 3]>,
    vocabulary: usize,
}

impl Slow {
    fn new(texts: &[&str], order: usize) -> Slow {
        let mut occurs: Vec<HashMap<Vec<String>, u64>> = vec![HashMap::new(); order + 1];
        let mut words = HashSet::new();
        for line in texts.iter().flat_map(|text| text.lines()).filter(|line| !line.trim().is_empty()) {
            let mut all = vec!["<s>".to_owned()];
            all.extend(line.split_whitespace().map(str::to_owned));
            words.extend(all[1..].iter().cloned());
            all.push("</s>".to_owned());
            for (n, occurs) in occurs.iter_mut().enumerate().skip(1) {
                for gram in all.windows(n).filter(|gram| *gram != ["<s>"]) {
                    *occurs.entry(gram.to_vec()).or_insert(0) += 1;
                }
            }
        }
        let mut counts = occurs.clone();
        for n in 1..order {
            for (gram, count) in &mut counts[n] {
                if gram[0] != "<s>" {
                    *count = occurs[n + 1].keys().filter(|longer| longer[1..] == gram[..]).count() as u64;
                }
            }
        }
        let discounts = counts.iter().map(|counts| {
            let t: Vec<f64> = (1..5).map(|k| counts.values().filter(|n| **n == k).count() as f64).collect();
            let y = t[0] / (t[0] + 2.0 * t[1]);
            let d = [1.0 - 2.0 * y * t[1] / t[0], 2.0 - 3.0 * y * t[2] / t[1], 3.0 - 4.0 * y * t[3] / t[2]];
            let sound = d.iter().zip([1.0, 2.0, 3.0]).all(|(d, k)| *d > 0.0 && *d <= k);
            if sound { d } else { [0.5, 1.0, 1.5] }
        });
        Slow { order, discounts: discounts.collect(), counts, vocabulary: words.len() + 2 }
    }

    fn probability(&self, word: &str, context: &[String]) -> f64 {
        let n = context.len() + 1;
        let lower = match context {
            [] => 1.0 / self.vocabulary as f64,
            [_, rest @ ..] => self.probability(word, rest),
        };
        let follows: Vec<u64> =
            self.counts[n].iter().filter(|(gram, _)| gram[..n - 1] == *context).map(|(_, count)| *count).collect();
        let sum: u64 = follows.iter().sum();
        if sum == 0 {
            return lower;
        }
        let discount = |count: u64| if count == 0 { 0.0 } else { self.discounts[n][count.min(3) as usize - 1] };
        let mut gram = context.to_vec();
        gram.push(word.to_owned());
        let own = self.counts[n].get(&gram).copied().unwrap_or(0);
        let left: f64 = follows.iter().map(|count| discount(*count)).sum();
        (own as f64 - discount(own) + left * lower) / sum as f64
    }

    fn score(&self, text: &str) -> f64 {
        let mut log = 0.0;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let mut all = vec!["<s>".to_owned()];
            all.extend(line.split_whitespace().map(str::to_owned));
            all.push("</s>".to_owned());
            for at in 1..all.len() {
                log += self.probability(&all[at], &all[(at + 1).saturating_sub(self.order)..at]).log10();
            }
        }
        log
    }
}

fn gives_what_the_formulas_give(texts: &[&str], asked: &str, order: usize) {
    let (model, slow) = (model(texts, order), Slow::new(texts, order));
    for text in texts.iter().copied().chain([asked]) {
        let (log, expect) = (model.score(text).0, slow.score(text));
        assert!((log - expect).abs() <= 1e-5 * (1.0 + expect.abs()), "{text:?}: {log}, {expect}");
    }
}

#[test]
fn a_discount_that_comes_out_as_nothing_leaves_no_word_without_a_probability() {
    gives_what_the_formulas_give(&["c c a ", "a e d a a a \nc b c b ", "d a ", "b b e d ", "c d a "], "e ", 3);
}

proptest! {
    #[test]
    fn a_model_gives_what_the_formulas_give(
        texts in prop::collection::vec("([a-e] ){0,6}\n?([a-c] ){0,4}", 1..12),
        asked in "([a-g] ){0,8}\n?[a-c]?",
        order in 1usize..5,
    ) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        gives_what_the_formulas_give(&texts, &asked, order);
    }

    #[test]
    fn any_bytes_are_counts_and_a_model_or_none(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Some(counts) = Counts::decode(&bytes) {
            prop_assert_eq!(Counts::decode(&counts.encode()), Some(counts));
        }
        let _ = Model::read(bytes).map(|model| model.score("a b"));
    }
}

#[test]
fn a_text_without_words_has_no_perplexity() {
    let model = model(&["a b", "b c"], 3);
    assert_eq!(model.perplexity(" \n"), None);
    assert!(model.perplexity("a b").expect("it has words") < model.perplexity("c a").expect("it has words"));
}

#[test]
fn a_model_of_no_texts_knows_nothing() {
    let model = model(&[], 5);
    assert_eq!(model.score("a b").1, 3);
    assert_eq!(model.perplexity("a b"), None);
}
