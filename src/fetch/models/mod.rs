//! Models: the door through which requests go out and responses come back, recorded before anybody sees them.

mod endpoint;

pub use endpoint::{Endpoint, Limits, Provider};

use crate::ask::{Failure, Request, Response, Usage};
use crate::diag::{Diagnostic, Diagnostics};
use crate::store::Responses;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How to ask.
#[derive(Clone, Debug, Default)]
pub struct Asking {
    pub budget: Budget,
    /// The file in which spending is noted before it happens, so that a crash does not forget it.
    pub ledger: PathBuf,
}

/// What may be spent; none: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Budget {
    pub money: Option<f64>,
    pub requests: Option<u64>,
}

/// One request on its way.
#[derive(Clone, Debug)]
pub struct Order {
    /// What the caller knows it by.
    pub ticket: u64,
    /// Which node it is for: the lanes of an endpoint take turns.
    pub lane: u32,
    pub request: Arc<Request>,
    /// Whether a recorded response of another process will do; not if the user asked for another one.
    pub reuse: bool,
}

/// What became of a request.
#[derive(Debug)]
pub enum Delivery {
    /// It is recorded and synced.
    Answer(Arc<Response>),
    /// No answer for this row; others may fare better.
    Failed(Failure),
    /// The endpoint is of no use to anybody: a wrong key, no such model. Said once in full, then the same for all that wait.
    Unusable(Diagnostic),
    /// Sending it could pass the budget.
    OverBudget(Diagnostic),
    /// The user asked to stop, and it was not sent.
    Stopped,
}

/// What went through one lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// Requests that were sent, each attempt.
    pub requests: u64,
    pub usage: Usage,
    /// At the endpoints' prices; requests whose price or usage is unknown are counted in `unpriced`.
    pub money: f64,
    pub unpriced: u64,
}

/// Sends requests and delivers what became of them, in whatever order they come back.
#[derive(Debug)]
pub struct Models {}

impl Models {
    /// Gets ready to ask `endpoints`, by their positions.
    ///
    /// # Errors
    /// All that is wrong before the first request: a key that is not there, or that may not go to that host; a budget with an
    /// unknown price.
    pub fn open(_endpoints: Vec<Endpoint>, _responses: Arc<Responses>, _asking: Asking) -> Result<Models, Diagnostics> {
        Ok(Models {})
    }

    /// Hands in a request.
    pub fn order(&self, _order: Order) {}

    /// Waits for deliveries, so long at most, and returns all that are there.
    pub fn deliver(&self, _patience: Duration) -> Vec<(u64, Delivery)> {
        Vec::new()
    }

    /// Sends nothing more; what is on its way is still delivered.
    pub fn stop(&self) {}

    /// Returns what went through a lane so far.
    pub fn traffic(&self, _lane: u32) -> Traffic {
        Traffic::default()
    }
}
