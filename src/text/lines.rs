//! Lines and paragraphs of a text, cut as the reference filters cut them, and how much of them comes again.

use super::repeats::Seen;
use super::symbols::is_terminal;
use memchr::memchr_iter;
use std::ops::Range;
use twox_hash::XxHash3_64;

/// White space of Python: that of Unicode, and four control characters that separate records.
pub fn is_blank(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\x1c'..='\x1f')
}

/// Yields lines as `str.splitlines` of Python does: a line ends at any break that Unicode knows, and the last break opens no line.
pub fn split_lines(text: &str) -> impl Iterator<Item = &str> {
    let bytes = text.as_bytes();
    let mut start = 0;
    std::iter::from_fn(move || {
        if start == bytes.len() {
            return None;
        }
        let found = bytes[start..].iter().position(|byte| matches!(byte, b'\n'..=b'\r' | 0x1c..=0x1e | 0xc2 | 0xe2));
        let mut at = start + found.unwrap_or(bytes.len() - start);
        loop {
            let width = break_at(&bytes[at..]);
            if width > 0 || at == bytes.len() {
                let line = &text[start..at];
                start = at + width;
                return Some(line);
            }
            at += 1;
            let more = bytes[at..].iter().position(|byte| matches!(byte, b'\n'..=b'\r' | 0x1c..=0x1e | 0xc2 | 0xe2));
            at += more.unwrap_or(bytes.len() - at);
        }
    })
}

/// Returns how many bytes of a line break stand at the beginning: none, where there is none.
fn break_at(bytes: &[u8]) -> usize {
    match bytes {
        [b'\r', b'\n', ..] | [0xc2, 0x85, ..] => 2,
        [0xe2, 0x80, 0xa8 | 0xa9, ..] => 3,
        [b'\n'..=b'\r' | 0x1c..=0x1e, ..] => 1,
        _ => 0,
    }
}

/// Cuts a text at runs of at least so many `\n`; what is before the first and after the last counts too, even if it is empty.
pub fn split_runs(text: &str, least: usize) -> impl Iterator<Item = &str> {
    let mut runs = runs(text.as_bytes(), least);
    let (mut start, mut is_over) = (0, false);
    std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        match runs.next() {
            Some(run) => {
                let piece = &text[start..run.start];
                start = run.end;
                Some(piece)
            }
            None => {
                is_over = true;
                Some(&text[start..])
            }
        }
    })
}

fn runs(bytes: &[u8], least: usize) -> impl Iterator<Item = Range<usize>> {
    let mut breaks = memchr_iter(b'\n', bytes).peekable();
    std::iter::from_fn(move || {
        loop {
            let start = breaks.next()?;
            let mut end = start + 1;
            while breaks.next_if_eq(&end).is_some() {
                end += 1;
            }
            if end - start >= least {
                return Some(start..end);
            }
        }
    })
}

/// What of some pieces of a text came before among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repeated {
    pub all: usize,
    pub pieces: usize,
    pub chars: usize,
}

/// Counts pieces that came before.
pub fn repeated<'t>(
    pieces: impl Iterator<Item = &'t str>,
    hashes: &mut Vec<(u64, &'t str)>,
    seen: &mut Seen,
) -> Repeated {
    hashes.clear();
    hashes.extend(pieces.map(|piece| (XxHash3_64::oneshot(piece.as_bytes()) >> 1, piece)));
    seen.begin(hashes.len());
    let mut repeated = Repeated { all: hashes.len(), ..Repeated::default() };
    for (hash, piece) in hashes.iter() {
        if seen.is_known(*hash) {
            repeated.pieces += 1;
            repeated.chars += piece.chars().count();
        }
    }
    repeated
}

/// What begins and ends the lines of a text, cut as [`split_lines`] does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edges {
    pub lines: usize,
    /// Begin with `•` or `-`.
    pub bullets: usize,
    /// End with `...` or `…`.
    pub ellipses: usize,
}

impl Edges {
    /// Looks at lines.
    pub fn of(lines: &[&str]) -> Edges {
        let mut edges = Edges::default();
        for line in lines {
            let (front, back) = (line.trim_start_matches(is_blank), line.trim_end_matches(is_blank));
            edges.lines += 1;
            edges.bullets += usize::from(front.starts_with('•') || front.starts_with('-'));
            edges.ellipses += usize::from(back.ends_with("...") || back.ends_with('…'));
        }
        edges
    }
}

/// Yields the lines between `\n` that are more than white space.
pub fn filled_lines(text: &str) -> impl Iterator<Item = &str> {
    let ends = memchr_iter(b'\n', text.as_bytes()).chain([text.len()]);
    let lines = ends.scan(0, |start, end| Some(&text[std::mem::replace(start, end + 1)..end]));
    lines.filter(|line| !line.chars().all(is_blank))
}

/// Counts lines that end with a mark that ends sentences.
pub fn punctuated(lines: &[&str]) -> usize {
    lines.iter().filter(|line| line.ends_with(is_terminal)).count()
}

/// Counts lines of at most so many characters.
pub fn short(lines: &[&str], most: usize) -> usize {
    let is_short = |line: &&&str| line.len() <= most || (line.len() <= most * 4 && line.chars().count() <= most);
    lines.iter().filter(is_short).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use regex::Regex;

    #[test]
    fn lines_end_at_every_break() {
        let lines: Vec<&str> = split_lines("a\r\nb\r\rc\u{b}d\u{85}é\u{2028}“\u{1c}\n").collect();
        assert_eq!(lines, ["a", "b", "", "c", "d", "é", "“", ""]);
        assert_eq!(split_lines("").count(), 0);
        assert_eq!(split_lines("\n").collect::<Vec<_>>(), [""]);
        assert_eq!(split_lines("ab").collect::<Vec<_>>(), ["ab"]);
    }

    #[test]
    fn edges_are_looked_at_without_white_space() {
        let edges = Edges::of(&split_lines(" - a\n• b …\n\t\n-\nc... \n").collect::<Vec<_>>());
        assert_eq!(edges, Edges { lines: 5, bullets: 3, ellipses: 2 });
    }

    #[test]
    fn lines_of_the_web_are_measured() {
        let text = "Ends here.\nends not\n \nWahr！\nabcé";
        let lines: Vec<&str> = filled_lines(text).collect();
        assert_eq!((lines.len(), punctuated(&lines), short(&lines, 4)), (4, 2, 1));
        let again = repeated(filled_lines("aé\n\nb\naé\n aé\naé"), &mut Vec::new(), &mut Seen::default());
        assert_eq!(again, Repeated { all: 5, pieces: 2, chars: 4 });
    }

    proptest! {
        #[test]
        fn filled_lines_are_those_between_breaks(text in "[a \\n\\x1cé]{0,12}") {
            let expect: Vec<&str> = text.split('\n').filter(|line| !line.chars().all(is_blank)).collect();
            prop_assert_eq!(filled_lines(&text).collect::<Vec<_>>(), expect);
        }

        #[test]
        fn texts_are_cut_as_patterns_cut_them(text in "[a\\n]{0,12}", least in 1usize..3) {
            let pattern = Regex::new(&format!("\\n{{{least},}}")).unwrap();
            prop_assert_eq!(split_runs(&text, least).collect::<Vec<_>>(), pattern.split(&text).collect::<Vec<_>>());
        }
    }
}
