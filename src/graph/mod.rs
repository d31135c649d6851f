//! The graph: names become edges, in an order in which every node comes after its inputs. No I/O.

mod alike;
mod asking;
mod augment;
mod bind;
mod choosing;
mod contract;
mod fanning;
mod perplexity;
mod queries;
mod resolve;
mod running;
mod select;
mod spans;
mod steps;
mod texts;
mod tokens;

pub use alike::{Against, Decontaminating, Evaluation};
pub use bind::{
    Ask, Bound, BoundMetric, Fan, Join, LeakCheck, Parts, Shape, Stage, WholeOp, Work, bind_dataset, bind_metric,
    maker_shape,
};
pub use contract::{BoundTest, bind_test};
pub use queries::NodeQuery;
pub use running::{BoundRun, bind_program};
pub use spans::Spanning;
pub use texts::PromptTexts;

use crate::diag::{Source, Span};
use crate::fetch::models::Endpoint;
use crate::hash::Words;
use crate::manifest::{Dataset, Manifest, Model, Step, Text};
use crate::op::Synonyms;
use crate::template::Template;
use crate::text::{StaticModel, Tokenizer};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A node's position in the order of the graph: inputs have smaller ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

impl NodeId {
    /// Returns the position as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a node makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A table.
    Dataset,
    /// Numbers about tables.
    Metric,
    /// What is wrong with tables.
    Test,
    /// A file outside the store.
    Export,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Dataset => "dataset",
            Kind::Metric => "metric",
            Kind::Test => "test",
            Kind::Export => "export",
        })
    }
}

/// An edge: the table of a dataset, or of one part of it.
#[derive(Clone, Debug)]
pub struct Input {
    pub node: NodeId,
    pub part: Option<String>,
    /// Where the edge is written.
    pub span: Span,
}

/// Something that is built.
#[derive(Clone, Debug)]
pub struct Node {
    pub kind: Kind,
    pub name: String,
    /// The position of its declaration among the manifest's of its kind.
    pub declaration: usize,
    /// Those that it is made of, and then those that its steps look into.
    pub inputs: Vec<Input>,
    /// How many of the inputs it is made of.
    pub made_of: usize,
    /// The tests that have to pass before it is made.
    pub after: Vec<NodeId>,
    /// The whole definition, with that of the filters, prompts and models that it uses.
    pub words: Words,
    /// The templates of its `render` steps, by step.
    pub templates: BTreeMap<usize, Arc<Template>>,
    /// The prompts of its `generate` and `judge` steps, by step.
    pub prompts: BTreeMap<usize, PromptTexts>,
    /// The lists of synonyms of its `augment` steps, by step.
    pub synonyms: BTreeMap<usize, Arc<Synonyms>>,
    /// The tokenizers of its `tokens` steps, by step.
    pub tokenizers: BTreeMap<usize, Arc<Tokenizer>>,
    /// The static models of its `embed` steps, by step.
    pub vectors: BTreeMap<usize, Arc<StaticModel>>,
    /// The query that makes its rows.
    pub query: Option<Arc<NodeQuery>>,
    /// The input that a step looks into, by step: what is near, examples; of several the first, which the others follow.
    pub looks_into: BTreeMap<usize, usize>,
}

impl Node {
    /// Makes a node without edges and texts.
    fn new(kind: Kind, name: &Text, declaration: usize, definition: &Words) -> Node {
        Node {
            kind,
            name: name.value.clone(),
            declaration,
            inputs: Vec::new(),
            made_of: 0,
            after: Vec::new(),
            words: definition.clone(),
            templates: BTreeMap::new(),
            prompts: BTreeMap::new(),
            synonyms: BTreeMap::new(),
            tokenizers: BTreeMap::new(),
            vectors: BTreeMap::new(),
            query: None,
            looks_into: BTreeMap::new(),
        }
    }

    /// Returns all texts of templates and queries that it is made with.
    pub fn texts(&self) -> impl Iterator<Item = &Arc<Source>> {
        let prompts = self.prompts.values().flat_map(|prompt| std::iter::once(&prompt.text).chain(&prompt.system));
        let query = self.query.iter().map(|query| &query.text.span.source);
        self.templates.values().chain(prompts).flat_map(|template| template.sources()).chain(query)
    }

    /// Returns `dataset.clean`, the name that no other node has.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.kind, self.name)
    }
}

/// The nodes of a manifest in an order in which inputs come first.
#[derive(Debug)]
pub struct Graph {
    pub manifest: Manifest,
    pub nodes: Vec<Node>,
}

impl Graph {
    /// Returns a node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Returns all nodes with their ids, inputs first.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().map(|(i, node)| (NodeId(i as u32), node))
    }

    /// Returns where the models are, by the positions of their declarations.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let endpoint = |model: &Model| Endpoint {
            node: model.name.value.clone(),
            provider: model.provider,
            url: model.url.as_ref().map(|url| url.value.clone()),
            model: model.model.value.clone(),
            key: model.key.as_ref().map(|key| key.value.clone()),
            max_tokens_field: model.max_tokens_field,
            limits: model.limits,
            timeout: Duration::try_from_secs_f64(model.timeout).unwrap_or(Duration::MAX),
            attempts: model.attempts,
            price: model.price,
            batch: model.batch,
            span: model.name.span.clone(),
        };
        self.manifest.models.iter().map(endpoint).collect()
    }

    /// Returns the names of a dataset's parts; none if it is not split.
    pub fn parts(&self, id: NodeId) -> Vec<&str> {
        let node = self.node(id);
        let dataset = (node.kind == Kind::Dataset).then(|| &self.manifest.datasets[node.declaration]);
        let split = dataset.and_then(Dataset::split);
        split.iter().flat_map(|split| &split.parts).map(|(name, _)| name.value.as_str()).collect()
    }

    /// Returns whether a node asks models.
    pub fn asks(&self, id: NodeId) -> bool {
        let node = self.node(id);
        node.kind == Kind::Dataset && self.manifest.datasets[node.declaration].steps.iter().any(Step::asks)
    }

    /// Returns the nodes that read `id` directly.
    pub fn consumers(&self) -> Vec<Vec<NodeId>> {
        let mut consumers = vec![Vec::new(); self.nodes.len()];
        for (id, node) in self.iter() {
            for input in &node.inputs {
                consumers[input.node.index()].push(id);
            }
        }
        consumers
    }

    /// Chooses nodes by patterns: `name`, `kind.name`, globs, `+name` (with all it needs), `name+` (with all that needs it).
    ///
    /// The result is in graph order. A pattern that matches nothing is returned as the error.
    pub fn select(&self, patterns: &[String]) -> Result<Vec<NodeId>, String> {
        let consumers = self.consumers();
        let mut chosen = vec![false; self.nodes.len()];
        for pattern in patterns {
            let (up, rest) = pattern.strip_prefix('+').map_or((false, pattern.as_str()), |rest| (true, rest));
            let (down, rest) = rest.strip_suffix('+').map_or((false, rest), |rest| (true, rest));
            let glob = globset::Glob::new(rest).map_err(|_| pattern.clone())?.compile_matcher();
            let mut found: Vec<NodeId> = Vec::new();
            for (id, node) in self.iter() {
                if glob.is_match(&node.name) || glob.is_match(node.full_name()) {
                    found.push(id);
                }
            }
            if found.is_empty() {
                return Err(pattern.clone());
            }
            for id in found {
                chosen[id.index()] = true;
                if up {
                    self.spread(id, &mut chosen, |id| self.node(id).inputs.iter().map(|input| input.node).collect());
                }
                if down {
                    self.spread(id, &mut chosen, |id| consumers[id.index()].clone());
                }
            }
        }
        Ok(self.iter().map(|(id, _)| id).filter(|id| chosen[id.index()]).collect())
    }

    /// Returns `targets` and all that they need, in graph order.
    pub fn closure(&self, targets: &[NodeId]) -> Vec<NodeId> {
        let mut needed = vec![false; self.nodes.len()];
        for id in targets {
            needed[id.index()] = true;
        }
        for i in (0..self.nodes.len()).rev() {
            if needed[i] {
                self.nodes[i].inputs.iter().for_each(|input| needed[input.node.index()] = true);
                self.nodes[i].after.iter().for_each(|id| needed[id.index()] = true);
            }
        }
        self.iter().map(|(id, _)| id).filter(|id| needed[id.index()]).collect()
    }

    fn spread(&self, from: NodeId, seen: &mut [bool], next: impl Fn(NodeId) -> Vec<NodeId>) {
        let mut waiting = vec![from];
        let mut visited = vec![false; self.nodes.len()];
        while let Some(id) = waiting.pop() {
            for neighbour in next(id) {
                if !std::mem::replace(&mut visited[neighbour.index()], true) {
                    seen[neighbour.index()] = true;
                    waiting.push(neighbour);
                }
            }
        }
    }
}

/// The positions of declarations by name.
type Names<'a> = HashMap<&'a str, usize>;

#[cfg(test)]
mod tests;
