//! Nodes of which something is wrong: what names them is not to blame.

use super::Manifest;
use std::collections::BTreeSet;

/// The nodes that are written, but are no declarations because of a mistake in them.
#[derive(Clone, Debug, Default)]
pub struct Broken(BTreeSet<(String, String)>);

/// The kind of nodes whose kind is not known.
const ANY: &str = "";

impl Broken {
    /// Adds a node; no kind: what it was meant to be is not known.
    pub(super) fn add(&mut self, kind: Option<&str>, name: &str) {
        self.0.insert((kind.unwrap_or(ANY).to_owned(), name.to_owned()));
    }

    /// Returns whether a node of this kind and name is written, so that a name of it is no mistake.
    pub fn has(&self, kind: &str, name: &str) -> bool {
        [kind, ANY].iter().any(|kind| self.0.contains(&((*kind).to_owned(), name.to_owned())))
    }

    /// Returns the names of such nodes of a kind.
    pub fn names<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> + Clone {
        self.0.iter().filter(move |(own, _)| own == kind).map(|(_, name)| name.as_str())
    }
}

impl Manifest {
    /// Takes the declarations of broken nodes away: what is missing in them would be missed elsewhere.
    pub(super) fn without_broken(&mut self) {
        let broken = &self.broken;
        self.datasets.retain(|one| !broken.has("dataset", &one.name.value));
        self.prompts.retain(|one| !broken.has("prompt", &one.name.value));
        self.models.retain(|one| !broken.has("model", &one.name.value));
        self.lms.retain(|one| !broken.has("lm", &one.name.value));
        self.filters.retain(|one| !broken.has("filter", &one.name.value));
        self.metrics.retain(|one| !broken.has("metric", &one.name.value));
        self.tests.retain(|one| !broken.has("test", &one.name.value));
        self.exports.retain(|one| !broken.has("export", &one.name.value));
    }
}
