//! From counts to probabilities.

use super::count::{BEGINNING, Gram, Merged, NOTHING};
use super::model::{Entry, Model};
use super::{BEGIN, LONGEST, longer};
use std::collections::HashMap;

/// The discounts of an order whose own cannot be computed: KenLM's `--discount_fallback`.
const FALLBACK: [f64; 3] = [0.5, 1.0, 1.5];
/// A logarithm that stands for a probability that is never asked for.
const NEVER: f32 = -99.0;

/// What follows a context.
#[derive(Clone, Copy, Default)]
struct Follow {
    /// The sum of the counts of what follows.
    sum: u64,
    /// How many different words follow once, twice, more often.
    n: [u32; 3],
}

/// What is known of n-grams of one order.
#[derive(Default)]
struct Order {
    /// The count of each n-gram, in their order: how many words come before it, or how often it occurs.
    counts: Vec<u64>,
    /// By what stands for the context.
    contexts: HashMap<u64, Follow>,
    /// How many n-grams have a count of 1, 2, 3, 4.
    of_count: [u64; 4],
    discounts: [f64; 3],
}

/// Estimates a model of an order; `None` where there are too many n-grams.
pub fn estimate(counts: Merged, order: usize) -> Option<Vec<u8>> {
    let (grams, words) = counts.finish()?;
    let mut orders: Vec<Order> = (0..order).map(|_| Order::default()).collect();
    count(&grams, &words, &mut orders);
    orders.iter_mut().for_each(|order| order.discounts = discounts(&order.of_count));

    // Words of the vocabulary, the end of a sentence, and what is unknown.
    let uniform = 1.0 / (words.len() as f64 - 3.0 + 2.0);
    let unknown = orders[0].contexts.get(&0).map_or(uniform, |follow| left(follow, &orders[0]) * uniform);
    let weight = |length: usize, gram: u64| {
        let order = orders.get(length)?;
        Some(libm::log10(left(order.contexts.get(&gram)?, order)) as f32)
    };
    let begin = longer(0, BEGIN);
    let mut entries = vec![Entry { gram: begin, log: NEVER, backoff: weight(1, begin).unwrap_or(0.0) }];
    let mut open = [(0, 0, uniform); LONGEST + 1];
    let mut met = [0; LONGEST];
    walk(&grams, order, |step| {
        let Step::Open { depth, word, .. } = step else { return };
        let (gram, context, lower) = open[depth - 1];
        let own = &orders[depth - 1];
        let count = own.counts[met[depth - 1]];
        met[depth - 1] += 1;
        let (gram, context) = names(&words, depth, word, gram, context);
        let follow = &own.contexts[&context];
        let discount = own.discounts[count.clamp(1, 3) as usize - 1];
        let p = (count as f64 - discount) / follow.sum as f64 + left(follow, own) * lower;
        open[depth] = (gram, context, p);
        entries.push(Entry { gram, log: libm::log10(p) as f32, backoff: weight(depth, gram).unwrap_or(0.0) });
    });
    Some(Model::write(order, libm::log10(unknown) as f32, entries))
}

/// A step of the walk over all n-grams of all orders.
enum Step {
    /// An n-gram of `depth` words comes: `word` on the left of what is open. Where nothing comes before it, or it is as long as the model's
    /// n-grams, it occurs so often.
    Open { depth: usize, word: u32, occurs: Option<u64> },
    /// All that have it on their right are done.
    Close { depth: usize },
}

fn walk(grams: &[Gram], order: usize, mut see: impl FnMut(Step)) {
    let mut last = [NOTHING; LONGEST];
    let length = |gram: &[u32; LONGEST]| gram.iter().take_while(|word| **word != NOTHING).count();
    for (gram, n) in grams {
        let (old, new) = (length(&last), length(gram));
        let shared = gram.iter().zip(&last).take_while(|(a, b)| a == b && **a != NOTHING).count();
        (shared + 1..=old).rev().for_each(|depth| see(Step::Close { depth }));
        for depth in shared + 1..=new {
            let word = gram[depth - 1];
            let whole = depth == order || word == BEGINNING;
            see(Step::Open { depth, word, occurs: whole.then_some(*n) });
        }
        last = *gram;
    }
    (1..=length(&last)).rev().for_each(|depth| see(Step::Close { depth }));
}

/// Returns what stands for an n-gram and for its context, given those of the one that is a word shorter on the left.
fn names(words: &[u64], depth: usize, word: u32, gram: u64, context: u64) -> (u64, u64) {
    let word = words[word as usize];
    (longer(gram, word), if depth == 1 { 0 } else { longer(context, word) })
}

fn count(grams: &[Gram], words: &[u64], orders: &mut [Order]) {
    // For each depth: what stands for the n-gram and its context, its place, its count so far.
    let mut open = [(0, 0, 0, 0); LONGEST + 1];
    walk(grams, orders.len(), |step| match step {
        Step::Open { depth, word, occurs } => {
            let (gram, context, ..) = open[depth - 1];
            let (gram, context) = names(words, depth, word, gram, context);
            let own = &mut orders[depth - 1];
            open[depth] = (gram, context, own.counts.len(), occurs.unwrap_or(0));
            own.counts.push(0);
            open[depth - 1].3 += 1;
        }
        Step::Close { depth } => {
            let (_, context, place, count) = open[depth];
            let own = &mut orders[depth - 1];
            own.counts[place] = count;
            if let Some(n) = own.of_count.get_mut(count as usize - 1) {
                *n += 1;
            }
            let follow = own.contexts.entry(context).or_default();
            follow.sum += count;
            follow.n[count.min(3) as usize - 1] += 1;
        }
    });
}

/// Computes the discounts of counts 1, 2, and more: equation 26 of Chen and Goodman.
fn discounts(of_count: &[u64; 4]) -> [f64; 3] {
    let t = of_count.map(|n| n as f64);
    let y = t[0] / (t[0] + 2.0 * t[1]);
    let discount = |k: usize| k as f64 - (k as f64 + 1.0) * y * t[k] / t[k - 1];
    let all = [discount(1), discount(2), discount(3)];
    // With a discount of 0 (KenLM has it) what never followed a context would be impossible after it, and its perplexity infinite.
    let sound = (1..=3).all(|k| t[k - 1] > 0.0 && all[k - 1] > 0.0 && all[k - 1] <= k as f64);
    if sound { all } else { FALLBACK }
}

/// Returns the share of probability that a context leaves to shorter ones.
fn left(follow: &Follow, order: &Order) -> f64 {
    let taken: f64 = follow.n.iter().zip(order.discounts).map(|(n, discount)| f64::from(*n) * discount).sum();
    taken / follow.sum as f64
}
