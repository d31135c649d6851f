//! What a response comes to: a failure, another request, or a value.

use crate::ask::{FailureKind, Finish, Form, Message, Request, Response, Role, Task};
use crate::expr::Value;
use crate::hash::KeyWriter;
use crate::op::Turn;
use std::sync::Arc;

/// A form that replies have to have.
#[derive(Clone, Debug)]
pub struct Formed {
    pub form: Arc<Form>,
    /// How often a reply that does not have it is sent back with what is wrong with it.
    pub retries: u32,
}

impl Formed {
    /// Writes how often it is tried; the form itself is in the head of the request.
    pub(super) fn write_key(&self, key: &mut KeyWriter) {
        key.int("retries", i64::from(self.retries));
    }

    /// Reads a reply by the form; or says how the dialogue goes on without.
    pub(super) fn read(&self, request: &Request, text: &str, turns: u32) -> Result<Value, Turn> {
        self.form.read(text).map_err(|misfit| match turns < self.retries {
            true => Turn::Again(again(request, text, &misfit.detail)),
            false => Turn::Failed(misfit.kind, misfit.detail),
        })
    }
}

/// Returns the failure that a response is before one looks at its form.
pub(super) fn failure(response: &Response, empty: bool) -> Option<Turn> {
    let kind = match response.finish {
        Finish::Length => FailureKind::CutOff,
        Finish::Refusal => FailureKind::Refusal,
        Finish::ContentFilter => FailureKind::ContentFilter,
        Finish::Stop if empty => FailureKind::Empty,
        Finish::Stop => return None,
    };
    let detail = match kind {
        FailureKind::CutOff => match response.max_tokens {
            Some(limit) => format!("the reply was cut off at the limit of {limit} tokens"),
            None => "the reply was cut off at the model's own limit of tokens".to_owned(),
        },
        FailureKind::Refusal => "the model refused to reply".to_owned(),
        FailureKind::ContentFilter => "the endpoint's filter withheld the reply".to_owned(),
        _ => "the reply is empty".to_owned(),
    };
    Some(Turn::Failed(kind, detail))
}

/// Returns the request that sends a reply back with what is wrong with it.
fn again(request: &Request, reply: &str, wrong: &str) -> Request {
    let complaint = format!(
        "This reply is not valid: {wrong}\nReply again, with nothing but one JSON value that satisfies the JSON Schema."
    );
    let mut next = request.clone();
    if request.spec.task == Task::Chat {
        next.messages.push(Message { role: Role::Assistant, content: reply.to_owned() });
        next.messages.push(Message { role: Role::User, content: complaint });
    } else if let Some(text) = next.messages.last_mut() {
        // A text is continued: by what came of it, and what is to be said of that.
        text.content.push_str(&format!("{reply}\n\n{complaint}\n\n"));
    }
    next
}
