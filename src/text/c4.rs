//! The lines that C4 keeps of a text, after `C4QualityFilter` of datatrove 0.10.1, which follows Raffel et al. 2020 (JMLR 21:140).

use super::lines::{is_blank, split_lines};
use super::symbols::is_terminal;
use super::words;
use memchr::{memchr, memmem};
use regex::Regex;
use std::borrow::Cow;
use std::sync::LazyLock;

/// What C4 asks of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LineRules {
    /// Words; white space is between them.
    pub min_words: usize,
    /// Characters; a line with a longer word goes.
    pub max_word_length: usize,
    /// Marks such as `[12]` and `[citation needed]` go from a line.
    pub citations: bool,
    /// It ends with one of `. ? ! " '`, and not with `...`.
    pub terminal: bool,
    /// It does not speak of JavaScript.
    pub javascript: bool,
    /// It does not speak of terms of use, cookies and privacy.
    pub policy: bool,
}

impl Default for LineRules {
    fn default() -> LineRules {
        let (min_words, max_word_length) = (3, 1000);
        LineRules { min_words, max_word_length, citations: true, terminal: true, javascript: true, policy: true }
    }
}

/// What C4 finds in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Of the lines that stay.
    pub sentences: usize,
    /// A line that would stay has `lorem ipsum`.
    pub lorem_ipsum: bool,
    /// A line that would stay has `{`.
    pub curly_bracket: bool,
}

const POLICY: [&str; 6] =
    ["terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies"];

static CITATION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\[\d*\]|\[edit\]|\[citation needed\]").expect("the pattern is sound"));
static JAVASCRIPT: LazyLock<memmem::Finder> = LazyLock::new(|| memmem::Finder::new("javascript"));
static LOREM: LazyLock<memmem::Finder> = LazyLock::new(|| memmem::Finder::new("lorem ipsum"));
static PHRASES: LazyLock<[memmem::Finder; 6]> = LazyLock::new(|| POLICY.map(memmem::Finder::new));

/// Looks through the lines of a text, cut as [`split_lines`] does.
pub fn look(text: &str, lines: &[&str], rules: LineRules) -> Found {
    let mut found = Found::default();
    each(text, lines.iter().copied(), rules, &mut found, |line, found| found.sentences += sentences(line));
    found
}

/// Returns the lines that stay, without what goes from them.
pub fn lines(text: &str, rules: LineRules) -> String {
    let mut kept = String::new();
    each(text, split_lines(text), rules, &mut Found::default(), |line, _| {
        kept.push_str(line);
        kept.push('\n');
    });
    kept.trim_matches(is_blank).to_owned()
}

/// Hands over the lines of a text that stay.
fn each<'t>(
    text: &str,
    lines: impl Iterator<Item = &'t str>,
    rules: LineRules,
    found: &mut Found,
    mut keep: impl FnMut(&str, &mut Found),
) {
    let mut small = Vec::new();
    make_small(text, &mut small);
    let is_told =
        |small: &[u8]| [&*JAVASCRIPT, &*LOREM].into_iter().chain(&*PHRASES).any(|one| one.find(small).is_some());
    // Most texts have none of the phrases, and so none of their lines.
    let any = is_told(&small);
    let has = |byte| memchr(byte, text.as_bytes()).is_some();
    let (any_bracket, any_curly_bracket) = (has(b'['), has(b'{'));
    for line in lines {
        let line = line.trim_matches(is_blank);
        let Some(words) = words(line, rules.max_word_length) else { continue };
        let is_cited = rules.citations && any_bracket && line.contains('[');
        let line = if is_cited { CITATION.replace_all(line, "") } else { Cow::Borrowed(line) };
        if rules.terminal && (!line.ends_with(['.', '?', '!', '"', '\'']) || line.ends_with("...")) {
            continue;
        }
        if words < rules.min_words {
            continue;
        }
        small.clear();
        // Without what goes from it, a line may have a phrase that the text has not.
        if any || is_cited {
            make_small(&line, &mut small);
        }
        let has = |finder: &memmem::Finder| finder.find(&small).is_some();
        found.lorem_ipsum |= has(&LOREM);
        if rules.javascript && has(&JAVASCRIPT) {
            continue;
        }
        found.curly_bracket |= any_curly_bracket && line.contains('{');
        if rules.policy && PHRASES.iter().any(has) {
            continue;
        }
        keep(&line, found);
    }
}

/// Makes the letters of a text small, as far as the phrases have them: the only other capital of one of these is the sign of kelvins.
fn make_small(text: &str, small: &mut Vec<u8>) {
    small.clear();
    if text.contains('\u{212a}') {
        small.extend_from_slice(text.to_lowercase().as_bytes());
    } else {
        small.extend(text.bytes().map(|byte| byte.to_ascii_lowercase()));
    }
}

/// Counts the words of a line; none, where one is too long.
fn words(line: &str, longest: usize) -> Option<usize> {
    // White space of Python is that of words, and four characters that seldom come.
    if line.len() <= longest && !line.bytes().any(|byte| matches!(byte, 0x1c..=0x1f)) {
        return Some(words::count(line));
    }
    let mut count = 0;
    for word in line.split(is_blank).filter(|word| !word.is_empty()) {
        if word.len() > longest && word.chars().count() > longest {
            return None;
        }
        count += 1;
    }
    Some(count)
}

/// Counts sentences as the white-space tokenizer of datatrove 0.10.1 cuts them: at marks that end sentences, but not at the stop after a
/// single capital. What has no mark is one.
fn sentences(line: &str) -> usize {
    let (mut count, mut rest) = (0, line);
    while let Some(end) = sentence_end(rest) {
        count += 1;
        rest = rest[end..].strip_prefix(['"', '\'', '”']).unwrap_or(&rest[end..]);
    }
    count.max(1)
}

/// Returns where the first sentence ends: behind the marks that end it, and else behind the stop of the last initial; none, where nothing does.
fn sentence_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    // A mark that is first of all ends nothing.
    let mut at = text.chars().next()?.len_utf8();
    let mut before = &text[..at];
    let mut last = None;
    loop {
        if is_capital(before.chars().next_back()?) && bytes.get(at) == Some(&b'.') {
            at += 1;
            last = Some(at);
            let Some(next) = text[at..].chars().next() else { return last };
            if !is_terminal(next) {
                // It is looked at as any character before a mark is.
                before = &text[at..at + next.len_utf8()];
                at += next.len_utf8();
                continue;
            }
        }
        match mark(text, at) {
            None => return last,
            Some(mark) if mark == at => {
                let more = text[at..].find(|character| !is_terminal(character));
                return Some(more.map_or(text.len(), |more| at + more));
            }
            Some(mark) => (before, at) = (&text[at..mark], mark),
        }
    }
}

/// Finds the first mark that ends sentences from a position on.
fn mark(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = from;
    loop {
        let more = bytes[at..].iter().position(|byte| matches!(byte, b'.' | b'!' | b'?' | 0xd6..=0xff))?;
        at += more;
        let character = text[at..].chars().next()?;
        if is_terminal(character) {
            return Some(at);
        }
        at += character.len_utf8();
    }
}

fn is_capital(character: char) -> bool {
    match character {
        'A'..='Z' => true,
        // Numerals and letters in circles are no letters.
        'Ⅰ'..='Ⅿ' | 'Ⓐ'..='Ⓩ' | '\u{1f130}'..='\u{1f189}' => false,
        _ => !character.is_ascii() && character.is_uppercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &str, rules: LineRules) -> Found {
        look(text, &split_lines(text).collect::<Vec<_>>(), rules)
    }

    #[test]
    fn sentences_end_at_marks_and_not_after_initials() {
        let check = |line, expect| assert_eq!(sentences(line), expect, "{line:?}");
        check("One. Two! Three?", 3);
        check("What?! \"Yes.\" he said.", 3);
        check("J. R. R. Tolkien wrote.", 1);
        check("It was in the U.S.", 1);
        check("It was in the U.S. and then", 1);
        check("in the U.S. A. and then", 1);
        check("no mark", 1);
        check("", 1);
        check("3.5 km.", 2);
        check("終わり。次。", 2);
        check(". . .", 2);
    }

    /// The same, character by character.
    fn slow(line: &str) -> usize {
        let (mut count, mut rest) = (0, line);
        'next: while let Some(mut character) = rest.chars().next() {
            let (mut last, mut at) = (None, 0);
            let end = loop {
                at += character.len_utf8();
                if is_capital(character) && rest[at..].starts_with('.') {
                    at += 1;
                    last = Some(at);
                }
                match (rest[at..].chars().next(), last) {
                    (Some(next), _) if is_terminal(next) => {
                        break rest.len() - rest[at..].trim_start_matches(is_terminal).len();
                    }
                    (Some(next), _) => character = next,
                    (None, Some(last)) => break last,
                    (None, None) => break 'next,
                }
            };
            rest = rest[end..].strip_prefix(['"', '\'', '”']).unwrap_or(&rest[end..]);
            count += 1;
        }
        count.max(1)
    }

    proptest! {
        #[test]
        fn sentences_are_those_found_character_by_character(line in "[aAÉ. .!?\"”。é中֊։]{0,30}") {
            prop_assert_eq!(sentences(&line), slow(&line));
        }
    }

    #[test]
    fn lines_stay_as_c4_keeps_them() {
        let text = "Home\n  This line is fine.[12] \nToo short.\nThis ends badly...\nPlease enable JavaScript to go on.\r\nWe use cookies, as all do.\nHe said \"so it is\"\n";
        assert_eq!(lines(text, LineRules::default()), "This line is fine.\nHe said \"so it is\"");
        let all = LineRules { min_words: 0, terminal: false, javascript: false, policy: false, ..LineRules::default() };
        assert_eq!(lines(text, all).lines().count(), 7);
        let found_here =
            found("Some lorem Ipsum stands here.\nA { is here too.\nA { in no sentence", LineRules::default());
        assert_eq!(found_here, Found { sentences: 2, lorem_ipsum: true, curly_bracket: true });
        let long = format!("{} is a word.", "é".repeat(1001));
        assert_eq!(found(&long, LineRules::default()).sentences, 0);
        assert_eq!(found(&long, LineRules { max_word_length: 1001, ..LineRules::default() }).sentences, 1);
    }
}
