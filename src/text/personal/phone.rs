//! Telephone numbers, where their form alone tells that they are such.

use super::edge::{closes, opens};
use regex::Regex;
use std::ops::Range;
use std::sync::LazyLock;

/// How many digits a number has (ITU-T E.164 allows 15 with the country code; none in use has fewer than 8).
const DIGITS: std::ops::RangeInclusive<usize> = 8..=15;

/// Finds international numbers, a `+`, the country code and digits with blanks, hyphens, stops, slashes and brackets between them
/// (E.164), and those of North America with an area code (`(212) 555-0123`, `212-555-0123`), with or without a `1` before it.
///
/// Other national numbers (`030 1234567`) look like any number and are not found. Whether a country code is in use is not asked.
pub fn find(text: &str) -> Vec<Range<usize>> {
    static NORTH_AMERICAN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(concat!(
            r"(?:1[-. ])?\([2-9]\d\d\) ?[2-9]\d\d[-. ]\d{4}",
            r"|(?:1[- ])?[2-9]\d\d-[2-9]\d\d-\d{4}",
            r"|(?:1[. ])?[2-9]\d\d\.[2-9]\d\d\.\d{4}",
        ))
        .expect("a pattern")
    });
    let bytes = text.as_bytes();
    let mut found: Vec<Range<usize>> = Vec::new();
    for at in memchr::memchr_iter(b'+', bytes) {
        if found.last().is_none_or(|last| last.end <= at)
            && opens(text, at)
            && matches!(bytes.get(at + 1), Some(b'1'..=b'9'))
        {
            found.extend(international(text, at + 1).map(|end| at..end));
        }
    }
    if memchr::memchr3(b'-', b'.', b')', bytes).is_some() {
        for one in NORTH_AMERICAN.find_iter(text) {
            let range = one.range();
            let before = text[..range.start].trim_end_matches(['-', '.', '/']);
            let after = text[range.end..].trim_start_matches(['-', '/']);
            let apart = opens(before, before.len()) && closes(after, 0);
            let free = found.iter().all(|other| other.end <= range.start || range.end <= other.start);
            if apart && free {
                found.push(range);
            }
        }
        found.sort_by_key(|range| range.start);
    }
    found
}

/// Returns where the number ends whose country code starts here.
fn international(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut digits, mut end) = (from, 0, None);
    loop {
        let start = at;
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        digits += at - start;
        if at == start || digits > *DIGITS.end() {
            return end;
        }
        if digits >= *DIGITS.start() && closes(text, at) {
            end = Some(at);
        }
        let between = bytes[at..].iter().take_while(|byte| b" -./()".contains(byte)).count();
        if !(1..=2).contains(&between) {
            return end;
        }
        at += between;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::finds;
    use super::*;

    #[test]
    fn numbers_are_found_by_their_form() {
        let check = |text: &str, expect: &[&str]| finds(find, text, expect);
        check("+14155550123 or +44 20 7946 0958.", &["+14155550123", "+44 20 7946 0958"]);
        check("+49 (30) 1234-5678, (212) 555-0123", &["+49 (30) 1234-5678", "(212) 555-0123"]);
        check("call 212-555-0123 or 212.555.0123!", &["212-555-0123", "212.555.0123"]);
        check(
            "1-415-555-2671, 1 (415) 555-2671 or 1.415.555.2671",
            &["1-415-555-2671", "1 (415) 555-2671", "1.415.555.2671"],
        );
        check("11-415-555-2671, 2-1-415-555-2671, 1.415-555-2671", &[]);
        check("+44 20 7946 0958 2024 2025", &["+44 20 7946 0958"]);
        check("1+23456789, +0123456789, + 12345678, +1234567, x+1", &[]);
        check("212-555-01234, 1212-555-0123, 112-555-0123, 9-212-555-0123-4, 030 1234567", &[]);
        check("+1234567890123456", &[]);
    }
}
