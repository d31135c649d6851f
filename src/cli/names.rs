//! What nodes are called to the user: by their names, and by their kinds too where two have the same name.

use crate::graph::{Graph, Input, NodeId};
use std::collections::HashMap;

/// The names of a graph's nodes.
pub struct Names<'a> {
    graph: &'a Graph,
    count: HashMap<&'a str, u32>,
}

impl<'a> Names<'a> {
    /// Looks at which names are taken twice.
    pub fn new(graph: &'a Graph) -> Names<'a> {
        let mut count = HashMap::new();
        graph.nodes.iter().for_each(|node| *count.entry(node.name.as_str()).or_default() += 1);
        Names { graph, count }
    }

    /// Returns the shortest name that only this node has.
    pub fn of(&self, id: NodeId) -> String {
        let node = self.graph.node(id);
        if self.count[node.name.as_str()] > 1 { node.full_name() } else { node.name.clone() }
    }

    /// Returns the name of what an edge leads to.
    pub fn input(&self, input: &Input) -> String {
        let node = &self.graph.node(input.node).name;
        input.part.as_ref().map_or_else(|| node.clone(), |part| format!("{node}.{part}"))
    }

    /// Writes several names as a list, up to a few of them.
    pub fn list(&self, ids: &[NodeId]) -> String {
        some(ids.iter().map(|id| self.of(*id)))
    }
}

/// Writes `a, b, c and 4 more`.
pub fn some(names: impl IntoIterator<Item = String>) -> String {
    const MOST: usize = 4;
    let names: Vec<String> = names.into_iter().collect();
    if names.len() <= MOST + 1 {
        return names.join(", ");
    }
    format!("{} and {} more", names[..MOST].join(", "), names.len() - MOST)
}
