//! Which n-grams of words, and which lines, come again: counted over hashes.

use super::words::{FIRSTS, Letters, Words};

/// Counts which n-grams of one text after the other come again. Kept from text to text, so that memory is taken once.
#[derive(Default)]
pub struct Grams {
    counts: Counts,
    seen: Seen,
    /// Of which n the most frequent n-gram was asked for last, and which of these come more than once: no others begin longer ones that do.
    common: (usize, Vec<bool>),
    /// Whether the first letters from each word on come more than once, if that is known.
    begun: Option<Vec<bool>>,
}

impl Grams {
    /// Begins with the words of another text.
    pub fn begin(&mut self) {
        self.common.0 = 0;
        self.begun = None;
    }

    /// Returns the characters of the most frequent n-gram, blanks between its words counted, times how often it comes. Of equally frequent
    /// ones it is the one that comes first; 0 if the text has none.
    pub fn top(&mut self, words: &Words, letters: &Letters, n: usize) -> u64 {
        if words.len() < n {
            return 0;
        }
        let (known, mut common) = std::mem::take(&mut self.common);
        if known == 0 || known > n {
            common.clear();
            common.resize(words.len(), true);
        }
        self.counts.begin(common.iter().filter(|common| **common).count());
        // One that comes once is as frequent as the first.
        let (mut most, mut first) = (1, 0);
        for (at, gram) in words.ngrams(n).enumerate() {
            if !std::mem::take(&mut common[at]) {
                continue;
            }
            let (count, begin) = self.counts.count(gram, at as u32);
            if count > 1 {
                (common[at], common[begin as usize]) = (true, true);
            }
            if count > most || (count == most && begin < first) {
                (most, first) = (count, begin);
            }
        }
        self.common = (n, common);
        (letters.chars(first as usize, n) + n as u64 - 1) * u64::from(most)
    }

    /// Returns the characters of n-grams that came before, without blanks. One that did is stepped over whole. Two are the same if their
    /// letters are, wherever their words end.
    pub fn duplicated(&mut self, letters: &Letters, n: usize) -> u64 {
        let begun = self.begun.get_or_insert_with(|| {
            let mut again = vec![false; letters.len()];
            self.counts.begin(letters.len());
            for (at, first) in letters.firsts().enumerate() {
                let (count, begin) = self.counts.count(first, at as u32);
                if count > 1 {
                    (again[at], again[begin as usize]) = (true, true);
                }
            }
            again
        });
        // An n-gram whose first letters come once does not come again. One that has fewer letters may.
        let may = |at: usize| begun[at] || letters.bytes(at, n) < FIRSTS;
        let grams = (letters.len() + 1).saturating_sub(n);
        self.seen.begin((0..grams).filter(|at| may(*at)).count());
        let (mut at, mut chars) = (0, 0);
        while at < grams {
            if may(at) && self.seen.is_known(letters.number(at, n)) {
                chars += letters.chars(at, n);
                at += n;
            } else {
                at += 1;
            }
        }
        chars
    }

    /// Returns the share of words that lie inside an n-gram that occurs more than once; 0 of no words.
    ///
    /// All occurrences count, the first one too, and a word inside several repeated n-grams counts once.
    pub fn repetition(&mut self, words: &Words, n: usize) -> f64 {
        let mut inside = vec![false; words.len()];
        self.counts.begin(words.len());
        for (at, gram) in words.ngrams(n).enumerate() {
            let (count, first) = self.counts.count(gram, at as u32);
            if count > 1 {
                inside[first as usize..][..n].fill(true);
                inside[at..at + n].fill(true);
            }
        }
        let inside = inside.into_iter().filter(|inside| *inside).count();
        if words.is_empty() { 0.0 } else { inside as f64 / words.len() as f64 }
    }

    /// Returns how often each different n-gram occurs.
    pub fn counted(&mut self, words: &Words, n: usize) -> impl Iterator<Item = u64> {
        self.counts.begin(words.len());
        for (at, gram) in words.ngrams(n).enumerate() {
            self.counts.count(gram, at as u32);
        }
        self.counts.slots.iter().map(|(_, count, _)| u64::from(*count)).filter(|count| *count > 0)
    }
}

/// Counts hashes.
#[derive(Default)]
struct Counts {
    /// A hash with one bit set, how often it came, and where first; in places that follow each other.
    slots: Vec<(u64, u32, u32)>,
}

/// Remembers hashes.
#[derive(Default)]
pub struct Seen {
    /// Hashes with one bit set, in places that follow each other.
    slots: Vec<u64>,
}

/// Set in every hash that is there, so that no slot is 0 that is taken.
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
    use super::super::words::WordKind;
    use super::*;
    use proptest::prelude::*;
    use std::collections::{HashMap, HashSet};

    fn read(text: &str) -> (Words, Letters) {
        let (mut words, mut letters) = (Words::default(), Letters::default());
        words.read(text, WordKind::Space);
        letters.read(text, &words);
        (words, letters)
    }

    fn repetition(text: &str, n: usize) -> f64 {
        Grams::default().repetition(&read(text).0, n)
    }

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

    proptest! {
        #[test]
        fn repeated_ngrams_are_those_of_the_reference(text in "([abé]{1,2} ){0,30}([ab]{1,2} |abababababababab |b{30} ){0,30}", n in 1usize..6) {
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
            let ((words, letters), mut measured) = (read(&text), Grams::default());
            prop_assert_eq!((measured.top(&words, &letters, n), measured.duplicated(&letters, n)), (top, chars));
            // What is known of shorter ones changes nothing, nor of longer ones.
            for before in [1, 2, 6] {
                let mut measured = Grams::default();
                measured.top(&words, &letters, before);
                prop_assert_eq!(measured.top(&words, &letters, n), top);
            }
            let mut counts: Vec<u64> = counts.into_values().collect();
            counts.sort_unstable();
            let mut counted: Vec<u64> = measured.counted(&words, n).collect();
            counted.sort_unstable();
            prop_assert_eq!(counted, counts);
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
