//! Names to edges: every unknown name, cycle and broken template is reported at once.

use super::{Graph, Input, Kind, Names, Node, NodeId};
use crate::diag::{Diagnostic, Diagnostics, Source, Span, list};
use crate::fetch::Texts;
use crate::manifest::{Dataset, Maker, Manifest, Prompt, PromptText, RenderText, Step, Text};
use crate::template::Template;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

/// What stands for the path of a template that is written in the manifest.
const INLINE: &str = "<template>";

/// A name as it is written at an edge: a dataset, or `dataset.part`.
struct Edge<'a> {
    text: &'a Text,
    dataset: &'a str,
    part: Option<&'a str>,
}

fn edge(text: &Text) -> Edge<'_> {
    match text.value.split_once('.') {
        Some((dataset, part)) => Edge { text, dataset, part: Some(part) },
        None => Edge { text, dataset: &text.value, part: None },
    }
}

/// Returns the edges of a dataset in the order in which it reads them.
fn dataset_edges(dataset: &Dataset) -> Vec<Edge<'_>> {
    match &dataset.maker {
        Maker::Files(_) | Maker::Synth(_) => Vec::new(),
        Maker::From(name) => vec![edge(name)],
        Maker::Mix(mix) => mix.of.iter().map(|(name, _)| edge(name)).collect(),
        Maker::Concat(concat) => concat.of.iter().map(edge).collect(),
    }
}

impl Graph {
    /// Resolves all names of the manifest.
    pub fn resolve(manifest: Manifest, texts: &dyn Texts) -> Result<Graph, Diagnostics> {
        let mut problems = Diagnostics::default();
        let datasets: Names = manifest.datasets.iter().enumerate().map(|(i, d)| (d.name.value.as_str(), i)).collect();
        let order = dataset_order(&manifest, &datasets, &mut problems);
        let ids: HashMap<usize, NodeId> = order.iter().enumerate().map(|(at, i)| (*i, NodeId(at as u32))).collect();
        let mut templates = Templates { manifest: &manifest, texts, parsed: HashMap::new() };
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
            let mut node = Node {
                kind: Kind::Dataset,
                name: dataset.name.value.clone(),
                declaration: *i,
                inputs: inputs(dataset_edges(dataset)),
                words: dataset.definition.clone(),
                templates: BTreeMap::new(),
            };
            for (step, declared) in dataset.steps.iter().enumerate() {
                match declared {
                    Step::Filter(names) => add_filters(&manifest, step, names, &mut node, &mut problems),
                    Step::Render(render) => {
                        if let Some(template) = templates.of(&render.text, &mut problems) {
                            for (i, source) in template.sources().iter().enumerate() {
                                // The step that a text is for counts; an included text is told by its name.
                                let path = match (i, &render.text) {
                                    (0, RenderText::Template(_)) => continue, // it is in the definition
                                    (0, RenderText::Prompt(_)) if source.path == Path::new(INLINE) => {
                                        format!("steps.{step}.prompt")
                                    }
                                    (0, _) => format!("{} (steps.{step})", source.path.display()),
                                    _ => format!("{} (included)", source.path.display()),
                                };
                                node.words.set(path, source.text.clone());
                            }
                            node.templates.insert(step, template);
                        }
                    }
                    _ => {}
                }
            }
            nodes.push(node);
        }
        for (i, metric) in manifest.metrics.iter().enumerate() {
            let edges: Vec<Edge> = metric.on.iter().map(edge).collect();
            check_edges(&manifest, &datasets, &edges, &mut problems);
            nodes.push(Node {
                kind: Kind::Metric,
                name: metric.name.value.clone(),
                declaration: i,
                inputs: inputs(edges),
                words: metric.definition.clone(),
                templates: BTreeMap::new(),
            });
        }
        for (i, export) in manifest.exports.iter().enumerate() {
            check_edges(&manifest, &datasets, &[edge(&export.from)], &mut problems);
            nodes.push(Node {
                kind: Kind::Export,
                name: export.name.value.clone(),
                declaration: i,
                inputs: inputs(vec![edge(&export.from)]),
                words: export.definition.clone(),
                templates: BTreeMap::new(),
            });
        }
        // Prompts that no node uses are checked too: an error in them should not wait for their first use.
        for prompt in &manifest.prompts {
            templates.of_prompt(prompt, &mut problems);
        }
        if problems.has_errors() { Err(problems) } else { Ok(Graph { manifest, nodes }) }
    }
}

fn add_filters(manifest: &Manifest, step: usize, names: &[Text], node: &mut Node, problems: &mut Diagnostics) {
    for (at, name) in names.iter().enumerate() {
        // The first filter that a row does not pass is the reason, so their order counts.
        node.words.set(format!("steps.{step}.filter.{at}"), name.value.clone());
        match manifest.filters.iter().find(|f| f.name.value == name.value) {
            Some(filter) => node.words.set(format!("filter.{}.where", name.value), filter.condition.value.clone()),
            None => problems.push(unknown("filter", name, manifest.filters.iter().map(|f| f.name.value.as_str()))),
        }
    }
}

fn unknown<'a>(kind: &str, name: &Text, known: impl Iterator<Item = &'a str> + Clone) -> Diagnostic {
    Diagnostic::error("unknown-name", format!("there is no {kind} `{}`", name.value))
        .at(&name.span, format!("no such {kind}"))
        .note(format!("declared: {}", list(known.clone())))
        .did_you_mean(&name.value, known)
}

/// Reports edges to datasets and parts that do not exist.
fn check_edges(manifest: &Manifest, names: &Names, edges: &[Edge], problems: &mut Diagnostics) {
    for Edge { text, dataset, part } in edges {
        let known = manifest.datasets.iter().map(|d| d.name.value.as_str());
        let Some(i) = names.get(dataset) else {
            let mut wrong = (*text).clone();
            wrong.value = (*dataset).to_owned();
            problems.push(unknown("dataset", &wrong, known));
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
    }
}

/// Returns the datasets so that inputs come first, by name where there is a choice; cycles are reported.
fn dataset_order(manifest: &Manifest, names: &Names, problems: &mut Diagnostics) -> Vec<usize> {
    let edges: Vec<Vec<Edge>> = manifest.datasets.iter().map(dataset_edges).collect();
    edges.iter().for_each(|edges| check_edges(manifest, names, edges, problems));
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
                Mark::Open => problems.push(cycle(manifest, &stack, &edges, input)),
            }
        }
    }
    order
}

fn cycle(manifest: &Manifest, stack: &[(usize, usize)], edges: &[Vec<Edge>], back_to: usize) -> Diagnostic {
    let from = stack.iter().position(|(dataset, _)| *dataset == back_to).unwrap_or(0);
    let name = |dataset: usize| manifest.datasets[dataset].name.value.as_str();
    let mut path: Vec<&str> = stack[from..].iter().map(|(dataset, _)| name(*dataset)).collect();
    path.push(name(back_to));
    let mut diagnostic = Diagnostic::error("cycle", format!("datasets need each other: {}", path.join(" ← ")));
    for (dataset, next) in stack[from..].iter().rev() {
        let edge = &edges[*dataset][next - 1];
        diagnostic = diagnostic.at(&edge.text.span, format!("`{}` is made from `{}`", name(*dataset), edge.text.value));
    }
    diagnostic.help("one of these edges has to go")
}

/// Parses each template once.
struct Templates<'a> {
    manifest: &'a Manifest,
    texts: &'a dyn Texts,
    parsed: HashMap<(String, String), Option<Arc<Template>>>,
}

impl Templates<'_> {
    fn of(&mut self, text: &RenderText, problems: &mut Diagnostics) -> Option<Arc<Template>> {
        match text {
            RenderText::Prompt(name) => match self.manifest.prompts.iter().find(|p| p.name.value == name.value) {
                Some(prompt) => self.of_prompt(prompt, problems),
                None => {
                    let known = self.manifest.prompts.iter().map(|p| p.name.value.as_str());
                    problems.push(unknown("prompt", name, known));
                    None
                }
            },
            RenderText::Template(text) => self.inline(text, problems),
            RenderText::File(path) => self.file(path, problems),
        }
    }

    fn of_prompt(&mut self, prompt: &Prompt, problems: &mut Diagnostics) -> Option<Arc<Template>> {
        match &prompt.text {
            PromptText::Template(text) => self.inline(text, problems),
            PromptText::File(path) => self.file(path, problems),
        }
    }

    fn inline(&mut self, text: &Text, problems: &mut Diagnostics) -> Option<Arc<Template>> {
        // The text stands in the manifest; where it does so byte for byte, errors can point into it.
        let source = Source::new(INLINE, text.value.clone());
        self.parse(source, Some(text), problems)
    }

    fn file(&mut self, path: &Text, problems: &mut Diagnostics) -> Option<Arc<Template>> {
        match read_inside(self.texts, &path.value) {
            Ok(Some(source)) => self.parse(source, None, problems),
            missing => {
                let why = missing.err().unwrap_or_else(|| "it is not there".to_owned());
                problems.push(
                    Diagnostic::error("unreadable-file", format!("cannot read the template `{}`", path.value))
                        .at(&path.span, why)
                        .help("paths are relative to the folder of datamake.toml"),
                );
                None
            }
        }
    }

    fn parse(
        &mut self,
        source: Arc<Source>,
        inline: Option<&Text>,
        problems: &mut Diagnostics,
    ) -> Option<Arc<Template>> {
        let id = (source.path.display().to_string(), source.text.clone());
        if let Some(known) = self.parsed.get(&id) {
            return known.clone();
        }
        let load = |path: &str| -> Option<Result<Arc<Source>, Diagnostic>> {
            let unreadable = |why| {
                Diagnostic::error("unreadable-file", format!("cannot read the included template `{path}`")).note(why)
            };
            read_inside(self.texts, path).map_err(unreadable).transpose()
        };
        let parsed = match Template::parse(source.clone(), &load) {
            Ok(template) => Some(Arc::new(template)),
            Err(errors) => {
                for mut error in errors.0 {
                    error.labels.iter_mut().for_each(|label| label.span = in_manifest(&label.span, &source, inline));
                    problems.push(error);
                }
                None
            }
        };
        self.parsed.insert(id, parsed.clone());
        parsed
    }
}

/// Moves a span of an inline template to where the template stands in the manifest.
pub(super) fn in_manifest(span: &Span, source: &Arc<Source>, inline: Option<&Text>) -> Span {
    match inline {
        Some(text) if Arc::ptr_eq(&span.source, source) || span.source == *source => text.inside(span.range.clone()),
        _ => span.clone(),
    }
}

fn read_inside(texts: &dyn Texts, path: &str) -> Result<Option<Arc<Source>>, String> {
    let parts: Vec<&str> = path.split('/').collect();
    if path.starts_with('/') || parts.contains(&"..") {
        return Err("templates are read from inside the project folder only".to_owned());
    }
    texts.read(path)
}
