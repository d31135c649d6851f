//! What was asked of models, and what it cost: in words and as JSON.

use super::words::{count, grouped, things};
use crate::ask::Usage;
use crate::exec::{NodeRecord, Output, Paid, Run};
use crate::fetch::models::Traffic;
use crate::graph::NodeId;
use crate::project::{Built, Project, Spent};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Writes an amount of money: with two digits after the point, or three that count.
pub fn money(n: f64) -> String {
    if n == 0.0 || !n.is_finite() {
        return "0".to_owned();
    }
    let digits = if n.abs() >= 1.0 { 2 } else { (2.0 - n.abs().log10().floor()) as usize };
    let text = format!("{n:.digits$}");
    let text = if n.abs() >= 1.0 { &text } else { text.trim_end_matches('0').trim_end_matches('.') };
    match text.split_once('.') {
        Some((whole, rest)) => format!("{}.{rest}", grouped(whole)),
        None => grouped(text),
    }
}

/// Writes `80 tokens in, 120 out`.
pub fn tokens(usage: Usage) -> String {
    match usage.output {
        0 => things(usage.input, "token"),
        output => format!("{} in, {} out", things(usage.input, "token"), count(output)),
    }
}

/// Writes `22 requests (2 of them retries), 80 tokens in, 120 out, cost 0.0031`; `unpriced` are the models without a price, if
/// that is known. Where texts went out together it is `1,000 texts in 16 requests`: a plan counts the texts.
pub fn traffic(of: &Traffic, unpriced: Option<&[String]>) -> String {
    let retries = match of.retried {
        0 => String::new(),
        1 => " (1 of them a retry)".to_owned(),
        n => format!(" ({} of them retries)", count(n)),
    };
    let tokens = if of.usage == Usage::default() { String::new() } else { format!(", {}", tokens(of.usage)) };
    let answers = match of.usage.output {
        _ if of.answers <= of.requests => String::new(),
        0 => format!("{} in ", things(of.answers, "text")),
        _ => format!("{} in ", things(of.answers, "answer")),
    };
    format!("{answers}{}{retries}{tokens}, {}", things(of.requests, "request"), cost(of, unpriced))
}

fn cost(of: &Traffic, unpriced: Option<&[String]>) -> String {
    if of.unpriced == 0 {
        return format!("cost {}", money(of.money));
    }
    let least = if of.money > 0.0 { format!("at least {}", money(of.money)) } else { "unknown".to_owned() };
    match unpriced {
        None => format!("cost {least}"),
        Some([]) => format!("cost {least}: an endpoint did not tell tokens"),
        Some(names) => format!("cost {least}: no price of {}", names.join(", ")),
    }
}

/// Writes what was asked as JSON; money that is not known whole is null.
pub fn json(of: &Traffic) -> Value {
    json!({
        "requests": of.requests, "retried": of.retried, "answers": of.answers,
        "input_tokens": of.usage.input, "output_tokens": of.usage.output,
        "money": (of.unpriced == 0).then_some(of.money), "unpriced": of.unpriced,
    })
}

/// The form of [`json`], for the reference.
pub const FORM: &str = "\
*Asked* is `{ \"requests\", \"retried\", \"answers\", \"input_tokens\", \"output_tokens\", \"money\", \"unpriced\" }`: what went out. `requests` counts every attempt, of which several texts to embed share one, `answers` \
what came of them, each text for itself, as `datamake plan` counts; `retried` those requests \
that were not the first; `money` is null if any price or count of tokens is not known, and `unpriced` counts such requests.";

/// What a node has to do with models in a build: what was asked for it, and all answers behind its rows.
pub struct Account {
    pub asked: Traffic,
    all: Paid,
    /// What all answers cost at today's prices; none: not known.
    worth: Option<f64>,
    rows: u64,
    /// Models without a price.
    unpriced: Vec<String>,
}

impl Account {
    /// Draws up what there is to say of a node; none if it asks nothing.
    pub fn of(project: &Project, run: &Run, id: NodeId, record: Option<&NodeRecord>) -> Option<Account> {
        let asked = asked_for(run, id);
        let mut all = Paid::default();
        record.iter().flat_map(|record| record.paid.values()).for_each(|paid| all += paid);
        if asked == Traffic::default() && all.0.is_empty() {
            return None;
        }
        let rows = match record.map(|record| &record.output) {
            Some(Output::Table { rows, .. }) => *rows,
            _ => 0,
        };
        let unpriced = record.map_or(Vec::new(), |record| unpriced(project, id, record));
        let worth = record.map_or(Some(0.0), |record| project.money(id, record));
        Some(Account { asked, worth, all, rows, unpriced })
    }

    fn answers(&self) -> u64 {
        self.all.0.values().map(|sum| sum.answers).sum()
    }

    /// Returns how many answers did not have to be asked for.
    pub fn known(&self) -> u64 {
        self.answers().saturating_sub(self.asked.answers)
    }

    /// Returns what those saved, at today's prices.
    pub fn saved(&self) -> Option<f64> {
        self.worth.map(|worth| if self.known() == 0 { 0.0 } else { (worth - self.asked.money).max(0.0) })
    }

    fn per_row(&self) -> Option<f64> {
        self.worth.filter(|worth| self.rows > 0 && *worth > 0.0).map(|worth| worth / self.rows as f64)
    }

    /// Tells it in a line or two.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let per_row = self.per_row().map_or(String::new(), |money_| format!("{} per row", money(money_)));
        let with = |text: String, rest: &str| if rest.is_empty() { text } else { format!("{text}: {rest}") };
        let known = self.known();
        if self.asked.requests > 0 {
            let own = if known == 0 { per_row.as_str() } else { "" };
            lines.push(with(traffic(&self.asked, Some(&self.unpriced)), own));
        }
        if known > 0 {
            let what = match known {
                1 => "1 answer was known".to_owned(),
                n => format!("{} answers were known", count(n)),
            };
            let saved = self.saved().filter(|saved| *saved > 0.0);
            let saved = saved.map_or(String::new(), |saved| format!(" and saved {}", money(saved)));
            let all = match self.worth {
                Some(worth) if self.asked.requests > 0 && worth > 0.0 => {
                    format!("; all {} cost {}", count(self.answers()), money(worth))
                }
                _ => String::new(),
            };
            lines.push(with(format!("{what}{saved}{all}"), &per_row));
        }
        lines
    }

    /// Writes it as JSON.
    pub fn json(&self) -> Value {
        json!({
            "all": self.answers(), "known": self.known(), "money": self.worth,
            "money_per_row": self.per_row(), "saved": self.saved(),
        })
    }
}

/// Returns the names of the models without a price among those that gave the answers behind the rows of a node.
fn unpriced(project: &Project, id: NodeId, record: &NodeRecord) -> Vec<String> {
    let asked = record.paid.iter().flat_map(|(step, paid)| {
        project.asked_by(id, *step).filter(|model| model.price.is_none() && paid.0.contains_key(model.called()))
    });
    let names: BTreeSet<&str> = asked.map(|model| model.name.value.as_str()).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// Adds up what was asked for a node.
pub fn asked_for(run: &Run, id: NodeId) -> Traffic {
    let mut sum = Traffic::default();
    run.traffic.range((id, 0)..=(id, usize::MAX)).for_each(|(_, traffic)| sum += *traffic);
    sum
}

/// Adds up what was asked in a build.
pub fn in_all(run: &Run) -> Traffic {
    let mut sum = Traffic::default();
    run.traffic.values().for_each(|traffic| sum += *traffic);
    sum
}

/// Tells what was asked in a build as a whole, and what is left of its budget; none if it asked nothing and had to reuse nothing.
pub fn total(built: &Built, accounts: &[Account]) -> Option<String> {
    let sum = in_all(&built.run);
    let known: u64 = accounts.iter().map(Account::known).sum();
    if sum == Traffic::default() && known == 0 {
        return None;
    }
    let mut parts = Vec::new();
    if sum != Traffic::default() {
        let mut names: Vec<String> = accounts.iter().flat_map(|one| one.unpriced.clone()).collect();
        names.sort();
        names.dedup();
        // Of what was asked for nodes that failed, nobody knows whom.
        let whole = accounts.iter().all(|one| one.asked.unpriced == 0 || !one.all.0.is_empty());
        parts.push(format!("asked {}", traffic(&sum, Some(&names).filter(|_| whole).map(Vec::as_slice))));
    }
    if known > 0 {
        let saved = accounts.iter().map(Account::saved).collect::<Option<Vec<f64>>>();
        let saved = saved.map(|saved| saved.iter().sum::<f64>()).filter(|saved| *saved > 0.0);
        let saved = saved.map_or(String::new(), |saved| format!(" and saved {}", money(saved)));
        let verb = if known == 1 { "was" } else { "were" };
        parts.push(format!("{} {verb} known{saved}", things(known, "answer")));
    }
    parts.extend(built.spent.as_ref().and_then(budget));
    Some(parts.join("; "))
}

/// Writes `budget: 0.0062 of 5`.
fn budget(spent: &Spent) -> Option<String> {
    let money_ = spent.budget.money.map(|cap| format!("{} of {}", money(spent.spending.money), money(cap)));
    let requests = spent.budget.requests.map(|cap| {
        let spent = spent.spending.requests;
        format!("{} of {}", count(spent), things(cap, "request"))
    });
    let parts: Vec<String> = money_.into_iter().chain(requests).collect();
    (!parts.is_empty()).then(|| format!("budget: {}", parts.join(", ")))
}

/// Writes what was spent of a budget as JSON.
pub fn budget_json(spent: Option<&Spent>) -> Value {
    let Some(spent) = spent.filter(|spent| spent.budget.money.is_some() || spent.budget.requests.is_some()) else {
        return Value::Null;
    };
    json!({
        "money": spent.budget.money, "requests": spent.budget.requests,
        "money_spent": spent.budget.money.map(|_| spent.spending.money), "requests_spent": spent.spending.requests,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_two_digits_after_the_point_or_three_that_count() {
        let written = [0.0, 0.5, 0.012_345, 0.000_31, 1.0, 1234.567, 0.999_9].map(money);
        assert_eq!(written, ["0", "0.5", "0.0123", "0.00031", "1.00", "1,234.57", "1"]);
    }

    #[test]
    fn what_is_not_priced_is_never_said_to_cost_nothing() {
        let usage = Usage { input: 80, output: 1200 };
        let some = Traffic { requests: 12, retried: 2, answers: 10, usage, money: 0.0031, unpriced: 0 };
        assert_eq!(traffic(&some, Some(&[])), "12 requests (2 of them retries), 80 tokens in, 1,200 out, cost 0.0031");
        let part = Traffic { unpriced: 3, retried: 1, ..some };
        let names = ["writer".to_owned()];
        let told = "12 requests (1 of them a retry), 80 tokens in, 1,200 out, cost at least 0.0031: no price of writer";
        assert_eq!(traffic(&part, Some(&names)), told);
        let none = Traffic { requests: 1, unpriced: 1, ..Traffic::default() };
        assert_eq!(traffic(&none, Some(&[])), "1 request, cost unknown: an endpoint did not tell tokens");
    }
}
