//! Lines and paragraphs: which of a text count, and what they are compared by.

use super::{Spans, Unit, is_marked};
use crate::text::{line_spans, normalise_into, paragraph_spans, without};
use memchr::memchr_iter;
use std::ops::Range;
use twox_hash::XxHash3_64;

/// Reads lines or paragraphs.
pub(super) struct Units {
    spans: Spans,
    normal: Vec<u8>,
}

impl Units {
    pub fn new(spans: Spans) -> Units {
        Units { spans, normal: Vec::new() }
    }

    /// Calls `each` with where each stands, and its hash if it has enough words to count.
    pub fn each(&mut self, text: &str, mut each: impl FnMut(Range<usize>, Option<u64>)) {
        let units = if self.spans.unit == Unit::Line { line_spans(text) } else { paragraph_spans(text) };
        for unit in units {
            normalise_into(&text[unit.clone()], &mut self.normal);
            let blanks = memchr_iter(b' ', &self.normal).count();
            let words = if self.normal.is_empty() { 0 } else { blanks + 1 };
            each(unit, (words >= self.spans.min as usize).then(|| XxHash3_64::oneshot(&self.normal)));
        }
    }

    /// Returns a text without those that are marked, among those that count.
    pub fn without(&mut self, text: &str, marks: &[i64]) -> String {
        let (mut units, mut goes, mut nth) = (Vec::new(), Vec::new(), 0);
        self.each(text, |unit, hash| {
            units.push(unit);
            goes.push(hash.is_some() && is_marked(marks, nth));
            nth += usize::from(hash.is_some());
        });
        without(text, &units, |at| goes[at])
    }
}
