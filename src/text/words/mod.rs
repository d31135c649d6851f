//! The kernel that every measure of words stands on: a text is cut into words once, each with where it stands and a number of 64 bits.
//!
//! The numbers of runs of words, and of their letters put together, follow from those of the words: no measure looks at their bytes again.

mod blanks;
mod letters;
mod number;

pub use letters::{FIRSTS, Kinds, Letters};
pub use number::number_of;

use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;

/// What a word is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WordKind {
    /// A run of characters between Unicode white space.
    #[default]
    Space,
    /// A word of Unicode Standard Annex 29: punctuation is none.
    Unicode,
}

/// All kinds of words, by their names; the first is what a word is where nothing is said.
pub const WORD_KINDS: [(&str, WordKind); 2] = [("space", WordKind::Space), ("unicode", WordKind::Unicode)];

impl WordKind {
    /// Finds a kind of words by its name.
    pub fn named(name: &str) -> Option<WordKind> {
        WORD_KINDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }
}

/// The one white space inside of words of Unicode Standard Annex 29; it ends a word here too.
const NARROW: char = '\u{202f}';

/// By which the number of a run of words is multiplied when one more follows: odd, with bits everywhere.
const ROLL: u64 = 0xc4ce_b9fe_1a85_ec53;

/// Counts the words between white space.
pub fn count(text: &str) -> usize {
    blanks::count(text.as_bytes())
}

/// The words of one text in their order. Kept from text to text, so that memory is taken once.
///
/// Words of up to eight bytes have numbers of their own; of a billion other words or runs of words, two are taken for one with a
/// probability of 3 % (n² / 2^65).
#[derive(Clone, Debug, Default)]
pub struct Words {
    numbers: Vec<u64>,
    /// Where each word begins and where it ends, in bytes, in turns.
    edges: Vec<u32>,
}

impl Words {
    /// Takes the words of a text in place of those that are there.
    pub fn read(&mut self, text: &str, kind: WordKind) {
        match kind {
            WordKind::Space => self.split(text.as_bytes()),
            WordKind::Unicode => {
                self.edges.clear();
                for (start, word) in text.unicode_word_indices() {
                    let pieces = word.split(NARROW).filter(|piece| !piece.is_empty());
                    let begin = |piece: &str| start + (piece.as_ptr().addr() - word.as_ptr().addr());
                    let edges = pieces.flat_map(|piece| [begin(piece), begin(piece) + piece.len()]);
                    self.edges.extend(edges.map(|at| at as u32));
                }
                self.number(text.as_bytes());
            }
        }
    }

    /// Takes the words between white space, of the bytes of a text.
    pub fn split(&mut self, text: &[u8]) {
        self.edges.clear();
        blanks::edges(text, &mut self.edges);
        self.number(text);
    }

    fn number(&mut self, text: &[u8]) {
        self.numbers.clear();
        let words = self.edges.as_chunks::<2>().0.iter();
        self.numbers.extend(words.map(|[start, end]| number::of(text, *start as usize..*end as usize)));
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Returns the number of each.
    pub fn numbers(&self) -> &[u64] {
        &self.numbers
    }

    /// Returns where the `n` words from `word` on stand in the text, in bytes.
    pub fn bytes(&self, word: usize, n: usize) -> Range<usize> {
        self.edges[2 * word] as usize..self.edges[2 * (word + n) - 1] as usize
    }

    /// Returns where each stands.
    pub fn spans(&self) -> impl ExactSizeIterator<Item = Range<usize>> {
        self.edges.as_chunks::<2>().0.iter().map(|[start, end]| *start as usize..*end as usize)
    }

    /// Returns the number of every run of `n` words, in order. A text of fewer words has none.
    ///
    /// It is the polynomial of the words' numbers modulo 2^64, so that one follows from the one before.
    pub fn ngrams(&self, n: usize) -> impl Iterator<Item = u64> {
        let first = self.numbers.get(..n).filter(|_| n > 0);
        let last = ROLL.wrapping_pow(n as u32);
        let begin = first.map(|words| words.iter().fold(0_u64, |sum, word| sum.wrapping_mul(ROLL).wrapping_add(*word)));
        let come = self.numbers.get(n..).unwrap_or_default().iter().zip(&self.numbers);
        let mut rolling = begin.unwrap_or_default();
        let rest = come.filter(move |_| n > 0).map(move |(comes, goes)| {
            rolling = rolling.wrapping_mul(ROLL).wrapping_add(*comes).wrapping_sub(goes.wrapping_mul(last));
            rolling
        });
        begin.into_iter().chain(rest)
    }

    /// Returns what a text is compared by: its runs of `n` words, or all of its words where it has fewer.
    pub fn shingles(&self, n: usize) -> impl Iterator<Item = u64> {
        self.ngrams(n.min(self.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str, kind: WordKind) -> Words {
        let mut words = Words::default();
        words.read("others  that were there before", WordKind::Space);
        words.read(text, kind);
        words
    }

    #[test]
    fn a_text_has_a_run_for_each_word_that_has_enough_behind_it() {
        let words = read("a b  c d", WordKind::Space);
        assert_eq!([0, 1, 3, 4, 5].map(|n| words.ngrams(n).count()), [0, 4, 2, 1, 0]);
        assert_eq!([5, 4, 2].map(|n| words.shingles(n).count()), [1, 1, 3]);
        assert_eq!(read(" ", WordKind::Space).shingles(5).count(), 0);
        assert_eq!(&"a b  c d"[words.bytes(1, 2)], "b  c");
        assert_eq!(&"a b  c d"[words.bytes(2, 2)], "c d");
    }

    #[test]
    fn the_order_of_words_counts_and_so_does_where_they_end() {
        let one = |text: &str| read(text, WordKind::Space).shingles(9).collect::<Vec<_>>();
        assert_ne!(one("a b"), one("b a"));
        assert_ne!(one("ab c"), one("a bc"));
        assert_ne!(one("a"), one("a\0"));
    }

    #[test]
    fn one_white_space_alone_is_inside_of_words_of_unicode() {
        for character in (0..0x11_0000).filter_map(char::from_u32).filter(|character| character.is_whitespace()) {
            for letter in ['a', '1', 'ア', '_'] {
                let text = format!("{letter}{character}{letter}");
                let inside = text.unicode_words().any(|word| word.contains(character));
                assert!(!inside || character == NARROW, "{text:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn words_are_those_between_white_space(text in "[ab—é \n\u{1c}\u{85}\u{2003}\u{2029}\u{3000}\u{2028}。中.]{0,40}( {0,3}[a-z]{1,30}){0,9}") {
            let words = read(&text, WordKind::Space);
            let split: Vec<&str> = text.split_whitespace().collect();
            prop_assert_eq!(words.spans().map(|span| &text[span]).collect::<Vec<_>>(), split.clone());
            prop_assert_eq!(words.numbers(), split.iter().map(|word| number_of(word)).collect::<Vec<_>>());
            prop_assert_eq!(count(&text), split.len());
        }

        #[test]
        fn words_of_unicode_are_those_of_the_annex(text in "[ab'. 3é中\u{202f}_ア-]{0,40}") {
            let words = read(&text, WordKind::Unicode);
            let split: Vec<&str> = text.unicode_words().flat_map(str::split_whitespace).collect();
            prop_assert_eq!(words.spans().map(|span| &text[span]).collect::<Vec<_>>(), split.clone());
            prop_assert_eq!(words.numbers(), split.iter().map(|word| number_of(word)).collect::<Vec<_>>());
        }

        #[test]
        fn runs_have_equal_numbers_exactly_where_their_words_are_equal(text in "[abc ]{0,30}", n in 1usize..5) {
            let words: Vec<&str> = text.split_whitespace().collect();
            let (grams, numbers): (Vec<&[&str]>, Vec<u64>) = (words.windows(n).collect(), read(&text, WordKind::Space).ngrams(n).collect());
            prop_assert_eq!(grams.len(), numbers.len());
            for (i, gram) in grams.iter().enumerate() {
                for (j, other) in grams.iter().enumerate() {
                    prop_assert_eq!(gram == other, numbers[i] == numbers[j]);
                }
            }
        }

        #[test]
        fn a_run_has_the_same_number_wherever_it_stands(before in "[a-c]( [a-c]{1,9}){0,6}", run in "[a-z]( [a-z]{1,20}){3}", after in "( [x-z]){0,4}") {
            let number = read(&run, WordKind::Space).ngrams(4).next().unwrap();
            let all = format!("{before} {run}{after}");
            prop_assert!(read(&all, WordKind::Space).ngrams(4).any(|other| other == number));
        }
    }
}
