//! The longest run of words that two texts share.

use crate::text::{Words, normalise};
use std::collections::HashSet;

/// Returns the longest run of words that both texts have, normalised as `normalise` does; the first in `a` of those that are as long. Nothing is
/// shared by texts without a common word.
///
/// A run of n words that is shared has runs of n - 1 words that are, so its length is found by halving. Runs are known by 64 bits of a hash.
pub fn shared_span(a: &str, b: &str) -> String {
    let (a, b) = (normalise(a), normalise(b));
    let (mut own, mut theirs) = (Words::default(), Words::default());
    own.split(a.as_bytes());
    theirs.split(b.as_bytes());
    let first = |n: usize| {
        let known: HashSet<u64> = theirs.ngrams(n).collect();
        own.ngrams(n).position(|gram| known.contains(&gram))
    };
    let (mut shared, mut at) = (0, 0);
    let mut beyond = own.len().min(theirs.len()) + 1;
    while beyond - shared > 1 {
        let n = shared.midpoint(beyond);
        match first(n) {
            Some(found) => (shared, at) = (n, found),
            None => beyond = n,
        }
    }
    if shared == 0 { String::new() } else { a[own.bytes(at, shared)].to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Tries all runs.
    fn naive(a: &str, b: &str) -> String {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let (a, b) = (words(a), words(b));
        let runs = (1..=a.len()).rev().flat_map(|n| a.windows(n).collect::<Vec<_>>());
        let mut shared = runs.filter(|run| b.windows(run.len()).any(|other| other == *run));
        shared.next().map_or(String::new(), |run| run.join(" "))
    }

    #[test]
    fn case_and_white_space_do_not_matter_and_punctuation_does() {
        assert_eq!(shared_span("He said: The  cat\nsat down.", "then the CAT sat up"), "the cat sat");
        assert_eq!(shared_span("the cat.", "the cat"), "the");
        assert_eq!((shared_span("a b", "c"), shared_span("", "a"), shared_span(" ", " ")), Default::default());
    }

    proptest! {
        #[test]
        fn it_is_the_longest_and_the_first(a in "[abc]( [abc]){0,12}", b in "[abc]( [abc]){0,12}") {
            prop_assert_eq!(shared_span(&a, &b), naive(&a, &b));
            prop_assert_eq!(shared_span(&a, &a), a);
        }
    }
}
