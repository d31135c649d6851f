//! The kinds of noise, each a change of one word.
//!
//! Slips of the keyboard are those of Damerau (1964): another letter, one twice, one left out, two exchanged; most misspellings are one of
//! these. That they break models is shown by Belinkov and Bisk ("Synthetic and Natural Noise Both Break Neural Machine Translation", 2018);
//! replacing, exchanging and leaving out words is from EDA (Wei and Zou 2019); the library nlpaug (Ma 2019) gathers the kinds.

use super::synonyms::Synonyms;
use super::tables::{CONFUSIONS, neighbours};
use unicode_segmentation::UnicodeSegmentation;

/// A kind of noise. A character is what a reader takes for one (a grapheme cluster), so nothing is torn apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// A letter becomes one beside it on the US QWERTY keyboard; its case stays.
    Keyboard,
    /// Characters become what a scanner takes them for: `rn` and `m`, `0` and `O`, `1` and `l`.
    Ocr,
    /// A letter changes its case.
    Case,
    /// A character is left out; of words of at least two.
    Drop,
    /// Two neighbouring, unlike characters change places.
    Swap,
    /// A character comes twice.
    Double,
    /// One of `keyboard`, `drop`, `swap` and `double`, all alike.
    Typo,
    /// A word is left out, with a space beside it; never the last one left.
    DeleteWord,
    /// A word changes places with the next, unlike one.
    SwapWord,
    /// A word becomes a synonym, in its case.
    Synonym,
}

/// What becomes of a word.
pub(super) enum Edit {
    Word(String),
    Gone,
    /// It changes places with the next.
    Exchanged,
}

/// The kinds that `typo` is one of.
const TYPOS: [Noise; 4] = [Noise::Keyboard, Noise::Drop, Noise::Swap, Noise::Double];

impl Noise {
    /// All kinds, by the names that manifests have for them.
    pub const ALL: [(&str, Noise); 10] = [
        ("keyboard", Noise::Keyboard),
        ("ocr", Noise::Ocr),
        ("case", Noise::Case),
        ("drop", Noise::Drop),
        ("swap", Noise::Swap),
        ("double", Noise::Double),
        ("typo", Noise::Typo),
        ("delete-word", Noise::DeleteWord),
        ("swap-word", Noise::SwapWord),
        ("synonym", Noise::Synonym),
    ];

    /// Returns the kind called `name`.
    pub fn named(name: &str) -> Option<Noise> {
        Noise::ALL.iter().find(|(known, _)| *known == name).map(|(_, noise)| *noise)
    }

    /// Returns the name.
    pub fn name(self) -> &'static str {
        Noise::ALL.iter().find(|(_, noise)| *noise == self).map(|(name, _)| *name).expect("all kinds are there")
    }

    /// Returns whether there is something that it can change in a word; `next` is the word after it, and `of` how many words the text has.
    pub(super) fn can_change(self, word: &str, next: Option<&str>, of: usize, synonyms: &Synonyms) -> bool {
        match self {
            Noise::Typo => TYPOS.iter().any(|noise| noise.can_change(word, next, of, synonyms)),
            Noise::DeleteWord => of > 1,
            Noise::SwapWord => next.is_some_and(|next| next != word),
            Noise::Synonym => !synonyms.of(word).is_empty(),
            Noise::Ocr => !confusions(word).is_empty(),
            _ => !self.places(&graphemes(word)).is_empty(),
        }
    }

    /// Changes a word that it can change; `draw` gives the `n`-th random number of the word below a bound, from `n` = 2 to 5.
    pub(super) fn change(self, word: &str, synonyms: &Synonyms, draw: impl Fn(u64, usize) -> usize) -> Edit {
        let one = |n: usize| draw(2, n);
        let other = |n: usize| draw(3, n);
        let characters = graphemes(word);
        let place = || {
            let places = self.places(&characters);
            places[one(places.len())]
        };
        let with = |at: usize, width: usize, new: &str| {
            let (before, after) = (characters[..at].concat(), characters[at + width..].concat());
            Edit::Word(format!("{before}{new}{after}"))
        };
        match self {
            Noise::Keyboard => {
                let at = place();
                let keys = neighbours(characters[at]);
                let key = &keys[other(keys.len())..][..1];
                let upper = characters[at].starts_with(|c: char| c.is_ascii_uppercase());
                with(at, 1, &if upper { key.to_ascii_uppercase() } else { key.to_owned() })
            }
            Noise::Ocr => {
                let found = confusions(word);
                let (at, from, to) = found[one(found.len())];
                Edit::Word(format!("{}{to}{}", &word[..at], &word[at + from.len()..]))
            }
            Noise::Case => {
                let at = place();
                let turned = turned(characters[at]).expect("its case can be changed");
                with(at, 1, &turned.to_string())
            }
            Noise::Drop => with(place(), 1, ""),
            Noise::Swap => {
                let at = place();
                with(at, 2, &format!("{}{}", characters[at + 1], characters[at]))
            }
            Noise::Double => {
                let at = place();
                with(at, 1, &characters[at].repeat(2))
            }
            Noise::Typo => {
                let open: Vec<&Noise> = TYPOS.iter().filter(|noise| !noise.places(&characters).is_empty()).collect();
                open[draw(4, open.len())].change(word, synonyms, draw)
            }
            Noise::DeleteWord => Edit::Gone,
            Noise::SwapWord => Edit::Exchanged,
            Noise::Synonym => {
                let known = synonyms.of(word);
                Edit::Word(in_case_of(word, &known[one(known.len())]))
            }
        }
    }

    /// Returns the characters of a word that it can change, by position.
    fn places(self, characters: &[&str]) -> Vec<usize> {
        let fits = |at: &usize| match self {
            Noise::Keyboard => !neighbours(characters[*at]).is_empty(),
            Noise::Case => turned(characters[*at]).is_some(),
            Noise::Drop => characters.len() > 1,
            Noise::Swap => characters.get(at + 1).is_some_and(|next| *next != characters[*at]),
            Noise::Double => true,
            _ => false,
        };
        (0..characters.len()).filter(fits).collect()
    }
}

fn graphemes(word: &str) -> Vec<&str> {
    word.graphemes(true).collect()
}

/// Returns a letter in its other case, where it has one that is one letter too, and that turns back.
fn turned(character: &str) -> Option<char> {
    fn only(mut chars: impl Iterator<Item = char>) -> Option<char> {
        chars.next().filter(|_| chars.next().is_none())
    }
    let c = only(character.chars())?;
    let (upper, lower) = (only(c.to_uppercase())?, only(c.to_lowercase())?);
    match c {
        c if upper != c && only(upper.to_lowercase()) == Some(c) => Some(upper),
        c if lower != c && only(lower.to_uppercase()) == Some(c) => Some(lower),
        _ => None,
    }
}

/// Returns what a scanner may take for something else: where it is, what it is, and what it becomes. Marks over letters stay with them.
fn confusions(word: &str) -> Vec<(usize, &'static str, &'static str)> {
    let ends: Vec<usize> = word.grapheme_indices(true).map(|(at, _)| at).chain([word.len()]).collect();
    let mut found = Vec::new();
    for at in &ends {
        for (from, to) in CONFUSIONS {
            if word[*at..].starts_with(from) && ends.binary_search(&(at + from.len())).is_ok() {
                found.push((*at, *from, *to));
            }
        }
    }
    found
}

/// Writes a synonym as the word is written: all in capitals, with a first one, or as it is.
fn in_case_of(word: &str, synonym: &str) -> String {
    let letters = || word.chars().filter(|c| c.is_alphabetic());
    let mut rest = synonym.chars();
    match rest.next() {
        _ if letters().count() > 1 && letters().all(char::is_uppercase) => synonym.to_uppercase(),
        Some(first) if word.starts_with(char::is_uppercase) => first.to_uppercase().chain(rest).collect(),
        _ => synonym.to_owned(),
    }
}
