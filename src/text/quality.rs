//! Measures that published filters stand on, taken of a text together: what several need is found once.
//!
//! They follow datatrove 0.10.1: `GopherQualityFilter` and `GopherRepetitionFilter` (Rae et al. 2021, arXiv:2112.11446, table A1), `C4QualityFilter`
//! (Raffel et al. 2020, JMLR 21:140) and `FineWebQualityFilter` (Penedo et al. 2024, arXiv:2406.17557).

use super::c4::{self, LineRules};
use super::encoding::Encoding;
use super::entropy::entropy;
use super::lines::{Edges, Repeated, filled_lines, is_blank, punctuated, repeated, short, split_lines, split_runs};
use super::repeats::{Grams, Seen};
use super::words::{Kinds, Letters, WordKind, Words, number_of};
use memchr::memmem;
use std::cell::OnceCell;

/// One measure of a text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Measure {
    pub kind: Kind,
    /// What a word is, where words are measured.
    pub words: WordKind,
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
    /// Words inside of n-grams that occur more than once, of all (after Rae et al. 2021, who count characters).
    Repetition(usize),
    /// Different n-grams, of all: *distinct-n* of Li et al. 2016 (arXiv:1510.03055), with n-grams in the denominator.
    DistinctGrams(usize),
    /// Shannon's entropy of n-grams, in bits: 0 where all are the same, log2 of their number where all differ.
    GramEntropy(usize),
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
                | Repetition(_)
                | DistinctGrams(_)
                | GramEntropy(_)
                | LineBreaks
        )
    }
}

/// Makes the numbers of words to look for, each once.
pub fn stop_words<'w>(words: impl Iterator<Item = &'w str>) -> Kind {
    let mut hashes: Vec<u64> = words.map(number_of).collect();
    hashes.sort_unstable();
    hashes.dedup();
    Kind::StopWords(hashes)
}

/// Takes some measures of one text after the other.
pub struct Measurer<'m> {
    measures: Vec<&'m Measure>,
    /// Positions of the measures, those of equal words together and the most frequent n-grams of fewer words first.
    order: Vec<usize>,
    words: Words,
    letters: Letters,
    grams: Grams,
    seen: Seen,
}

/// What was found of a text so far, each when it is first needed.
#[derive(Default)]
struct Known<'t> {
    /// What is known of the words as they were last read.
    letters: bool,
    kinds: Option<Kinds>,
    chars: Option<usize>,
    breaks: Option<usize>,
    /// Cut at all breaks.
    all_lines: OnceCell<Vec<&'t str>>,
    /// Those between `\n` that are more than white space.
    filled_lines: OnceCell<Vec<&'t str>>,
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
            let Measure { kind, words } = measures[*at];
            let top = if let Kind::TopGram(n) = kind { *n } else { 0 };
            (kind.is_of_words(), *words == WordKind::Unicode, top)
        });
        let (words, letters, grams, seen) = Default::default();
        Measurer { measures, order, words, letters, grams, seen }
    }

    /// Measures a text; the numbers are in the order of the measures.
    pub fn measure(&mut self, text: &str, numbers: &mut Vec<Number>) {
        numbers.clear();
        numbers.resize(self.measures.len(), Number::None);
        let (mut known, mut read, mut lines) = (Known::default(), None, Vec::new());
        for at in 0..self.order.len() {
            let at = self.order[at];
            let Measure { kind, words } = self.measures[at];
            if kind.is_of_words() && read != Some(*words) {
                self.words.read(text, *words);
                self.grams.begin();
                (known.letters, known.kinds, read) = (false, None, Some(*words));
            }
            numbers[at] = self.number(kind, text, &mut known, &mut lines);
        }
    }

    fn number<'t>(
        &mut self,
        kind: &Kind,
        text: &'t str,
        known: &mut Known<'t>,
        pieces: &mut Vec<(u64, &'t str)>,
    ) -> Number {
        let (words, seen, grams) = (&self.words, &mut self.seen, &mut self.grams);
        let share =
            |part: usize, of: usize| if of == 0 { Number::None } else { Number::Share(part as f64 / of as f64) };
        let is_spelling = matches!(
            kind,
            Kind::SpeltWords | Kind::WordLength | Kind::LetterWords | Kind::TopGram(_) | Kind::DuplicateGrams(_)
        );
        if is_spelling && !known.letters {
            self.letters.read(text, words);
            known.letters = true;
        }
        let letters = &self.letters;
        let mut kinds = || *known.kinds.get_or_insert_with(|| Kinds::of(text, words, letters));
        let chars = &mut known.chars;
        let mut chars = || *chars.get_or_insert_with(|| text.chars().count());
        let breaks = &mut known.breaks;
        let mut breaks = || *breaks.get_or_insert_with(|| memchr::memchr_iter(b'\n', text.as_bytes()).count());
        let (all_lines, filled) = (&known.all_lines, &known.filled_lines);
        let all_lines = || all_lines.get_or_init(|| split_lines(text).collect());
        let filled = || filled.get_or_init(|| filled_lines(text).collect());
        match kind {
            Kind::Words => Number::Count(words.len() as u64),
            Kind::SpeltWords => Number::Count(kinds().spelt as u64),
            Kind::WordLength => share(kinds().spelt_chars as usize, kinds().spelt),
            Kind::Symbols(symbol) => share(occurrences(text, symbol), words.len()),
            Kind::LetterWords => share(kinds().with_letter, words.len()),
            Kind::StopWords(wanted) => {
                Number::Count(wanted.iter().filter(|word| words.numbers().contains(word)).count() as u64)
            }
            Kind::Bullets | Kind::Ellipses => {
                let edges = *known.edges.get_or_insert_with(|| Edges::of(all_lines()));
                share(if *kind == Kind::Bullets { edges.bullets } else { edges.ellipses }, edges.lines)
            }
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
            Kind::TopGram(n) => share(grams.top(words, letters, *n) as usize, chars()),
            Kind::DuplicateGrams(n) => share(grams.duplicated(letters, *n) as usize, chars()),
            Kind::Repetition(n) => Number::Share(grams.repetition(words, *n)),
            Kind::DistinctGrams(n) => share(grams.counted(words, *n).count(), (words.len() + 1).saturating_sub(*n)),
            Kind::GramEntropy(n) => entropy(grams.counted(words, *n).collect()).map_or(Number::None, Number::Share),
            Kind::PunctuatedLines => share(punctuated(filled()), filled().len()),
            Kind::ShortLines(most) => share(short(filled(), *most), filled().len()),
            Kind::RepeatedLineChars => {
                let lines = filled().iter().copied();
                let found = *known.filled.get_or_insert_with(|| repeated(lines, pieces, seen));
                if found.all == 0 { Number::None } else { share(found.chars, chars() - breaks()) }
            }
            Kind::LineBreaks => share(breaks(), words.len()),
            Kind::BytePairs(encoding) => {
                encoding.count(text).map_or(Number::None, |tokens| Number::Count(tokens as u64))
            }
            Kind::C4Sentences(rules) | Kind::C4LoremIpsum(rules) | Kind::C4CurlyBracket(rules) => {
                let found = match known.c4 {
                    Some((known, found)) if known == *rules => found,
                    _ => c4::look(text, all_lines(), *rules),
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
        let (measure, mut numbers) = (Measure { kind, words: WordKind::Space }, Vec::new());
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
        check("the of the The", stop_words("the be to of and that have with".split(' ')), Number::Count(2));
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
        check("a b a b", Kind::Repetition(2), Number::Share(1.0));
        check("a b a b", Kind::DistinctGrams(1), Number::Share(0.5));
        check("a b a b", Kind::DistinctGrams(2), Number::Share(2.0 / 3.0));
        check("a", Kind::DistinctGrams(2), Number::None);
        check("a b c d", Kind::GramEntropy(1), Number::Share(2.0));
        check("a a a", Kind::GramEntropy(1), Number::Share(0.0));
        check("a b a b a", Kind::GramEntropy(2), Number::Share(1.0));
        check("a", Kind::GramEntropy(2), Number::None);
    }

    /// A line of `tests/vectors/texts.jsonl`, which `tests/vectors/texts.py` wrote.
    #[derive(serde::Deserialize)]
    struct Vector {
        text: String,
        entropy: [Option<f64>; 3],
    }

    #[test]
    fn entropies_are_those_of_the_reference_implementation() {
        for line in include_str!("../../tests/vectors/texts.jsonl").lines() {
            let v: Vector = serde_json::from_str(line).expect("a vector");
            for (n, expect) in (1..).zip(v.entropy) {
                match (of(&v.text, Kind::GramEntropy(n)), expect) {
                    (Number::Share(own), Some(other)) => assert!((own - other).abs() < 1e-9, "{own} {other}"),
                    (own, other) => assert_eq!((own, other), (Number::None, None)),
                }
            }
        }
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
        let mut kinds: Vec<Kind> = (1..12)
            .flat_map(|n| [Kind::DuplicateGrams(n), Kind::TopGram(n), Kind::Repetition(n), Kind::GramEntropy(n)])
            .rev()
            .collect();
        kinds.extend([Kind::Words, Kind::Bullets, Kind::Ellipses, Kind::DuplicateLines, Kind::DuplicateLineChars]);
        kinds.extend([Kind::RepeatedLineChars, Kind::DuplicateParagraphs, Kind::ShortLines(3), Kind::ShortLines(30)]);
        kinds.extend([
            Kind::C4Sentences(rules),
            Kind::C4LoremIpsum(rules),
            Kind::C4CurlyBracket(LineRules { min_words: 9, ..rules }),
        ]);
        let measures: Vec<Measure> = [WordKind::Unicode, WordKind::Space]
            .into_iter()
            .flat_map(|words| kinds.iter().map(move |kind| Measure { kind: kind.clone(), words }))
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
