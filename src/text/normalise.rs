//! One spelling for texts that mean the same, for comparing and deduplicating.

use unicode_normalization::UnicodeNormalization;

/// Returns the text in NFKC, lower case, with every run of white space as one blank and none at the ends.
///
/// Punctuation stays: dropping it is a decision of its own (`regexp_replace(text, '\p{P}', '')`).
/// NFKC is Unicode Standard Annex 15; it is taken again after lower-casing, so normalising twice changes nothing.
pub fn normalise(text: &str) -> String {
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

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(text in any::<String>()) {
            let once = normalise(&text);
            prop_assert_eq!(normalise(&once), once);
        }
    }
}
