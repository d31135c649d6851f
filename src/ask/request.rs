//! Requests, and the canonical form that is their key.

use crate::hash::Hash;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What kind of answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// The next message of a dialogue.
    Chat,
    /// The continuation of a text: the content of the one message.
    Completion,
    /// The vector of a text: the content of the one message.
    Embedding,
}

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    System,
    User,
    Assistant,
}

impl Role {
    /// Returns the word of the role, as endpoints and columns of dialogues write it.
    pub fn word(self) -> &'static str {
        match self {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        }
    }
}

/// One turn of a dialogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub role: Role,
    pub content: String,
}

/// What all requests of one step to one model have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// The position of the endpoint in the build's list; no part of the key.
    pub endpoint: usize,
    pub task: Task,
    /// What the model is called in keys.
    pub model: String,
    /// Decoding parameters and further fields of the body, as they are sent: `temperature`, `top_p`, `stop`, …
    pub params: BTreeMap<String, Value>,
    /// The JSON Schema that a reply has to satisfy, as compact JSON with the properties in the order in which they are written
    /// (models write them in that order too). The endpoint is told where it has the means.
    pub schema: Option<String>,
    /// The tokens that a reply may have at most. No part of the key: a reply that was whole under one limit is whole under a
    /// larger one; see [`Response::fits`](super::Response::fits).
    pub max_tokens: Option<u32>,
    /// Responses from before this do not count: seconds since 1970-01-01T00:00:00Z. No part of the key.
    pub since: u64,
    /// The canonical form up to the messages.
    head: String,
}

impl Spec {
    /// Puts a specification together. `seed` in `params` is that of the first sample; the others count on from it.
    pub fn new(
        endpoint: usize,
        task: Task,
        model: impl Into<String>,
        params: BTreeMap<String, Value>,
        schema: Option<String>,
        max_tokens: Option<u32>,
    ) -> Spec {
        let model = model.into();
        let head = format!(
            "{{\"task\":{},\"model\":{},\"params\":{},\"schema\":{},\"messages\":",
            json(&task),
            json(&model),
            json(&params),
            schema.as_deref().unwrap_or("null")
        );
        Spec { endpoint, task, model, params, schema, max_tokens, since: 0, head }
    }

    /// Lets only responses count that are not older than `since`.
    pub fn since(self, since: u64) -> Spec {
        Spec { since, ..self }
    }

    /// Returns the canonical form up to the messages, for keys of actions.
    pub fn head(&self) -> &str {
        &self.head
    }
}

/// Writes plain data as JSON; the maps in it are sorted.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("keys are strings and nothing is written to a file")
}

/// One request to a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub spec: Arc<Spec>,
    pub messages: Vec<Message>,
    /// Which of several answers to the same messages is meant, from 0.
    pub sample: u32,
}

impl Request {
    /// Returns the canonical form: JSON without spaces, in this order of fields, maps sorted.
    pub fn canonical(&self) -> String {
        let length: usize = self.messages.iter().map(|message| message.content.len() + 40).sum();
        let mut out = Vec::with_capacity(self.spec.head.len() + length + 24);
        out.extend_from_slice(self.spec.head.as_bytes());
        serde_json::to_writer(&mut out, &self.messages).expect("messages are plain data");
        out.extend_from_slice(format!(",\"sample\":{}}}", self.sample).as_bytes());
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    /// Returns the key under which the response is remembered: the hash of the canonical form.
    pub fn key(&self) -> Hash {
        Hash::of(self.canonical().as_bytes())
    }

    /// Returns the bytes of all messages, which no tokenizer makes more tokens of.
    pub fn bytes(&self) -> u64 {
        self.messages.iter().map(|message| message.content.len() as u64).sum()
    }
}
