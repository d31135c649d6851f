//! OpenAI's interface, and that of all who are compatible with it: chat completions, completions, embeddings.

use super::form::{Form, Part};
use super::place::Place;
use super::wire::{Fault, Said, empty, ending, shown};
use super::{Endpoint, TokensField};
use crate::ask::{Finish, Response, Spec, Task, Usage};
use hyper::body::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Writes a value as JSON behind `out`.
pub(super) fn put(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    serde_json::to_writer(out, value).expect("plain data is written to memory");
}

/// Writes `,"name":value`.
pub(super) fn field(out: &mut Vec<u8>, name: &str, value: &(impl Serialize + ?Sized)) {
    out.push(b',');
    put(out, name);
    out.push(b':');
    put(out, value);
}

/// Writes the body up to the messages.
pub(super) fn begin(form: &mut Form, endpoint: &Endpoint, place: &Place) {
    let spec = form.spec.clone();
    let limit = endpoint.max_tokens_field.unwrap_or(match spec.task == Task::Chat && place.host == "api.openai.com" {
        true => TokensField::MaxCompletionTokens,
        false => TokensField::MaxTokens,
    });
    let out = &mut form.prefix;
    out.extend_from_slice(b"{\"model\":");
    put(out, &endpoint.model);
    for (name, value) in &spec.params {
        if name == "seed" && value.is_i64() {
            form.seed = value.as_i64();
        } else {
            field(out, name, value);
        }
    }
    if let (Some(tokens), Task::Chat | Task::Completion) = (spec.max_tokens, spec.task) {
        field(out, limit.name(), &tokens);
    }
    if let Some(schema) = &spec.schema {
        // In strict mode the endpoint takes only schemas that leave nothing open. Others are a help to it, and checked here.
        let strict = serde_json::from_str(schema).is_ok_and(|schema| is_closed(&schema));
        let format = format!(
            ",\"response_format\":{{\"type\":\"json_schema\",\"json_schema\":{{\"name\":\"reply\",\"strict\":{strict},\"schema\":{schema}}}}}"
        );
        out.extend_from_slice(format.as_bytes());
    }
    out.extend_from_slice(match spec.task {
        Task::Chat => b",\"messages\":",
        Task::Completion => b",\"prompt\":",
        Task::Embedding => b",\"input\":",
    });
}

/// Returns whether every object of a schema says all of its properties, and requires all of them.
fn is_closed(schema: &Value) -> bool {
    match schema {
        Value::Array(items) => items.iter().all(is_closed),
        Value::Object(fields) => {
            let here = match fields.get("properties").and_then(Value::as_object) {
                None => fields.get("type").and_then(Value::as_str) != Some("object"),
                Some(properties) => {
                    let required = fields.get("required").and_then(Value::as_array);
                    let is_required = |name: &String| required.is_some_and(|all| all.iter().any(|one| one == name));
                    fields.get("additionalProperties") == Some(&Value::Bool(false))
                        && properties.keys().all(is_required)
                }
            };
            here && fields.values().all(is_closed)
        }
        _ => true,
    }
}

/// Writes the body of one request, or of several texts to embed.
pub(super) fn body<'a>(form: &Form, mut parts: impl ExactSizeIterator<Item = Part<'a>>) -> Bytes {
    let mut out = Vec::with_capacity(form.prefix.len() + 1024);
    out.extend_from_slice(&form.prefix);
    let count = parts.len();
    let Some(first) = parts.next() else { return Bytes::new() };
    match form.spec.task {
        Task::Chat => out.extend_from_slice(first.messages().as_bytes()),
        Task::Completion => put(&mut out, first.text()),
        Task::Embedding if count == 1 => put(&mut out, first.text()),
        Task::Embedding => {
            out.push(b'[');
            put(&mut out, first.text());
            for part in parts {
                out.push(b',');
                put(&mut out, part.text());
            }
            out.push(b']');
        }
    }
    if let Some(seed) = form.seed {
        field(&mut out, "seed", &seed.wrapping_add(i64::from(first.request.sample)));
    }
    out.push(b'}');
    Bytes::from(out)
}

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    #[serde(default)]
    data: Option<Vec<Embedding>>,
    #[serde(default)]
    usage: Option<Tokens>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    message: Option<Turn>,
    /// Of completions.
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default)]
    logprobs: Option<Value>,
}

/// The message of a choice.
#[derive(Deserialize)]
struct Turn {
    #[serde(default)]
    content: Option<Content>,
    #[serde(default)]
    refusal: Option<String>,
    #[serde(default)]
    reasoning_content: Option<String>,
    #[serde(default)]
    reasoning: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Value>),
}

impl Content {
    fn text(self) -> String {
        match self {
            Content::Text(text) => text,
            Content::Parts(parts) => parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect(),
        }
    }
}

#[derive(Deserialize)]
struct Tokens {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Embedding {
    embedding: Vec<f32>,
    #[serde(default)]
    index: Option<usize>,
}

/// Says what is wrong with a body that is not what it should be.
pub(super) fn bad(body: &[u8], error: &serde_json::Error) -> Fault {
    let start = String::from_utf8_lossy(&body[..body.len().min(120)]);
    Fault::Bad(format!("the answer is not what the interface says ({error}): {}", shown(&start)))
}

/// Reads the answers to `count` requests.
pub(super) fn read(task: Task, body: &[u8], count: usize) -> Result<Vec<Response>, Fault> {
    let reply: Reply = serde_json::from_slice(body).map_err(|error| bad(body, &error))?;
    if let Some(error) = reply.error.filter(|error| !error.is_null()) {
        return Err(Fault::Error(Said::of(&error)));
    }
    // Half a count would be taken for the whole price.
    let usage = reply.usage.and_then(|tokens| match (tokens.prompt_tokens, tokens.completion_tokens) {
        (Some(input), Some(output)) => Some(Usage { input, output }),
        (Some(input), None) if task == Task::Embedding => Some(Usage { input, output: 0 }),
        _ => None,
    });
    if task == Task::Embedding {
        return vectors(reply.data.unwrap_or_default(), count, usage, reply.model);
    }
    let choice = reply.choices.into_iter().flatten().next();
    let choice = choice.ok_or_else(|| Fault::Bad("the answer has no choices".to_owned()))?;
    let mut response = Response { usage, model: reply.model, logprobs: choice.logprobs, ..empty() };
    response.logprobs = response.logprobs.filter(|value| !value.is_null());
    response.finish = ending(choice.finish_reason.as_deref())?;
    match choice.message {
        None => response.text = choice.text.unwrap_or_default(),
        Some(message) => {
            response.text = message.content.map(Content::text).unwrap_or_default();
            response.reasoning =
                message.reasoning_content.or(message.reasoning).filter(|reasoning| !reasoning.is_empty());
            if let Some(refusal) = message.refusal.filter(|refusal| !refusal.is_empty()) {
                response.finish = Finish::Refusal;
                if response.text.is_empty() {
                    response.text = refusal;
                }
            }
        }
    }
    Ok(vec![response])
}

/// Brings vectors into the order of the texts.
fn vectors(
    data: Vec<Embedding>,
    count: usize,
    usage: Option<Usage>,
    model: Option<String>,
) -> Result<Vec<Response>, Fault> {
    let wrong = || Fault::Bad(format!("the answer has {} vectors for {count} texts", data.len()));
    if data.len() != count {
        return Err(wrong());
    }
    // What is beyond the numbers of a vector could be written down, but not read again.
    if data.iter().flat_map(|one| &one.embedding).any(|number| !number.is_finite()) {
        return Err(Fault::Bad("a vector in the answer has a number that is too large".to_owned()));
    }
    let mut places: Vec<Option<usize>> = vec![None; count];
    for (at, one) in data.iter().enumerate() {
        match places.get_mut(one.index.unwrap_or(at)) {
            Some(place @ None) if !one.embedding.is_empty() => *place = Some(at),
            _ => return Err(wrong()),
        }
    }
    let mut data: Vec<Vec<f32>> = data.into_iter().map(|one| one.embedding).collect();
    let response = |at: Option<usize>| Response {
        vector: std::mem::take(&mut data[at.expect("as many places as vectors, each filled once")]),
        model: model.clone(),
        usage,
        ..empty()
    };
    Ok(places.into_iter().map(response).collect())
}

/// Returns whether a specification wants something in a form that is not read here.
pub(super) fn unreadable(spec: &Spec) -> Option<&'static str> {
    let format = spec.params.get("encoding_format").and_then(Value::as_str);
    (spec.task == Task::Embedding && format.is_some_and(|format| format != "float")).then_some("encoding_format")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_with_a_number_that_is_none_is_no_answer() {
        let read = |number: f32| vectors(vec![Embedding { embedding: vec![0.5, number], index: None }], 1, None, None);
        assert!(read(f32::MAX).is_ok());
        assert!(matches!(read(f32::INFINITY), Err(Fault::Bad(_))));
        assert!(matches!(read(f32::NAN), Err(Fault::Bad(_))));
    }
}
