//! One failed row: what is told of it, as it fits the kind of its failure.

use super::super::asked::money;
use super::super::session::{Fail, Session};
use super::super::words::plain;
use crate::ask::{Price, Usage};
use crate::diag::Diagnostic;
use crate::exec::{FailedAs, LostRows, RowFailure};
use crate::expr::Value;
use crate::table::Type;

/// Tells the price of the model that a request was for, by its key in digits.
pub type Prices<'a> = &'a dyn Fn(&str) -> Option<Price>;

/// A failure, and what the last reply cost.
pub struct Failed {
    failure: RowFailure,
    cost: Option<f64>,
}

/// Something that is told of a failure.
pub struct Detail {
    pub name: &'static str,
    pub ty: Type,
    /// The kinds that it is told of.
    of: fn(FailedAs) -> bool,
    value: fn(&Failed) -> Value,
}

fn any(_: FailedAs) -> bool {
    true
}

fn unreadable(kind: FailedAs) -> bool {
    kind == FailedAs::Unreadable
}

fn without_model(kind: FailedAs) -> bool {
    kind.of_model().is_none()
}

fn of_model(kind: FailedAs) -> bool {
    kind.of_model().is_some()
}

fn text(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| Value::String(text.to_owned()))
}

fn int(n: Option<u64>) -> Value {
    n.map_or(Value::Null, |n| Value::Int(n as i64))
}

fn request(failed: &Failed) -> Option<String> {
    failed.failure.request.map(|request| request.to_string())
}

fn tokens(failed: &Failed, of: fn(Usage) -> u64) -> Value {
    int(failed.failure.tokens.map(of))
}

/// All that is told behind the kind, in JSON.
const DETAILS: [Detail; 13] = [
    Detail { name: "detail", ty: Type::String, of: any, value: |one| text(Some(&one.failure.detail)) },
    Detail { name: "help", ty: Type::String, of: without_model, value: |one| text(one.failure.help.as_deref()) },
    Detail { name: "of", ty: Type::String, of: without_model, value: |one| text(one.failure.of.as_deref()) },
    Detail { name: "file", ty: Type::String, of: unreadable, value: |one| text(one.failure.file.as_deref()) },
    Detail { name: "line", ty: Type::Int, of: unreadable, value: |one| int(one.failure.line) },
    Detail { name: "column", ty: Type::Int, of: unreadable, value: |one| int(one.failure.column) },
    Detail { name: "text", ty: Type::String, of: unreadable, value: |one| text(one.failure.text.as_deref()) },
    Detail { name: "request", ty: Type::String, of: of_model, value: |one| text(request(one).as_deref()) },
    Detail { name: "attempts", ty: Type::Int, of: of_model, value: |one| int(one.failure.attempts.map(u64::from)) },
    Detail { name: "input_tokens", ty: Type::Int, of: of_model, value: |one| tokens(one, |usage| usage.input) },
    Detail { name: "output_tokens", ty: Type::Int, of: of_model, value: |one| tokens(one, |usage| usage.output) },
    Detail { name: "cost", ty: Type::Float, of: of_model, value: |one| one.cost.map_or(Value::Null, Value::Float) },
    Detail { name: "reply", ty: Type::String, of: of_model, value: |one| text(one.failure.reply.as_deref()) },
];

/// All that is told on a terminal, behind the columns of the row.
const BEHIND: [Detail; 10] = {
    let [detail, _, of, file, line, column, text, request, attempts, _, _, _, reply] = DETAILS;
    let cost = Detail {
        name: "cost",
        ty: Type::String,
        of: of_model,
        value: |one| Value::String(one.cost.map_or("unknown".to_owned(), money)),
    };
    [detail, of, file, line, column, text, reply, attempts, cost, request]
};

/// Returns what is told on a terminal of the rows that failed at a step.
pub fn behind(step: &LostRows) -> Vec<Detail> {
    let kinds: Vec<FailedAs> = step.reasons.iter().filter_map(|(kind, _)| kind.parse().ok()).collect();
    BEHIND.into_iter().filter(|detail| kinds.iter().any(|kind| (detail.of)(*kind))).collect()
}

impl Failed {
    /// Reads a value of the column `failure`.
    pub fn of(value: &Value, price: Prices) -> Result<Failed, Fail> {
        let failure = RowFailure::of_value(value).ok_or_else(|| {
            Diagnostic::error("unknown-failure", "a row failed in a way that this version does not know")
        })?;
        let mut failed = Failed { failure, cost: None };
        let price = request(&failed).and_then(|request| price(&request));
        failed.cost = failed.failure.tokens.zip(price).map(|(usage, price)| price.of(usage));
        Ok(failed)
    }

    pub fn word(&self) -> &'static str {
        self.failure.kind.word()
    }

    /// Writes it as JSON, with what belongs to its kind.
    pub fn json(&self) -> Value {
        let kind = ("kind".to_owned(), Value::String(self.word().to_owned()));
        let own = DETAILS.into_iter().filter(|detail| (detail.of)(self.failure.kind));
        let own = own.map(|detail| (detail.name.to_owned(), (detail.value)(self)));
        Value::Struct(std::iter::once(kind).chain(own).collect())
    }

    /// Returns one detail as it is shown on a terminal, if it is one of this kind.
    pub fn detail(&self, detail: &Detail, session: &Session, wide: bool) -> Value {
        if !(detail.of)(self.failure.kind) {
            return Value::Null;
        }
        match (detail.value)(self) {
            Value::String(text) if detail.name == "request" => {
                Value::String(text.chars().take(if wide { 64 } else { 12 }).collect())
            }
            Value::String(text) => Value::String(match session.out.width.filter(|_| !wide) {
                Some(width) => console::truncate_str(&plain(&text), width.max(40), "…").into_owned(),
                None => text,
            }),
            other => other,
        }
    }
}
