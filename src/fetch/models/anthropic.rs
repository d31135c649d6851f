//! Anthropic's Messages.

use super::Endpoint;
use super::form::{Form, Part};
use super::openai::{bad, field, put};
use super::problem;
use super::wire::{Fault, Said, empty, ending};
use crate::ask::{Message, Response, Role, Task, Usage};
use crate::diag::Diagnostic;
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The version of the interface that is spoken here.
pub(super) const VERSION: &str = "2023-06-01";

/// Words of JSON Schema that the endpoint does not take in `output_config.format`.
const UNKNOWN: [&str; 12] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
];

/// Writes the body up to the system text and the messages.
pub(super) fn begin(form: &mut Form, endpoint: &Endpoint) -> Result<(), Diagnostic> {
    let spec = form.spec.clone();
    if spec.task != Task::Chat {
        return Err(problem::no_such_task(endpoint, spec.task));
    }
    let Some(max_tokens) = spec.max_tokens else { return Err(problem::needs_max_tokens(endpoint)) };
    let out = &mut form.prefix;
    out.extend_from_slice(b"{\"model\":");
    put(out, &endpoint.model);
    field(out, "max_tokens", &max_tokens);
    for (name, value) in &spec.params {
        match (name.as_str(), value) {
            // The interface has no seeds: samples differ all the same.
            ("seed", _) => {}
            ("output_config", Value::Object(_)) if spec.schema.is_some() => {}
            ("stop", Value::String(_)) => field(out, "stop_sequences", &[value]),
            ("stop", _) => field(out, "stop_sequences", value),
            _ => field(out, name, value),
        }
    }
    if let Some(schema) = &spec.schema {
        let empty = Map::new();
        let others = spec.params.get("output_config").and_then(Value::as_object).unwrap_or(&empty);
        let mut fields: Vec<String> = Vec::new();
        for (name, value) in others.iter().filter(|(name, _)| *name != "format") {
            fields.push(format!("{}:{value}", Value::String(name.clone())));
        }
        if serde_json::from_str(schema).is_ok_and(|schema| takes(&schema)) {
            // As it is written: models write properties in the order of the schema.
            fields.push(format!("\"format\":{{\"type\":\"json_schema\",\"schema\":{schema}}}"));
        } else {
            let wish = "Reply with one JSON value and nothing else. It has to satisfy this JSON Schema:";
            form.system = Some(format!("{wish}\n{schema}"));
        }
        if !fields.is_empty() {
            out.extend_from_slice(format!(",\"output_config\":{{{}}}", fields.join(",")).as_bytes());
        }
    }
    Ok(())
}

/// Returns whether the endpoint takes a schema: all objects are closed, and nothing in it is unknown there.
fn takes(schema: &Value) -> bool {
    match schema {
        Value::Array(items) => items.iter().all(takes),
        Value::Object(fields) => {
            let is_object =
                fields.contains_key("properties") || fields.get("type").is_some_and(|kind| kind == "object");
            let closed = !is_object || fields.get("additionalProperties") == Some(&Value::Bool(false));
            // A property may well be called `minimum`: then its value is a schema, not a number.
            let known = UNKNOWN.iter().all(|word| fields.get(*word).is_none_or(Value::is_object));
            closed && known && fields.values().all(takes)
        }
        _ => true,
    }
}

/// Writes the body of a request: system messages apart from the others.
pub(super) fn body<'a>(form: &Form, mut parts: impl ExactSizeIterator<Item = Part<'a>>) -> Bytes {
    let Some(part) = parts.next() else { return Bytes::new() };
    let messages = &part.request.messages;
    let mut out = Vec::with_capacity(form.prefix.len() + part.canonical.len() + 64);
    out.extend_from_slice(&form.prefix);
    let systems =
        messages.iter().filter(|message| message.role == Role::System).map(|message| message.content.as_str());
    let systems: Vec<&str> = systems.chain(form.system.as_deref()).collect();
    if !systems.is_empty() {
        field(&mut out, "system", &systems.join("\n\n"));
    }
    let others: Vec<&Message> = messages.iter().filter(|message| message.role != Role::System).collect();
    field(&mut out, "messages", &others);
    out.push(b'}');
    Bytes::from(out)
}

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    content: Option<Vec<Block>>,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    usage: Option<Tokens>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Block {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    thinking: Option<String>,
}

#[derive(Deserialize)]
struct Tokens {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<u64>,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
}

/// Reads an answer.
pub(super) fn read(body: &[u8]) -> Result<Response, Fault> {
    let reply: Reply = serde_json::from_slice(body).map_err(|error| bad(body, &error))?;
    if let Some(error) = reply.error.filter(|error| !error.is_null()) {
        return Err(Fault::Error(Said::of(&error)));
    }
    let blocks = reply.content.ok_or_else(|| Fault::Bad("the answer has no content".to_owned()))?;
    let mut response = Response { model: reply.model, ..empty() };
    for block in blocks {
        match block.kind.as_str() {
            "text" => response.text.push_str(&block.text.unwrap_or_default()),
            "thinking" => response.reasoning.get_or_insert_default().push_str(&block.thinking.unwrap_or_default()),
            _ => {}
        }
    }
    response.finish = ending(reply.stop_reason.as_deref())?;
    response.usage = reply.usage.filter(|tokens| tokens.output_tokens.is_some()).map(|tokens| Usage {
        input: [tokens.input_tokens, tokens.cache_creation_input_tokens, tokens.cache_read_input_tokens]
            .into_iter()
            .flatten()
            .sum(),
        output: tokens.output_tokens.unwrap_or(0),
    });
    Ok(response)
}
