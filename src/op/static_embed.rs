//! `embed` by a static model: the vector of a text, made here.

use super::tokens::uncut;
use super::{RowOp, columns, text_at};
use crate::hash::KeyWriter;
use crate::table::{Batch, RowError, Type};
use crate::text::StaticModel;
use arrow_array::ArrayRef;
use arrow_array::builder::{Float64Builder, ListBuilder};
use std::sync::{Arc, LazyLock};

/// One column of lists of floats. A text that is null, and one without a known token, fails.
///
/// Its key: the hash of the model's files.
pub struct StaticEmbed {
    model: Arc<StaticModel>,
    reads: [String; 1],
}

impl StaticEmbed {
    /// Embeds a column.
    pub fn new(model: Arc<StaticModel>, column: &str) -> StaticEmbed {
        StaticEmbed { model, reads: [column.to_owned()] }
    }
}

impl RowOp for StaticEmbed {
    fn write_key(&self, key: &mut KeyWriter) {
        key.hash("model", self.model.hash());
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
        let values = Float64Builder::with_capacity(input.rows * self.model.width());
        let mut lists = ListBuilder::with_capacity(values, input.rows);
        for row in 0..input.rows {
            let Some(text) = text_at(&texts, row) else {
                return Err(failed(row, "the text to embed is null".to_owned()));
            };
            let Some(vector) = self.model.of(text).map_err(|why| uncut(row, &why))? else {
                return Err(failed(row, "the model knows no token of the text, so it has no vector".to_owned()));
            };
            vector.iter().for_each(|value| lists.values().append_value(f64::from(*value)));
            lists.append(true);
        }
        Ok(vec![Arc::new(lists.finish())])
    }
}

fn failed(row: usize, message: String) -> RowError {
    let help = "drop such rows first, with `where`, or let them fail: `max_failed`".to_owned();
    RowError { row, message, help: Some(help) }
}
