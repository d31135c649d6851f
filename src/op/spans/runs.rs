//! Runs of words: anchors of them that are the same wherever a run stands, and the runs themselves where an anchor is not alone.
//!
//! A run of n words has hashes of shorter runs, of k words, in it. The least of them is its anchor: equal runs have equal ones, and runs that overlap mostly
//! have one in common. So it takes one number for some 13 words to know that a run of 50 stands nowhere else, and only the others are looked at as a whole.

use super::is_marked;
use crate::hash::mix64;
use crate::op::dedup::Halves;
use crate::text::{Words, normal_words, without, word_spans};
use std::collections::HashMap;
use std::hash::BuildHasherDefault;

/// What is known of runs, which are hashes already.
type Known<T> = HashMap<i64, T, BuildHasherDefault<Halves>>;

/// Reads the runs of texts.
pub(super) struct Runs {
    /// The words of a run.
    n: usize,
    normal: Vec<u8>,
    words: Words,
    /// The hashes of the shorter runs of the text at hand.
    short: Vec<u64>,
}

impl Runs {
    pub fn new(min: u32) -> Runs {
        Runs { n: min as usize, normal: Vec::new(), words: Words::default(), short: Vec::new() }
    }

    /// Takes a text at hand.
    pub fn read(&mut self, text: &str) {
        normal_words(text, &mut self.normal, &mut self.words);
        self.short.clear();
        self.short.extend(self.words.ngrams(self.n.div_ceil(2)).map(mix64));
    }

    /// Returns where the anchor of each run is.
    fn places(&self) -> impl Iterator<Item = usize> {
        least_of_windows(&self.short, self.n - self.n.div_ceil(2) + 1)
    }

    /// Calls `each` with the anchors, in order; of one hash there are several where it stands in several places.
    pub fn anchors(&self, mut each: impl FnMut(u64)) {
        let mut last = None;
        for at in self.places() {
            if last != Some(at) {
                each(self.short[at]);
                last = Some(at);
            }
        }
    }

    /// Returns the runs whose anchors are marked: the word at which each begins, and its hash.
    fn marked(&self, marks: &[i64]) -> impl Iterator<Item = (usize, u64)> {
        let (mut last, mut anchors) = (None, 0);
        let runs = self.places().zip(self.words.ngrams(self.n)).enumerate();
        runs.filter_map(move |(start, (at, run))| {
            if last != Some(at) {
                last = Some(at);
                anchors += 1;
            }
            is_marked(marks, anchors - 1).then(|| (start, mix64(run)))
        })
    }

    /// Calls `each` with the hashes of the runs whose anchors are marked, each once, in order.
    pub fn distinct(&self, marks: &[i64], mut each: impl FnMut(u64)) {
        let mut known: Known<usize> = HashMap::default();
        for (start, run) in self.marked(marks) {
            known.entry(run as i64).or_insert_with(|| {
                each(run);
                start
            });
        }
    }

    /// Returns the text at hand without the runs that stand in texts before it, which `before` marks among the distinct ones, or wholly before in itself.
    pub fn without(&self, text: &str, marks: &[i64], before: Option<&[i64]>) -> String {
        let words = word_spans(text);
        let mut goes = vec![false; words.len()];
        let mut known: Known<(usize, usize)> = HashMap::default();
        let mut end = 0;
        for (start, run) in self.marked(marks) {
            let nth = known.len();
            let (nth, first) = *known.entry(run as i64).or_insert((nth, start));
            if start >= first + self.n || before.is_some_and(|before| is_marked(before, nth)) {
                goes[start.max(end)..start + self.n].fill(true);
                end = start + self.n;
            }
        }
        without(text, &words, |at| goes[at])
    }
}

/// Returns where the least value of each window of so many stands: the first, where it is there several times.
///
/// Windows of equal values have theirs in equal places, and one place is that of many windows: of values like hashes, one in (`width` + 1) / 2 is the least
/// of any (*winnowing*, Schleimer, Wilkerson and Aiken, SIGMOD 2003).
pub(super) fn least_of_windows(values: &[u64], width: usize) -> impl Iterator<Item = usize> {
    let mut least = 0;
    let windows = if width == 0 { 0 } else { (values.len() + 1).saturating_sub(width) };
    (0..windows).map(move |start| {
        let new = start + width - 1;
        if start == 0 || least < start {
            let (rest, from) = (&values[start..=new], start);
            let first = rest.iter().enumerate().min_by_key(|(at, value)| (**value, *at));
            least = from + first.map_or(0, |(at, _)| at);
        } else if values[new] < values[least] {
            least = new;
        }
        least
    })
}
