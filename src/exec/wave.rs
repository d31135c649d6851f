//! Which rows go ahead together: those of all datasets whose inputs are known, and of the datasets made from them row by row.

use super::ahead::{Ahead, Pipe, Source};
use super::context::{Mode, Stop, Used};
use super::event::Progress;
use super::refer::Others;
use super::stage::{Effort, Flow};
use super::too_many::most_failed;
use super::walk::Walk;
use crate::graph::{Graph, Kind, NodeId, Stage};
use crate::manifest::Maker;
use crate::table::{RowGroup, Schema};
use std::collections::HashMap;
use std::sync::Arc;

/// Lets the rows of one dataset go ahead through the row-wise stages from `first` on.
pub(super) fn rows_of(
    flow: &Flow,
    stages: &[Stage],
    first: usize,
    schema: &Schema,
    groups: &[Arc<RowGroup>],
) -> Result<(), Stop> {
    if flow.context.mode == Mode::Check || !asks(&stages[first..]) {
        return Ok(());
    }
    let others = flow.others.clone();
    let pipes = [Pipe::new(flow.progress.node(), flow.node, others, stages, first, schema).failing(flow.most_failed)];
    let sources = vec![Source { pipe: 0, groups: groups.iter().cloned().collect() }];
    Ahead::new(flow.context, &pipes, flow.progress.events()).run(sources)
}

/// Returns whether the row-wise stages at the beginning ask models.
fn asks(stages: &[Stage]) -> bool {
    let row_wise = stages.iter().take_while(|stage| !stage.is_whole());
    row_wise.into_iter().any(|stage| matches!(stage, Stage::Ask(_)))
}

/// Returns the datasets that take their rows from one alone, by that one.
pub(super) fn heirs_of(graph: &Graph, order: &[NodeId]) -> HashMap<NodeId, Vec<NodeId>> {
    let mut heirs: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
    for id in order {
        let node = graph.node(*id);
        if node.kind == Kind::Dataset
            && matches!(graph.manifest.datasets[node.declaration].maker, Maker::From(_))
            && node.inputs[0].part.is_none()
        {
            heirs.entry(node.inputs[0].node).or_default().push(*id);
        }
    }
    heirs
}

impl Walk<'_> {
    /// Lets the rows of a dataset, of those that could be made now too, and of those made from them, go ahead.
    pub(super) fn wave(&mut self, id: NodeId) -> Result<(), Stop> {
        if self.request.mode == Mode::Check || self.flowed.contains(&id) || !self.anything_asks {
            return Ok(());
        }
        let from = self.order.iter().position(|other| *other == id).unwrap_or(0);
        let ready: Vec<NodeId> = self.order[from..]
            .iter()
            .copied()
            .filter(|id| !self.flowed.contains(id) && !self.states.contains_key(id) && self.bound.contains_key(id))
            .filter(|id| self.inputs(*id).is_some())
            .collect();
        let (mut pipes, mut roots) = (Vec::new(), Vec::new());
        for id in ready {
            if self.chain_asks(id) {
                roots.push((id, pipes.len()));
                self.chain(id, &mut pipes);
            }
        }
        let (mut sources, mut unmade) = (Vec::new(), Vec::new());
        let mut counted: Vec<NodeId> = Vec::new();
        let ends: Vec<usize> = roots.iter().skip(1).map(|(_, pipe)| *pipe).chain([pipes.len()]).collect();
        for ((id, pipe), end) in roots.into_iter().zip(ends) {
            let Some(inputs) = self.inputs(id) else { continue };
            let (used, progress) = (Used::default(), Progress::new(id, &|_| ()));
            let flow = pipes[pipe].flow(&self.context, &used, &progress, Effort::Run);
            match self.made_rows(id, &inputs, &flow) {
                // None of its rows goes anywhere.
                Ok(made) if made.problem.is_some() => {}
                Ok(made) => {
                    sources.push(Source { pipe, groups: made.groups.into() });
                    counted.extend(pipes[pipe..end].iter().map(|pipe| pipe.node));
                }
                // The dataset itself says what is wrong when it is its turn.
                Err(Stop::Failed(problems)) => unmade.push((id, problems)),
                Err(Stop::Pending) => {}
                Err(other) => return Err(other),
            }
        }
        let flowed: Vec<NodeId> = pipes.iter().map(|pipe| pipe.node).collect();
        if !sources.is_empty() {
            match Ahead::new(&self.context, &pipes, self.request.events).run(sources) {
                Ok(()) => {}
                // A plan does not keep all columns: it cannot tell what is asked of these rows.
                Err(Stop::Pending) => counted.clear(),
                Err(other) => return Err(other),
            }
        }
        drop(pipes);
        self.unmade.extend(unmade);
        self.counted.extend(counted);
        self.flowed.extend(flowed);
        self.flowed.insert(id);
        Ok(())
    }

    /// Returns the datasets that take their rows from this one alone, and are to be made too.
    fn heirs(&self, id: NodeId) -> Vec<NodeId> {
        let graph = self.request.graph;
        let known = |other: &NodeId| self.outcomes.contains_key(other);
        let heirs = self.heirs.get(&id).into_iter().flatten().copied().filter(|heir| {
            graph.node(*heir).inputs[1..].iter().all(|input| known(&input.node))
                && self.bound.contains_key(heir)
                && !self.states.contains_key(heir)
                && !self.flowed.contains(heir)
        });
        heirs.collect()
    }

    fn chain_asks(&self, id: NodeId) -> bool {
        let stages = &self.bound[&id].stages;
        let whole = stages.iter().any(Stage::is_whole);
        asks(stages) || !whole && self.heirs(id).into_iter().any(|heir| self.chain_asks(heir))
    }

    /// Adds the pipe of a dataset, and those of its heirs.
    fn chain<'a>(&'a self, id: NodeId, pipes: &mut Vec<Pipe<'a>>) {
        let bound = &self.bound[&id];
        let number = pipes.len();
        // An heir's first input is not made yet; its stages look into the others only.
        let others = Others::of(self.known_inputs(id));
        let name = &self.request.graph.node(id).name;
        let dataset = &self.request.graph.manifest.datasets[self.request.graph.node(id).declaration];
        let pipe = Pipe::new(id, name, others, &bound.stages, 0, &bound.made.schema);
        pipes.push(pipe.failing(most_failed(dataset)));
        if bound.stages.iter().any(Stage::is_whole) {
            return;
        }
        for heir in self.heirs(id).into_iter().filter(|heir| self.chain_asks(*heir)) {
            let next = pipes.len();
            pipes[number].next.push(next);
            self.chain(heir, pipes);
        }
    }
}
