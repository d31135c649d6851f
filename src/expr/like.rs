//! LIKE patterns, brought into the cheapest form that matches them.

use memchr::memmem::Finder;
use regex::Regex;

/// Whether upper and lower case differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// `LIKE`.
    Counts,
    /// `ILIKE`; simple Unicode case folding.
    Folded,
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub enum Like {
    Exact(String),
    Prefix(String),
    Suffix(String),
    Contains(Box<Finder<'static>>),
    Regex(Regex),
}

enum Part {
    Text(String),
    /// `_`
    One,
    /// `%`
    Many,
}

impl Like {
    /// Compiles a pattern: `%` is any text, `_` any one character; after `escape` both are themselves.
    pub fn new(pattern: &str, escape: Option<char>, case: Case) -> Result<Like, String> {
        let parts = parts(pattern, escape)?;
        Ok(match parts.as_slice() {
            _ if case == Case::Folded => Like::Regex(regex(&parts, "(?is)")?),
            [] => Like::Exact(String::new()),
            [Part::Many] => Like::Prefix(String::new()),
            [Part::Text(text)] => Like::Exact(text.clone()),
            [Part::Text(text), Part::Many] => Like::Prefix(text.clone()),
            [Part::Many, Part::Text(text)] => Like::Suffix(text.clone()),
            [Part::Many, Part::Text(text), Part::Many] => {
                Like::Contains(Box::new(Finder::new(text.as_bytes()).into_owned()))
            }
            _ => Like::Regex(regex(&parts, "(?s)")?),
        })
    }

    /// Returns whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Like::Exact(whole) => text == whole,
            Like::Prefix(start) => text.starts_with(start),
            Like::Suffix(end) => text.ends_with(end),
            Like::Contains(finder) => finder.find(text.as_bytes()).is_some(),
            Like::Regex(regex) => regex.is_match(text),
        }
    }
}

fn parts(pattern: &str, escape: Option<char>) -> Result<Vec<Part>, String> {
    let mut parts: Vec<Part> = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let literal = match c {
            _ if Some(c) == escape => {
                chars.next().ok_or_else(|| format!("the pattern ends with its escape character `{c}`"))?
            }
            '%' => {
                if !matches!(parts.last(), Some(Part::Many)) {
                    parts.push(Part::Many);
                }
                continue;
            }
            '_' => {
                parts.push(Part::One);
                continue;
            }
            _ => c,
        };
        match parts.last_mut() {
            Some(Part::Text(text)) => text.push(literal),
            _ => parts.push(Part::Text(literal.to_string())),
        }
    }
    Ok(parts)
}

fn regex(parts: &[Part], flags: &str) -> Result<Regex, String> {
    let mut regex = format!("{flags}\\A");
    for part in parts {
        match part {
            Part::Text(text) => regex.push_str(&regex::escape(text)),
            Part::One => regex.push('.'),
            Part::Many => regex.push_str(".*"),
        }
    }
    regex.push_str("\\z");
    Regex::new(&regex).map_err(|_| "the pattern is too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['%', rest @ ..] => (0..=text.len()).any(|i| naive(rest, &text[i..])),
            ['_', rest @ ..] => !text.is_empty() && naive(rest, &text[1..]),
            [c, rest @ ..] => text.first() == Some(c) && naive(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn every_form_matches_as_the_definition_says(pattern in "[aé%_.]{0,6}", text in "[aé.\n]{0,6}") {
            let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            let like = Like::new(&pattern, None, Case::Counts).expect("a pattern without escapes");
            prop_assert_eq!(like.matches(&text), naive(&p, &t));
            let folded = Like::new(&pattern.to_uppercase(), None, Case::Folded).expect("a pattern without escapes");
            prop_assert_eq!(folded.matches(&text), naive(&p, &t));
        }
    }

    #[test]
    fn an_escaped_sign_is_itself() {
        let check = |pattern, text, expect: bool| {
            assert_eq!(Like::new(pattern, Some('\\'), Case::Counts).expect("a good pattern").matches(text), expect);
        };
        check("10\\%", "10%", true);
        check("10\\%", "100", false);
        check("\\\\", "\\", true);
        assert!(Like::new("a\\", Some('\\'), Case::Counts).is_err());
    }
}
