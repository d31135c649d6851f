//! What texts are made of: `crate::text`, from how far they can be packed to the phrases in them.

use super::super::cells::{Fault, map1, map2};
use super::Run::{Measure as Of, Rows};
use super::quality::{gram, words};
use super::{Function, f};
use crate::text::{self, Kind, phrases};

pub const TABLE: &[Function] = &[
    f(
        "compression_ratio",
        &[],
        &[("text: string, format: 'zlib'|'zstd' = 'zlib' -> float", Rows(|a| map2(a, packed)))],
        "Gives bytes of the text / bytes packed: with zlib level 6 (zlib-rs), or Zstandard 1.5.7 level 3; null for an empty text (after Shaib et al. 2024).",
        ("round(compression_ratio(repeat('again and ', 100), 'zstd'), 1)", "37.0"),
    )
    .dear(),
    f(
        "ngram_entropy",
        &[],
        &[(
            "text: string, n: int, words: 'space'|'unicode' = 'space' -> float",
            Of(|a, row| words(Kind::GramEntropy(gram(a, row)?), a, 2, row)),
        )],
        "Gives Shannon's entropy of the n-grams of words of the text, in bits; null for texts of fewer than `n` words.",
        ("ngram_entropy('a b c d', 1)", "2.0"),
    )
    .dear(),
    f(
        "flesch_reading_ease",
        &[],
        &[("text: string -> float", Rows(|a| map1(a, text::flesch_reading_ease)))],
        "Gives Flesch's reading ease for English (Flesch 1948): 100 is easy, 30 hard; words and sentences by Unicode Annex 29, syllables by their vowels; null without words.",
        ("round(flesch_reading_ease('The cat sat. A little dog was running.'), 1)", "97.0"),
    )
    .dear(),
    f(
        "flesch_kincaid",
        &[],
        &[("text: string -> float", Rows(|a| map1(a, text::flesch_kincaid)))],
        "Gives the grade of Flesch and Kincaid for English (Kincaid et al. 1975): years of school; null without words.",
        ("round(flesch_kincaid('The cat sat. A little dog was running.'), 2)", "0.72"),
    )
    .dear(),
    f(
        "grammar_errors",
        &[],
        &[("text: string -> int", Rows(|a| map1(a, |x: &str| text::grammar_errors(x).map(|n| n as i64))))],
        "Counts errors of English grammar, such as wrong articles, words said twice, `could of` (`harper-core` 0.33.0, without its rules of style); null where it gives up.",
        ("grammar_errors('He ate a apple in the the park.')", "2"),
    )
    .dear(),
    f(
        "spelling_errors",
        &[],
        &[("text: string -> int", Rows(|a| map1(a, |x: &str| text::spelling_errors(x).map(|n| n as i64))))],
        "Counts words that the American dictionary of `harper-core` 0.33.0 has not; null where it gives up.",
        ("spelling_errors('Teh quick brown fox.')", "1"),
    )
    .dear(),
    f(
        "language",
        &[],
        &[("text: string -> string", Rows(|a| map1(a, |x: &str| text::language(x).map(|found| found.0))))],
        "Gives the language as a code of ISO 639-1, of 70 languages (`whatlang` 0.18.0); null for a text without letters.",
        ("language('Das Wetter war gestern so schlecht, dass wir ein Buch lasen.')", "'de'"),
    )
    .dear(),
    f(
        "language_confidence",
        &[],
        &[("text: string -> float", Rows(|a| map1(a, |x: &str| text::language(x).map(|found| found.1))))],
        "Gives how sure `language` is, 0 to 1: how far the second language is behind; null for a text without letters.",
        ("language_confidence('Das Wetter war gestern so schlecht, dass wir ein Buch lasen.') > 0.5", "true"),
    )
    .dear(),
    f(
        "is_json",
        &[],
        &[("text: string -> bool", Rows(|a| map1(a, |x: &str| text::json_error(x).is_none())))],
        "Tells whether the text is one value of JSON (RFC 8259).",
        (r#"is_json('{"a": [1, 2]}')"#, "true"),
    )
    .dear(),
    f(
        "json_error",
        &[],
        &[("text: string -> string", Rows(|a| map1(a, text::json_error)))],
        "Gives why the text is no JSON, with line and column; null if it is.",
        ("json_error('[1, 2')", "'EOF while parsing a list at line 1 column 5'"),
    )
    .dear(),
    f(
        "code_share",
        &[],
        &[("text: string -> float", Rows(|a| map1(a, text::code_share)))],
        "Gives the share of characters (white space apart) inside of code fences and on lines that look like code; null for a blank text.",
        ("code_share('x = f(1);')", "1.0"),
    )
    .dear(),
    f(
        "markdown_share",
        &[],
        &[("text: string -> float", Rows(|a| map1(a, text::markdown_share)))],
        "Gives the share of characters (white space apart) on lines with marks of Markdown, fences included; null for a blank text.",
        ("markdown_share('- **one** item')", "1.0"),
    )
    .dear(),
    f(
        "is_refusal",
        &[],
        &[("text: string -> bool", Rows(|a| map1(a, phrases::is_refusal)))],
        "Tells whether the text reads as if a model declined to answer: phrases in its first 200 characters, `As an AI language model` anywhere (after Zou et al. 2023).",
        ("is_refusal('I am sorry, but I cannot help with that.')", "true"),
    )
    .dear(),
    f(
        "has_boilerplate",
        &[],
        &[("text: string -> bool", Rows(|a| map1(a, phrases::has_boilerplate)))],
        "Tells whether the text has phrases of web pages: cookies, rights, newsletters, scripts (those of C4, Raffel et al. 2020, and more).",
        ("has_boilerplate('© 2020. All rights reserved.')", "true"),
    )
    .dear(),
    f(
        "profanity_count",
        &[],
        &[("text: string, language: 'de'|'en'|'es'|'fr' -> int", Rows(|a| map2(a, profanities)))],
        "Counts words of a short list of vulgar words of the language.",
        ("profanity_count('That damn thing!', 'en')", "1"),
    )
    .dear(),
];

fn packed(text: &str, format: &str) -> Result<Option<f64>, Fault> {
    match format {
        "zlib" => Ok(text::zlib_ratio(text)),
        "zstd" => Ok(text::zstd_ratio(text)),
        _ => Err(Fault::new(format!("`compression_ratio` does not know `{format}`")).help("it is `zlib` or `zstd`")),
    }
}

fn profanities(text: &str, language: &str) -> Result<i64, Fault> {
    phrases::profanity_count(text, language).map(|count| count as i64).ok_or_else(|| {
        Fault::new(format!("there is no list of profanity for the language `{language}`"))
            .help(format!("there are `{}`", phrases::LANGUAGES.join("`, `")))
    })
}
