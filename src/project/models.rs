//! What a project's builds ask of models: opening the door, what it costs, and responses that come with the project.

use super::{Project, unusable};
use crate::ask::{Price, Record, Usage};
use crate::diag::{Diagnostic, Diagnostics};
use crate::exec::{Count, Door, NodeRecord, Run, Sum};
use crate::fetch::models::{
    Asking, Budget, Endpoint, Environment, Models, Noted, Provider, Spending, Traffic, Wish, survey,
};
use crate::graph::{Kind, NodeId};
use crate::hash::Hash;
use crate::history::{View, read_record, write_view};
use crate::manifest::{Model, Step, Text};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// The file in which a build notes what it spends.
const LEDGER: &str = "spending";

/// What a step of a node would ask of one model.
#[derive(Clone, Debug)]
pub struct NodeCost {
    pub node: NodeId,
    /// The position of the step; none: what it asks is not known before others have run.
    pub step: Option<usize>,
    /// The name of the model's node.
    pub model: String,
    pub count: Count,
    pub outlay: Outlay,
}

/// Tokens and money.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outlay {
    pub usage: Usage,
    /// None: the price is not known, or the tokens are not; see [`Outlay::gap`].
    pub money: Option<f64>,
    /// What of the tokens cannot be told.
    pub gap: Option<Gap>,
    /// Whether the tokens are told from answers to the same step, rather than from the length of the messages and the limit of
    /// replies.
    pub from_past: bool,
}

/// Why tokens cannot be told before anything is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// Replies have no limit, so only the input is told.
    Output,
    /// The messages are made of answers that are not there yet, so only the output is told.
    Input,
}

/// What a build spent, and what it might have.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    pub spending: Spending,
    pub budget: Budget,
}

/// Returns what the model of a recorded request is called.
pub(super) fn model_of(record: &Record) -> Option<String> {
    #[derive(Deserialize)]
    struct Model {
        model: String,
    }
    serde_json::from_str(record.request.get()).ok().map(|Model { model }| model)
}

/// Ends the session of the budget, if anything was asked.
pub(super) fn close(door: &Door) -> Result<(), Diagnostics> {
    match door.opened() {
        Some(models) => models.close_budget().map_err(Diagnostics::from),
        None => Ok(()),
    }
}

impl Project {
    /// Returns what a build may spend; `money` instead of what the manifest says.
    pub(super) fn budget(&self, money: Option<f64>) -> Budget {
        let declared = &self.graph.manifest.budget;
        Budget {
            money: money.or(declared.money.as_ref().map(|money| money.value)),
            requests: declared.requests.as_ref().map(|requests| requests.value),
        }
    }

    /// Opens the door to the models that a build may ask.
    pub(super) fn open_models(&self, used: &BTreeSet<usize>, budget: Budget) -> Result<Models, Diagnostics> {
        let endpoints = self.graph.endpoints().into_iter().enumerate().map(|(at, endpoint)| {
            // Nobody asks the others, so nothing has to be right about them.
            if used.contains(&at) {
                endpoint
            } else {
                Endpoint { provider: Provider::Replay, key: None, batch: false, ..endpoint }
            }
        });
        let asking = Asking { budget, ledger: self.workspace.state().path(LEDGER), batches: self.batches };
        Models::open(endpoints.collect(), self.store.responses().clone(), asking)
    }

    /// Lists the batches that the store knows to be at endpoints, as those that the project names tell; see [`survey`].
    pub fn noted_batches(&self, wish: Wish) -> Result<Vec<Noted>, Diagnostics> {
        survey(&Environment::default(), &self.graph.endpoints(), self.store.responses(), wish)
    }

    /// Returns what was asked by the names of nodes, for the history.
    pub(super) fn traffic_by_name(&self, run: &Run) -> BTreeMap<String, BTreeMap<usize, Traffic>> {
        let mut traffic: BTreeMap<String, BTreeMap<usize, Traffic>> = BTreeMap::new();
        for ((node, step), sum) in &run.traffic {
            traffic.entry(self.graph.node(*node).full_name()).or_default().insert(*step, *sum);
        }
        traffic
    }

    /// Writes what those nodes were that are not published because of their failed rows.
    pub(super) fn write_attempts(&self, run: &Run) -> Result<Option<Hash>, Diagnostics> {
        let view: View = run.attempts.iter().map(|(id, hash)| (self.graph.node(*id).full_name(), *hash)).collect();
        if view.is_empty() { Ok(None) } else { write_view(&self.store, &view).map(Some).map_err(unusable) }
    }

    /// Returns the price of a model by what it is called in keys; none also where several are called so and their prices differ.
    pub fn price(&self, model: &str) -> Option<Price> {
        let called = self.graph.manifest.models.iter().filter(|one| one.called() == model);
        let mut prices = called.filter_map(|one| one.price);
        let first = prices.next()?;
        prices.all(|price| price == first).then_some(first)
    }

    /// Returns the models that a step of a node asks.
    pub fn asked_by(&self, node: NodeId, step: usize) -> impl Iterator<Item = &Model> {
        let node = self.graph.node(node);
        let dataset = self.graph.manifest.datasets.get(node.declaration).filter(|_| node.kind == Kind::Dataset);
        let names = dataset.and_then(|dataset| dataset.steps.get(step)).map_or(&[][..], Step::models);
        let model = |name: &Text| self.graph.manifest.models.iter().find(|one| one.name.value == name.value);
        names.iter().filter_map(model)
    }

    /// Returns the price of a model by what it is called in keys, as the model is declared that a step of a node asks: others may
    /// be called the same and have another price. A step that asks another model by now tells nothing.
    fn price_in(&self, node: NodeId, step: usize, model: &str) -> Option<Price> {
        match self.asked_by(node, step).find(|one| one.called() == model) {
            Some(one) => one.price,
            None => self.price(model),
        }
    }

    /// Returns the price of the model that a recorded request of a step was for; `key` as hexadecimal digits.
    pub fn price_of(&self, node: NodeId, step: usize, key: &str) -> Option<Price> {
        let model = |body: &[u8]| model_of(&serde_json::from_slice(body).ok()?);
        self.price_in(node, step, &self.store.responses().find(&key.parse().ok()?, model).ok()??)
    }

    /// Returns what the answers behind the rows of a node cost at today's prices of the models that its steps ask; none if a price
    /// or a usage is not known.
    pub fn money(&self, node: NodeId, record: &NodeRecord) -> Option<f64> {
        let sums = record.paid.iter().flat_map(|(step, paid)| paid.0.iter().map(move |(model, of)| (*step, model, of)));
        sums.map(|(step, model, of)| worth(self.price_in(node, step, model), of)).sum()
    }

    /// Returns what recorded answers of a model cost at today's price, whoever asked.
    pub fn money_of(&self, model: &str, of: &Sum) -> Option<f64> {
        worth(self.price(model), of)
    }

    /// Tells what a plan counted in tokens and money.
    pub(super) fn cost(&self, run: &Run, last: &View) -> Vec<NodeCost> {
        let record = |id: NodeId| -> Option<NodeRecord> {
            read_record(&self.store, *last.get(&self.graph.node(id).full_name())?).ok()
        };
        let known = run.counts.iter().map(|(place, count)| {
            let model = &self.graph.manifest.models[place.endpoint];
            let past =
                record(place.node).and_then(|record| record.paid.get(&place.step)?.0.get(model.called()).copied());
            let told = past.filter(|sum| sum.answers > sum.untold);
            let usage = match told {
                Some(sum) => {
                    // Replies that are sent back cost too: so many answers a dialogue, so many tokens an answer.
                    let answers = sum.answers as f64 / sum.dialogues.max(1) as f64 * count.requests as f64;
                    let share = |tokens| (tokens as f64 / (sum.answers - sum.untold) as f64 * answers).round() as u64;
                    Usage { input: share(sum.usage.input), output: share(sum.usage.output) }
                }
                None => guess(count),
            };
            let gap = match (told, count.output_limit) {
                (Some(_), _) => None,
                (None, None) => Some(Gap::Output),
                (None, Some(_)) => (count.known == 0).then_some(Gap::Input),
            };
            let price = model.price.filter(|_| gap.is_none());
            let outlay = Outlay { usage, money: price.map(|price| price.of(usage)), gap, from_past: told.is_some() };
            NodeCost {
                node: place.node,
                step: Some(place.step),
                model: model.name.value.clone(),
                count: *count,
                outlay,
            }
        });
        let open = run.uncounted.iter().map(|node| NodeCost {
            node: *node,
            step: None,
            model: String::new(),
            count: Count { at_most: true, ..Count::default() },
            outlay: Outlay::default(),
        });
        known.chain(open).collect()
    }
}

/// Returns what answers cost; none if the price or a usage is not known.
fn worth(price: Option<Price>, of: &Sum) -> Option<f64> {
    price.filter(|_| of.untold == 0).map(|price| price.of(of.usage))
}

/// Bytes of English that come to a token, about.
const BYTES_PER_TOKEN: f64 = 4.0;

/// Guesses the tokens of requests from the messages that are known, and from the limit of the replies.
fn guess(count: &Count) -> Usage {
    let bytes = if count.known == 0 { 0.0 } else { count.bytes as f64 / count.known as f64 };
    Usage {
        input: (bytes / BYTES_PER_TOKEN * count.requests as f64).round() as u64,
        output: count.output_limit.unwrap_or(0),
    }
}

/// Says what is wrong with a file of responses.
pub(super) fn bad_responses(path: &str, line: usize, why: &str) -> Diagnostic {
    Diagnostic::error("bad-responses", format!("line {line} of `{path}` is not a recorded response: {why}"))
        .help("a line is one response, as `datamake responses export` writes it")
}
