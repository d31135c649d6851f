//! Numbers, sizes, times and texts in the words of people.

pub use crate::diag::grouped;
use crate::expr::Value;

/// Writes a number with thousands separators.
pub fn count(n: u64) -> String {
    grouped(&n.to_string())
}

/// Writes a number and what is counted: `1 row`, `2,000 rows`.
pub fn things(n: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(n), if n == 1 { "" } else { "s" })
}

/// Writes a size.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if n < 1000 {
        return things(n, "byte");
    }
    let mut size = n as f64 / 1000.0;
    let mut unit = 0;
    while size >= 999.5 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    if size < 9.95 { format!("{size:.1} {}", UNITS[unit]) } else { format!("{size:.0} {}", UNITS[unit]) }
}

/// Writes a duration.
pub fn seconds(n: f64) -> String {
    match n {
        n if n < 9.995 => format!("{n:.2} s"),
        n if n < 59.95 => format!("{n:.1} s"),
        n if n < 3600.0 => format!("{} min {} s", n as u64 / 60, n as u64 % 60),
        n => format!("{} h {} min", n as u64 / 3600, n as u64 / 60 % 60),
    }
}

/// Writes how long ago something was, given both times in seconds.
pub fn ago(now: u64, then: u64) -> String {
    let text = match now.saturating_sub(then) {
        0..5 => return "just now".to_owned(),
        n @ 5..60 => format!("{n} s"),
        n @ 60..3600 => format!("{} min", n / 60),
        n @ 3600..86_400 => format!("{} h", n / 3600),
        n => things(n / 86_400, "day"),
    };
    format!("{text} ago")
}

/// Writes a time, given in seconds since 1970, as ISO 8601 in UTC.
pub fn utc(seconds: u64) -> String {
    Value::Timestamp(i64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000)).to_string()
}

/// Returns the time now, in seconds since 1970.
pub fn now() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_secs())
}

/// Writes a number of a metric with up to four digits after the point, or six that count.
pub fn number(n: f64) -> String {
    if !n.is_finite() {
        return n.to_string();
    }
    if n != 0.0 && !(1e-3..1e15).contains(&n.abs()) {
        return format!("{n:.3e}");
    }
    let text = format!("{n:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    let (whole, rest) = text.split_once('.').map_or((text, None), |(whole, rest)| (whole, Some(rest)));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("−", digits));
    let whole = grouped(digits);
    rest.map_or(format!("{sign}{whole}"), |rest| format!("{sign}{whole}.{rest}"))
}

/// Writes a difference with its sign: `+3`, `−0.5`.
pub fn signed(x: f64) -> String {
    if x < 0.0 { format!("−{}", number(-x)) } else { format!("+{}", number(x)) }
}

/// Cuts a number of percent to one digit after the point.
pub fn round(percent: f64) -> f64 {
    (percent * 10.0).round() / 10.0
}

/// Makes a text of the user's data safe to print in one line: line ends are shown, escape codes do nothing.
pub fn plain(text: &str) -> String {
    text.replace("\r\n", "⏎").chars().map(visible).collect()
}

/// Makes a text safe to print, keeping its lines.
pub fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.chars().map(|c| if c == '\t' { '\t' } else { visible(c) }).collect()).collect()
}

fn visible(c: char) -> char {
    match c {
        '\n' => '⏎',
        '\t' => '⇥',
        // Marks that turn the direction of writing reach beyond their cell.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// Writes a cell in one line.
pub fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => plain(text),
        other => plain(&other.to_string()),
    }
}

/// Writes the difference of two texts in one line: what both begin and end with is left out, up to some words.
pub fn change(old: &str, new: &str) -> (String, String) {
    const CONTEXT: usize = 12;
    let (a, b): (Vec<char>, Vec<char>) = (plain(old).chars().collect(), plain(new).chars().collect());
    let common = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let most = a.len().min(b.len()) - common;
    let tail = a.iter().rev().zip(b.iter().rev()).take(most).take_while(|(x, y)| x == y).count();
    let (head, tail) = (common.saturating_sub(CONTEXT), tail.saturating_sub(CONTEXT));
    let cut = |text: &[char]| {
        let middle: String = text[head..text.len() - tail].iter().collect();
        format!("{}{middle}{}", if head > 0 { "…" } else { "" }, if tail > 0 { "…" } else { "" })
    };
    (cut(&a), cut(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_thousands_separators() {
        let written = [0, 12, 123, 1234, 123_456, 1_234_567].map(count);
        assert_eq!(written, ["0", "12", "123", "1,234", "123,456", "1,234,567"]);
        assert_eq!(things(1, "row"), "1 row");
    }

    #[test]
    fn sizes_and_durations_keep_two_or_three_digits() {
        let sizes = [1, 999, 1000, 9_949, 12_345, 999_600, 1_234_567_890].map(bytes);
        assert_eq!(sizes, ["1 byte", "999 bytes", "1.0 kB", "9.9 kB", "12 kB", "1.0 MB", "1.2 GB"]);
        assert_eq!(
            [0.0, 0.214, 12.34, 61.0, 7_300.0].map(seconds),
            ["0.00 s", "0.21 s", "12.3 s", "1 min 1 s", "2 h 1 min"]
        );
    }

    #[test]
    fn times_are_utc_and_said_as_people_do() {
        assert_eq!(utc(1_700_000_000), "2023-11-14T22:13:20Z");
        let told = [3, 30, 200, 7_300, 86_400, 200_000].map(|since| ago(1_000_000, 1_000_000 - since));
        assert_eq!(told, ["just now", "30 s ago", "3 min ago", "2 h ago", "1 day ago", "2 days ago"]);
        assert_eq!(ago(5, 10), "just now");
    }

    #[test]
    fn metrics_are_rounded_for_people() {
        let written = [0.0, 1.0, -0.5, 0.912_345, 12_345.678_9, 1e-7, 2e20].map(number);
        assert_eq!(written, ["0", "1", "−0.5", "0.9123", "12,345.6789", "1.000e-7", "2.000e20"]);
        assert_eq!([3.0, -1010.0, 0.0, -0.5].map(signed), ["+3", "−1,010", "+0", "−0.5"]);
    }

    #[test]
    fn data_cannot_send_escape_codes_to_the_terminal() {
        assert_eq!(plain("a\r\nb\tc\u{1b}[31m\u{202e}"), "a⏎b⇥c\u{fffd}[31m\u{fffd}");
        assert_eq!(lines("a\n\u{1b}b"), ["a", "\u{fffd}b"]);
    }

    #[test]
    fn a_change_shows_what_differs() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(change("cat", "cut"), pair("cat", "cut"));
        let (old, new) = ("Anna has three apples in her basket today", "Anna has four apples in her basket today");
        assert_eq!(change(old, new), pair("Anna has three apples in h…", "Anna has four apples in h…"));
        assert_eq!(change("aa", "aaa"), pair("aa", "aaa"));
    }
}
