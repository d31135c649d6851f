//! Binding of `perplexity`: a column of texts here, and one there of which a language model is made.

use super::bind::{Binder, Stage, no_column};
use crate::diag::Diagnostic;
use crate::manifest::{Perplexity, Text};
use crate::op;
use crate::table::{Schema, Type};
use std::sync::Arc;

impl Binder<'_> {
    /// Binds `perplexity`.
    pub(super) fn perplexity(&mut self, at: usize, step: &Perplexity) -> Option<Vec<Stage>> {
        let (input, other) = self.looked_into(at)?;
        let lm = self.graph.manifest.lms.iter().find(|lm| lm.name.value == step.lm.value)?;
        let own = self.shape.schema.clone();
        self.text_column(&step.column, &own, &self.node.name);
        self.text_column(&lm.column, &other.schema, &lm.from.value);
        let op = op::Perplexity::new(&step.column.value, &lm.column.value, lm.order, &step.into.value);
        self.add(&step.into, Type::Float);
        Some(vec![Stage::Refer { op: Arc::new(op), input, span: step.span.clone() }])
    }

    /// Checks that a column holds texts.
    fn text_column(&mut self, column: &Text, schema: &Schema, whose: &str) {
        match schema.field(&column.value) {
            Some(field) if field.ty == Type::String => {}
            Some(field) => {
                let title = format!("a language model is of texts, and `{}` is {}", column.value, field.ty);
                let problem = Diagnostic::error("wrong-type", title).at(&column.span, format!("of type {}", field.ty));
                self.problems.push(problem.help("make texts of it before: `cast(… as string)` in a `columns` step"));
            }
            None => {
                let title = format!("`{whose}` has no column `{}`", column.value);
                self.problems.push(no_column(title, &column.value, schema, |diagnostic| {
                    diagnostic.at(&column.span, "no such column")
                }));
            }
        }
    }
}
