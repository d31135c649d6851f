//! Binds `augment`: variants of a row first, so that each has noise of its own.

use super::bind::{Binder, Fan, Stage, Work, no_column};
use crate::diag::Diagnostic;
use crate::manifest::{self, Text};
use crate::op::{self, Augmented, Augmenting, Intensity, Synonyms};
use crate::table::Type;
use std::sync::Arc;

/// The column that tells variants apart, unless another is named.
const VARIANT: &str = "variant";

impl Binder<'_> {
    pub(super) fn augment(&mut self, at: usize, step: &manifest::Augment) -> Option<Vec<Stage>> {
        let mut stages = Vec::new();
        let variant = match &step.variant {
            Some(name) => Some(name.clone()),
            None => (step.n > 1).then(|| Text { value: VARIANT.to_owned(), span: step.span.clone(), exact: false }),
        };
        if let Some(name) = &variant {
            self.add(name, Type::Int);
            self.shape.key.push(name.value.clone());
            let fan = Fan::Own(Arc::new(op::Repeat::new(step.n, &name.value)));
            stages.push(Stage::Fan { fan, span: step.span.clone() });
        }
        let schema = self.shape.schema.clone();
        match schema.field(&step.column.value) {
            Some(field) if matches!(field.ty, Type::String) => {}
            Some(field) => {
                let title = format!("`augment` reads a text, and `{}` is none", step.column.value);
                let problem =
                    Diagnostic::error("wrong-type", title).at(&step.column.span, format!("this is {}", field.ty));
                self.problems.push(problem.help("make a text of it with `columns` first: `cast(x as string)`"));
            }
            None => {
                let title = format!("`augment` reads a column that `{}` does not have here", self.node.name);
                let place = |d: Diagnostic| d.at(&step.column.span, "no such column");
                self.problems.push(no_column(title, &step.column.value, &schema, place));
            }
        }
        let intensity = match &step.intensity {
            manifest::Intensity::Fixed(intensity) => Some(Intensity::Fixed(*intensity)),
            manifest::Intensity::Of(text) => {
                let number = |ty: &Type| matches!(ty, Type::Int | Type::Float);
                self.number("intensity", text, number, "a number from 0 to 1").map(Intensity::Of)
            }
        };
        let key = self.shape.key.clone();
        self.add(&step.into, Type::String);
        if let Some(edits) = &step.edits {
            self.add(edits, Type::List(Box::new(Type::String)));
        }
        let synonyms = self.node.synonyms.get(&at).cloned().unwrap_or_else(Synonyms::english);
        let how = Augmenting {
            noise: step.noise.clone(),
            intensity: intensity?,
            share: step.share,
            seed: step.seed as i64,
            synonyms,
        };
        let span = if let manifest::Intensity::Of(text) = &step.intensity { &text.span } else { &step.span };
        let made = [(Some(&step.into), Augmented::Text), (step.edits.as_ref(), Augmented::Edits)];
        let works = made.into_iter().filter_map(|(name, made)| {
            let op = op::Augment::new(how.clone(), step.column.value.clone(), key.clone(), made);
            Some(Work::new(&name?.value, op, span))
        });
        stages.push(Stage::Compute(works.collect()));
        Some(stages)
    }
}
