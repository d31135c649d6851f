//! What is known of an endpoint before it is asked.

use crate::ask::Price;
use crate::diag::Span;
use std::time::Duration;

/// The interface that an endpoint speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// OpenAI's, and of all that are compatible with it.
    OpenAi,
    /// Anthropic's Messages.
    Anthropic,
    /// None: only recorded responses are used.
    Replay,
}

/// The field of a body in OpenAI's interface that says how many tokens a reply may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokensField {
    /// The older, which endpoints that are compatible with OpenAI have.
    MaxTokens,
    /// The newer, without which OpenAI's own models take no limit.
    MaxCompletionTokens,
}

impl TokensField {
    /// Returns how it is written.
    pub fn name(self) -> &'static str {
        match self {
            TokensField::MaxTokens => "max_tokens",
            TokensField::MaxCompletionTokens => "max_completion_tokens",
        }
    }
}

/// How much an endpoint may be asked; none: no limit of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests at once.
    pub concurrency: Option<u32>,
    /// Requests per minute.
    pub rpm: Option<u64>,
    /// Tokens per minute.
    pub tpm: Option<u64>,
}

impl Limits {
    /// Returns limits that keep both.
    pub(super) fn and(self, other: Limits) -> Limits {
        fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
            one.into_iter().chain(other).min()
        }
        Limits {
            concurrency: least(self.concurrency, other.concurrency),
            rpm: least(self.rpm, other.rpm),
            tpm: least(self.tpm, other.tpm),
        }
    }
}

/// Where a model is, and how to ask it. Nothing of it is in a key.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The name of the model's node.
    pub node: String,
    pub provider: Provider,
    /// The base, such as `http://localhost:8000/v1`; none: the provider's own.
    pub url: Option<String>,
    /// What the endpoint calls the model.
    pub model: String,
    /// The environment variable with the key; none: the provider's own at the provider's own URL, else no key is sent.
    pub key: Option<String>,
    /// None: the newer for chats at `api.openai.com`, else the older.
    pub max_tokens_field: Option<TokensField>,
    pub limits: Limits,
    /// From the first byte sent to the last received.
    pub timeout: Duration,
    /// How often a request is sent at most.
    pub attempts: u32,
    pub price: Option<Price>,
    /// Requests go out in batches (half the price, up to a day).
    pub batch: bool,
    /// Where it is declared.
    pub span: Span,
}
