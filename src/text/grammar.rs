//! Errors of English grammar and spelling, as Harper finds them.

use harper_core::linting::{LintGroup, Linter};
use harper_core::{Dialect, Document, FstDictionary};
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

/// Counts errors of English grammar: wrong articles and pronouns, verbs in a wrong form, words said twice, sentences without a capital, commas, phrases that are
/// mistaken for others.
///
/// Harper 0.33.0 (`harper-core`) without rules of spelling and style. Its rules are patterns that are rarely wrong, so it misses more than it finds:
/// it does not parse sentences (`she go` passes).
pub fn grammar_errors(text: &str) -> usize {
    thread_local! {
        static CHECKER: RefCell<LintGroup> = RefCell::new({
            let mut rules = LintGroup::new_curated(FstDictionary::curated(), Dialect::American);
            OTHERS.iter().for_each(|rule| rules.config.set_rule_enabled(rule, false));
            rules
        });
    }
    CHECKER.with_borrow_mut(|rules| rules.lint(&document(text)).len())
}

/// Counts the words of a text that Harper's American dictionary (`harper-core` 0.33.0) has in no form.
///
/// Names, terms and words of other languages are among them.
pub fn spelling_errors(text: &str) -> usize {
    use harper_core::{Dictionary, TokenStringExt};
    let (dictionary, document) = (FstDictionary::curated(), document(text));
    let known = |span: harper_core::Span| dictionary.contains_word(span.get_content(document.get_source()));
    document.iter_words().filter(|word| !known(word.span)).count()
}

fn document(text: &str) -> Document {
    Document::new_plain_english(text, &FstDictionary::curated())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn errors_are_counted_and_good_sentences_have_none() {
        let check = |text: &str, grammar: usize, spelling: usize| {
            assert_eq!((grammar_errors(text), spelling_errors(text)), (grammar, spelling), "{text}");
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_text_can_be_checked(text in "(\\PC|[a-z ,.'\"0-9$%-]|\n){0,200}") {
            grammar_errors(&text);
            spelling_errors(&text);
        }
    }
}
