//! Binding of `perplexity`: a column of texts here, and one there of which a language model is made, or a model at an endpoint.

use super::asking::{asked_since, model};
use super::bind::{Ask, Binder, Stage, no_column};
use crate::ask::{Spec, Task};
use crate::diag::Diagnostic;
use crate::manifest::{Perplexity, PerplexityBy, Text};
use crate::op::{self, AskedPerplexity, BEYOND};
use crate::table::{Schema, Type};
use std::sync::Arc;

/// What has columns of texts.
const LM: &str = "a language model is of texts";

impl Binder<'_> {
    /// Binds `perplexity`.
    pub(super) fn perplexity(&mut self, at: usize, step: &Perplexity) -> Option<Vec<Stage>> {
        let own = self.shape.schema.clone();
        let name = match &step.by {
            PerplexityBy::Model(name) => name,
            PerplexityBy::Lm(name) => {
                let (input, other) = self.looked_into(at)?;
                let lm = self.graph.manifest.lms.iter().find(|lm| lm.name.value == name.value)?;
                self.text_column(LM, &step.column, &own, &self.node.name);
                self.text_column(LM, &lm.column, &other.schema, &lm.from.value);
                let op = op::Perplexity::new(&step.column.value, &lm.column.value, lm.order, &step.into.value);
                self.add(&step.into, Type::Float);
                return Some(vec![Stage::Refer { op: Arc::new(op), input, span: step.span.clone() }]);
            }
        };
        let (place, model) = model(self.graph, name)?;
        self.text_column("perplexity is of texts", &step.column, &own, &self.node.name);
        if !model.completions {
            let title = format!("the model `{}` answers dialogues, and tells nothing of what it is given", name.value);
            let problem = Diagnostic::error("no-logprobs", title).at(&name.span, "texts are to be measured by it");
            self.problems.push(
                problem
                    .note("of completions, an endpoint that takes `echo` and `logprobs` tells how likely the text was")
                    .help("give the model `api = \"completions\"`, or measure by a model of a dataset, `[lm.NAME]`"),
            );
        }
        self.add(&step.into, Type::Float);
        let params = AskedPerplexity::asking(model.params.clone());
        let spec = Spec::new(place, Task::Completion, model.called(), params, None, Some(BEYOND));
        let op = AskedPerplexity::new(&step.column.value, asked_since(model, spec), &step.into.value);
        Some(vec![Stage::Ask(Ask { op: Arc::new(op), span: step.span.clone() })])
    }

    /// Checks that a column holds texts.
    pub(super) fn text_column(&mut self, what: &str, column: &Text, schema: &Schema, whose: &str) {
        match schema.field(&column.value) {
            Some(field) if field.ty == Type::String => {}
            Some(field) => {
                let title = format!("{what}, and `{}` is {}", column.value, field.ty);
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
