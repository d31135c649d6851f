//! Runs of consecutive words as hashes: what texts are compared by that are alike and not equal.

/// Multipliers of the hashes: odd, with bits everywhere (the golden ratio, and the constants of MurmurHash3's finaliser).
const WORD: u64 = 0x9e37_79b9_7f4a_7c15;
const FOLD: u64 = 0xff51_afd7_ed55_8ccd;
const ROLL: u64 = 0xc4ce_b9fe_1a85_ec53;

/// The words of a normalised text, as hashes, and where each begins.
#[derive(Default)]
pub struct Words {
    hashes: Vec<u64>,
    /// The position of each word's first byte, and then where one more would begin.
    starts: Vec<u32>,
}

impl Words {
    /// Splits a text as `normalise` makes it: words with one blank between them. Eight bytes at a time are looked through and multiplied into the hash.
    pub fn split(&mut self, normal: &[u8]) {
        self.hashes.clear();
        self.starts.clear();
        let (mut at, mut start, mut state) = (0, 0, WORD);
        while at < normal.len() || start < at {
            let block = block(normal, at);
            let blanks = blanks(block);
            if blanks == 0 {
                state = fold(state ^ block);
                at += 8;
                continue;
            }
            // The bytes before the blank, and how many they are.
            let rest = blanks.trailing_zeros() / 8;
            let last = block & !(u64::MAX << (8 * rest)) | u64::from(rest + 1) << 56;
            self.hashes.push(fold(state ^ last));
            self.starts.push(start as u32);
            at += rest as usize + 1;
            (start, state) = (at, WORD);
        }
        self.starts.push(start as u32);
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Returns where the `n` words from `word` on stand in the text.
    pub fn bytes(&self, word: usize, n: usize) -> std::ops::Range<usize> {
        self.starts[word] as usize..self.starts[word + n] as usize - 1
    }

    /// Returns the hash of every run of `n` words, in order. A text of fewer words has none.
    ///
    /// It is the polynomial of the words' hashes modulo 2^64, so that one follows from the one before.
    pub fn ngrams(&self, n: usize) -> impl Iterator<Item = u64> {
        let first = self.hashes.get(..n).filter(|_| n > 0);
        let last = (0..n).fold(1_u64, |power, _| power.wrapping_mul(ROLL));
        let begin = first.map(|words| words.iter().fold(0_u64, |sum, word| sum.wrapping_mul(ROLL).wrapping_add(*word)));
        let come = self.hashes.get(n..).unwrap_or_default().iter().zip(&self.hashes);
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

/// Returns eight bytes of a text, with blanks behind its end.
#[inline]
fn block(text: &[u8], at: usize) -> u64 {
    match text[at.min(text.len())..].first_chunk::<8>() {
        Some(block) => u64::from_le_bytes(*block),
        None => {
            let rest = &text[at.min(text.len())..];
            let mut block = [b' '; 8];
            block[..rest.len()].copy_from_slice(rest);
            u64::from_le_bytes(block)
        }
    }
}

/// Returns the highest bit of the first of eight bytes that is a blank, and perhaps of others behind it.
#[inline]
fn blanks(block: u64) -> u64 {
    let zero = block ^ 0x2020_2020_2020_2020;
    zero.wrapping_sub(0x0101_0101_0101_0101) & !zero & 0x8080_8080_8080_8080
}

/// Multiplies, and keeps both halves of the product.
#[inline]
fn fold(state: u64) -> u64 {
    let product = u128::from(state) * u128::from(FOLD);
    (product as u64) ^ (product >> 64) as u64 ^ state.rotate_left(32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Words {
        let mut words = Words::default();
        words.split(text.as_bytes());
        words
    }

    #[test]
    fn a_text_has_a_run_for_each_word_that_has_enough_behind_it() {
        let text = words("a b c d");
        assert_eq!([0, 1, 3, 4, 5].map(|n| text.ngrams(n).count()), [0, 4, 2, 1, 0]);
        assert_eq!([5, 4, 2].map(|n| text.shingles(n).count()), [1, 1, 3]);
        assert_eq!(words("").shingles(5).count(), 0);
        assert_eq!(&"a b c d"[text.bytes(1, 2)], "b c");
        assert_eq!(&"a b c d"[text.bytes(2, 2)], "c d");
    }

    #[test]
    fn the_order_of_words_counts_and_so_does_where_they_end() {
        let one = |text: &str| words(text).shingles(9).collect::<Vec<_>>();
        assert_ne!(one("a b"), one("b a"));
        assert_ne!(one("ab c"), one("a bc"));
        assert_ne!(one("a"), one("a\0"));
    }

    proptest! {
        #[test]
        fn a_run_has_the_same_hash_wherever_it_stands(before in "[a-c]( [a-c]{1,9}){0,6}", run in "[a-z]( [a-z]{1,20}){3}", after in "( [x-z]){0,4}") {
            let all = words(&format!("{before} {run}{after}"));
            let hash = words(&run).ngrams(4).next().unwrap();
            prop_assert!(all.ngrams(4).any(|other| other == hash));
        }
    }
}
