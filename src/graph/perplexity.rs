//! Binding of `perplexity`: a column of texts here, and one there of which a language model is made, or a model at an endpoint.

use super::asking::{asked_since, model};
use super::bind::{Ask, Binder, Stage};
use crate::ask::{Spec, Task};
use crate::diag::Diagnostic;
use crate::manifest::{Perplexity, PerplexityBy};
use crate::op::{self, AskedPerplexity, BEYOND};
use crate::table::Type;
use std::sync::Arc;

impl Binder<'_> {
    /// Binds `perplexity`.
    pub(super) fn perplexity(&mut self, at: usize, step: &Perplexity) -> Option<Vec<Stage>> {
        let name = match &step.by {
            PerplexityBy::Model(name) => name,
            PerplexityBy::Lm(name) => {
                let (input, other) = self.looked_into(at)?;
                let lm = self.graph.manifest.lms.iter().find(|lm| lm.name.value == name.value)?;
                self.text_column(&step.column, None);
                self.text_column(&lm.column, Some((&other.schema, &lm.from)));
                let op = op::Perplexity::new(&step.column.value, &lm.column.value, lm.order, &step.into.value);
                self.add(&step.into, Type::Float);
                return Some(vec![Stage::Refer { op: Arc::new(op), input, span: step.span.clone() }]);
            }
        };
        let (place, model) = model(self.graph, name)?;
        self.text_column(&step.column, None);
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
}
