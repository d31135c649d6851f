//! Ops that ask models: what is asked about a row, and what comes of the answers.

mod embed;
mod generate;
mod judge;
mod opening;
mod perplexity;
mod reply;

pub use embed::Embed;
pub use generate::{Generate, Kept};
pub use judge::{Judge, TIE, Verdict};
pub use opening::{Opening, is_dialogue, turn_type};
pub use perplexity::{AskedPerplexity, BEYOND};
pub use reply::Formed;

use crate::ask::{Message, Request, Role, Spec};
use crate::hash::KeyWriter;
use std::sync::Arc;

/// A model as a step asks it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub spec: Arc<Spec>,
    /// Responses from before this day (days since 1970-01-01) do not count; none: all do.
    pub since: Option<i32>,
}

impl Asked {
    /// Returns the request about one text, which is all that is sent.
    fn about(&self, text: &str) -> Request {
        let messages = vec![Message { role: Role::User, content: text.to_owned() }];
        Request { spec: self.spec.clone(), messages, sample: 0 }
    }

    /// Writes what a reply depends on beyond the messages: the head of the request (task, model, parameters, schema), the limit
    /// of tokens, which decides what is cut off, and which responses count.
    fn write_key(&self, key: &mut KeyWriter) {
        key.text("request", self.spec.head());
        key.int("max_tokens", self.spec.max_tokens.map_or(-1, i64::from));
        key.text("since", &self.since.map_or(String::new(), |day| day.to_string()));
    }

    /// Writes what tells a request from others beyond the messages.
    fn write_request(&self, key: &mut KeyWriter) {
        key.text("request", self.spec.head());
        key.text("since", &self.since.map_or(String::new(), |day| day.to_string()));
    }
}

#[cfg(test)]
mod tests;
