//! The text measures of `crate::text`.

use super::super::cells::{Args, Fault, Outcome, map1};
use super::Run::{Measure as Of, Rows};
use super::quality::{gram, plain, words};
use super::{Function, f};
use crate::text::{self, ENCODINGS, Encoding, Kind};

pub const TABLE: &[Function] = &[
    f(
        "word_count",
        &[],
        &[("text: string, words: 'space'|'unicode' = 'space' -> int", Of(|a, row| words(Kind::Words, a, 1, row)))],
        "Counts words: runs of characters between white space, or `'unicode'`: words of Unicode Annex 29.",
        ("word_count('to be, or not')", "4"),
    )
    .dear(),
    f(
        "token_count",
        &[],
        &[(
            "text: string, encoding: 'o200k_base'|'cl100k_base' -> int",
            Of(|a, row| plain(Kind::BytePairs(encoding(a, row)?))),
        )],
        "Counts tokens of a byte-pair encoding, as tiktoken 0.14.0 does with `encode_ordinary`; null for a text with a run of more than 100,000 white-space characters, at which it gives up. The step `tokens` counts those of any `tokenizer.json`.",
        ("token_count('to be, or not', 'o200k_base')", "5"),
    )
    .dear(),
    f(
        "sentence_count",
        &[],
        &[("text: string -> int", Rows(|a| count(a, text::sentence_count)))],
        "Counts sentences with at least one letter or digit, by Unicode Annex 29.",
        ("sentence_count('It is 3.5 km. Far?')", "2"),
    )
    .dear(),
    f(
        "line_count",
        &[],
        &[("text: string -> int", Rows(|a| count(a, text::line_count)))],
        "Counts lines; a line break at the end opens no new one.",
        (r"line_count('one')", "1"),
    ),
    f(
        "repetition",
        &[],
        &[(
            "text: string, n: int, words: 'space'|'unicode' = 'space' -> float",
            Of(|a, row| words(Kind::Repetition(gram(a, row)?), a, 2, row)),
        )],
        "Gives the share of words inside n-grams of words that occur more than once (after Rae et al. 2021, Gopher, table A1).",
        ("repetition('a b x a b', 2)", "0.8"),
    )
    .dear(),
    f(
        "distinct_n",
        &[],
        &[(
            "text: string, n: int, words: 'space'|'unicode' = 'space' -> float",
            Of(|a, row| words(Kind::DistinctGrams(gram(a, row)?), a, 2, row)),
        )],
        "Gives distinct n-grams of words divided by n-grams (Li et al. 2016); null for texts of fewer than `n` words.",
        ("distinct_n('a b a b', 1)", "0.5"),
    )
    .dear(),
    f(
        "normalise",
        &["normalize"],
        &[("text: string -> string", Rows(|a| map1(a, text::normalise)))],
        "Gives the text in Unicode NFKC, lower case, white space as single blanks and none at the ends; punctuation stays.",
        ("normalise('  Hello,  WORLD ')", "'hello, world'"),
    ),
    f(
        "last_number",
        &["final_number"],
        &[("text: string -> float", Rows(|a| map1(a, text::last_number)))],
        "Gives the first number after the last `####` (the answer in GSM8K), without `####` the last number; null if there is none.",
        ("last_number('so 3 + 4 = 7 #### 1,234')", "1234.0"),
    ),
];

fn encoding(args: &Args, row: usize) -> Result<Encoding, Fault> {
    let name = args.column::<&str>(1).get(row);
    let known = || ENCODINGS.map(|(name, _)| format!("'{name}'")).join(" or ");
    Encoding::named(name)
        .ok_or_else(|| Fault::new(format!("there is no encoding '{name}'")).help(format!("it is {}", known())))
}

fn count(args: &Args, measure: fn(&str) -> usize) -> Outcome {
    map1(args, |text: &str| measure(text) as i64)
}
