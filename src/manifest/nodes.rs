//! Checks the nodes of a kind and makes declarations of them.

use super::Manifest;
use super::check::{Checker, NAME_RULE, Path, is_name};
use super::declare::Declarer;
use super::keys::{Holds, Kind as NodeKind};
use super::value::{At, Kind, Table};
use crate::diag::{Diagnostic, Severity, Source};
use std::sync::Arc;

/// Adds the declarations of a kind to a manifest, in the order of their names, and returns what is wrong with them.
pub fn declare(
    kind: &'static NodeKind,
    at: At,
    table: &Table<'_>,
    sources: &[Arc<Source>],
    manifest: &mut Manifest,
) -> Vec<Diagnostic> {
    let mut checker = Checker { sources, problems: Vec::new() };
    let mut declarer = Declarer { sources, problems: Vec::new() };
    let root = Path::root(kind.name);
    match &kind.holds {
        Holds::Values | Holds::Overlays => {}
        Holds::Keys(spec) => {
            checker.table(&root, at, table, spec);
            match kind.name {
                "budget" => manifest.budget = declarer.budget(table),
                _ => manifest.project = declarer.project(table),
            }
            // What is wrong with its values, `check` has said.
            declarer.problems.clear();
        }
        Holds::Nodes(spec) => {
            for (name, entry) in table {
                let before = (checker.problems.len(), declarer.problems.len(), manifest.datasets.len());
                if !is_name(name) {
                    let problem = Diagnostic::error("invalid-name", format!("`{name}` cannot be a name"));
                    checker.problems.push(problem.at(&entry.key.span(sources), "in this place").note(NAME_RULE));
                }
                let Kind::Table(node) = &entry.value.kind else {
                    let problem = Diagnostic::error("wrong-type", format!("`{}.{name}` must be a table", kind.name));
                    let found = format!("found {}", entry.value.kind.name());
                    let problem = problem.at(&entry.value.at.span(sources), found);
                    checker.problems.push(problem.help(format!("a {0} is written `[{0}.NAME]`", kind.name)));
                    manifest.broken.add(Some(kind.name), name);
                    continue;
                };
                checker.table(&root.key(name), entry.key, node, spec);
                let text = declarer.name(name, entry);
                match kind.name {
                    "dataset" => manifest.datasets.extend(declarer.rounds(text, node, table)),
                    "prompt" => manifest.prompts.extend(declarer.prompt(text, node)),
                    "model" => manifest.models.extend(declarer.model(text, node)),
                    "lm" => manifest.lms.extend(declarer.lm(text, node)),
                    "filter" => manifest.filters.extend(declarer.filter(text, node)),
                    "metric" => manifest.metrics.extend(declarer.metric(text, node)),
                    "test" => manifest.tests.extend(declarer.test(text, node)),
                    _ => manifest.exports.extend(declarer.export(text, node)),
                }
                let found = checker.problems[before.0..].iter().chain(&declarer.problems[before.1..]);
                let wrong = found.into_iter().any(|problem| problem.severity == Severity::Error);
                if wrong || manifest.broken.has(kind.name, name) {
                    manifest.broken.add(Some(kind.name), name);
                    let rounds = &manifest.datasets[before.2..];
                    rounds.iter().for_each(|round| manifest.broken.add(Some("dataset"), &round.name.value));
                }
            }
            // Rounds have names of their own, among the others.
            manifest.datasets.sort_by(|one, other| one.name.value.cmp(&other.name.value));
        }
    }
    checker.problems.append(&mut declarer.problems);
    checker.problems
}
