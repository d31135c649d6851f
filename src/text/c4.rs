//! The lines that C4 keeps of a text, after `C4QualityFilter` of datatrove 0.10.1, which follows Raffel et al. 2020 (JMLR 21:140).

use super::lines::{is_blank, split_lines};
use super::symbols::is_terminal;
use memchr::memmem;
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

/// Looks through the lines of a text.
pub fn look(text: &str, rules: LineRules) -> Found {
    let mut found = Found::default();
    each(text, rules, &mut found, |line, found| found.sentences += sentences(line));
    found
}

/// Returns the lines that stay, without what goes from them.
pub fn lines(text: &str, rules: LineRules) -> String {
    let mut kept = String::new();
    each(text, rules, &mut Found::default(), |line, _| {
        kept.push_str(line);
        kept.push('\n');
    });
    kept.trim_matches(is_blank).to_owned()
}

/// Hands over the lines that stay.
fn each(text: &str, rules: LineRules, found: &mut Found, mut keep: impl FnMut(&str, &mut Found)) {
    let mut small = Vec::new();
    make_small(text, &mut small);
    let is_told =
        |small: &[u8]| [&*JAVASCRIPT, &*LOREM].into_iter().chain(&*PHRASES).any(|one| one.find(small).is_some());
    // Most texts have none of the phrases, and so none of their lines.
    let any = is_told(&small);
    for line in split_lines(text) {
        let line = line.trim_matches(is_blank);
        let Some(words) = words(line, rules.max_word_length) else { continue };
        let is_cited = rules.citations && line.contains('[');
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
        found.curly_bracket |= line.contains('{');
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
    if line.is_ascii() && line.len() <= longest {
        let is_blank = |byte: u8| matches!(byte, b'\t'..=b'\r' | 0x1c..=b' ');
        let after_blank = std::iter::once(b' ').chain(line.bytes()).zip(line.bytes());
        return Some(after_blank.filter(|(before, byte)| is_blank(*before) && !is_blank(*byte)).count());
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
    let is_capital = |character: char| match character {
        'A'..='Z' => true,
        // Numerals and letters in circles are no letters.
        'Ⅰ'..='Ⅿ' | 'Ⓐ'..='Ⓩ' | '\u{1f130}'..='\u{1f189}' => false,
        _ => !character.is_ascii() && character.is_uppercase(),
    };
    let mut count = 0;
    let mut rest = line;
    'next: while let Some(first) = rest.chars().next() {
        // Where the last capital with a stop ends: the sentence ends there if no other mark does.
        let mut last = None;
        let mut at = 0;
        let mut character = first;
        loop {
            at += character.len_utf8();
            let is_initial = is_capital(character) && rest.as_bytes().get(at) == Some(&b'.');
            if is_initial {
                at += 1;
                last = Some(at);
            }
            let end = match rest[at..].chars().next() {
                Some(next) if is_terminal(next) => {
                    rest[at..].find(|character| !is_terminal(character)).map_or(rest.len(), |more| at + more)
                }
                Some(next) => {
                    character = next;
                    continue;
                }
                None => match last {
                    Some(last) => last,
                    None => break 'next,
                },
            };
            rest = rest[end..].strip_prefix(['"', '\'', '”']).unwrap_or(&rest[end..]);
            count += 1;
            continue 'next;
        }
    }
    count.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn lines_stay_as_c4_keeps_them() {
        let text = "Home\n  This line is fine.[12] \nToo short.\nThis ends badly...\nPlease enable JavaScript to go on.\r\nWe use cookies, as all do.\nHe said \"so it is\"\n";
        assert_eq!(lines(text, LineRules::default()), "This line is fine.\nHe said \"so it is\"");
        let all = LineRules { min_words: 0, terminal: false, javascript: false, policy: false, ..LineRules::default() };
        assert_eq!(lines(text, all).lines().count(), 7);
        let found = look("Some lorem Ipsum stands here.\nA { is here too.\nA { in no sentence", LineRules::default());
        assert_eq!(found, Found { sentences: 2, lorem_ipsum: true, curly_bracket: true });
        let long = format!("{} is a word.", "é".repeat(1001));
        assert_eq!(look(&long, LineRules::default()).sentences, 0);
        assert_eq!(look(&long, LineRules { max_word_length: 1001, ..LineRules::default() }).sentences, 1);
    }
}
