//! Measures that published filters stand on, taken of a text together: what several need is found once.
//!
//! They follow datatrove 0.10.1: `GopherQualityFilter` and `GopherRepetitionFilter` (Rae et al. 2021, arXiv:2112.11446, table A1), `C4QualityFilter`
//! (Raffel et al. 2020, JMLR 21:140) and `FineWebQualityFilter` (Penedo et al. 2024, arXiv:2406.17557).

use super::c4::{self, LineRules};
use super::lines::{Edges, Repeated, filled_lines, is_blank, punctuated, repeated, short, split_runs};
use super::repeats::{Grams, Seen};
use super::tokens::Encoding;
use super::words::{Tokens, Words, hash_of};
use memchr::memmem;

/// The words that texts in English have, by Gopher.
pub const STOP_WORDS: [&str; 8] = ["the", "be", "to", "of", "and", "that", "have", "with"];

/// The longest n-grams that are looked at.
pub const MOST_WORDS: usize = 64;

/// One measure of a text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Measure {
    pub kind: Kind,
    /// What a word is, where words are measured.
    pub tokens: Tokens,
}

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Words,
    /// Words that have a character that is no symbol.
    SpeltWords,
    /// Mean characters of those.
    WordLength,
    /// How often a symbol comes for each word; `...` is `…` too.
    Symbols(String),
    /// Words with a letter, of all.
    LetterWords,
    /// How many of these words come.
    StopWords(Vec<u64>),
    /// Lines that begin with a bullet, of all.
    Bullets,
    /// Lines that end with an ellipsis, of all.
    Ellipses,
    /// Lines that came before, of all.
    DuplicateLines,
    /// Their characters, of all.
    DuplicateLineChars,
    DuplicateParagraphs,
    DuplicateParagraphChars,
    /// Characters of the most frequent n-gram, of all.
    TopGram(usize),
    /// Characters of n-grams that came before, of all.
    DuplicateGrams(usize),
    /// Filled lines that end with a mark that ends sentences, of all.
    PunctuatedLines,
    /// Filled lines of at most so many characters, of all.
    ShortLines(usize),
    /// Characters of filled lines that came before, of all but line breaks.
    RepeatedLineChars,
    /// Line breaks for each word.
    LineBreaks,
    /// Sentences of the lines that C4 keeps.
    C4Sentences(LineRules),
    C4LoremIpsum(LineRules),
    C4CurlyBracket(LineRules),
    /// Tokens of a byte-pair encoding.
    BytePairs(Encoding),
}

/// What a measure comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    Count(u64),
    Share(f64),
    Is(bool),
    /// There is nothing to measure.
    None,
}

impl Kind {
    /// Returns whether it is a measure of words.
    pub fn is_of_words(&self) -> bool {
        use Kind::*;
        matches!(
            self,
            Words
                | SpeltWords
                | WordLength
                | Symbols(_)
                | LetterWords
                | StopWords(_)
                | TopGram(_)
                | DuplicateGrams(_)
                | LineBreaks
        )
    }

    /// Returns how many words the n-grams have that it looks at; 0 if at none.
    fn gram(&self) -> usize {
        match self {
            Kind::TopGram(n) | Kind::DuplicateGrams(n) => *n,
            _ => 0,
        }
    }
}

/// Makes the hashes of words to look for, each once.
pub fn stop_words<'w>(words: impl Iterator<Item = &'w str>) -> Kind {
    let mut hashes: Vec<u64> = words.map(hash_of).collect();
    hashes.sort_unstable();
    hashes.dedup();
    Kind::StopWords(hashes)
}

/// Takes some measures of one text after the other.
pub struct Measurer<'m> {
    measures: Vec<&'m Measure>,
    /// Positions of the measures, those of equal words together and the n-grams of fewer words first.
    order: Vec<usize>,
    /// The longest n-grams of which the most frequent is asked for.
    longest: usize,
    words: Words,
    grams: Grams,
    seen: Seen,
}

/// What was found of a text so far, each when it is first needed.
#[derive(Default)]
struct Known {
    chars: Option<usize>,
    breaks: Option<usize>,
    edges: Option<Edges>,
    lines: Option<Repeated>,
    paragraphs: Option<Repeated>,
    filled: Option<Repeated>,
    c4: Option<(LineRules, c4::Found)>,
}

impl<'m> Measurer<'m> {
    /// Prepares for some measures.
    pub fn new(measures: impl IntoIterator<Item = &'m Measure>) -> Measurer<'m> {
        let measures: Vec<&Measure> = measures.into_iter().collect();
        let mut order: Vec<usize> = (0..measures.len()).collect();
        order.sort_by_key(|at| {
            let Measure { kind, tokens } = measures[*at];
            (kind.is_of_words(), *tokens == Tokens::Unicode, kind.gram())
        });
        let top = |measure: &&Measure| if let Kind::TopGram(n) = measure.kind { n } else { 0 };
        let longest = measures.iter().map(top).max().unwrap_or(0);
        Measurer { measures, order, longest, words: Words::default(), grams: Grams::default(), seen: Seen::default() }
    }

    /// Measures a text; the numbers are in the order of the measures.
    pub fn measure(&mut self, text: &str, numbers: &mut Vec<Number>) {
        numbers.clear();
        numbers.resize(self.measures.len(), Number::None);
        let (mut known, mut read, mut lines) = (Known::default(), None, Vec::new());
        for at in 0..self.order.len() {
            let at = self.order[at];
            let Measure { kind, tokens } = self.measures[at];
            if kind.is_of_words() && read != Some(*tokens) {
                self.words.read(text, *tokens);
                self.grams.begin(&self.words, self.longest);
                read = Some(*tokens);
            }
            numbers[at] = self.number(kind, text, &mut known, &mut lines);
        }
    }

    fn number<'t>(
        &mut self,
        kind: &Kind,
        text: &'t str,
        known: &mut Known,
        pieces: &mut Vec<(u64, &'t str)>,
    ) -> Number {
        let (words, seen) = (&self.words, &mut self.seen);
        let share =
            |part: usize, of: usize| if of == 0 { Number::None } else { Number::Share(part as f64 / of as f64) };
        let chars = &mut known.chars;
        let mut chars = || *chars.get_or_insert_with(|| text.chars().count());
        let breaks = &mut known.breaks;
        let mut breaks = || *breaks.get_or_insert_with(|| memchr::memchr_iter(b'\n', text.as_bytes()).count());
        let mut edges = || *known.edges.get_or_insert_with(|| Edges::of(text));
        match kind {
            Kind::Words => Number::Count(words.len() as u64),
            Kind::SpeltWords => Number::Count(words.spelt().0 as u64),
            Kind::WordLength => {
                let (spelt, chars) = words.spelt();
                share(chars as usize, spelt)
            }
            Kind::Symbols(symbol) => share(occurrences(text, symbol), words.len()),
            Kind::LetterWords => share(words.with_letter(), words.len()),
            Kind::StopWords(hashes) => {
                Number::Count(hashes.iter().filter(|hash| words.hashes.contains(hash)).count() as u64)
            }
            Kind::Bullets => share(edges().bullets, edges().lines),
            Kind::Ellipses => share(edges().ellipses, edges().lines),
            Kind::DuplicateLines | Kind::DuplicateLineChars => {
                let found = *known.lines.get_or_insert_with(|| repeated(split_runs(text, 1), pieces, seen));
                if text.is_empty() {
                    Number::None
                } else if *kind == Kind::DuplicateLines {
                    share(found.pieces, found.all)
                } else {
                    share(found.chars, chars())
                }
            }
            Kind::DuplicateParagraphs | Kind::DuplicateParagraphChars => {
                let paragraphs = || split_runs(text.trim_matches(is_blank), 2);
                let found = *known.paragraphs.get_or_insert_with(|| repeated(paragraphs(), pieces, seen));
                if text.is_empty() {
                    Number::None
                } else if *kind == Kind::DuplicateParagraphs {
                    share(found.pieces, found.all)
                } else {
                    share(found.chars, chars())
                }
            }
            Kind::TopGram(n) => {
                self.grams.go_to(words, *n);
                share(self.grams.top(words) as usize, chars())
            }
            Kind::DuplicateGrams(n) => {
                self.grams.go_to(words, *n);
                share(self.grams.duplicated(words) as usize, chars())
            }
            Kind::PunctuatedLines => {
                let (lines, ends) = punctuated(text);
                share(ends, lines)
            }
            Kind::ShortLines(most) => {
                let (lines, short) = short(text, *most);
                share(short, lines)
            }
            Kind::RepeatedLineChars => {
                let found = *known.filled.get_or_insert_with(|| repeated(filled_lines(text), pieces, seen));
                if found.all == 0 { Number::None } else { share(found.chars, chars() - breaks()) }
            }
            Kind::LineBreaks => share(breaks(), words.len()),
            Kind::BytePairs(encoding) => {
                encoding.count(text).map_or(Number::None, |tokens| Number::Count(tokens as u64))
            }
            Kind::C4Sentences(rules) | Kind::C4LoremIpsum(rules) | Kind::C4CurlyBracket(rules) => {
                let found = match known.c4 {
                    Some((known, found)) if known == *rules => found,
                    _ => c4::look(text, *rules),
                };
                known.c4 = Some((*rules, found));
                match kind {
                    Kind::C4LoremIpsum(_) => Number::Is(found.lorem_ipsum),
                    Kind::C4CurlyBracket(_) => Number::Is(found.curly_bracket),
                    _ => Number::Count(found.sentences as u64),
                }
            }
        }
    }
}

/// Counts how often a symbol comes, as `str.count` of Python does; the ellipsis is counted in both of its spellings.
fn occurrences(text: &str, symbol: &str) -> usize {
    let count = |symbol: &str| memmem::find_iter(text.as_bytes(), symbol.as_bytes()).count();
    match symbol {
        "" => 0,
        "..." => count("...") + count("…"),
        symbol => count(symbol),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, kind: Kind) -> Number {
        let (measure, mut numbers) = (Measure { kind, tokens: Tokens::Space }, Vec::new());
        Measurer::new([&measure]).measure(text, &mut numbers);
        numbers[0]
    }

    #[test]
    fn measures_are_as_their_filters_take_them() {
        let check = |text: &str, kind: Kind, expect| assert_eq!(of(text, kind.clone()), expect, "{text:?} {kind:?}");
        check("a — b3", Kind::SpeltWords, Number::Count(2));
        check("a — b3", Kind::WordLength, Number::Share(1.5));
        check("— —", Kind::WordLength, Number::None);
        check("#a ## b...… c", Kind::Symbols("#".to_owned()), Number::Share(3.0 / 4.0));
        check("#a ## b...… c", Kind::Symbols("...".to_owned()), Number::Share(2.0 / 4.0));
        check("a 1 ¼ é", Kind::LetterWords, Number::Share(0.5));
        check("the of the The", stop_words(STOP_WORDS.into_iter()), Number::Count(2));
        check("\na\n\na\nb", Kind::DuplicateLines, Number::Share(0.25));
        check("\na\n\na\nb", Kind::DuplicateParagraphs, Number::Share(0.0));
        check("é\n\né\n\nb", Kind::DuplicateParagraphChars, Number::Share(1.0 / 7.0));
        check("a b a b", Kind::TopGram(2), Number::Share(6.0 / 7.0));
        check("a b a b", Kind::DuplicateGrams(2), Number::Share(2.0 / 7.0));
        check("a b", Kind::TopGram(3), Number::Share(0.0));
        check("a\nb\n", Kind::LineBreaks, Number::Share(1.0));
        check(" \n", Kind::PunctuatedLines, Number::None);
        check("", Kind::DuplicateLines, Number::None);
        check("", Kind::TopGram(2), Number::None);
        check("", Kind::Words, Number::Count(0));
    }

    #[test]
    fn measures_taken_together_are_those_taken_alone() {
        let texts = [
            "One two one two.\n- three…\n\nOne two one two.\n",
            "",
            "né né «né»\u{2028}x",
            "The lorem ipsum of { it.\nThe end of it.",
        ];
        let rules = LineRules::default();
        let mut kinds: Vec<Kind> = (1..12).flat_map(|n| [Kind::DuplicateGrams(n), Kind::TopGram(n)]).rev().collect();
        kinds.extend([Kind::Words, Kind::Bullets, Kind::Ellipses, Kind::DuplicateLines, Kind::DuplicateLineChars]);
        kinds.extend([Kind::RepeatedLineChars, Kind::DuplicateParagraphs, Kind::ShortLines(3), Kind::ShortLines(30)]);
        kinds.extend([
            Kind::C4Sentences(rules),
            Kind::C4LoremIpsum(rules),
            Kind::C4CurlyBracket(LineRules { min_words: 9, ..rules }),
        ]);
        let measures: Vec<Measure> = [Tokens::Unicode, Tokens::Space]
            .into_iter()
            .flat_map(|tokens| kinds.iter().map(move |kind| Measure { kind: kind.clone(), tokens }))
            .collect();
        let mut together = Measurer::new(&measures);
        for text in texts.iter().chain(&texts) {
            let (mut all, mut one) = (Vec::new(), Vec::new());
            together.measure(text, &mut all);
            for (measure, number) in measures.iter().zip(&all) {
                Measurer::new([measure]).measure(text, &mut one);
                assert_eq!(one[0], *number, "{text:?} {measure:?}");
            }
        }
    }
}
