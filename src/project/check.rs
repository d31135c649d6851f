//! All that can be known to be wrong without building.

use super::build::{Asking, BuildOptions};
use super::{Project, Seen};
use crate::diag::Diagnostics;
use crate::exec::{Mode, State};
use crate::graph::{Graph, NodeId};
use crate::manifest::Options;
use std::path::Path;

/// What a check found.
pub struct Findings {
    /// The graph of what is sound.
    pub graph: Graph,
    /// Warnings and errors.
    pub problems: Diagnostics,
    pub verdict: Verdict,
}

/// What a check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Fine,
    /// The project is right, and nodes of it failed when they were built as they are.
    Failed,
    Wrong,
}

impl Project {
    /// Finds all that is wrong with the project in `root`. A mistake in one node hides none in the others: what does not need it is
    /// checked to the end.
    ///
    /// # Errors
    /// What leaves nothing to say of the rest.
    pub fn find_all(root: &Path, options: &Options) -> Result<Findings, Diagnostics> {
        let (project, sound) = Project::read(root, options).map_err(|(problems, _): (Diagnostics, Seen)| problems)?;
        let (found, of_nodes) = match project.wrong(sound) {
            Ok(of_nodes) => (Diagnostics::default(), of_nodes),
            Err(found) => (found, Diagnostics::default()),
        };
        let mut problems = project.warnings;
        found.0.into_iter().for_each(|problem| problems.push(problem));
        let verdict = match (problems.has_errors(), of_nodes.has_errors()) {
            (true, _) => Verdict::Wrong,
            (false, true) => Verdict::Failed,
            (false, false) => Verdict::Fine,
        };
        of_nodes.0.into_iter().for_each(|problem| problems.push(problem));
        Ok(Findings { graph: project.graph, problems, verdict })
    }

    /// Finds all that can be known to be wrong without building.
    pub fn check(&self) -> Result<(), Diagnostics> {
        let of_nodes = self.wrong(self.graph.iter().map(|(id, _)| id).collect())?;
        if of_nodes.has_errors() { Err(of_nodes) } else { Ok(()) }
    }

    /// Returns why nodes failed when they were built as they are.
    ///
    /// # Errors
    /// What is wrong with files, programs and expressions.
    fn wrong(&self, nodes: Vec<NodeId>) -> Result<Diagnostics, Diagnostics> {
        let quiet = BuildOptions::quiet(&[]);
        let run = self.run_nodes(Mode::Check, &self.store.scratch(), &quiet, Asking::default(), &nodes)?;
        let failed = run.nodes.into_iter().filter_map(|node| match node.state {
            State::Failed(found) => Some(found.0),
            _ => None,
        });
        Ok(Diagnostics(failed.flatten().collect()))
    }
}
