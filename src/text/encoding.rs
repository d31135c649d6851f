//! Tokens of the public byte-pair encodings, exactly as tiktoken counts them with `encode_ordinary`: no text stands for a special token.

use tiktoken_rs::{CoreBPE, cl100k_base_singleton, o200k_base_singleton};

/// A public encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Of GPT-4o and later.
    O200kBase,
    /// Of GPT-3.5 and GPT-4.
    Cl100kBase,
}

/// All encodings, by their names.
pub const ENCODINGS: [(&str, Encoding); 2] =
    [("o200k_base", Encoding::O200kBase), ("cl100k_base", Encoding::Cl100kBase)];

/// The longest run of white space that is cut into tokens: the backtracking of the encodings' patterns, which is tiktoken's own,
/// ends a few times further on.
const LONGEST_BLANK: usize = 100_000;

impl Encoding {
    /// Finds an encoding by its name.
    pub fn named(name: &str) -> Option<Encoding> {
        ENCODINGS.iter().find(|(known, _)| *known == name).map(|(_, encoding)| *encoding)
    }

    /// Counts the tokens of a text; none for one with a run of more white space than can be cut.
    pub fn count(self, text: &str) -> Option<usize> {
        (!has_long_blank(text)).then(|| self.table().count_ordinary(text))
    }

    /// Returns the table, which takes a fifth of a second and 40 MB to be read, once.
    fn table(self) -> &'static CoreBPE {
        match self {
            Encoding::O200kBase => o200k_base_singleton(),
            Encoding::Cl100kBase => cl100k_base_singleton(),
        }
    }
}

/// Returns whether a text has a run of white space that patterns as tokenizers have them may not get through.
pub fn has_long_blank(text: &str) -> bool {
    if text.len() <= LONGEST_BLANK {
        return false;
    }
    let mut run = 0;
    text.chars().any(|c| {
        run = if c.is_whitespace() { run + 1 } else { 0 };
        run > LONGEST_BLANK
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_white_space_that_cannot_be_cut_has_no_count_and_does_no_harm() {
        let blanks = |n: usize| format!("{}x", " ".repeat(n));
        for (_, encoding) in ENCODINGS {
            assert!(encoding.count(&blanks(LONGEST_BLANK)).is_some());
            assert_eq!(encoding.count(&blanks(LONGEST_BLANK + 1)), None);
            assert_eq!(encoding.count(&blanks(3_000_000)), None);
            assert!(encoding.count(&"\u{3000} ".repeat(LONGEST_BLANK / 2)).is_some());
            assert!(encoding.count(&"^a^".repeat(100_000)).is_some());
        }
    }

    #[test]
    fn names_of_special_tokens_are_texts_like_others() {
        assert!(Encoding::O200kBase.count("<|endoftext|>").expect("no white space") > 1);
        assert_eq!(Encoding::O200kBase.count(""), Some(0));
    }
}
