//! What the requests of one specification have in common on the wire, written once.

use super::place::Place;
use super::wire::{Billed, Outcome};
use super::wire::{Fault, judge_success};
use super::{Endpoint, Provider, anthropic, openai, problem};
use crate::ask::{Request, Spec, Task, Usage};
use crate::diag::Diagnostic;
use hyper::Uri;
use hyper::body::Bytes;
use std::sync::Arc;

/// Who says what a field of a request's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// datamake itself: with another value we would read the answer wrongly, or pay for more of them.
    Datamake,
    /// A key of the model that is written apart from `params`.
    Key(&'static str),
    /// A key of the model that is in `params`.
    Param(&'static str),
}

/// Fields of a request's body that `body` of a model must not have, and who says them.
pub const RESERVED: &[(&str, Says)] = &[
    ("best_of", Says::Datamake),
    ("input", Says::Datamake),
    ("logprobs", Says::Param("logprobs")),
    ("max_completion_tokens", Says::Key("max_tokens")),
    ("max_tokens", Says::Key("max_tokens")),
    ("messages", Says::Datamake),
    ("model", Says::Key("name")),
    ("n", Says::Datamake),
    ("prompt", Says::Datamake),
    ("response_format", Says::Datamake),
    ("seed", Says::Param("seed")),
    ("stop", Says::Param("stop")),
    ("stop_sequences", Says::Key("stop")),
    ("stream", Says::Datamake),
    ("stream_options", Says::Datamake),
    ("system", Says::Datamake),
    ("temperature", Says::Param("temperature")),
    ("top_logprobs", Says::Param("logprobs")),
    ("top_p", Says::Param("top_p")),
];

/// One way to write bodies and to read what comes back.
#[derive(Debug)]
pub(super) struct Form {
    pub spec: Arc<Spec>,
    pub provider: Provider,
    pub uri: Uri,
    /// The body up to the messages.
    pub prefix: Vec<u8>,
    /// The seed of the first sample, where the endpoint is told.
    pub seed: Option<i64>,
    /// What the system text ends with.
    pub system: Option<String>,
}

/// A request as far as its body needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub request: &'a Request,
    pub canonical: &'a str,
}

impl Part<'_> {
    /// Returns the messages as they stand in the canonical form, which is also how OpenAI's interface writes them.
    pub fn messages(&self) -> &str {
        let after = &self.canonical[self.request.spec.head().len()..];
        let end = after.rfind(",\"sample\":").expect("the canonical form ends with the sample");
        &after[..end]
    }

    /// Returns the content of the one message.
    pub fn text(&self) -> &str {
        self.request.messages.first().map_or("", |message| message.content.as_str())
    }
}

impl Form {
    /// Puts together what does not change.
    ///
    /// # Errors
    /// The endpoint could not be asked in this way.
    pub fn new(endpoint: &Endpoint, place: &Place, spec: &Arc<Spec>) -> Result<Form, Diagnostic> {
        let is_ours = |(name, says): &&(&str, Says)| !matches!(says, Says::Param(_)) && spec.params.contains_key(*name);
        if let Some((name, _)) = RESERVED.iter().find(is_ours) {
            return Err(problem::ours(endpoint, name));
        }
        if let Some(name) = openai::unreadable(spec) {
            return Err(problem::ours(endpoint, name));
        }
        let text = place.uri(endpoint.provider, spec.task);
        let uri = text.parse().map_err(|_| problem::not_a_url(endpoint, &text))?;
        let mut form =
            Form { spec: spec.clone(), provider: endpoint.provider, uri, prefix: Vec::new(), seed: None, system: None };
        match endpoint.provider {
            Provider::Anthropic => anthropic::begin(&mut form, endpoint)?,
            Provider::OpenAi | Provider::Replay => openai::begin(&mut form, endpoint, place),
        }
        Ok(form)
    }

    /// Returns whether several requests may go out as one.
    pub fn takes_many(&self) -> bool {
        self.spec.task == Task::Embedding
    }

    /// Writes the body of an attempt.
    pub fn body<'a>(&self, parts: impl ExactSizeIterator<Item = Part<'a>>) -> Bytes {
        match self.provider {
            Provider::Anthropic => anthropic::body(self, parts),
            Provider::OpenAi | Provider::Replay => openai::body(self, parts),
        }
    }

    /// Reads the answers to `count` requests.
    pub fn read(&self, body: &[u8], count: usize) -> Outcome {
        let answers = match self.provider {
            Provider::Anthropic => anthropic::read(body).map(|response| vec![response]),
            Provider::OpenAi | Provider::Replay => openai::read(self.spec.task, body, count),
        };
        match answers {
            Ok(answers) => Outcome::Answered(answers),
            Err(Fault::Error(said)) => judge_success(said),
            Err(Fault::Bad(why)) => Outcome::Again { why, wait: None, billed: Billed::Perhaps },
        }
    }
}

/// Returns the most tokens that a request can come to: no tokenizer makes more tokens of a text than it has bytes, each message
/// gets some for its frame, and what stands in front of the messages (schema, tools) is read as well. None without `max_tokens`.
pub fn worst_case(request: &Request) -> Option<Usage> {
    let spec = &request.spec;
    let output = match spec.task {
        Task::Embedding => 0,
        Task::Chat | Task::Completion => u64::from(spec.max_tokens?),
    };
    let frames = 64 * (request.messages.len() as u64 + 2);
    Some(Usage { input: request.bytes() + spec.head().len() as u64 + frames, output })
}
