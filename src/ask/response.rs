//! Responses, and how they lie in the store.

use super::{Request, Usage};
use crate::hash::Hash;
use crate::store::{Responses, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// Why a model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finish {
    /// It had said all, or met a stop sequence.
    Stop,
    /// It met the limit of tokens: the reply is cut off.
    Length,
    /// The endpoint's filter withheld the reply, or part of it.
    ContentFilter,
    /// The model refused, and said so in the way that its interface has for it.
    Refusal,
}

/// What a model answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// The reply; empty for embeddings.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    pub finish: Finish,
    /// What a model thought before it replied, where the endpoint hands it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// The vector of an embedding.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vector: Vec<f32>,
    /// Log-probabilities, as the endpoint gave them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Value>,
    /// As the endpoint counted; none if it did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The limit of tokens that it was made under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// What the endpoint says the model is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Seconds since 1970-01-01T00:00:00Z.
    #[serde(default)]
    pub time: u64,
    /// How often it was sent until this came back.
    #[serde(default)]
    pub attempts: u32,
}

impl Response {
    /// Returns whether it answers a request with this limit of tokens as well.
    ///
    /// A reply that was cut off answers only requests with no larger limit; a whole one answers all whose limit it keeps.
    pub fn fits(&self, max_tokens: Option<u32>) -> bool {
        match self.finish {
            Finish::Length => match (max_tokens, self.max_tokens) {
                (Some(wanted), Some(given)) => wanted <= given,
                (None, given) => given.is_none(),
                (Some(_), None) => true,
            },
            _ => match (max_tokens, self.usage) {
                (Some(limit), Some(usage)) if self.max_tokens != max_tokens => usage.output <= u64::from(limit),
                _ => true,
            },
        }
    }
}

/// A request and its response as they lie in the store, and in a file of exported responses.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record<'a> {
    /// The canonical form.
    #[serde(borrow)]
    pub request: &'a RawValue,
    pub response: Response,
}

impl Record<'_> {
    /// Writes a record.
    pub fn encode(canonical: &str, response: &Response) -> Vec<u8> {
        let request = serde_json::from_str(canonical).expect("the canonical form is JSON");
        let record = Record { request, response: response.clone() };
        serde_json::to_vec(&record).expect("a record is plain data")
    }
}

/// Finds the newest response to a request that fits its limit of tokens, and is not older than it wants.
pub fn find(responses: &Responses, key: &Hash, request: &Request) -> Result<Option<Response>, StoreError> {
    responses.find(key, |body| {
        let record: Record = serde_json::from_slice(body).ok()?;
        let response = record.response;
        (response.time >= request.spec.since && response.fits(request.spec.max_tokens)).then_some(response)
    })
}
