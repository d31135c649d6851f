//! Checks the nodes of a kind and makes declarations of them, on all threads where there are many.

use super::check::{Checker, NAME_RULE, Path, is_name};
use super::declare::Declarer;
use super::keys::{Holds, Kind as NodeKind};
use super::value::{At, Entry, Kind, Table};
use super::{Dataset, Export, Filter, Manifest, Metric, Prompt, shape};
use crate::diag::{Diagnostic, Source};
use std::sync::Arc;
use std::thread;

/// Below this many nodes, a second thread costs more than it gains.
const FEW: usize = 500;

/// Adds the declarations of a kind to a manifest, in the order of their names, and returns what is wrong with them.
pub fn declare(
    kind: &'static NodeKind,
    at: At,
    table: &Table<'_>,
    sources: &[Arc<Source>],
    manifest: &mut Manifest,
) -> Vec<Diagnostic> {
    match &kind.holds {
        Holds::Values | Holds::Overlays => Vec::new(),
        Holds::Keys(spec) => {
            let mut checker = Checker { sources, problems: Vec::new() };
            checker.table(&Path::root(kind.name), at, table, spec);
            manifest.project = Declarer { sources, problems: Vec::new() }.project(table);
            checker.problems
        }
        Holds::Nodes(spec) => {
            let nodes: Vec<(&str, &Entry<'_>)> = table.iter().collect();
            let threads =
                if nodes.len() < FEW { 1 } else { thread::available_parallelism().map_or(1, usize::from).min(8) };
            let parts = nodes.chunks(nodes.len().div_ceil(threads).max(1));
            let read = |part| Declared::read(kind.name, spec, part, sources);
            let parts: Vec<Declared> = if threads == 1 {
                parts.map(read).collect()
            } else {
                thread::scope(|scope| {
                    let running: Vec<_> = parts.map(|part| scope.spawn(move || read(part))).collect();
                    let finished = running.into_iter().map(|thread| thread.join());
                    finished.map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
                })
            };
            let mut problems = Vec::new();
            for part in parts {
                manifest.datasets.extend(part.datasets);
                manifest.prompts.extend(part.prompts);
                manifest.filters.extend(part.filters);
                manifest.metrics.extend(part.metrics);
                manifest.exports.extend(part.exports);
                problems.extend(part.problems);
            }
            problems
        }
    }
}

/// Declarations of consecutive nodes.
#[derive(Default)]
struct Declared {
    datasets: Vec<Dataset>,
    prompts: Vec<Prompt>,
    filters: Vec<Filter>,
    metrics: Vec<Metric>,
    exports: Vec<Export>,
    problems: Vec<Diagnostic>,
}

impl Declared {
    fn read(
        kind: &str,
        spec: &'static shape::Table,
        nodes: &[(&str, &Entry<'_>)],
        sources: &[Arc<Source>],
    ) -> Declared {
        let mut declared = Declared::default();
        let mut checker = Checker { sources, problems: Vec::new() };
        let mut declarer = Declarer { sources, problems: Vec::new() };
        let root = Path::root(kind);
        for (name, entry) in nodes {
            if !is_name(name) {
                let problem = Diagnostic::error("invalid-name", format!("`{name}` cannot be a name"));
                checker.problems.push(problem.at(&entry.key.span(sources), "in this place").note(NAME_RULE));
            }
            let Kind::Table(node) = &entry.value.kind else {
                let problem = Diagnostic::error("wrong-type", format!("`{kind}.{name}` must be a table"));
                let problem = problem.at(&entry.value.at.span(sources), format!("found {}", entry.value.kind.name()));
                checker.problems.push(problem.help(format!("a {kind} is written `[{kind}.NAME]`")));
                continue;
            };
            checker.table(&root.key(name), entry.key, node, spec);
            let name = declarer.name(name, entry);
            match kind {
                "dataset" => declared.datasets.extend(declarer.dataset(name, node)),
                "prompt" => declared.prompts.extend(declarer.prompt(name, node)),
                "filter" => declared.filters.extend(declarer.filter(name, node)),
                "metric" => declared.metrics.extend(declarer.metric(name, node)),
                _ => declared.exports.extend(declarer.export(name, node)),
            }
        }
        declared.problems = checker.problems;
        declared.problems.append(&mut declarer.problems);
        declared
    }
}
