//! How many tokens a text has.

use super::{RowOp, columns, text_at};
use crate::hash::KeyWriter;
use crate::table::{Batch, RowError, Type};
use crate::text::Tokenizer;
use arrow_array::ArrayRef;
use arrow_array::builder::Int64Builder;
use std::sync::Arc;

/// How many tokens a text has by a `tokenizer.json`; null for null.
///
/// Its key: the hash of that file.
pub struct TokenCount {
    tokenizer: Arc<Tokenizer>,
    reads: [String; 1],
}

impl TokenCount {
    /// Counts the tokens of a column.
    pub fn new(tokenizer: Arc<Tokenizer>, column: &str) -> TokenCount {
        TokenCount { tokenizer, reads: [column.to_owned()] }
    }
}

impl RowOp for TokenCount {
    fn write_key(&self, key: &mut KeyWriter) {
        key.hash("tokenizer", self.tokenizer.hash());
    }

    fn name(&self) -> &'static str {
        "tokens"
    }

    fn reads(&self) -> &[String] {
        &self.reads
    }

    fn writes(&self) -> &[Type] {
        &[Type::Int]
    }

    fn run(&self, input: &Batch) -> Result<Vec<ArrayRef>, RowError> {
        let texts = columns(input, &self.reads)?.remove(0);
        let mut counts = Int64Builder::with_capacity(input.rows);
        for row in 0..input.rows {
            let text = text_at(&texts, row);
            let count = |text| self.tokenizer.tokens(text).map_err(|why| uncut(row, &why));
            counts.append_option(text.map(count).transpose()?.map(|tokens| tokens.len() as i64));
        }
        Ok(vec![Arc::new(counts.finish())])
    }
}

/// Says that a tokenizer cannot cut the text of a row.
pub(super) fn uncut(row: usize, why: &str) -> RowError {
    RowError { row, message: format!("the tokenizer cannot cut the text: {why}"), help: None }
}
