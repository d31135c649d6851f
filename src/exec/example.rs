//! Rows that cannot be computed, as a person is shown them: where, why, and with which values.

use super::context::Stop;
use super::failure::{FailedAs, RowFailure};
use super::lost::{Lost, Why};
use super::stage::Flow;
use crate::diag::{Diagnostic, Span};
use crate::expr::{Value, value_at};
use crate::graph::{Parts, Stage};
use crate::table::{Batch, Schema};
use arrow_array::Array;

/// Rows that are shown; the others are counted.
pub(super) const SHOWN: usize = 3;

/// One row.
#[derive(Clone)]
pub(super) struct Example {
    span: Span,
    /// What to say there.
    label: &'static str,
    pub detail: String,
    help: Option<String>,
    /// The values that were read, as they are written.
    values: Vec<(String, String)>,
}

impl Example {
    /// Shows a row of those that `span` was computed of.
    pub fn new(span: &Span, batch: &Batch, row: usize, detail: String, help: Option<String>) -> Example {
        let there = batch.columns.iter().filter(|(_, column)| row < column.len());
        let value = |text: String| text.chars().take(200).collect();
        let values = there.map(|(name, column)| (name.clone(), value(value_at(column, row).to_string())));
        Example { span: span.clone(), label: "computed here", detail, help, values: values.collect() }
    }
}

impl Flow<'_> {
    /// Shows the first rows that a stage dropped, or that could not be computed there; `before` are the columns that came to it.
    pub fn examples(&self, stage: &Stage, lost: &Lost, before: &Schema, key: &[String]) -> Result<Vec<Example>, Stop> {
        let computed = |of: &str| computed(stage, of);
        self.examples_of(lost, &lost.reasons(Some(stage)), before, key, computed)
    }

    /// Shows such rows of whatever they were lost at; `computed` returns where what a row failed of stands, and what it reads.
    pub fn examples_of<'s>(
        &self,
        lost: &Lost,
        reasons: &[(String, u64)],
        before: &Schema,
        key: &[String],
        computed: impl Fn(&str) -> Option<(&'s Span, &'s [String])>,
    ) -> Result<Vec<Example>, Stop> {
        let mut examples = Vec::new();
        for group in &lost.groups {
            let Some((why, columns)) = group.columns.split_last() else { continue };
            let why = self.context.column(*why)?;
            for row in 0..group.rows as usize {
                if examples.len() == SHOWN {
                    return Ok(examples);
                }
                let failure = match (lost.why, value_at(&why, row)) {
                    (Why::Failed, value) => RowFailure::of_value(&value),
                    (Why::Dropped, Value::Int(at)) => {
                        let by = usize::try_from(at).ok().and_then(|at| reasons.get(at));
                        by.map(|(name, _)| RowFailure::uncomputable(name, name))
                    }
                    (Why::Dropped, _) => None,
                };
                let Some(failure) = failure.filter(|one| one.kind == FailedAs::Uncomputable) else { continue };
                let Some((span, reads)) = computed(failure.of.as_deref().unwrap_or_default()) else { continue };
                // A key of all columns tells nothing.
                let key = key.iter().filter(|_| key.len() < before.0.len());
                let mut names: Vec<&String> = key.filter(|name| !reads.contains(name)).collect();
                names.extend(reads);
                let column = |name: &String| {
                    let at = before.index(name)?;
                    Some(self.context.column(columns[at]).map(|column| (name.clone(), column)))
                };
                let columns = names.into_iter().filter_map(column).collect::<Result<_, Stop>>()?;
                let batch = Batch { rows: group.rows as usize, columns };
                let label = if lost.why == Why::Failed { "computed here" } else { "not met" };
                let example = Example::new(span, &batch, row, failure.detail, failure.help);
                examples.push(Example { label, ..example });
            }
        }
        Ok(examples)
    }
}

/// Returns where that stands which a row failed of, and what it reads.
fn computed<'a>(stage: &'a Stage, of: &str) -> Option<(&'a Span, &'a [String])> {
    match stage {
        Stage::Compute(works) | Stage::Filter(works) | Stage::Split(Parts { works, .. }) => {
            works.iter().find(|work| work.name == of).map(|work| (&work.span, work.op.reads()))
        }
        Stage::Whole { hashes, .. } | Stage::Spans { hashes, .. } => {
            let work = hashes.iter().find(|work| work.name == of).or(hashes.first());
            work.map(|work| (&work.span, work.op.reads()))
        }
        Stage::Run(run) => Some((&run.span, &run.program.reads)),
        Stage::Ask(ask) => Some((&ask.span, ask.op.reads())),
        Stage::Refer { op, span, .. } => Some((span, op.reads())),
        Stage::Fan { fan, span } => Some((span, fan.reads())),
        Stage::Decontaminate(step) => Some((&step.span, step.op.reads())),
        Stage::Select(_) => None,
    }
}

/// Diagnostics that show rows.
pub(super) trait WithRows {
    /// Points at what the rows were computed of, and shows them; `all` counts those that are not shown as well.
    fn with_rows(self, examples: &[Example], all: u64) -> Self;
}

impl WithRows for Diagnostic {
    fn with_rows(mut self, examples: &[Example], all: u64) -> Diagnostic {
        for example in examples {
            if !self.labels.iter().any(|label| label.span == example.span) {
                self = self.at(&example.span, example.label);
            }
            let alone = all == 1;
            if alone {
                for (name, value) in &example.values {
                    self = self.note(format!("in that row `{name}` is {value}"));
                }
            } else {
                let values: Vec<String> =
                    example.values.iter().map(|(name, value)| format!("`{name}` is {value}")).collect();
                let values =
                    if values.is_empty() { "a row".to_owned() } else { format!("where {}", values.join(", ")) };
                self = self.note(format!("{values}: {}", example.detail));
            }
            if let Some(help) = &example.help
                && !self.help.contains(help)
            {
                self = self.help(help);
            }
        }
        match all.saturating_sub(examples.len() as u64) {
            0 => self,
            1 => self.note("and 1 more row"),
            more => self.note(format!("and {more} more rows")),
        }
    }
}
