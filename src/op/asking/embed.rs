//! `embed`: the vector that a model makes of a text.

use super::Asked;
use super::reply::failure;
use crate::ask::{Request, Response, Spec};
use crate::expr::{Expr, Value};
use crate::hash::KeyWriter;
use crate::op::{AskOp, Turn, text_at};
use crate::table::{Batch, Field, RowError, Type};
use std::sync::Arc;

/// One column of lists of floats.
///
/// Its key: the expression, the request's head (task, model, parameters), and which responses count.
pub struct Embed {
    text: Expr,
    asked: Asked,
    writes: [Field; 1],
}

impl Embed {
    /// Embeds the value of `text`, a string, as the column `into`.
    pub fn new(text: Expr, asked: Asked, into: &str) -> Embed {
        Embed { text, asked, writes: [Field::new(into, Type::List(Box::new(Type::Float)))] }
    }
}

impl AskOp for Embed {
    fn write_key(&self, key: &mut KeyWriter) {
        key.text("expression", self.text.canonical());
        self.asked.write_key(key);
    }

    fn name(&self) -> &'static str {
        "embed"
    }

    fn reads(&self) -> &[String] {
        self.text.reads()
    }

    fn writes(&self) -> &[Field] {
        &self.writes
    }

    fn specs(&self) -> Vec<Arc<Spec>> {
        vec![self.asked.spec.clone()]
    }

    fn begin(&self, input: &Batch) -> Result<Vec<Vec<Request>>, RowError> {
        let texts = self.text.eval(input)?;
        let null = |row| RowError {
            row,
            message: "the text to embed is null".to_owned(),
            help: Some("drop such rows first, with `where`, or give another text, with `coalesce(…, '')`".to_owned()),
        };
        let one = |row: usize| {
            let text = text_at(&texts, row).ok_or_else(|| null(row))?;
            Ok(vec![self.asked.about(text)])
        };
        (0..input.rows).map(one).collect()
    }

    fn reply(&self, _request: &Request, response: &Response, _turns: u32) -> Turn {
        if let Some(failed) = failure(response, response.vector.is_empty()) {
            return failed;
        }
        Turn::Done(Value::List(response.vector.iter().map(|value| Value::Float(f64::from(*value))).collect()))
    }
}
