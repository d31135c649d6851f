//! Rounds: a dataset whose steps are applied several times is several datasets, each made from the one before.

use super::decl::{Dataset, Maker, Text};
use super::declare::{Declarer, int};
use super::value::Table;
use crate::diag::{Diagnostic, Span};

impl Declarer<'_> {
    /// Reads a node `[dataset.NAME]`: one dataset, or one for each round, of which the last has the name itself.
    ///
    /// All that the rounds have in common points at the same places. `known` has the names of all datasets.
    pub fn rounds(&mut self, name: Text, table: &Table, known: &Table) -> Vec<Dataset> {
        let before = self.problems.len();
        let Some(last) = self.dataset(name, table) else { return Vec::new() };
        let Some(entry) = table.get("rounds") else { return vec![last] };
        let key = self.span(entry.key);
        if let Some(split) = last.split() {
            let title = format!("`dataset.{}` has rounds, and so no parts", last.name.value);
            let problem = Diagnostic::error("split-in-rounds", title).at(&split.span, "would divide each round");
            let problem = problem.at(&key, "the rounds");
            self.problems.push(problem.help("put the `split` into a dataset made from this one"));
        }
        if last.steps.is_empty() && self.problems.len() == before && !table.contains_key("steps") {
            let title = format!("`rounds` in `dataset.{}` has no meaning without steps", last.name.value);
            self.problems.push(Diagnostic::error("stray-key", title).at(&key, "has no effect"));
        }
        let (Some(rounds), Maker::From(first)) = (int(&entry.value).filter(|n| (2..=100).contains(n)), &last.maker)
        else {
            return vec![last];
        };
        let mut from = first.clone();
        let mut datasets = Vec::with_capacity(rounds as usize);
        for round in 1..=rounds {
            let mut dataset = last.clone();
            if round < rounds {
                dataset.name = elsewhere(format!("{}-round-{round}", last.name.value), &last.name.span);
                if let Some(other) = known.get(&dataset.name.value) {
                    let title = format!("`dataset.{}` is defined twice", dataset.name.value);
                    let problem = Diagnostic::error("duplicate", title);
                    let problem = problem.at(&self.span(other.key), "defined here");
                    self.problems.push(problem.at(&key, "and one of these rounds").help("choose another name"));
                }
            }
            let next = elsewhere(dataset.name.value.clone(), &first.span);
            dataset.maker = Maker::From(std::mem::replace(&mut from, next));
            datasets.push(dataset);
        }
        datasets
    }
}

/// A name that stands nowhere: what brought it about is pointed at.
fn elsewhere(value: String, span: &Span) -> Text {
    Text { value, span: span.clone(), exact: false }
}
