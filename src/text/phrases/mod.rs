//! Phrases and words that give a text away: refusals of models, boilerplate of web pages, profanity. The lists are files beside this one.

use regex::Regex;
use std::collections::HashSet;
use std::sync::LazyLock;
use unicode_segmentation::UnicodeSegmentation;

/// How many characters of a text are its beginning.
const BEGINNING: usize = 200;

/// Phrases, some of which count only in the beginning of a text.
struct Phrases {
    anywhere: Option<Regex>,
    early: Option<Regex>,
}

impl Phrases {
    /// Reads a list: a phrase a line, after `^ ` those that count in the beginning alone, comments after `# `.
    ///
    /// Case does not matter, a blank is any white space, an apostrophe any of its forms; a phrase begins and ends where words do.
    fn read(list: &str) -> Phrases {
        let lines = || list.lines().filter(|line| !line.is_empty() && !line.starts_with("# "));
        let any = |phrases: Vec<&str>| {
            let form = |phrase: &&str| regex::escape(phrase).replace(' ', r"\s+").replace('\'', "['’ʼ]");
            let forms: Vec<String> = phrases.iter().map(form).collect();
            let whole = format!(r"(?i)(?-u:\b)(?:{})(?-u:\b)", forms.join("|"));
            (!forms.is_empty()).then(|| Regex::new(&whole).expect("escaped phrases are a pattern"))
        };
        Phrases {
            anywhere: any(lines().filter(|line| !line.starts_with("^ ")).collect()),
            early: any(lines().filter_map(|line| line.strip_prefix("^ ")).collect()),
        }
    }

    fn are_in(&self, text: &str) -> bool {
        let beginning = text.char_indices().nth(BEGINNING).map_or(text, |(at, _)| &text[..at]);
        let has = |phrases: &Option<Regex>, text| phrases.as_ref().is_some_and(|phrases| phrases.is_match(text));
        has(&self.early, beginning) || has(&self.anywhere, text)
    }
}

/// Tells whether a text reads as if a model declined to answer, by the phrases of `refusals.txt`: English, and a few of other languages.
///
/// After the prefixes of Zou et al. 2023 (arXiv:2307.15043), without those that ordinary texts begin with.
pub fn is_refusal(text: &str) -> bool {
    static REFUSALS: LazyLock<Phrases> = LazyLock::new(|| Phrases::read(include_str!("refusals.txt")));
    REFUSALS.are_in(text)
}

/// Tells whether a text has a phrase of `boilerplate.txt`: notices of cookies, rights and scripts, and what pages ask their readers to do.
///
/// Takes in the phrases for which C4 drops a page or line (Raffel et al. 2020, arXiv:1910.10683).
pub fn has_boilerplate(text: &str) -> bool {
    static BOILERPLATE: LazyLock<Phrases> = LazyLock::new(|| Phrases::read(include_str!("boilerplate.txt")));
    BOILERPLATE.are_in(text)
}

/// The languages of `profanity_count`.
pub const LANGUAGES: [&str; 4] = ["de", "en", "es", "fr"];

/// Counts the words of a text that are in the list of the language; `None` if there is no such list.
///
/// Words are those of Unicode Standard Annex 29 in lower case, and are compared whole: the lists hold the forms that are common.
pub fn profanity_count(text: &str, language: &str) -> Option<usize> {
    static LISTS: LazyLock<[HashSet<&str>; 4]> = LazyLock::new(|| {
        let lists = [
            include_str!("profanity.de.txt"),
            include_str!("profanity.en.txt"),
            include_str!("profanity.es.txt"),
            include_str!("profanity.fr.txt"),
        ];
        lists.map(|list| list.lines().filter(|line| !line.starts_with("# ")).flat_map(str::split_whitespace).collect())
    });
    let list = &LISTS[LANGUAGES.iter().position(|known| *known == language)?];
    let known = |word: &&str| match word.bytes().any(|byte| !byte.is_ascii_lowercase()) {
        true => list.contains(word.to_lowercase().as_str()),
        false => list.contains(word),
    };
    Some(text.unicode_words().filter(known).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_known_by_how_they_begin() {
        for text in [
            "I'm sorry, but I can't help with that.",
            "I’m sorry,  but I cannot\nassist with this request.",
            "Unfortunately, I am unable to provide that.",
            "It is a long story. As an AI language model, I do not have feelings.",
            "I cannot fulfill your request.",
            "Es tut mir leid, aber ich kann dabei nicht helfen.",
        ] {
            assert!(is_refusal(text), "{text}");
        }
        let late = "word ".repeat(60) + "I cannot provide that, he said.";
        for text in [
            "Owls hunt at night.",
            "I'm sorry that you lost your cat. Try this:",
            "The pump cannot provide enough water.",
            &late,
            "",
        ] {
            assert!(!is_refusal(text), "{text}");
        }
    }

    #[test]
    fn notices_of_pages_are_boilerplate() {
        for text in [
            "© 2020 Acme. All rights reserved.",
            "This site uses cookies.",
            "Please enable JavaScript to go on",
            "lorem ipsum dolor",
        ] {
            assert!(has_boilerplate(text), "{text}");
        }
        for text in ["She bakes cookies.", "All rights come with duties.", ""] {
            assert!(!has_boilerplate(text), "{text}");
        }
    }

    #[test]
    fn profanity_is_counted_by_whole_words_of_one_language() {
        assert_eq!(profanity_count("Oh SHIT, that damn thing. Scunthorpe, classic, Shitake.", "en"), Some(2));
        assert_eq!(profanity_count("So eine Scheiße!", "de"), Some(1));
        assert_eq!(profanity_count("So eine Scheiße!", "en"), Some(0));
        assert_eq!(profanity_count("merde, quelle putain", "fr"), Some(2));
        assert_eq!(profanity_count("mierda", "es"), Some(1));
        assert_eq!(profanity_count("x", "xx"), None);
    }
}
