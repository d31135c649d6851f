//! How often each n-gram of a model's order occurs.

use super::{BEGIN, END, LONGEST, MOST, WordKind, Words, sentences};
use std::collections::HashSet;

/// The last word first, then the one before it, …; nothing stands before the beginning of a sentence.
pub(super) type Gram = ([u32; LONGEST], u64);

/// The numbers of what is no word of the vocabulary.
pub(super) const NOTHING: u32 = 0;
pub(super) const BEGINNING: u32 = 1;
const ENDING: u32 = 2;
const FIRST_WORD: u32 = 3;

/// The counts of some texts, small enough to be remembered.
///
/// Words are numbered in the order of their hashes, so that n-grams keep their order when other words come in between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Hashes in order.
    words: Vec<u64>,
    /// In order.
    grams: Vec<Gram>,
}

/// The counts of all texts.
#[derive(Debug, Default)]
pub struct Merged {
    words: Vec<u64>,
    sorted: Vec<Gram>,
    waiting: Vec<Gram>,
}

impl Counts {
    /// Counts the n-grams of texts.
    pub fn of<'t>(texts: impl Iterator<Item = &'t str> + Clone, order: usize) -> Counts {
        let (mut read, mut words) = (Words::default(), Vec::new());
        for text in texts.clone() {
            read.read(text, WordKind::Space);
            words.extend(read.numbers());
        }
        words.sort_unstable();
        words.dedup();
        let number = |word: &u64| FIRST_WORD + words.binary_search(word).expect("all words were gathered") as u32;
        let mut grams = Vec::new();
        for text in texts {
            for sentence in sentences(text, &mut read) {
                let mut last = [NOTHING; LONGEST];
                last[0] = BEGINNING;
                for word in sentence.iter().map(number).chain([ENDING]) {
                    last[..order].rotate_right(1);
                    last[0] = word;
                    grams.push((last, 1));
                }
            }
        }
        grams.sort_unstable();
        Counts { words, grams: summed(grams.into_iter()) }
    }

    /// Writes the canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, self.words.len() as u64);
        self.words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
        put(&mut out, self.grams.len() as u64);
        let mut last = [NOTHING; LONGEST];
        for (gram, n) in &self.grams {
            let shared = gram.iter().zip(&last).take_while(|(a, b)| a == b).count();
            put(&mut out, shared as u64);
            for word in &gram[shared..] {
                put(&mut out, u64::from(*word));
                if *word == NOTHING {
                    break;
                }
            }
            put(&mut out, *n);
            last = *gram;
        }
        out
    }

    /// Reads counts back; `None` where the bytes are none.
    pub fn decode(mut from: &[u8]) -> Option<Counts> {
        let mut counts = Counts::default();
        for _ in 0..get(&mut from)? {
            let (word, rest) = from.split_first_chunk::<8>()?;
            from = rest;
            let word = u64::from_le_bytes(*word);
            if counts.words.last().is_some_and(|last| *last >= word) {
                return None;
            }
            counts.words.push(word);
        }
        let words = FIRST_WORD as usize + counts.words.len();
        for _ in 0..get(&mut from)? {
            let (last, _) = counts.grams.last().copied().unwrap_or_default();
            let mut gram = last;
            let shared = usize::try_from(get(&mut from)?).ok().filter(|shared| *shared < LONGEST)?;
            gram[shared..].fill(NOTHING);
            for place in &mut gram[shared..] {
                *place = u32::try_from(get(&mut from)?).ok().filter(|word| (*word as usize) < words)?;
                if *place == NOTHING {
                    break;
                }
            }
            let n = get(&mut from)?;
            if gram <= last || gram[0] == NOTHING || n == 0 || n >> 40 > 0 {
                return None;
            }
            counts.grams.push((gram, n));
        }
        from.is_empty().then_some(counts)
    }
}

impl Merged {
    /// Begins with the words of all counts, each of which is added then.
    pub fn new(words: HashSet<u64>) -> Merged {
        let mut words: Vec<u64> = words.into_iter().collect();
        words.sort_unstable();
        Merged { words, ..Merged::default() }
    }

    /// Gathers the words of counts.
    pub fn gather(counts: &Counts, into: &mut HashSet<u64>) {
        into.extend(&counts.words);
    }

    /// Adds counts; false where there would be more n-grams than [`MOST`].
    pub fn add(&mut self, counts: Counts) -> bool {
        let number = |word: &u64| FIRST_WORD + self.words.binary_search(word).expect("all words were gathered") as u32;
        let numbers: Vec<u32> = (0..FIRST_WORD).chain(counts.words.iter().map(number)).collect();
        let renamed = counts.grams.into_iter().map(|(gram, n)| (gram.map(|word| numbers[word as usize]), n));
        self.waiting.extend(renamed);
        if self.waiting.len() > self.sorted.len().max(1 << 16) {
            self.sort();
        }
        self.sorted.len() <= MOST
    }

    fn sort(&mut self) {
        self.sorted.append(&mut self.waiting);
        // Runs that are in order already are merged, not sorted anew.
        self.sorted.sort();
        self.sorted = summed(std::mem::take(&mut self.sorted).into_iter());
    }

    /// Returns the n-grams in order, and what stands for each of their words.
    pub(super) fn finish(mut self) -> Option<(Vec<Gram>, Vec<u64>)> {
        self.sort();
        let hashes = [0, BEGIN, END].into_iter().chain(self.words).collect();
        (self.sorted.len() <= MOST).then_some((self.sorted, hashes))
    }
}

/// Makes one of n-grams that are equal.
fn summed(grams: impl Iterator<Item = Gram>) -> Vec<Gram> {
    let mut all: Vec<Gram> = Vec::new();
    for (gram, n) in grams {
        match all.last_mut() {
            Some((last, sum)) if *last == gram => *sum += n,
            _ => all.push((gram, n)),
        }
    }
    all
}

/// Appends a number, seven bits to a byte.
fn put(out: &mut Vec<u8>, mut n: u64) {
    while n > 0x7f {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn get(from: &mut &[u8]) -> Option<u64> {
    let mut n = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        n |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(n);
        }
    }
    None
}
