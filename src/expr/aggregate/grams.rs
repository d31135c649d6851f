//! How often each n-gram of words occurs in many texts, each known by 64 bits of a hash.

use super::super::exact::Exact;
use super::acc::{get, put};
use crate::hash::mix64;
use crate::table::{Malformed, Reader};
use crate::text::{WordKind, Words};
use std::borrow::Cow;

/// Counts of n-grams. Between merges up to twice as much is held as is known in the end.
#[derive(Clone, Debug, Default)]
pub struct Grams {
    /// Of texts that are being read, in their order.
    fresh: Vec<u64>,
    /// Those of the last text.
    words: Words,
    /// In order, each with how often it occurs.
    sorted: Vec<(u64, u64)>,
    /// Of states that were merged and are not sorted in yet.
    waiting: Vec<(u64, u64)>,
    settled: Settled,
}

/// What is known of n-grams that are not held any more, none of which comes again.
#[derive(Clone, Debug)]
struct Settled {
    all: u64,
    distinct: u64,
    /// The sum of n × log2 n over the n-grams, where n is how often it occurs.
    weighed: Box<Exact>,
}

impl Default for Settled {
    fn default() -> Settled {
        Settled { all: 0, distinct: 0, weighed: Box::new(Exact::new()) }
    }
}

impl Grams {
    /// Takes in a text.
    pub fn push(&mut self, text: &str, n: usize) {
        self.words.read(text, WordKind::Space);
        // All bits of a number are of use then: parts are told by the highest.
        self.fresh.extend(self.words.ngrams(n).map(mix64));
    }

    /// Ends the taking in of texts.
    pub fn seal(&mut self) {
        self.words = Words::default();
        for gram in sorted(std::mem::take(&mut self.fresh)) {
            match self.sorted.last_mut() {
                Some((last, n)) if *last == gram => *n += 1,
                _ => self.sorted.push((gram, 1)),
            }
        }
    }

    /// Takes in what other texts gave.
    pub fn merge(&mut self, other: Grams) {
        self.waiting.extend(other.sorted);
        self.waiting.extend(other.waiting);
        self.settled.all += other.settled.all;
        self.settled.distinct += other.settled.distinct;
        self.settled.weighed.merge(*other.settled.weighed);
        if self.waiting.len() > self.sorted.len().max(1 << 16) {
            self.compact();
        }
    }

    fn compact(&mut self) {
        self.sorted.append(&mut self.waiting);
        // It is in order by pieces, which are merged and not sorted anew.
        self.sorted.sort_by_key(|(gram, _)| *gram);
        self.sorted.dedup_by(|next, last| {
            let is_same = next.0 == last.0;
            last.1 = if is_same { last.1.saturating_add(next.1) } else { last.1 };
            is_same
        });
    }

    fn compacted(&self) -> Cow<'_, Grams> {
        if self.waiting.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut own = self.clone();
        own.compact();
        Cow::Owned(own)
    }

    /// Keeps the n-grams of one of several parts of all that there are.
    pub fn keep(&mut self, part: u64, parts: u64) {
        if parts == 1 {
            return;
        }
        self.sorted.retain(|(gram, _)| ((u128::from(*gram) * u128::from(parts)) >> 64) as u64 == part);
    }

    /// Counts what is held and lets it go: none of it may come again.
    pub fn settle(&mut self) {
        self.compact();
        let held = Grams { sorted: std::mem::take(&mut self.sorted), ..Grams::default() };
        self.settled.all += held.all();
        self.settled.distinct += held.distinct();
        held.sorted.iter().for_each(|(_, n)| self.settled.weighed.add(weight(*n)));
    }

    /// Returns how many n-grams there are.
    pub fn all(&self) -> u64 {
        let held = self.sorted.iter().chain(&self.waiting);
        held.fold(self.settled.all, |sum, (_, n)| sum.saturating_add(*n))
    }

    /// Returns how many different n-grams there are.
    pub fn distinct(&self) -> u64 {
        self.settled.distinct + self.compacted().sorted.len() as u64
    }

    /// Returns Shannon's entropy of the n-grams in bits: log2 of their number less the mean of log2 n.
    pub fn entropy(&self) -> Option<f64> {
        let mut weighed = self.settled.weighed.clone();
        self.compacted().sorted.iter().for_each(|(_, n)| weighed.add(weight(*n)));
        let all = self.all() as f64;
        (all > 0.0).then(|| (libm::log2(all) - weighed.value() / all).max(0.0))
    }

    /// Appends the canonical bytes: their number, then the distance of each from the one before and how often it occurs, seven bits
    /// to a byte.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let own = self.compacted();
        put(out, own.sorted.len() as u64);
        let mut last = 0;
        for (gram, n) in &own.sorted {
            put_short(out, gram - last);
            put_short(out, *n);
            last = *gram;
        }
    }

    /// Takes n-grams off `from`.
    pub fn decode(from: &mut Reader) -> Result<Grams, Malformed> {
        let mut sorted: Vec<(u64, u64)> = Vec::new();
        for at in 0..get(from)? {
            let (distance, n) = (get_short(from)?, get_short(from)?);
            let last = sorted.last().map_or(0, |(gram, _)| *gram);
            let gram = last.checked_add(distance).ok_or(Malformed("an n-gram out of range"))?;
            if n == 0 || n >> 62 > 0 || (at > 0 && distance == 0) {
                return Err(Malformed("n-grams out of order"));
            }
            sorted.push((gram, n));
        }
        Ok(Grams { sorted, ..Grams::default() })
    }
}

/// Sorts numbers that are as likely to be anywhere: first by their highest bits into small heaps.
fn sorted(numbers: Vec<u64>) -> Vec<u64> {
    let bits = (numbers.len() / 8).max(2).ilog2();
    let heap = |number: u64| (number >> (64 - bits)) as usize;
    let mut ends = vec![0_u32; 1 << bits];
    numbers.iter().for_each(|number| ends[heap(*number)] += 1);
    let mut start = 0;
    for end in &mut ends {
        start += std::mem::replace(end, start);
    }
    let mut out = vec![0; numbers.len()];
    for number in numbers {
        let end = &mut ends[heap(number)];
        out[*end as usize] = number;
        *end += 1;
    }
    let mut start = 0;
    for end in ends {
        out[start as usize..end as usize].sort_unstable();
        start = end;
    }
    out
}

fn weight(n: u64) -> f64 {
    if n == 1 { 0.0 } else { n as f64 * libm::log2(n as f64) }
}

fn put_short(out: &mut Vec<u8>, mut n: u64) {
    while n > 0x7f {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

#[inline]
fn get_short(from: &mut Reader) -> Result<u64, Malformed> {
    let mut n = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = from.u8()?;
        let part = u64::from(byte & 0x7f);
        if part << shift >> shift != part || (byte == 0 && shift > 0) {
            break;
        }
        n |= part << shift;
        if byte < 0x80 {
            return Ok(n);
        }
    }
    Err(Malformed("a number out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_sorted_wherever_they_are(mut numbers in proptest::collection::vec(prop_oneof![any::<u64>(), 0..9_u64, u64::MAX - 9..u64::MAX], 0..90)) {
            let own = sorted(numbers.clone());
            numbers.sort_unstable();
            prop_assert_eq!(own, numbers);
        }
    }
}
