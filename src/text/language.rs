//! Which language a text is in.

use whatlang::{Lang, detect};

/// Returns the language that the text is most like, as a code of ISO 639-1 (ISO 639-3 where there is no other), and how sure that is, 0 to 1.
///
/// `whatlang` 0.18.0: letters and trigrams (Cavnar and Trenkle 1994) of 70 languages. It always takes one of those where letters are; texts below some
/// 100 characters are often mistaken, which the confidence tells.
pub fn language(text: &str) -> Option<(&'static str, f64)> {
    // No letter, no language; the library divides by their number.
    if !text.chars().any(char::is_alphabetic) {
        return None;
    }
    detect(text).map(|found| (short(found.lang()), found.confidence()))
}

/// Returns the code with two letters, if the language has one.
fn short(lang: Lang) -> &'static str {
    CODES.iter().find(|(long, _)| *long == lang.code()).map_or(lang.code(), |(_, short)| short)
}

/// Codes of ISO 639-3 and of ISO 639-1; Mandarin is Chinese.
const CODES: [(&str, &str); 70] = [
    ("afr", "af"),
    ("aka", "ak"),
    ("amh", "am"),
    ("ara", "ar"),
    ("aze", "az"),
    ("bel", "be"),
    ("ben", "bn"),
    ("bul", "bg"),
    ("cat", "ca"),
    ("ces", "cs"),
    ("cmn", "zh"),
    ("cym", "cy"),
    ("dan", "da"),
    ("deu", "de"),
    ("ell", "el"),
    ("eng", "en"),
    ("epo", "eo"),
    ("est", "et"),
    ("fin", "fi"),
    ("fra", "fr"),
    ("guj", "gu"),
    ("heb", "he"),
    ("hin", "hi"),
    ("hrv", "hr"),
    ("hun", "hu"),
    ("hye", "hy"),
    ("ind", "id"),
    ("ita", "it"),
    ("jav", "jv"),
    ("jpn", "ja"),
    ("kan", "kn"),
    ("kat", "ka"),
    ("khm", "km"),
    ("kor", "ko"),
    ("lat", "la"),
    ("lav", "lv"),
    ("lit", "lt"),
    ("mal", "ml"),
    ("mar", "mr"),
    ("mkd", "mk"),
    ("mya", "my"),
    ("nep", "ne"),
    ("nld", "nl"),
    ("nob", "nb"),
    ("ori", "or"),
    ("pan", "pa"),
    ("pes", "fa"),
    ("pol", "pl"),
    ("por", "pt"),
    ("ron", "ro"),
    ("rus", "ru"),
    ("sin", "si"),
    ("slk", "sk"),
    ("slv", "sl"),
    ("sna", "sn"),
    ("spa", "es"),
    ("srp", "sr"),
    ("swe", "sv"),
    ("tam", "ta"),
    ("tel", "te"),
    ("tgl", "tl"),
    ("tha", "th"),
    ("tuk", "tk"),
    ("tur", "tr"),
    ("ukr", "uk"),
    ("urd", "ur"),
    ("uzb", "uz"),
    ("vie", "vi"),
    ("yid", "yi"),
    ("zul", "zu"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sentences_are_known_for_the_language_they_are_in() {
        // Lines of `language<tab>sentence`.
        for line in include_str!("../../tests/vectors/languages.tsv").lines() {
            let (code, sentence) = line.split_once('\t').expect("a code and a sentence");
            let (found, confidence) = language(sentence).expect("a language");
            assert_eq!(found, code, "{confidence} {sentence}");
        }
    }

    #[test]
    fn a_code_is_short_for_every_language() {
        assert!(Lang::all().iter().all(|lang| short(*lang).len() == 2));
        let mut codes: Vec<&str> = Lang::all().iter().map(|lang| short(*lang)).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), 70);
    }

    #[test]
    fn what_has_no_letters_has_no_language() {
        assert_eq!((language(""), language("3.14 + 2"), language("🙂 …")), (None, None, None));
    }

    proptest! {
        #[test]
        fn any_text_has_a_sure_or_unsure_language_or_none(text in "\\PC{0,60}") {
            let found = language(&text);
            prop_assert!(found.is_none_or(|(_, confidence)| (0.0..=1.0).contains(&confidence)), "{:?}", found);
            prop_assert_eq!(found, language(&text));
        }
    }
}
