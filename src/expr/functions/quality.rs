//! The measures that published filters stand on, and the lines that C4 keeps.

use super::super::cells::{Args, Fault, Outcome};
use super::Run::{Measure as Of, Rows};
use super::{Function, f};
use crate::text::{self, Kind, LineRules, Measure, WordKind};

/// The arguments of what C4 finds in lines; unless they are given, they are [`LineRules::default`].
macro_rules! of_lines {
    ($gives:literal) => {
        concat!(
            "text: string, min_words: int = 3, max_word_length: int = 1000, rules: string = 'terminal citations javascript policy' -> ",
            $gives
        )
    };
}

pub const TABLE: &[Function] = &[
    f(
        "spelt_word_count",
        &[],
        &[("text: string, words: 'space'|'unicode' = 'space' -> int", Of(|a, row| words(Kind::SpeltWords, a, 1, row)))],
        "Counts words that are more than symbols (datatrove 0.10.1, Gopher quality).",
        ("spelt_word_count('to be — or not')", "4"),
    )
    .dear(),
    f(
        "mean_word_length",
        &[],
        &[(
            "text: string, words: 'space'|'unicode' = 'space' -> float",
            Of(|a, row| words(Kind::WordLength, a, 1, row)),
        )],
        "Gives the mean number of characters of words that are more than symbols; null if there are none (datatrove 0.10.1, Gopher quality).",
        ("mean_word_length('to be — or nothing')", "3.25"),
    )
    .dear(),
    f(
        "symbol_word_ratio",
        &[],
        &[(
            "text: string, symbol: string, words: 'space'|'unicode' = 'space' -> float",
            Of(|a, row| words(symbol(a, row), a, 2, row)),
        )],
        "Gives how often the symbol comes, divided by the number of words; `'...'` counts `…` too; null without words (Rae et al. 2021, Gopher; datatrove 0.10.1).",
        ("symbol_word_ratio('#a #b c d', '#')", "0.5"),
    )
    .dear(),
    f(
        "letter_word_share",
        &[],
        &[(
            "text: string, words: 'space'|'unicode' = 'space' -> float",
            Of(|a, row| words(Kind::LetterWords, a, 1, row)),
        )],
        "Gives the share of words with at least one letter; null without words (Rae et al. 2021, Gopher; datatrove 0.10.1).",
        ("letter_word_share('a1 2 — b')", "0.5"),
    )
    .dear(),
    f(
        "stop_word_count",
        &[],
        &[(
            "text: string, stop_words: string = 'the be to of and that have with', words: 'space'|'unicode' = 'space' -> int",
            Of(|a, row| words(stop_words(a, row), a, 2, row)),
        )],
        "Counts how many of some words occur, each once and exactly as written; without others they are `the be to of and that have with` (Rae et al. 2021, Gopher; datatrove 0.10.1).",
        ("stop_word_count('the cat and the dog')", "2"),
    )
    .dear(),
    f(
        "bullet_line_share",
        &[],
        &[("text: string -> float", Of(|_, _| plain(Kind::Bullets)))],
        "Gives the share of lines that begin with `-` or `•`; null without lines (Rae et al. 2021, Gopher; datatrove 0.10.1).",
        ("bullet_line_share('- one')", "1.0"),
    )
    .dear(),
    f(
        "ellipsis_line_share",
        &[],
        &[("text: string -> float", Of(|_, _| plain(Kind::Ellipses)))],
        "Gives the share of lines that end with `...` or `…`; null without lines (Rae et al. 2021, Gopher; datatrove 0.10.1).",
        ("ellipsis_line_share('read on …')", "1.0"),
    )
    .dear(),
    f(
        "duplicate_line_share",
        &[],
        &[("text: string -> float", Of(|_, _| plain(Kind::DuplicateLines)))],
        "Gives the share of lines that came before in the text; null for an empty one (Rae et al. 2021, Gopher, table A1; datatrove 0.10.1).",
        ("duplicate_line_share('one')", "0.0"),
    )
    .dear(),
    f(
        "duplicate_line_char_share",
        &[],
        &[("text: string -> float", Of(|_, _| plain(Kind::DuplicateLineChars)))],
        "Gives the characters of lines that came before, divided by those of the text; null for an empty one (Rae et al. 2021, Gopher, table A1; datatrove 0.10.1).",
        ("duplicate_line_char_share('one')", "0.0"),
    )
    .dear(),
    f(
        "duplicate_paragraph_share",
        &[],
        &[("text: string -> float", Of(|_, _| plain(Kind::DuplicateParagraphs)))],
        "Gives the share of paragraphs, which empty lines set apart, that came before in the text; null for an empty one (Rae et al. 2021, Gopher, table A1; datatrove 0.10.1).",
        ("duplicate_paragraph_share('one')", "0.0"),
    )
    .dear(),
    f(
        "duplicate_paragraph_char_share",
        &[],
        &[("text: string -> float", Of(|_, _| plain(Kind::DuplicateParagraphChars)))],
        "Gives the characters of paragraphs that came before, divided by those of the text; null for an empty one (Rae et al. 2021, Gopher, table A1; datatrove 0.10.1).",
        ("duplicate_paragraph_char_share('one')", "0.0"),
    )
    .dear(),
    f(
        "top_ngram_share",
        &[],
        &[(
            "text: string, n: int, words: 'space'|'unicode' = 'space' -> float",
            Of(|a, row| words(Kind::TopGram(gram(a, row)?), a, 2, row)),
        )],
        "Gives the characters of the most frequent n-gram of words, all of its occurrences, divided by those of the text; null for an empty one (Rae et al. 2021, Gopher, table A1; datatrove 0.10.1).",
        ("top_ngram_share('ab ab cd ab ab', 2)", "0.7142857142857143"),
    )
    .dear(),
    f(
        "duplicate_ngram_share",
        &[],
        &[(
            "text: string, n: int, words: 'space'|'unicode' = 'space' -> float",
            Of(|a, row| words(Kind::DuplicateGrams(gram(a, row)?), a, 2, row)),
        )],
        "Gives the characters of n-grams of words that came before, divided by those of the text; null for an empty one (Rae et al. 2021, Gopher, table A1; datatrove 0.10.1).",
        ("duplicate_ngram_share('ab ab cd ab ab', 2)", "0.2857142857142857"),
    )
    .dear(),
    f(
        "punctuated_line_share",
        &[],
        &[("text: string -> float", Of(|_, _| plain(Kind::PunctuatedLines)))],
        "Gives the share of lines, empty ones left out, that end with a mark that ends sentences; null without lines (Penedo et al. 2024, FineWeb; datatrove 0.10.1).",
        ("punctuated_line_share('It ends.')", "1.0"),
    )
    .dear(),
    f(
        "short_line_share",
        &[],
        &[("text: string, most: int = 30 -> float", Of(|a, row| plain(Kind::ShortLines(count(a, 1, row)?))))],
        "Gives the share of lines, empty ones left out, of at most so many characters (30); null without lines (Penedo et al. 2024, FineWeb; datatrove 0.10.1).",
        ("short_line_share('Menu')", "1.0"),
    )
    .dear(),
    f(
        "repeated_line_char_share",
        &[],
        &[("text: string -> float", Of(|_, _| plain(Kind::RepeatedLineChars)))],
        "Gives the characters of lines that came before, divided by all but line breaks; empty lines are left out; null without others (Penedo et al. 2024, FineWeb; datatrove 0.10.1).",
        ("repeated_line_char_share('one')", "0.0"),
    )
    .dear(),
    f(
        "line_break_ratio",
        &[],
        &[(
            "text: string, words: 'space'|'unicode' = 'space' -> float",
            Of(|a, row| words(Kind::LineBreaks, a, 1, row)),
        )],
        "Gives the number of line breaks divided by that of words; null without words (Penedo et al. 2024, FineWeb; datatrove 0.10.1).",
        ("line_break_ratio('one two')", "0.0"),
    )
    .dear(),
    f(
        "c4_lines",
        &[],
        &[(
            of_lines!("string"),
            Rows(c4_lines),
        )],
        "Gives the lines that C4 keeps: of at least so many words (3), none of more than so many characters (1000), by some of the rules \
         `terminal citations javascript policy` (all) (Raffel et al. 2020; datatrove 0.10.1).",
        ("c4_lines('He came here.[1]')", "'He came here.'"),
    ),
    f(
        "c4_sentence_count",
        &[],
        &[(
            of_lines!("int"),
            Of(|a, row| plain(Kind::C4Sentences(rules(a, row)?))),
        )],
        "Counts the sentences of the lines that `c4_lines` gives; an initial with its stop ends none (datatrove 0.10.1, C4).",
        ("c4_sentence_count('J. R. R. Tolkien wrote. He did.')", "2"),
    )
    .dear(),
    f(
        "c4_lorem_ipsum",
        &[],
        &[(
            of_lines!("bool"),
            Of(|a, row| plain(Kind::C4LoremIpsum(rules(a, row)?))),
        )],
        "Tells whether `lorem ipsum` is in a line long enough and ended well enough for C4 (Raffel et al. 2020; datatrove 0.10.1).",
        ("c4_lorem_ipsum('Here is Lorem ipsum.')", "true"),
    )
    .dear(),
    f(
        "c4_curly_bracket",
        &[],
        &[(
            of_lines!("bool"),
            Of(|a, row| plain(Kind::C4CurlyBracket(rules(a, row)?))),
        )],
        "Tells whether `{` is in a line long enough and ended well enough for C4 (Raffel et al. 2020; datatrove 0.10.1).",
        ("c4_curly_bracket('Here is a { too.')", "true"),
    )
    .dear(),
];

pub(super) fn plain(kind: Kind) -> Result<Measure, Fault> {
    Ok(Measure { kind, words: WordKind::Space })
}

/// Makes a measure of words; what a word is stands at a position.
pub(super) fn words(kind: Kind, args: &Args, at: usize, row: usize) -> Result<Measure, Fault> {
    let name = args.column::<&str>(at).get(row);
    let words = WordKind::named(name).ok_or_else(|| {
        let fault = Fault::new(format!("there are no words called '{name}'"));
        fault.help("words are 'space' (between white space) or 'unicode' (Unicode Annex 29)")
    })?;
    Ok(Measure { kind, words })
}

fn symbol(args: &Args, row: usize) -> Kind {
    Kind::Symbols(args.column::<&str>(1).get(row).to_owned())
}

fn stop_words(args: &Args, row: usize) -> Kind {
    text::stop_words(args.column::<&str>(1).get(row).split_whitespace())
}

/// Reads how many words the n-grams of argument 1 have.
pub(super) fn gram(args: &Args, row: usize) -> Result<usize, Fault> {
    let n = args.column::<i64>(1).get(row);
    match usize::try_from(n) {
        Ok(n) if n > 0 => Ok(n),
        _ => Err(Fault::new(format!("n-grams of {n} words do not exist")).help("n is at least 1")),
    }
}

fn count(args: &Args, at: usize, row: usize) -> Result<usize, Fault> {
    let n = args.column::<i64>(at).get(row);
    usize::try_from(n).map_err(|_| Fault::new(format!("{n} is below 0")))
}

/// Reads what C4 is to ask of lines.
fn rules(args: &Args, row: usize) -> Result<LineRules, Fault> {
    let (min_words, max_word_length) = (count(args, 1, row)?, count(args, 2, row)?);
    let none =
        LineRules { terminal: false, citations: false, javascript: false, policy: false, ..LineRules::default() };
    let mut rules = LineRules { min_words, max_word_length, ..none };
    for name in args.column::<&str>(3).get(row).split_whitespace() {
        *match name {
            "terminal" => &mut rules.terminal,
            "citations" => &mut rules.citations,
            "javascript" => &mut rules.javascript,
            "policy" => &mut rules.policy,
            _ => {
                let fault = Fault::new(format!("C4 has no rule '{name}' for lines"));
                return Err(
                    fault.help("the rules are terminal, citations, javascript and policy, with blanks between them")
                );
            }
        } = true;
    }
    Ok(rules)
}

fn c4_lines(args: &Args) -> Outcome {
    let text = args.column::<&str>(0);
    args.each(|row| Ok(text::c4_lines(text.get(row), rules(args, row)?)))
}
