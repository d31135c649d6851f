//! Columns made of the tokens of a text: how many there are, and the mean of their vectors.

use super::{RowOp, columns};
use crate::hash::KeyWriter;
use crate::table::{Batch, RowError, Type};
use crate::text::{Tokenizer, Vectors};
use arrow_array::builder::{Float64Builder, Int64Builder, ListBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use std::sync::{Arc, LazyLock};

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
        for (row, text) in texts.as_string::<i32>().iter().enumerate() {
            let count = |text| self.tokenizer.tokens(text).map_err(|why| uncut(row, &why));
            counts.append_option(text.map(count).transpose()?.map(|tokens| tokens.len() as i64));
        }
        Ok(vec![Arc::new(counts.finish())])
    }
}

/// The vector of a text by a static model. A text that is null, and one without a known token, fails.
///
/// Its key: the hash of the model's files.
pub struct StaticEmbed {
    vectors: Arc<Vectors>,
    reads: [String; 1],
}

impl StaticEmbed {
    /// Embeds a column.
    pub fn new(vectors: Arc<Vectors>, column: &str) -> StaticEmbed {
        StaticEmbed { vectors, reads: [column.to_owned()] }
    }
}

impl RowOp for StaticEmbed {
    fn write_key(&self, key: &mut KeyWriter) {
        key.hash("vectors", self.vectors.hash());
    }

    fn name(&self) -> &'static str {
        "static-embed"
    }

    fn reads(&self) -> &[String] {
        &self.reads
    }

    fn writes(&self) -> &[Type] {
        static VECTOR: LazyLock<[Type; 1]> = LazyLock::new(|| [Type::List(Box::new(Type::Float))]);
        &*VECTOR
    }

    fn run(&self, input: &Batch) -> Result<Vec<ArrayRef>, RowError> {
        let texts = columns(input, &self.reads)?.remove(0);
        let values = Float64Builder::with_capacity(input.rows * self.vectors.width());
        let mut lists = ListBuilder::with_capacity(values, input.rows);
        // Nothing but nulls is a column of no type yet.
        let texts = texts.as_string_opt::<i32>();
        for row in 0..input.rows {
            let Some(text) = texts.filter(|texts| texts.is_valid(row)).map(|texts| texts.value(row)) else {
                return Err(failed(row, "the text to embed is null".to_owned()));
            };
            let Some(vector) = self.vectors.of(text).map_err(|why| uncut(row, &why))? else {
                return Err(failed(row, "the model knows no token of the text, so it has no vector".to_owned()));
            };
            vector.iter().for_each(|value| lists.values().append_value(f64::from(*value)));
            lists.append(true);
        }
        Ok(vec![Arc::new(lists.finish())])
    }
}

fn uncut(row: usize, why: &str) -> RowError {
    RowError { row, message: format!("the tokenizer cannot cut the text: {why}"), help: None }
}

fn failed(row: usize, message: String) -> RowError {
    let help = "drop such rows first, with `where`, or let them fail: `max_failed`".to_owned();
    RowError { row, message, help: Some(help) }
}
