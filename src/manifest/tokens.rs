//! The step `tokens`.

use super::decl::Text;
use super::declare::Declarer;
use super::keys::COLUMN;
use super::shape::Role::{Definition, Edge};
use super::shape::{self, Shape, Table, key};
use super::value;
use crate::diag::Span;

/// Counts the tokens of a text.
#[derive(Clone, Debug)]
pub struct TokenCount {
    pub column: Text,
    /// The path of a `tokenizer.json`, relative to the project.
    pub tokenizer: Text,
    pub into: Text,
    pub span: Span,
}

pub static TOKENS: Table = Table {
    sections: &[&[
        key("column", Definition, COLUMN, "The column of texts.").required(),
        key(
            "tokenizer",
            Edge,
            Shape::Text(shape::Text::Path),
            "A file `tokenizer.json` of Hugging Face's tokenizers; its contents enter the key. The public encodings `o200k_base` and \
             `cl100k_base` need none: `token_count(text, 'o200k_base')` in any expression.",
        )
        .required(),
        key("into", Definition, COLUMN, "The column for the number of tokens, without those that are put around a text.")
            .required(),
    ]],
    groups: &[],
};

impl Declarer<'_> {
    pub(super) fn tokens(&mut self, table: &value::Table, span: Span) -> Option<TokenCount> {
        let (column, tokenizer) = (self.text(table, "column")?, self.text(table, "tokenizer")?);
        Some(TokenCount { column, tokenizer, into: self.text(table, "into")?, span })
    }
}
