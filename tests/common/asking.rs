//! Asking models of a scripted server, and telling what came back.
#![allow(dead_code, reason = "each test file uses its part")]

use super::server::answer_to;
use datamake::ask::{FailureKind, Message, Request, Response, Role, Spec, Task};
use datamake::diag::{Diagnostic, Diagnostics, Source, Span};
use datamake::fetch::models::{Asking, Delivery, Endpoint, Environment, Limits, Models, Order, Provider};
use datamake::store::{RealDisk, Responses};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Long enough for everything here; whoever waits longer hangs.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn endpoint(url: String) -> Endpoint {
    let source = Source::new("datamake.toml", "[model.writer]\n");
    Endpoint {
        node: "writer".to_owned(),
        provider: Provider::OpenAi,
        url: Some(url),
        model: "small".to_owned(),
        key: None,
        max_tokens_field: None,
        limits: Limits::default(),
        timeout: Duration::from_secs(10),
        attempts: 4,
        price: None,
        batch: false,
        span: Span::new(&source, 0..14),
    }
}

pub fn responses(folder: &Path) -> Arc<Responses> {
    Arc::new(Responses::open(Arc::new(RealDisk), &folder.join("responses")))
}

/// Models without any environment.
pub fn open(endpoints: Vec<Endpoint>, asking: Asking) -> Models {
    let folder = tempfile::tempdir().unwrap();
    // The folder stays as long as the system keeps it: responses are written into it by a thread of theirs.
    Models::open_in(&nothing(), endpoints, responses(&folder.keep()), asking).unwrap()
}

pub fn nothing() -> Environment {
    Environment::new(|_| None)
}

pub fn spec(task: Task) -> Arc<Spec> {
    Arc::new(Spec::new(0, task, "small", BTreeMap::new(), None, Some(100)))
}

pub fn user(spec: &Arc<Spec>, text: impl Into<String>) -> Arc<Request> {
    let messages = vec![Message { role: Role::User, content: text.into() }];
    Arc::new(Request { spec: spec.clone(), messages, sample: 0 })
}

pub fn order(ticket: u64, request: &Arc<Request>) -> Order {
    Order { ticket, lane: 0, request: request.clone(), reuse: true }
}

/// Takes as many deliveries, by their tickets.
pub fn take(models: &Models, count: usize) -> BTreeMap<u64, Delivery> {
    let end = Instant::now() + PATIENCE;
    let mut taken = BTreeMap::new();
    while taken.len() < count {
        let left = end.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "{} of {count} deliveries came", taken.len());
        for (ticket, delivery) in models.deliver_all(left).unwrap() {
            assert!(taken.insert(ticket, delivery).is_none(), "{ticket} was delivered twice");
        }
    }
    assert!(models.deliver_within(Duration::ZERO).is_none(), "more was delivered than ordered");
    taken
}

/// Asks for texts of these numbers, and takes all deliveries.
pub fn ask_all(models: &Models, spec: &Arc<Spec>, texts: std::ops::Range<u64>) -> BTreeMap<u64, Delivery> {
    let count = texts.clone().count();
    texts.for_each(|text| models.order(order(text, &user(spec, format!("text {text}")))));
    take(models, count)
}

pub fn ask_one(models: &Models, text: &str) -> Delivery {
    models.order(order(0, &user(&spec(Task::Chat), text)));
    take(models, 1).remove(&0).unwrap()
}

pub fn response(delivery: &Delivery) -> &Response {
    match delivery {
        Delivery::Answer(response) => response,
        other => panic!("{other:?}"),
    }
}

pub fn problem(delivery: &Delivery) -> &Diagnostic {
    match delivery {
        Delivery::Unusable(problem) | Delivery::OverBudget(problem) => problem,
        other => panic!("{other:?}"),
    }
}

pub fn failure(delivery: &Delivery) -> (FailureKind, &str) {
    match delivery {
        Delivery::Failed(failure) => (failure.kind, &failure.detail),
        other => panic!("{other:?}"),
    }
}

pub fn assert_answered(deliveries: &BTreeMap<u64, Delivery>) {
    for (ticket, delivery) in deliveries {
        assert_eq!(response(delivery).text, answer_to(&format!("text {ticket}")));
    }
}

pub fn codes(opened: Result<Models, Diagnostics>) -> Vec<&'static str> {
    match opened {
        Ok(_) => Vec::new(),
        Err(problems) => problems.0.iter().map(|problem| problem.code).collect(),
    }
}
