//! What words are spelt with: their characters, their kinds, and the numbers of their letters put together.

use super::super::symbols::is_symbol;
use super::Words;
use super::number::power;
use regex::Regex;
use std::sync::LazyLock;

/// How many bytes of letters [`Letters::firsts`] looks at.
pub const FIRSTS: usize = 16;

/// The letters of the words of a text as though nothing were between them. Kept from text to text.
#[derive(Clone, Debug, Default)]
pub struct Letters {
    /// The number of all that is before each word, and of all.
    numbers: Vec<u64>,
    /// Bytes before each word, and of all.
    bytes: Vec<u32>,
    /// Characters, likewise.
    chars: Vec<u32>,
    /// The letters themselves, and room behind them.
    joined: Vec<u8>,
}

impl Letters {
    /// Takes the letters of words in place of those that are there.
    pub fn read(&mut self, text: &str, words: &Words) {
        self.numbers.clear();
        self.bytes.clear();
        self.chars.clear();
        self.joined.clear();
        self.joined.resize(text.len() + 2 * FIRSTS, 0);
        let (mut number, mut bytes, mut chars) = (0_u64, 0, 0);
        let is_ascii = text.is_ascii();
        let mut put = |number, bytes, chars| {
            self.numbers.push(number);
            self.bytes.push(bytes);
            self.chars.push(chars);
        };
        put(number, bytes, chars);
        for (span, own) in words.spans().zip(words.numbers()) {
            join(&mut self.joined[bytes as usize..], &text.as_bytes()[span.start..], span.len());
            number = number.wrapping_mul(power(span.len())).wrapping_add(*own);
            bytes += span.len() as u32;
            chars += if is_ascii { span.len() as u32 } else { text[span].chars().count() as u32 };
            put(number, bytes, chars);
        }
    }

    /// Returns of how many words they are.
    pub fn len(&self) -> usize {
        self.bytes.len().saturating_sub(1)
    }

    /// Counts the characters of the `n` words from `word` on.
    pub fn chars(&self, word: usize, n: usize) -> u64 {
        u64::from(self.chars[word + n] - self.chars[word])
    }

    /// Counts their bytes.
    pub fn bytes(&self, word: usize, n: usize) -> usize {
        (self.bytes[word + n] - self.bytes[word]) as usize
    }

    /// Returns the number of their letters.
    pub fn number(&self, word: usize, n: usize) -> u64 {
        let before = self.numbers[word].wrapping_mul(power(self.bytes(word, n)));
        self.numbers[word + n].wrapping_sub(before)
    }

    /// Returns a number for the first letters from each word on, equal where these are.
    pub fn firsts(&self) -> impl Iterator<Item = u64> {
        let half = |at: usize| u64::from_le_bytes(*self.joined[at..].first_chunk().expect("there is room behind"));
        self.bytes[..self.len()].iter().map(move |at| {
            let at = *at as usize;
            (half(at).wrapping_mul(0xff51_afd7_ed55_8ccd) ^ half(at + 8)).wrapping_mul(0xc4ce_b9fe_1a85_ec53)
        })
    }
}

/// Copies so many bytes, and may write some more behind them.
#[inline]
fn join(to: &mut [u8], from: &[u8], bytes: usize) {
    match (to.first_chunk_mut::<FIRSTS>(), from.first_chunk::<FIRSTS>()) {
        (Some(to), Some(from)) if bytes <= FIRSTS => *to = *from,
        _ => to[..bytes].copy_from_slice(&from[..bytes]),
    }
}

/// How many words of a text are of which kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    /// Words with a character that is no symbol.
    pub spelt: usize,
    /// Their characters.
    pub spelt_chars: u64,
    /// Words with a letter.
    pub with_letter: usize,
}

impl Kinds {
    /// Counts the words of a text by their kinds.
    pub fn of(text: &str, words: &Words, letters: &Letters) -> Kinds {
        let mut kinds = Kinds::default();
        for (at, span) in words.spans().enumerate() {
            let (spelt, letter) = kinds_of(&text[span]);
            kinds.spelt += usize::from(spelt);
            kinds.spelt_chars += if spelt { letters.chars(at, 1) } else { 0 };
            kinds.with_letter += usize::from(letter);
        }
        kinds
    }
}

/// Returns whether a word has a character that is no symbol, and whether it has a letter.
#[inline]
fn kinds_of(word: &str) -> (bool, bool) {
    if word.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) {
        return (true, true);
    }
    let (mut spelt, mut letter) = (false, false);
    for character in word.chars() {
        spelt = spelt || !is_symbol(character);
        letter = letter || is_letter(character);
        if spelt && letter {
            break;
        }
    }
    (spelt, letter)
}

/// Returns whether a character is a letter: of the general categories L, as `str.isalpha` of Python.
///
/// `char::is_alphabetic` has numerals and vowel signs besides.
fn is_letter(character: char) -> bool {
    static LETTER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\A\p{L}").expect("the pattern is sound"));
    match character {
        'a'..='z' | 'A'..='Z' | 'À'..='Ö' | 'Ø'..='ö' | 'ø'..='ˁ' | 'А'..='ҁ' => true,
        'ぁ'..='ゖ' | 'ァ'..='ヺ' | '一'..='鿿' | '가'..='힣' => true,
        _ => character.is_alphabetic() && LETTER.is_match(character.encode_utf8(&mut [0; 4])),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{WordKind, number_of};
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str, kind: WordKind) -> (Words, Letters) {
        let (mut words, mut letters) = (Words::default(), Letters::default());
        words.read(text, kind);
        letters.read(text, &words);
        (words, letters)
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
        let text = "The — 3.5 «l'été» … \u{2028}...\u{3000}中文";
        let (words, letters) = read(text, WordKind::Space);
        assert_eq!(words.len(), 7);
        let kinds = Kinds { spelt: 4, spelt_chars: 3 + 3 + 7 + 2, with_letter: 3 };
        assert_eq!(Kinds::of(text, &words, &letters), kinds);
        let (words, letters) = read("Mr. O'Neil's 3.5 — x", WordKind::Unicode);
        assert_eq!((words.len(), letters.chars(0, 4)), (4, 2 + 8 + 3 + 1));
    }

    proptest! {
        #[test]
        fn characters_and_kinds_are_those_of_the_words(text in "[ab—é \n\u{2003}中.3]{0,40}") {
            let (words, letters) = read(&text, WordKind::Space);
            let split: Vec<&str> = text.split_whitespace().collect();
            let chars: Vec<u64> = split.iter().map(|word| word.chars().count() as u64).collect();
            prop_assert_eq!((0..words.len()).map(|at| letters.chars(at, 1)).collect::<Vec<_>>(), chars);
            let spelt: Vec<&&str> = split.iter().filter(|word| !word.chars().all(is_symbol)).collect();
            let spelt_chars = spelt.iter().map(|word| word.chars().count() as u64).sum();
            let with_letter = split.iter().filter(|word| word.chars().any(is_letter)).count();
            prop_assert_eq!(Kinds::of(&text, &words, &letters), Kinds { spelt: spelt.len(), spelt_chars, with_letter });
        }

        #[test]
        fn letters_put_together_have_the_number_of_one_word(words in proptest::collection::vec("[a-cé]{1,70}", 1..9), n in 1usize..6) {
            let (_, letters) = read(&words.join(" "), WordKind::Space);
            let numbers: Vec<u64> = (0..(letters.len() + 1).saturating_sub(n)).map(|at| letters.number(at, n)).collect();
            prop_assert_eq!(numbers, words.windows(n).map(|gram| number_of(&gram.concat())).collect::<Vec<_>>());
            let firsts: Vec<u64> = letters.firsts().collect();
            let all = words.concat() + &"\0".repeat(FIRSTS);
            let starts = (0..words.len()).map(|at| words[..at].concat().len());
            let expect: Vec<&[u8]> = starts.map(|start| &all.as_bytes()[start..start + FIRSTS]).collect();
            for i in 0..words.len() {
                for j in 0..words.len() {
                    prop_assert_eq!(firsts[i] == firsts[j], expect[i] == expect[j]);
                }
            }
        }
    }
}
