//! Which n-grams of words, and which lines, come again: counted over hashes.

use super::words::{Words, below, times};

/// By which the hash of words is multiplied when one more follows, where it counts between which letters words end.
const NEXT: u64 = 0x1b87_3593_cc9e_2d51;

/// The n-grams of the words of a text, for one n after the other.
#[derive(Default)]
pub struct Grams {
    n: usize,
    /// Of the letters of n-grams, as though they were one word.
    letters: Vec<u64>,
    /// Of n-grams as words one after the other.
    words: Vec<u64>,
    /// The longest n-grams of which the most frequent is asked for: longer ones are not hashed as words.
    longest: usize,
    counts: Counts,
    seen: Seen,
}

impl Grams {
    /// Begins with the words of a text; the most frequent n-gram is asked for of at most so many words.
    pub fn begin(&mut self, words: &Words, longest: usize) {
        (self.n, self.longest) = (1, longest);
        self.letters.clear();
        self.letters.extend(&words.hashes);
        self.words.clear();
        self.words.extend(&words.hashes);
    }

    /// Goes on to n-grams of at least as many words as before.
    pub fn go_to(&mut self, words: &Words, n: usize) {
        while self.n < n {
            let first = self.n;
            self.n += 1;
            let count = (words.len() + 1).saturating_sub(self.n);
            self.letters.truncate(count);
            self.words.truncate(if self.n <= self.longest { count } else { 0 });
            let next = words.hashes.get(first..).unwrap_or_default();
            let powers = words.powers.get(first..).unwrap_or_default();
            for ((hash, next), power) in self.letters.iter_mut().zip(next).zip(powers) {
                *hash = below(times(*hash, *power) + next);
            }
            for (hash, next) in self.words.iter_mut().zip(next) {
                *hash = below(times(*hash, NEXT) + next);
            }
        }
    }

    /// Returns the characters of the most frequent n-gram, blanks between its words counted, times how often it comes. Of equally frequent
    /// ones it is the one that comes first; 0 if the text has none.
    pub fn top(&mut self, words: &Words) -> u64 {
        self.counts.begin(self.words.len());
        let (mut most, mut first) = (0, 0);
        for (at, hash) in self.words.iter().enumerate() {
            let (count, begin) = self.counts.count(*hash, at as u32);
            if count > most || (count == most && begin < first) {
                (most, first) = (count, begin);
            }
        }
        if most == 0 {
            return 0;
        }
        let at = first as usize;
        (words.chars(at, at + self.n) + self.n as u64 - 1) * u64::from(most)
    }

    /// Returns the characters of n-grams that came before, without blanks. One that did is stepped over whole.
    pub fn duplicated(&mut self, words: &Words) -> u64 {
        self.seen.begin(self.letters.len());
        let (mut at, mut chars) = (0, 0);
        while at < self.letters.len() {
            if self.seen.is_known(self.letters[at]) {
                chars += words.chars(at, at + self.n);
                at += self.n;
            } else {
                at += 1;
            }
        }
        chars
    }
}

/// Counts hashes.
#[derive(Default)]
struct Counts {
    /// A hash with one bit set that none has, how often it came, and where first; in places that follow each other.
    slots: Vec<(u64, u32, u32)>,
}

/// Remembers hashes.
#[derive(Default)]
pub struct Seen {
    /// Hashes with one bit set that none has, in places that follow each other.
    slots: Vec<u64>,
}

/// No hash below 2^63 has it, and no slot is 0 that is taken.
const TAKEN: u64 = 1 << 63;

/// Returns how many slots so many hashes are to have.
fn room(hashes: usize) -> usize {
    (hashes * 2).next_power_of_two().max(16)
}

/// Returns the slot at which a hash is first looked for.
#[inline]
fn first_slot(hash: u64, slots: usize) -> usize {
    (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - slots.trailing_zeros())) as usize
}

impl Counts {
    /// Forgets all, and makes room for so many.
    fn begin(&mut self, hashes: usize) {
        self.slots.clear();
        self.slots.resize(room(hashes), (0, 0, 0));
    }

    /// Counts a hash that comes at a position; returns how often it came by now, and where first.
    #[inline]
    fn count(&mut self, hash: u64, at: u32) -> (u32, u32) {
        let hash = hash | TAKEN;
        let mut slot = first_slot(hash, self.slots.len());
        loop {
            let taken = &mut self.slots[slot];
            if taken.0 == hash {
                taken.1 += 1;
                return (taken.1, taken.2);
            }
            if taken.0 == 0 {
                *taken = (hash, 1, at);
                return (1, at);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }
}

impl Seen {
    /// Forgets all, and makes room for so many.
    pub fn begin(&mut self, hashes: usize) {
        self.slots.clear();
        self.slots.resize(room(hashes), 0);
    }

    /// Remembers a hash; returns whether it was known.
    #[inline]
    pub fn is_known(&mut self, hash: u64) -> bool {
        let hash = hash | TAKEN;
        let mut slot = first_slot(hash, self.slots.len());
        loop {
            let taken = &mut self.slots[slot];
            if *taken == hash {
                return true;
            }
            if *taken == 0 {
                *taken = hash;
                return false;
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::words::Tokens;
    use super::*;
    use proptest::prelude::*;
    use std::collections::{HashMap, HashSet};

    fn measured(text: &str, n: usize) -> (u64, u64) {
        let (mut words, mut grams) = (Words::default(), Grams::default());
        words.read(text, Tokens::Space);
        grams.begin(&words, n);
        grams.go_to(&words, n);
        (grams.top(&words), grams.duplicated(&words))
    }

    proptest! {
        #[test]
        fn repeated_ngrams_are_those_of_the_reference(text in "[abé]{1,2}( [abé]{1,2}){0,30}", n in 1usize..6) {
            let words: Vec<&str> = text.split_whitespace().collect();
            let grams: Vec<String> = words.windows(n).map(|gram| gram.join(" ")).collect();
            let mut counts: HashMap<&String, u64> = HashMap::new();
            grams.iter().for_each(|gram| *counts.entry(gram).or_default() += 1);
            let most = counts.values().copied().max().unwrap_or(0);
            let top = grams.iter().find(|gram| counts[gram] == most).map_or(0, |gram| gram.chars().count() as u64 * most);
            let (mut seen, mut at, mut chars) = (HashSet::new(), 0, 0);
            while at + n <= words.len() {
                let gram = words[at..at + n].concat();
                let length = gram.chars().count() as u64;
                if seen.insert(gram) {
                    at += 1;
                } else {
                    chars += length;
                    at += n;
                }
            }
            prop_assert_eq!(measured(&text, n), (top, chars));
        }
    }
}
