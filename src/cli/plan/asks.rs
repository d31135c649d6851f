//! What a plan would ask of models: requests, tokens and money, and how they were told.

use super::super::asked::money;
use super::super::names::Names;
use super::super::words::{count, things};
use crate::exec::State;
use crate::graph::NodeId;
use crate::project::{Gap, NodeCost, Outlay, Planned, Project};
use serde_json::{Value, json};

/// Tells what a node would ask, a line for each step and model.
pub fn lines(planned: &Planned, node: NodeId, names: &Names) -> Vec<String> {
    let own = planned.cost.iter().filter(|cost| cost.node == node && (cost.count.requests > 0 || cost.step.is_none()));
    own.map(|cost| line(cost, planned, names)).collect()
}

fn line(cost: &NodeCost, planned: &Planned, names: &Names) -> String {
    if cost.step.is_none() {
        return format!("how many requests is unknown until {} ran", until(planned, cost.node, names));
    }
    let most = if cost.count.at_most { "at most " } else { "" };
    let requests = format!(
        "{most}{} to {}",
        things(cost.count.requests, if embeds(cost) { "text" } else { "request" }),
        cost.model
    );
    let outlay = &cost.outlay;
    let source = if outlay.from_past { " (from past answers)" } else { "" };
    let money = match (outlay.money, outlay.gap) {
        (Some(_), _) => format!("cost {}", about(outlay)),
        (None, Some(Gap::Output)) => "cost unknown without `max_tokens`".to_owned(),
        (None, Some(Gap::Input)) => "cost not known yet".to_owned(),
        (None, None) => "price unknown".to_owned(),
    };
    format!("{requests}: {}{source}, {money}{}", tokens(outlay), sent_back(cost.count.sent_back))
}

/// Tells how many requests there may be on top, for replies that do not have the form that is wanted.
fn sent_back(most: u64) -> String {
    if most == 0 { String::new() } else { format!("; at most {} more for replies sent back", things(most, "request")) }
}

/// Returns whether texts are embedded: several of them go out in one request, so the texts are what is counted.
fn embeds(cost: &NodeCost) -> bool {
    cost.count.output_limit == Some(0)
}

/// Writes an amount of money that is told beforehand.
fn about(outlay: &Outlay) -> String {
    let most = if outlay.from_past || outlay.usage.output == 0 { "" } else { "at most " };
    format!("{most}about {}", money(outlay.money.unwrap_or_default()))
}

fn tokens(outlay: &Outlay) -> String {
    let (input, output) = (things(outlay.usage.input, "token"), count(outlay.usage.output));
    match (outlay.gap, outlay.from_past) {
        (Some(Gap::Input), _) => {
            format!("tokens in not known yet, at most {output} out")
        }
        (Some(Gap::Output), _) => format!("about {input} in"),
        (None, _) if outlay.usage.output == 0 => format!("about {input}"),
        (None, true) => format!("about {input} in, {output} out"),
        (None, false) => format!("about {input} in, at most {output} out"),
    }
}

/// Names what has to run before it is known what a node asks.
fn until(planned: &Planned, node: NodeId, names: &Names) -> String {
    let state = planned.nodes.iter().find(|one| one.node == node).map(|one| &one.state);
    match state {
        Some(State::Unknown(until)) if !until.is_empty() => names.list(until),
        // A step over all rows comes before the one that asks.
        _ => "the steps before".to_owned(),
    }
}

/// Everything that would be asked.
#[derive(Default)]
struct Total {
    requests: u64,
    /// Of these, texts to embed.
    texts: u64,
    at_most: bool,
    sent_back: u64,
    /// Nodes that ask, nobody knows how often.
    open: Vec<NodeId>,
    input: u64,
    output: u64,
    guessed: bool,
    gap: Option<Gap>,
    money: f64,
    /// Models without a price.
    unpriced: Vec<String>,
}

impl Total {
    fn of(planned: &Planned, project: &Project) -> Total {
        let mut sum = Total::default();
        for cost in &planned.cost {
            if cost.step.is_none() {
                sum.open.push(cost.node);
                continue;
            }
            if cost.count.requests == 0 {
                continue;
            }
            sum.requests += cost.count.requests;
            sum.texts += if embeds(cost) { cost.count.requests } else { 0 };
            sum.at_most |= cost.count.at_most;
            sum.sent_back += cost.count.sent_back;
            sum.input += cost.outlay.usage.input;
            sum.output += cost.outlay.usage.output;
            sum.guessed |= !cost.outlay.from_past && cost.outlay.usage.output > 0;
            sum.gap = sum.gap.or(cost.outlay.gap);
            sum.money += cost.outlay.money.unwrap_or_default();
            let priced = |name: &str| {
                project.graph.manifest.models.iter().any(|model| model.name.value == name && model.price.is_some())
            };
            if !priced(&cost.model) && !sum.unpriced.contains(&cost.model) {
                sum.unpriced.push(cost.model.clone());
            }
        }
        sum
    }

    fn money(&self) -> Option<f64> {
        (self.unpriced.is_empty() && self.gap.is_none() && self.open.is_empty()).then_some(self.money)
    }
}

/// Tells what a build would ask as a whole; nothing if it asks nothing.
pub fn total(planned: &Planned, project: &Project, names: &Names) -> Option<String> {
    let sum = Total::of(planned, project);
    if sum.requests == 0 && sum.open.is_empty() {
        return None;
    }
    let open = names.list(&sum.open);
    if sum.requests == 0 {
        return Some(format!("would ask models for {open}: how often is unknown"));
    }
    let bound = match (sum.at_most, sum.open.is_empty()) {
        (true, true) => "at most ",
        (false, false) => "at least ",
        (true, false) => "about ",
        (false, true) => "",
    };
    let out = match sum.gap {
        Some(Gap::Output) => String::new(),
        _ if sum.output == 0 => String::new(),
        _ => format!(", {}{} out", if sum.guessed { "at most " } else { "" }, count(sum.output)),
    };
    let input = match (sum.gap, sum.input) {
        (Some(Gap::Input), 0) => "tokens in not known yet".to_owned(),
        (Some(Gap::Input), known) => format!("more than {} in", things(known, "token")),
        (_, known) => format!("about {} in", things(known, "token")),
    };
    let cost = match sum.money() {
        Some(known) => format!("cost {}about {}", if sum.guessed { "at most " } else { "" }, money(known)),
        None if !sum.unpriced.is_empty() => format!("cost unknown: no price of {}", sum.unpriced.join(", ")),
        None if sum.money > 0.0 => {
            format!("cost {}about {} for what can be told", if sum.guessed { "at most " } else { "" }, money(sum.money))
        }
        None if sum.gap == Some(Gap::Output) => "cost unknown without `max_tokens`".to_owned(),
        None => "cost not known yet".to_owned(),
    };
    let budget = project.graph.manifest.budget.money.as_ref();
    let budget = budget.map_or(String::new(), |budget| format!("; the budget is {}", money(budget.value)));
    let more = if sum.open.is_empty() { String::new() } else { format!("; and more for {open}") };
    let what = match (sum.requests - sum.texts, things(sum.texts, "text")) {
        (requests, _) if sum.texts == 0 => format!("ask {bound}{}", things(requests, "request")),
        (0, texts) => format!("embed {bound}{texts}"),
        (requests, texts) => format!("ask {bound}{} and embed {texts}", things(requests, "request")),
    };
    Some(format!("would {what}: {input}{out}, {cost}{}{more}{budget}", sent_back(sum.sent_back)))
}

/// Writes what a node would ask as JSON.
pub fn json(planned: &Planned, node: NodeId) -> Value {
    let one = |cost: &NodeCost| {
        let outlay = &cost.outlay;
        if cost.step.is_none() {
            return json!({ "step": null, "model": null, "requests": null });
        }
        json!({
            "step": cost.step.map(|step| step + 1), "model": cost.model,
            "requests": cost.count.requests, "at_most": cost.count.at_most, "sent_back": cost.count.sent_back,
            "input_tokens": (outlay.gap != Some(Gap::Input)).then_some(outlay.usage.input),
            "output_tokens": (outlay.gap != Some(Gap::Output)).then_some(outlay.usage.output),
            "money": outlay.money, "estimate": if outlay.from_past { "past" } else { "guess" },
        })
    };
    planned.cost.iter().filter(|cost| cost.node == node).map(one).collect()
}

/// Writes the total as JSON.
pub fn total_json(planned: &Planned, project: &Project) -> Value {
    let sum = Total::of(planned, project);
    let known = |tokens: u64, gap: Gap| (sum.gap != Some(gap) && sum.open.is_empty()).then_some(tokens);
    json!({
        "requests": sum.requests, "at_most": sum.at_most, "sent_back": sum.sent_back, "more": !sum.open.is_empty(),
        "input_tokens": known(sum.input, Gap::Input), "output_tokens": known(sum.output, Gap::Output),
        "money": sum.money(),
    })
}
