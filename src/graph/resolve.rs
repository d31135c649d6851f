//! Names to edges: every unknown name, cycle and broken text is reported at once.

use super::alike::{contaminated_exports, evaluation};
use super::steps::read_step;
use super::texts::TextReader;
use super::{Graph, Input, Kind, Names, Node, NodeId, NodeQuery};
use crate::diag::{Diagnostic, Diagnostics, Severity, list};
use crate::fetch::Texts;
use crate::manifest::{Dataset, Maker, Manifest, Perplexity, PerplexityBy, Step, Test, Text};
use std::collections::HashMap;
use std::sync::Arc;

/// A name as it is written at an edge: a dataset, or `dataset.part`.
struct Edge<'a> {
    text: &'a Text,
    dataset: &'a str,
    part: Option<&'a str>,
    /// What the one does with the other, in words.
    verb: &'static str,
}

fn edge(text: &Text) -> Edge<'_> {
    let (dataset, part) = match text.value.split_once('.') {
        Some((dataset, part)) => (dataset, Some(part)),
        None => (text.value.as_str(), None),
    };
    Edge { text, dataset, part, verb: "is made from" }
}

/// Returns the edges of a dataset's maker in the order in which it reads them.
fn maker_edges<'a>(dataset: &'a Dataset, query: Option<&'a Arc<NodeQuery>>) -> Vec<Edge<'a>> {
    match &dataset.maker {
        Maker::Files(_) | Maker::Synth(_) | Maker::Run(_) => Vec::new(),
        Maker::From(name) => vec![edge(name)],
        Maker::Mix(mix) => mix.of.iter().map(|(name, _)| edge(name)).collect(),
        Maker::Concat(concat) => concat.of.iter().map(edge).collect(),
        Maker::Sql(_) => query.iter().flat_map(|query| &query.names).map(edge).collect(),
    }
}

/// Returns the edge to what a dataset's maker looks into.
fn reference_edge(dataset: &Dataset) -> Option<Edge<'_>> {
    let Maker::Mix(mix) = &dataset.maker else { return None };
    Some(Edge { verb: "matches", ..edge(&mix.matching.as_ref()?.to) })
}

/// Returns the edges of a dataset's steps, with their positions: those of a step follow each other.
fn step_edges<'a>(manifest: &'a Manifest, dataset: &'a Dataset) -> Vec<(usize, Edge<'a>)> {
    let examples = |prompt: &Text| {
        let prompt = manifest.prompts.iter().find(|known| known.name.value == prompt.value)?;
        let edge = edge(&prompt.examples.as_ref()?.from);
        Some(Edge { verb: "gets examples from", ..edge })
    };
    let looks_into = |name: &'a Text| Edge { verb: "looks into", ..edge(name) };
    let of = |step: &'a Step| -> Vec<Edge<'a>> {
        match step {
            Step::Nearest(nearest) => vec![looks_into(&nearest.to)],
            Step::Perplexity(Perplexity { by: PerplexityBy::Lm(name), .. }) => {
                let lm = manifest.lms.iter().find(|known| known.name.value == name.value);
                lm.map(|lm| Edge { verb: "is measured by a model of", ..edge(&lm.from) }).into_iter().collect()
            }
            Step::Join(join) => vec![Edge { verb: "is joined with", ..edge(&join.with) }],
            Step::Generate(generate) => examples(&generate.prompt).into_iter().collect(),
            Step::Judge(judge) => examples(&judge.prompt).into_iter().collect(),
            Step::Dedup(dedup) => dedup.against.iter().map(looks_into).collect(),
            Step::DedupSpans(step) => step.against.iter().map(looks_into).collect(),
            Step::Decontaminate(step) => evaluation(manifest, dataset, step).into_iter().map(looks_into).collect(),
            _ => Vec::new(),
        }
    };
    let steps = dataset.steps.iter().enumerate();
    steps.flat_map(|(at, step)| of(step).into_iter().map(move |edge| (at, edge))).collect()
}

impl Graph {
    /// Resolves all names of the manifest.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn resolve(manifest: Manifest, texts: &dyn Texts) -> Result<Graph, Diagnostics> {
        let mut problems = Diagnostics::default();
        let (graph, _) = Graph::resolve_sound_parts(manifest, texts, &mut problems);
        if problems.has_errors() { Err(problems) } else { Ok(graph) }
    }

    /// Resolves all names of the manifest, and returns with the graph the nodes of which nothing is wrong, nor of what they need.
    pub fn resolve_sound_parts(
        manifest: Manifest,
        texts: &dyn Texts,
        problems: &mut Diagnostics,
    ) -> (Graph, Vec<NodeId>) {
        let datasets: Names = manifest.datasets.iter().enumerate().map(|(i, d)| (d.name.value.as_str(), i)).collect();
        let mut reader = TextReader::new(&manifest, texts);
        let queries = NodeQuery::all(&manifest, &reader, problems);
        let (order, mut sound) = dataset_order(&manifest, &datasets, &queries, problems);
        let ids: HashMap<usize, NodeId> = order.iter().enumerate().map(|(at, i)| (*i, NodeId(at as u32))).collect();
        let mut nodes = Vec::with_capacity(order.len() + manifest.metrics.len() + manifest.exports.len());

        let inputs = |edges: Vec<Edge>| -> Vec<Input> {
            let known = edges.iter().filter_map(|e| {
                let node = *ids.get(datasets.get(e.dataset)?)?;
                Some(Input { node, part: e.part.map(str::to_owned), span: e.text.span.clone() })
            });
            known.collect()
        };
        for i in &order {
            let dataset = &manifest.datasets[*i];
            let query = queries.get(i);
            let mut edges = maker_edges(dataset, query);
            let mut node = Node::new(Kind::Dataset, &dataset.name, *i, &dataset.definition);
            if let Some(query) = query {
                query.words(&mut node.words);
                node.query = Some(query.clone());
            }
            node.made_of = edges.len();
            edges.extend(reference_edge(dataset));
            for (step, edge) in step_edges(&manifest, dataset) {
                let first = *node.looks_into.entry(step).or_insert(edges.len());
                if let Step::Dedup(_) | Step::Decontaminate(_) = &dataset.steps[step] {
                    // What is dropped has the name with it.
                    let name = edge.text.value.clone();
                    node.words.set(format!("steps.{step}.against.{}", edges.len() - first), name);
                }
                edges.push(edge);
            }
            node.inputs = inputs(edges);
            for at in 0..dataset.steps.len() {
                sound[*i] &= read_step(&manifest, &mut reader, dataset, at, &mut node, problems);
            }
            sound[*i] &= node.inputs.iter().all(|input| sound[order[input.node.index()]]);
            nodes.push(node);
        }
        // From here on by the positions of the nodes.
        let mut sound: Vec<bool> = order.iter().map(|i| sound[*i]).collect();
        for (i, metric) in manifest.metrics.iter().enumerate() {
            let edges: Vec<Edge> = metric.on.iter().map(edge).collect();
            let whole = check_edges(&manifest, &datasets, &edges, problems);
            let mut node = Node::new(Kind::Metric, &metric.name, i, &metric.definition);
            node.inputs = inputs(edges);
            node.made_of = node.inputs.len();
            let needed = node.inputs.iter().map(|input| input.node).chain(node.after.iter().copied());
            sound.push(whole && needed.into_iter().all(|id| sound[id.index()]));
            nodes.push(node);
        }
        let first_test = nodes.len();
        for (i, test) in manifest.tests.iter().enumerate() {
            let edges: Vec<Edge> = test.on.iter().map(edge).collect();
            let whole = check_edges(&manifest, &datasets, &edges, problems);
            let mut node = Node::new(Kind::Test, &test.name, i, &test.definition);
            node.inputs = inputs(edges);
            node.made_of = node.inputs.len();
            let needed = node.inputs.iter().map(|input| input.node).chain(node.after.iter().copied());
            sound.push(whole && needed.into_iter().all(|id| sound[id.index()]));
            nodes.push(node);
        }
        for (i, export) in manifest.exports.iter().enumerate() {
            let whole = check_edges(&manifest, &datasets, &[edge(&export.from)], problems);
            let mut node = Node::new(Kind::Export, &export.name, i, &export.definition);
            node.inputs = inputs(vec![edge(&export.from)]);
            // A test of the whole is one of its parts, and the other way round.
            let tested = |test: &&Test| {
                let own = edge(&export.from);
                let same = |other: Edge| {
                    other.dataset == own.dataset
                        && (other.part == own.part || other.part.is_none() || own.part.is_none())
                };
                test.severity == Severity::Error && test.on.iter().map(edge).any(same)
            };
            let tests = (first_test..).zip(&manifest.tests).filter(|(_, test)| tested(test));
            node.after = tests.map(|(at, _)| NodeId(at as u32)).collect();
            node.made_of = node.inputs.len();
            let needed = node.inputs.iter().map(|input| input.node).chain(node.after.iter().copied());
            sound.push(whole && needed.into_iter().all(|id| sound[id.index()]));
            nodes.push(node);
        }
        for lm in &manifest.lms {
            check_edges(&manifest, &datasets, &[edge(&lm.from)], problems);
        }
        // Prompts that no node uses are checked too: an error in them should not wait for their first use.
        for (at, prompt) in manifest.prompts.iter().enumerate() {
            reader.prompt(at, problems);
            let examples: Vec<Edge> = prompt.examples.iter().map(|examples| edge(&examples.from)).collect();
            check_edges(&manifest, &datasets, &examples, problems);
        }
        let sound =
            sound.into_iter().enumerate().filter(|(_, sound)| *sound).map(|(at, _)| NodeId(at as u32)).collect();
        let graph = Graph { manifest, nodes };
        problems.0.extend(contaminated_exports(&graph));
        (graph, sound)
    }
}

/// Says that a name is unknown; see [`no_such`].
pub(super) fn unknown<'a>(
    manifest: &'a Manifest,
    kind: &'a str,
    name: &Text,
    sound: impl Iterator<Item = &'a str> + Clone,
    problems: &mut Diagnostics,
) {
    if let Some(problem) = no_such(manifest, kind, name, sound) {
        problems.push(problem);
    }
}

/// Draws up that a name is unknown. Where something is wrong with what it names, that was said.
pub(super) fn no_such<'a>(
    manifest: &'a Manifest,
    kind: &'a str,
    name: &Text,
    sound: impl Iterator<Item = &'a str> + Clone,
) -> Option<Diagnostic> {
    if manifest.broken.has(kind, &name.value) {
        return None;
    }
    let known = sound.chain(manifest.broken.names(kind));
    let problem = Diagnostic::error("unknown-name", format!("there is no {kind} `{}`", name.value))
        .at(&name.span, format!("no such {kind}"))
        .note(format!("declared: {}", list(known.clone())))
        .did_you_mean(&name.value, known);
    Some(problem)
}

/// Reports edges to datasets and parts that do not exist, and returns whether all do.
fn check_edges(manifest: &Manifest, names: &Names, edges: &[Edge], problems: &mut Diagnostics) -> bool {
    let mut whole = true;
    for Edge { text, dataset, part, .. } in edges {
        let known = manifest.datasets.iter().map(|d| d.name.value.as_str());
        let Some(i) = names.get(dataset) else {
            let mut wrong = (*text).clone();
            wrong.value = (*dataset).to_owned();
            unknown(manifest, "dataset", &wrong, known, problems);
            whole = false;
            continue;
        };
        let Some(part) = part else { continue };
        let parts: Vec<&str> = match manifest.datasets[*i].steps.last() {
            Some(Step::Split(split)) => split.parts.iter().map(|(name, _)| name.value.as_str()).collect(),
            _ => Vec::new(),
        };
        if parts.is_empty() {
            problems.push(
                Diagnostic::error("unknown-part", format!("the dataset `{dataset}` has no parts"))
                    .at(&text.span, format!("`{part}` would be a part of it"))
                    .help("give it a last step `split = { parts = { … } }`, or name the dataset alone"),
            );
        } else if !parts.contains(part) {
            problems.push(
                Diagnostic::error("unknown-part", format!("the dataset `{dataset}` has no part `{part}`"))
                    .at(&text.span, "no such part")
                    .note(format!("its parts: {}", list(parts.iter().copied())))
                    .did_you_mean(part, parts.iter().copied()),
            );
        }
        whole &= parts.contains(part);
    }
    whole
}

/// Returns the datasets so that inputs come first, by name where there is a choice, and of which of them nothing is wrong; cycles
/// are reported.
fn dataset_order(
    manifest: &Manifest,
    names: &Names,
    queries: &HashMap<usize, Arc<NodeQuery>>,
    problems: &mut Diagnostics,
) -> (Vec<usize>, Vec<bool>) {
    let all = |(at, dataset)| {
        let looked_into = step_edges(manifest, dataset).into_iter().map(|(_, edge)| edge);
        maker_edges(dataset, queries.get(&at)).into_iter().chain(reference_edge(dataset)).chain(looked_into).collect()
    };
    let edges: Vec<Vec<Edge>> = manifest.datasets.iter().enumerate().map(all).collect();
    let has_text = |at: usize| !matches!(manifest.datasets[at].maker, Maker::Sql(_)) || queries.contains_key(&at);
    let mut sound: Vec<bool> = Vec::with_capacity(edges.len());
    for (at, edges) in edges.iter().enumerate() {
        sound.push(check_edges(manifest, names, edges, problems) && has_text(at));
    }
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        Unseen,
        Open,
        Done,
    }
    let mut marks = vec![Mark::Unseen; edges.len()];
    let mut order = Vec::with_capacity(edges.len());
    for start in 0..edges.len() {
        // A stack of (dataset, next edge) and no recursion: chains may be thousands long.
        let mut stack = vec![(start, 0)];
        while let Some((dataset, next)) = stack.pop() {
            if next == 0 {
                if marks[dataset] != Mark::Unseen {
                    continue;
                }
                marks[dataset] = Mark::Open;
            }
            let Some(edge) = edges[dataset].get(next) else {
                marks[dataset] = Mark::Done;
                order.push(dataset);
                continue;
            };
            stack.push((dataset, next + 1));
            let Some(input) = names.get(edge.dataset).copied() else { continue };
            match marks[input] {
                Mark::Unseen => stack.push((input, 0)),
                Mark::Done => {}
                Mark::Open => {
                    problems.push(cycle(manifest, &stack, &edges, input));
                    sound[input] = false;
                }
            }
        }
    }
    (order, sound)
}

fn cycle(manifest: &Manifest, stack: &[(usize, usize)], edges: &[Vec<Edge>], back_to: usize) -> Diagnostic {
    let from = stack.iter().position(|(dataset, _)| *dataset == back_to).unwrap_or(0);
    let name = |dataset: usize| manifest.datasets[dataset].name.value.as_str();
    let mut path: Vec<&str> = stack[from..].iter().map(|(dataset, _)| name(*dataset)).collect();
    path.push(name(back_to));
    let mut diagnostic = Diagnostic::error("cycle", format!("datasets need each other: {}", path.join(" ← ")));
    for (dataset, next) in stack[from..].iter().rev() {
        let edge = &edges[*dataset][next - 1];
        diagnostic =
            diagnostic.at(&edge.text.span, format!("`{}` {} `{}`", name(*dataset), edge.verb, edge.text.value));
    }
    diagnostic.help("one of these edges has to go")
}
