//! Warnings of what is declared and never used.

use super::value::{Kind, Value};
use super::{Manifest, Perplexity, PerplexityBy, Render, RenderText, Step, Text};
use crate::diag::{Diagnostic, Span};
use std::collections::BTreeSet;

/// Warns of params, prompts, models, language models and filters that nothing uses.
pub fn warnings(manifest: &Manifest, unused: &[(String, Span)], profiles: &Value<'_>) -> Vec<Diagnostic> {
    let mut anywhere = BTreeSet::new();
    strings(profiles, &mut anywhere);
    let (mut prompts, mut models, mut filters) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut lms = BTreeSet::new();
    for step in manifest.datasets.iter().flat_map(|dataset| &dataset.steps) {
        match step {
            Step::Filter(names) => filters.extend(names.iter().map(|name| name.value.as_str())),
            Step::Render(Render { text: RenderText::Prompt(name), .. }) => drop(prompts.insert(name.value.as_str())),
            Step::Generate(generate) => {
                prompts.insert(generate.prompt.value.as_str());
                models.insert(generate.model.value.as_str());
            }
            Step::Judge(judge) => {
                prompts.insert(judge.prompt.value.as_str());
                models.extend(judge.models.iter().map(|name| name.value.as_str()));
            }
            Step::Perplexity(Perplexity { by: PerplexityBy::Lm(name), .. }) => drop(lms.insert(name.value.as_str())),
            Step::Embed(_) | Step::Perplexity(_) => models.extend(step.models().iter().map(|name| name.value.as_str())),
            _ => {}
        }
    }
    let warn = |code, what: &str, name: &str, span: &Span| {
        Diagnostic::warning(code, format!("the {what} `{name}` is not used")).at(span, "nothing refers to it")
    };
    let params = unused.iter().map(|(name, span)| warn("unused-param", "param", name, span));
    let idle = |name: &&Text, used: &BTreeSet<&str>| {
        !used.contains(name.value.as_str()) && !anywhere.contains(name.value.as_str())
    };
    let prompts = manifest.prompts.iter().map(|prompt| &prompt.name).filter(|name| idle(name, &prompts));
    let models = manifest.models.iter().map(|model| &model.name).filter(|name| idle(name, &models));
    let lms = manifest.lms.iter().map(|lm| &lm.name).filter(|name| idle(name, &lms));
    let filters = manifest.filters.iter().map(|filter| &filter.name).filter(|name| idle(name, &filters));
    params
        .chain(prompts.map(|name| warn("unused-prompt", "prompt", &name.value, &name.span)))
        .chain(models.map(|name| warn("unused-model", "model", &name.value, &name.span)))
        .chain(lms.map(|name| warn("unused-lm", "language model", &name.value, &name.span)))
        .chain(filters.map(|name| warn("unused-filter", "filter", &name.value, &name.span)))
        .collect()
}

fn strings<'v>(value: &'v Value<'_>, into: &mut BTreeSet<&'v str>) {
    match &value.kind {
        Kind::Text(text) => drop(into.insert(text)),
        Kind::List(items) => items.iter().for_each(|item| strings(item, into)),
        Kind::Table(table) => table.values().for_each(|entry| strings(&entry.value, into)),
        _ => {}
    }
}
