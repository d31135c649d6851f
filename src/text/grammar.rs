//! Errors of English grammar and spelling, as Harper finds them.

use crate::diag::guarded;
use harper_core::linting::{LintGroup, Linter};
use harper_core::{Dialect, Dictionary, Document, FstDictionary, Token, TokenStringExt};
use std::cell::RefCell;

/// The rule that looks words up.
const SPELLING: &str = "SpellCheck";

/// Rules that are no matter of grammar: spelling, style, and how words are set; and two that take `hard hats` or `red is` for a word.
const OTHERS: [&str; 14] = [
    SPELLING,
    "AvoidCurses",
    "BoringWords",
    "CompoundNouns",
    "CurrencyPlacement",
    "Dashes",
    "EllipsisLength",
    "ExpandTimeShorthands",
    "Hedging",
    "HowTo",
    "LongSentences",
    "MergeWords",
    "OxfordComma",
    "Spaces",
];

/// The bytes of a text that Harper sees at once: it looks through all that follows for every word.
const PIECE: usize = 2000;

/// Counts errors of English grammar: wrong articles and pronouns, verbs in a wrong form, words said twice, sentences without a capital, commas, phrases that are
/// mistaken for others; none where Harper gives up.
///
/// Harper 0.33.0 (`harper-core`) without rules of spelling and style, on pieces of at most 2,000 bytes that end with sentences where they can. Its rules are
/// patterns that are rarely wrong, so it misses more than it finds: it does not parse sentences (`she go` passes).
pub fn grammar_errors(text: &str) -> Option<usize> {
    thread_local! {
        static CHECKER: RefCell<LintGroup> = RefCell::new({
            let mut rules = LintGroup::new_curated(FstDictionary::curated(), Dialect::American);
            OTHERS.iter().for_each(|rule| rules.config.set_rule_enabled(rule, false));
            rules
        });
    }
    in_pieces(text, |piece| CHECKER.with_borrow_mut(|rules| rules.lint(piece).len()))
}

/// Counts the words of a text that Harper's American dictionary (`harper-core` 0.33.0) has in no form; none where Harper gives up.
///
/// Names, terms and words of other languages are among them.
pub fn spelling_errors(text: &str) -> Option<usize> {
    let dictionary = FstDictionary::curated();
    in_pieces(text, |piece| {
        let known = |word: &Token| dictionary.contains_word(word.span.get_content(piece.get_source()));
        piece.iter_words().filter(|word| !known(word)).count()
    })
}

fn in_pieces(text: &str, mut count: impl FnMut(&Document) -> usize) -> Option<usize> {
    let (mut rest, mut sum) = (text.trim(), 0);
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(end(rest));
        // It panics at some texts.
        sum += guarded(|| count(&Document::new_plain_english(piece.trim(), &FstDictionary::curated())))?;
        rest = behind.trim_start();
    }
    Some(sum)
}

/// Returns where the first piece of a text ends: behind a sentence, or else between words.
fn end(text: &str) -> usize {
    if text.len() <= PIECE {
        return text.len();
    }
    let most = text.floor_char_boundary(PIECE);
    let head = &text[..most];
    let sentence = ["\n\n", ". ", "! ", "? ", ".\n", "!\n", "?\n"].iter().filter_map(|end| head.rfind(end)).max();
    sentence.map(|at| at + 1).or_else(|| head.rfind(char::is_whitespace)).filter(|at| *at > 0).unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn errors_are_counted_and_good_sentences_have_none() {
        let check = |text: &str, grammar: usize, spelling: usize| {
            assert_eq!((grammar_errors(text), spelling_errors(text)), (Some(grammar), Some(spelling)), "{text}");
        };
        check("", 0, 0);
        check("This sentence is perfectly fine, and there is nothing wrong with it.", 0, 0);
        check("He ate a apple in the the park.", 2, 0);
        check("I could of gone home. She has went there.", 2, 0);
        check("Teh quick brown fox dont jump.", 0, 2);
        check("Hard hats are on the wall. Is the wall red?  It is -- for 200$.", 0, 0);
    }

    #[test]
    fn every_rule_that_is_left_out_is_one_of_harpers() {
        let rules = LintGroup::new_curated(FstDictionary::curated(), Dialect::American);
        for rule in OTHERS {
            assert!(rules.contains_key(rule), "{rule}");
        }
    }

    #[test]
    fn a_long_text_has_the_errors_of_its_sentences_and_takes_no_longer_than_they_do() {
        let sentence = "He ate a apple in the the park. ";
        assert_eq!(grammar_errors(&sentence.repeat(1000)), Some(2000));
        assert_eq!(spelling_errors(&"Teh fox. ".repeat(1000)), Some(1000));
        for text in ["a", "(", "1,", "😀\u{300}", "http://a.b/", "- ", "x@"] {
            grammar_errors(&text.repeat(200_000 / text.len()));
            spelling_errors(&text.repeat(200_000 / text.len()));
        }
    }

    #[test]
    fn blanks_around_a_word_that_harper_trips_over_do_no_harm() {
        for text in ["I did my workout\n", "My favourite workout ", " workout plans", "workout\n", " workout "] {
            assert!(grammar_errors(text).is_some(), "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_text_can_be_checked(text in "(\\PC|[a-z ,.'\"0-9$%-]|\n){0,200}") {
            grammar_errors(&text);
            spelling_errors(&text);
        }
    }
}
