//! One spelling for texts that mean the same, for comparing and deduplicating.

use unicode_normalization::UnicodeNormalization;

/// Returns the text in NFKC, lower case, with every run of white space as one blank and none at the ends.
///
/// Punctuation stays: dropping it is a decision of its own (`regexp_replace(text, '\p{P}', '')`).
/// NFKC is Unicode Standard Annex 15; it is taken again after lower-casing, so normalising twice changes nothing.
pub fn normalise(text: &str) -> String {
    let mut out = Vec::new();
    normalise_into(text, &mut out);
    String::from_utf8(out).expect("a normalised text is a text")
}

/// Does the same into a buffer, in place of what is there: its bytes are UTF-8.
pub fn normalise_into(text: &str, out: &mut Vec<u8>) {
    out.clear();
    if text.is_ascii() {
        return collapse(text, out);
    }
    if let Some(small) = plain(text) {
        return collapse(&small, out);
    }
    let lower = text.nfkc().collect::<String>().to_lowercase();
    for word in lower.nfkc().collect::<String>().split_whitespace() {
        if !out.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(word.as_bytes());
    }
}

/// Makes small a text of plain characters alone, but for those of ASCII: NFKC leaves them as they are beside any of their kind, and each has its own small
/// letter. They are ASCII, the letters of Latin-1, the Cyrillic letters of Russian, dashes and quotes, and Chinese and Japanese.
fn plain(text: &str) -> Option<String> {
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
    Some(small)
}

/// Bytes that are looked at together.
const BLOCK: usize = 32;

/// Makes ASCII letters small and every run of ASCII white space one blank, with none at the ends.
///
/// Blanks seldom follow each other, so most blocks are copied whole.
fn collapse(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len());
    let mut after_blank = true;
    let (blocks, rest) = text.as_bytes().as_chunks::<BLOCK>();
    for block in blocks {
        let (mut small, mut blank) = ([0; BLOCK], [false; BLOCK]);
        for i in 0..BLOCK {
            blank[i] = is_blank(block[i]);
            small[i] = if blank[i] { b' ' } else { block[i].to_ascii_lowercase() };
        }
        let follows = (1..BLOCK).fold(blank[0] & after_blank, |follows, i| follows | (blank[i] & blank[i - 1]));
        if follows {
            collapse_bytes(block, &mut after_blank, out);
        } else {
            out.extend_from_slice(&small);
            after_blank = blank[BLOCK - 1];
        }
    }
    collapse_bytes(rest, &mut after_blank, out);
    if after_blank {
        out.pop();
    }
}

fn collapse_bytes(bytes: &[u8], after_blank: &mut bool, out: &mut Vec<u8>) {
    for byte in bytes {
        let blank = is_blank(*byte);
        if !(blank && *after_blank) {
            out.push(if blank { b' ' } else { byte.to_ascii_lowercase() });
        }
        *after_blank = blank;
    }
}

fn is_blank(byte: u8) -> bool {
    byte.wrapping_sub(b'\t') < 5 || byte == b' '
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
            if plain(&text).is_some() {
                let normal = normalise(&text);
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
        fn blanks_come_out_alike_wherever_they_are(text in "[ \\n\\tab]{0,9}[a-zA-Z \\r]{20,80}[ \\x0cB]{0,40}") {
            prop_assert_eq!(normalise(&text), text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" "));
        }

        #[test]
        fn normalising_twice_changes_nothing(text in any::<String>()) {
            let once = normalise(&text);
            prop_assert_eq!(normalise(&once), once);
        }
    }
}
