//! Spans of a text that may stand elsewhere too: its lines, its paragraphs, its words; and the text without some of them.

use super::words::{WordKind, Words, count};
use super::{normalise, normalise_into};
use memchr::memchr_iter;
use std::ops::Range;

/// Returns where the lines of a text stand, without the line feeds, and the carriage returns before them, that part them.
pub fn line_spans(text: &str) -> Vec<Range<usize>> {
    let mut start = 0;
    let ends = memchr_iter(b'\n', text.as_bytes()).chain([text.len()]);
    let line = |end: usize| {
        let line = start..end;
        start = end + 1;
        let is_return = end < text.len() && text[line.clone()].ends_with('\r');
        line.start..line.end - usize::from(is_return)
    };
    ends.map(line).collect()
}

/// Returns where the paragraphs of a text stand: lines with lines between them that have white space alone.
pub fn paragraph_spans(text: &str) -> Vec<Range<usize>> {
    let mut paragraphs: Vec<Range<usize>> = Vec::new();
    let mut is_open = false;
    for line in line_spans(text) {
        let is_blank = text[line.clone()].trim().is_empty();
        match paragraphs.last_mut().filter(|_| is_open) {
            Some(last) if !is_blank => last.end = line.end,
            _ if !is_blank => paragraphs.push(line),
            _ => {}
        }
        is_open = !is_blank;
    }
    paragraphs
}

/// Returns where the words of a text stand: runs between white space.
pub fn word_spans(text: &str) -> Vec<Range<usize>> {
    let mut words = Words::default();
    words.read(text, WordKind::Space);
    words.spans().collect()
}

/// Splits a text into its words, each normalised: as many, in the order of [`word_spans`].
pub fn normal_words(text: &str, normal: &mut Vec<u8>, words: &mut Words) {
    normalise_into(text, normal);
    words.split(normal);
    // There are characters of which a blank becomes a part. They are rare; the words are taken one by one then, and such a blank holds its word together.
    if !text.is_ascii() && words.len() != count(text) {
        let each = text.split_whitespace().map(|word| normalise(word).replace(' ', "\u{1f}"));
        *normal = each.collect::<Vec<_>>().join(" ").into_bytes();
        words.split(normal);
    }
}

/// Returns a text without some of its spans. What stands between two spans goes with the second; what is before the first or behind the last stays with it.
pub fn without(text: &str, spans: &[Range<usize>], goes: impl Fn(usize) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut end, mut is_first) = (0, true);
    for (at, span) in spans.iter().enumerate() {
        if !goes(at) {
            let start = if is_first && at > 0 { span.start } else { end };
            out.push_str(&text[start..span.end]);
            is_first = false;
        }
        end = span.end;
    }
    if spans.is_empty() || !goes(spans.len() - 1) {
        out.push_str(&text[end..]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pieces(text: &str, spans: Vec<Range<usize>>) -> Vec<&str> {
        spans.into_iter().map(|span| &text[span]).collect()
    }

    #[test]
    fn lines_end_at_line_feeds_and_paragraphs_at_blank_lines() {
        let text = "\r\n  a\r\nb \n \t\n\n\u{a0}\nc\rd\n";
        assert_eq!(pieces(text, line_spans(text)), ["", "  a", "b ", " \t", "", "\u{a0}", "c\rd", ""]);
        assert_eq!(pieces(text, paragraph_spans(text)), ["  a\r\nb ", "c\rd"]);
        assert_eq!(pieces("", line_spans("")), [""]);
        assert_eq!(paragraph_spans(" \n").len(), 0);
        assert_eq!(pieces(" a\u{2003}b\n", word_spans(" a\u{2003}b\n")), ["a", "b"]);
    }

    #[test]
    fn what_is_left_keeps_the_white_space_between_its_spans() {
        let check = |text: &str, spans: Vec<Range<usize>>, goes: &[usize], expect: &str| {
            assert_eq!(without(text, &spans, |at| goes.contains(&at)), expect, "{text:?} {goes:?}");
        };
        for (goes, expect) in [
            (vec![], "a\r\nb\n\nc\n"),
            (vec![0], "b\n\nc\n"),
            (vec![1], "a\n\nc\n"),
            (vec![3], "a\r\nb\n\n"),
            (vec![0, 1, 2, 3, 4], ""),
        ] {
            check("a\r\nb\n\nc\n", line_spans("a\r\nb\n\nc\n"), &goes, expect);
        }
        let text = " one  two\tthree four ";
        for (goes, expect) in [
            (vec![0], "two\tthree four "),
            (vec![1, 2], " one four "),
            (vec![3], " one  two\tthree"),
            (vec![0, 1, 2, 3], ""),
        ] {
            check(text, word_spans(text), &goes, expect);
        }
        let text = "\n\na\nb\n\n\nc\n";
        for (goes, expect) in [(vec![0], "c\n"), (vec![1], "\n\na\nb"), (vec![], text)] {
            check(text, paragraph_spans(text), &goes, expect);
        }
        check("  ", word_spans("  "), &[], "  ");
    }

    #[test]
    fn a_word_of_which_a_blank_becomes_a_part_is_one_word() {
        let (mut normal, mut words) = (Vec::new(), Words::default());
        for text in ["A \u{fdfa} b", "¨x y", "x\u{a0}y", "É \u{85} Σ\u{a0}Σ", "Ａ b", ""] {
            normal_words(text, &mut normal, &mut words);
            assert_eq!(words.len(), word_spans(text).len(), "{text:?}");
        }
        let hashes = |text: &str| {
            let (mut normal, mut words) = (Vec::new(), Words::default());
            normal_words(text, &mut normal, &mut words);
            words.ngrams(1).collect::<Vec<_>>()
        };
        assert_eq!(hashes("A \u{fdfa} Éb")[2], hashes("éb")[0]);
    }

    proptest! {
        #[test]
        fn a_text_without_nothing_is_itself(text in "[a é\\n\\r\u{2003}]{0,20}") {
            for spans in [line_spans(&text), paragraph_spans(&text), word_spans(&text)] {
                prop_assert_eq!(without(&text, &spans, |_| false), text.as_str());
                let rest = without(&text, &spans, |_| true);
                prop_assert_eq!(rest.trim(), "");
                prop_assert!(spans.windows(2).all(|two| two[0].end <= two[1].start));
            }
        }
    }
}
