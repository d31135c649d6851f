//! Where something may begin and end: not inside a word or number.

use std::ops::Range;

/// Tells whether nothing of a word or number ends right before this place.
pub fn opens(text: &str, at: usize) -> bool {
    !text[..at].chars().next_back().is_some_and(char::is_alphanumeric)
}

/// Tells whether no word or number goes on at this place.
pub fn closes(text: &str, at: usize) -> bool {
    !text[at..].chars().next().is_some_and(char::is_alphanumeric)
}

/// Finds what does not overlap: `ends` returns where ends what begins at a place, if anything does.
pub fn scan(places: usize, ends: impl Fn(usize) -> Option<usize>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < places {
        match ends(at) {
            Some(end) => {
                found.push(at..end);
                at = end;
            }
            None => at += 1,
        }
    }
    found
}

/// Walks over digits with single separators between them, and yields the places after each digit.
pub fn digits<'t>(text: &'t str, from: usize, separators: &'t [u8]) -> impl Iterator<Item = (u8, usize)> + 't {
    let bytes = text.as_bytes();
    let mut at = from;
    std::iter::from_fn(move || {
        if at > from && bytes.get(at).is_some_and(|byte| separators.contains(byte)) {
            at += 1;
        }
        let digit = bytes.get(at).filter(|byte| byte.is_ascii_digit())?;
        at += 1;
        Some((digit - b'0', at))
    })
}
