//! A row's exchange with one model, request by request.

use crate::ask::{Failure, Request, Response, Usage};
use crate::expr::Value;
use crate::hash::Hash;
use crate::op::Turn;
use std::sync::Arc;

/// A row's exchange with one model.
#[derive(Clone, Debug)]
pub struct Dialogue {
    pub request: Arc<Request>,
    /// Requests of it that were answered.
    pub turns: u32,
    /// How often they were sent.
    sends: u32,
    /// The tokens that they took, as far as the endpoint told.
    usage: Option<Usage>,
}

/// Where a dialogue stands.
pub enum Standing {
    /// It has come to this.
    Ended(Value),
    Failed(Failure),
    /// It goes on when this request is answered. `reuse`: a recorded response would do, if there were one.
    Waits {
        key: Hash,
        reuse: bool,
    },
}

impl Dialogue {
    /// Begins with a request.
    pub fn new(request: Request) -> Dialogue {
        Dialogue { request: Arc::new(request), turns: 0, sends: 0, usage: None }
    }

    /// Takes in how the op took a response; returns where the dialogue stands, unless it goes on with another request.
    pub fn take(&mut self, turn: Turn, key: Hash, response: &Response) -> Option<Standing> {
        self.turns += 1;
        self.sends += response.attempts.max(1);
        self.spend(response.usage);
        match turn {
            Turn::Done(value) => Some(Standing::Ended(value)),
            Turn::Again(request) => {
                self.request = Arc::new(request);
                None
            }
            Turn::Failed(kind, detail) => Some(Standing::Failed(Failure {
                kind,
                detail,
                request: key,
                attempts: self.sends,
                reply: Some(response.text.clone()),
                tokens: self.usage,
            })),
        }
    }

    /// Ends with a request that was given up; what was asked before it counts too.
    pub fn give_up(&self, mut failure: Failure) -> Standing {
        failure.attempts += self.sends;
        let mut all = self.clone();
        all.spend(failure.tokens);
        failure.tokens = all.usage;
        Standing::Failed(failure)
    }

    fn spend(&mut self, usage: Option<Usage>) {
        if let Some(usage) = usage {
            *self.usage.get_or_insert_default() += usage;
        }
    }
}
