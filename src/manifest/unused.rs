//! Warnings of what is declared and never used.

use super::value::{Kind, Value};
use super::{Manifest, Render, RenderText, Step};
use crate::diag::{Diagnostic, Span};
use std::collections::BTreeSet;

/// Warns of params, prompts and filters that nothing uses.
pub fn warnings(manifest: &Manifest, unused: &[(String, Span)], profiles: &Value<'_>) -> Vec<Diagnostic> {
    let mut used = BTreeSet::new();
    strings(profiles, &mut used);
    for step in manifest.datasets.iter().flat_map(|dataset| &dataset.steps) {
        match step {
            Step::Filter(names) => used.extend(names.iter().map(|name| name.value.as_str())),
            Step::Render(Render { text: RenderText::Prompt(name), .. }) => drop(used.insert(name.value.as_str())),
            _ => {}
        }
    }
    let warn = |code, what: &str, name: &str, span: &Span| {
        Diagnostic::warning(code, format!("the {what} `{name}` is not used")).at(span, "nothing refers to it")
    };
    let params = unused.iter().map(|(name, span)| warn("unused-param", "param", name, span));
    let prompts = manifest.prompts.iter().map(|prompt| ("unused-prompt", "prompt", &prompt.name));
    let filters = manifest.filters.iter().map(|filter| ("unused-filter", "filter", &filter.name));
    let nodes = prompts.chain(filters).filter(|(_, _, name)| !used.contains(name.value.as_str()));
    params.chain(nodes.map(|(code, what, name)| warn(code, what, &name.value, &name.span))).collect()
}

fn strings<'v>(value: &'v Value<'_>, into: &mut BTreeSet<&'v str>) {
    match &value.kind {
        Kind::Text(text) => drop(into.insert(text)),
        Kind::List(items) => items.iter().for_each(|item| strings(item, into)),
        Kind::Table(table) => table.values().for_each(|entry| strings(&entry.value, into)),
        _ => {}
    }
}
