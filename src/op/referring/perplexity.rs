//! `perplexity`: how unlikely a text is to a language model of another table's texts.

use crate::hash::KeyWriter;
use crate::op::{Other, ReferOp, columns, text_at};
use crate::table::{Batch, Field, RowError, Type};
use arrow_array::{ArrayRef, Float64Array};
use std::sync::Arc;

/// One column: the perplexity of a text; null for null, for a text without words, and for a model of none.
///
/// Its key has no parameters: the model stands in it by its contents.
pub struct Perplexity {
    reads: [String; 1],
    refers: [String; 1],
    order: usize,
    writes: [Field; 1],
}

impl Perplexity {
    /// Measures `column` by a model of this order of the other table's `their`.
    pub fn new(column: &str, their: &str, order: usize, into: &str) -> Perplexity {
        let writes = [Field::new(into, Type::Float)];
        Perplexity { reads: [column.to_owned()], refers: [their.to_owned()], order, writes }
    }
}

impl ReferOp for Perplexity {
    fn write_key(&self, _: &mut KeyWriter) {}

    fn name(&self) -> &'static str {
        "perplexity"
    }

    fn reads(&self) -> &[String] {
        &self.reads
    }

    fn refers(&self) -> &[String] {
        &self.refers
    }

    fn writes(&self) -> &[Field] {
        &self.writes
    }

    fn learns(&self) -> Option<usize> {
        Some(self.order)
    }

    fn run(&self, input: &Batch, other: &Other) -> Result<Vec<ArrayRef>, RowError> {
        let Other::Model(model) = other else {
            return Err(RowError { row: usize::MAX, message: "there is no model".to_owned(), help: None });
        };
        let texts = columns(input, &self.reads)?.remove(0);
        let perplexity = |row: usize| text_at(&texts, row).and_then(|text| model.perplexity(text));
        Ok(vec![Arc::new((0..input.rows).map(perplexity).collect::<Float64Array>())])
    }
}
