//! Words of a text, each with its hash, length and kind: found in one pass, on which every measure of words stands.

use super::symbols::is_symbol;
use regex::Regex;
use std::sync::LazyLock;
use unicode_segmentation::UnicodeSegmentation;

/// What a word is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tokens {
    /// A run of characters between Unicode white space.
    #[default]
    Space,
    /// A word of Unicode Standard Annex 29: punctuation is none.
    Unicode,
}

/// A word has a character that is no symbol.
const SPELT: u8 = 1;
/// A word has a letter.
const LETTER: u8 = 2;
/// The class of a byte that is white space.
const BLANK: u8 = 4;
/// The class of a byte of a character beyond ASCII.
const WIDE: u8 = 8;

/// Hashes are numbers below this prime, 2^61 − 1.
pub(super) const PRIME: u64 = (1 << 61) - 1;
/// What a byte's place multiplies it with: any number would do.
const BASE: u64 = 0x0f3a_5d21_9c6b_e487;

/// The words of one text in their order, by columns. Kept from text to text, so that memory is taken once.
///
/// The hash of a word is a polynomial over its bytes (Karp and Rabin 1987), so that of words put together follows from
/// theirs, however many they are. Two runs of bytes that differ have one hash with a chance of about their length in 2^61.
#[derive(Default)]
pub struct Words {
    pub hashes: Vec<u64>,
    /// By which the hash of what stands before a word is multiplied.
    pub powers: Vec<u64>,
    /// Characters up to the end of each word, those between words not counted.
    pub ends: Vec<u64>,
    kinds: Vec<u8>,
}

impl Words {
    /// Takes the words of a text in place of those that are there.
    pub fn read(&mut self, text: &str, tokens: Tokens) {
        self.hashes.clear();
        self.powers.clear();
        self.ends.clear();
        self.kinds.clear();
        match tokens {
            Tokens::Space => self.read_runs(text),
            Tokens::Unicode => text.unicode_words().for_each(|word| self.read_runs(word)),
        }
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Returns how many have a character that is no symbol, and how many characters these have.
    pub fn spelt(&self) -> (usize, u64) {
        let spelt = (0..self.len()).filter(|at| self.kinds[*at] & SPELT != 0);
        spelt.fold((0, 0), |(words, chars), at| (words + 1, chars + self.chars(at, at + 1)))
    }

    /// Returns how many have a letter.
    pub fn with_letter(&self) -> usize {
        self.kinds.iter().filter(|kind| **kind & LETTER != 0).count()
    }

    /// Counts the characters of some words.
    pub fn chars(&self, from: usize, to: usize) -> u64 {
        let before = |at: usize| if at == 0 { 0 } else { self.ends[at - 1] };
        before(to) - before(from)
    }

    fn read_runs(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let (mut end, mut start, mut hash, mut kind) = (self.ends.last().copied().unwrap_or(0), 0, 0, 0);
        let mut at = 0;
        while at < bytes.len() {
            let class = CLASSES[usize::from(bytes[at])];
            let (width, is_blank) = if class & WIDE == 0 {
                kind |= class;
                (1, class & BLANK != 0)
            } else {
                let character = text[at..].chars().next().expect("a character begins here");
                let is_blank = character.is_whitespace();
                // Of what a word has already, nothing is asked again.
                if !is_blank && kind & SPELT == 0 && !is_symbol(character) {
                    kind |= SPELT;
                }
                if !is_blank && kind & LETTER == 0 && is_letter(character) {
                    kind |= LETTER;
                }
                (character.len_utf8(), is_blank)
            };
            if is_blank {
                if start < at {
                    self.add(hash, at - start, end, kind);
                }
                (start, hash, kind) = (at + width, 0, 0);
            } else {
                hash = bytes[at..at + width].iter().fold(hash, |hash, byte| push(hash, *byte));
                end += 1;
            }
            at += width;
        }
        if start < at {
            self.add(hash, at - start, end, kind);
        }
    }

    fn add(&mut self, hash: u64, bytes: usize, end: u64, kind: u8) {
        self.hashes.push(hash);
        self.powers.push(POWERS.get(bytes).copied().unwrap_or_else(|| power(bytes)));
        self.ends.push(end);
        self.kinds.push(kind);
    }
}

/// Returns the hash of a word.
pub fn hash_of(word: &str) -> u64 {
    word.bytes().fold(0, push)
}

/// Multiplies below the prime.
#[inline]
pub(super) fn times(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    below((product as u64 & PRIME) + (product >> 61) as u64)
}

/// Brings a number below twice the prime below it.
#[inline]
pub(super) fn below(number: u64) -> u64 {
    if number >= PRIME { number - PRIME } else { number }
}

#[inline]
fn push(hash: u64, byte: u8) -> u64 {
    // No byte counts as nothing, so that none can stand before a word unseen.
    below(times(hash, BASE) + u64::from(byte) + 1)
}

fn power(bytes: usize) -> u64 {
    let (mut power, mut square, mut left) = (1, BASE, bytes);
    while left > 0 {
        power = if left & 1 == 1 { times(power, square) } else { power };
        square = times(square, square);
        left >>= 1;
    }
    power
}

/// The powers of usual words.
static POWERS: LazyLock<[u64; 64]> = LazyLock::new(|| std::array::from_fn(power));

/// What a byte says of its word.
static CLASSES: [u8; 256] = {
    let mut classes = [WIDE; 256];
    let mut byte = 0;
    while byte < 128 {
        classes[byte as usize] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' => SPELT | LETTER,
            b'0'..=b'9' => SPELT,
            b'\t'..=b'\r' | b' ' => BLANK,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

/// Returns whether a character is a letter: of the general categories L, as `str.isalpha` of Python.
///
/// `char::is_alphabetic` has numerals and vowel signs besides.
pub fn is_letter(character: char) -> bool {
    static LETTER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\A\p{L}").expect("the pattern is sound"));
    match character {
        'a'..='z' | 'A'..='Z' | 'À'..='Ö' | 'Ø'..='ö' | 'ø'..='ˁ' | 'А'..='ҁ' => true,
        'ぁ'..='ゖ' | 'ァ'..='ヺ' | '一'..='鿿' | '가'..='힣' => true,
        _ => character.is_alphabetic() && LETTER.is_match(character.encode_utf8(&mut [0; 4])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str, tokens: Tokens) -> Words {
        let mut words = Words::default();
        words.read(text, tokens);
        words
    }

    #[test]
    fn letters_are_those_of_the_general_categories() {
        let pattern = Regex::new(r"\p{L}").unwrap();
        for character in (0..0x11_0000).filter_map(char::from_u32) {
            assert_eq!(is_letter(character), pattern.is_match(&character.to_string()), "{character:?}");
        }
    }

    #[test]
    fn words_are_counted_by_their_kinds() {
        let words = read("The — 3.5 «l'été» … \u{2028}...\u{3000}中文", Tokens::Space);
        assert_eq!((words.len(), words.spelt(), words.with_letter()), (7, (4, 3 + 3 + 7 + 2), 3));
        let words = read("Mr. O'Neil's 3.5 — x", Tokens::Unicode);
        assert_eq!((words.len(), words.chars(0, 4)), (4, 2 + 8 + 3 + 1));
    }

    proptest! {
        #[test]
        fn words_are_those_between_white_space(text in "[ab—é \n\u{85}\u{2003}中.]{0,40}") {
            let words = read(&text, Tokens::Space);
            let split: Vec<&str> = text.split_whitespace().collect();
            prop_assert_eq!(&words.hashes, &split.iter().map(|word| hash_of(word)).collect::<Vec<_>>());
            for (at, word) in split.iter().enumerate() {
                prop_assert_eq!(words.chars(at, at + 1), word.chars().count() as u64);
            }
            let spelt: Vec<&&str> = split.iter().filter(|word| !word.chars().all(is_symbol)).collect();
            prop_assert_eq!(words.spelt(), (spelt.len(), spelt.iter().map(|word| word.chars().count() as u64).sum()));
        }

        #[test]
        fn the_hash_of_words_put_together_follows_from_theirs(words in proptest::collection::vec("[a-cé]{1,70}", 1..5)) {
            let read = read(&words.join(" "), Tokens::Space);
            let together = read.hashes.iter().zip(&read.powers).fold(0, |hash, (word, power)| below(times(hash, *power) + word));
            prop_assert_eq!(together, hash_of(&words.concat()));
        }
    }
}
