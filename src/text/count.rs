//! Counts of characters, lines and sentences.

use unicode_segmentation::UnicodeSegmentation;

/// Counts characters: Unicode scalar values, not bytes and not grapheme clusters.
pub fn char_count(text: &str) -> usize {
    text.chars().count()
}

/// Counts lines: a line ends at `\n` or at the end of the text; the end of the last line opens no new one.
pub fn line_count(text: &str) -> usize {
    text.lines().count()
}

/// Counts sentences that hold at least one letter or digit.
///
/// Boundaries are those of Unicode Standard Annex 29, section 5 (no list of abbreviations, so `Mr. Smith` is two).
pub fn sentence_count(text: &str) -> usize {
    text.unicode_sentences().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, chars: usize, lines: usize, sentences: usize) {
        let counted = (char_count(text), line_count(text), sentence_count(text));
        assert_eq!(counted, (chars, lines, sentences), "{text:?}");
    }

    #[test]
    fn an_empty_text_has_nothing_to_count() {
        check("", 0, 0, 0);
        check(" \t", 2, 1, 0);
    }

    #[test]
    fn characters_are_not_bytes() {
        check("né à l'eau", 10, 1, 1);
    }

    #[test]
    fn a_trailing_line_break_opens_no_line() {
        check("a\nb\n", 4, 2, 2);
        check("a\n\nb", 4, 3, 3 - 1);
    }

    #[test]
    fn sentences_end_at_stops_but_not_inside_numbers() {
        check("It costs 3.50 now. Fine! Is it?", 31, 1, 3);
        check("...", 3, 1, 0);
    }
}
