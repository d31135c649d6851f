//! One spelling for texts that mean the same, for comparing and deduplicating.

use unicode_normalization::UnicodeNormalization;

/// Returns the text in NFKC, lower case, with every run of white space as one blank and none at the ends.
///
/// Punctuation stays: dropping it is a decision of its own (`regexp_replace(text, '\p{P}', '')`).
/// NFKC is Unicode Standard Annex 15; it is taken again after lower-casing, so normalising twice changes nothing.
pub fn normalise(text: &str) -> String {
    if let Some(normal) = plain(text) {
        return normal;
    }
    let lower = text.nfkc().collect::<String>().to_lowercase();
    let mut out = String::with_capacity(lower.len());
    for word in lower.nfkc().collect::<String>().split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// Normalises a text of plain characters alone: NFKC leaves them as they are beside any of their kind, and each has its own small
/// letter. They are ASCII, the letters of Latin-1, the Cyrillic letters of Russian, dashes and quotes, and Chinese and Japanese.
fn plain(text: &str) -> Option<String> {
    if text.is_ascii() {
        return Some(collapsed(text));
    }
    let mut small = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| !byte.is_ascii()) {
        small.push_str(&rest[..at]);
        let character = rest[at..].chars().next().expect("a character begins with the byte that is not ASCII");
        small.push(match character {
            'À'..='Ö' | 'Ø'..='Þ' | 'А'..='Я' => char::from_u32(character as u32 + 32)?,
            '×' | 'ß'..='ÿ' | 'а'..='я' | '–' | '—' | '‘'..='‚' | '“'..='„' => character,
            '一'..='鿿' | 'ぁ'..='ゖ' | 'ァ'..='ヺ' => character,
            _ => return None,
        });
        rest = &rest[at + character.len_utf8()..];
    }
    small.push_str(rest);
    Some(collapsed(&small))
}

/// Makes ASCII letters small and every run of ASCII white space one blank, with none at the ends, byte by byte.
fn collapsed(text: &str) -> String {
    let mut out = vec![0; text.len()];
    let (mut length, mut after_blank) = (0, true);
    for byte in text.bytes() {
        let is_blank = matches!(byte, b'\t'..=b'\r' | b' ');
        out[length] = if is_blank { b' ' } else { byte.to_ascii_lowercase() };
        length += usize::from(!(is_blank && after_blank));
        after_blank = is_blank;
    }
    out.truncate(length - usize::from(after_blank && length > 0));
    String::from_utf8(out).expect("only ASCII characters were dropped or exchanged, and for others of ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_that_look_alike_become_one() {
        let check = |text, expect| assert_eq!(normalise(text), expect);
        check("  Hello,\u{a0}\n WORLD ", "hello, world");
        check("ﬁne Ⅷ ＡＢ", "fine viii ab");
        check("E\u{301}", "é");
        check(" \n", "");
    }

    #[test]
    fn plain_characters_are_as_plain_as_they_are_taken_for() {
        for character in (0..0x11_0000).filter_map(char::from_u32) {
            let text = format!("A {character}\u{b}{character}b ");
            if let Some(normal) = plain(&text) {
                let lower = text.nfkc().collect::<String>().to_lowercase().nfkc().collect::<String>();
                assert_eq!(normal, lower.split_whitespace().collect::<Vec<_>>().join(" "), "{character:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn plain_texts_come_out_like_any_others(text in "[ -~\\t\\n\\x0b\\x1cÀ-ÿА-я–—‘-„一-三ぁ-ゖァ-ヺ\u{301}\u{3099}ｦ]{0,12}") {
            let lower = text.nfkc().collect::<String>().to_lowercase().nfkc().collect::<String>();
            prop_assert_eq!(normalise(&text), lower.split_whitespace().collect::<Vec<_>>().join(" "));
        }

        #[test]
        fn normalising_twice_changes_nothing(text in any::<String>()) {
            let once = normalise(&text);
            prop_assert_eq!(normalise(&once), once);
        }
    }
}
