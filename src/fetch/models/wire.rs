//! What comes back over the wire, whoever sent it: answers, and the ways in which there is none.

use crate::ask::{Finish, Response};
use hyper::StatusCode;
use serde_json::Value;
use std::time::Duration;

/// How much of what an endpoint says is shown.
const SHOWN: usize = 400;

/// The code of an error that is about what one request says; so Azure calls it.
const WITHHELD: &str = "content_filter";

/// Whether an attempt without an answer may have cost money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Billed {
    No,
    Perhaps,
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// One for each request of the attempt.
    Answered(Vec<Response>),
    /// The endpoint is asked too much.
    Throttled { why: String, wait: Option<Duration> },
    /// It may work the next time.
    Again { why: String, wait: Option<Duration>, billed: Billed },
    /// The endpoint will never take this request.
    Rejected { why: String },
    /// The endpoint will never take any.
    Useless { status: Option<u16>, why: String },
    /// Nothing could be sent.
    Unreachable { why: String },
}

/// Why a body with the status of success is no answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// It is not what the interface says.
    Bad(String),
    /// It is an error.
    Error(Said),
}

/// What an endpoint said in an error.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub message: String,
    /// Its words for the kind of error: `code` and `type`.
    pub codes: Vec<String>,
    /// A number like a status of HTTP.
    pub status: Option<u16>,
}

impl Said {
    /// Reads an error body; what is no JSON is shown as it is.
    pub fn read(body: &[u8]) -> Said {
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => Said::of(value.get("error").filter(|error| !error.is_null()).unwrap_or(&value)),
            Err(_) => Said { message: shown(&String::from_utf8_lossy(body)), ..Said::default() },
        }
    }

    /// Reads an error object.
    pub fn of(error: &Value) -> Said {
        let mut said = Said::default();
        let text = error
            .as_str()
            .or_else(|| ["message", "detail", "error"].iter().find_map(|name| error.get(name).and_then(Value::as_str)));
        said.message = shown(&text.map_or_else(|| error.to_string(), str::to_owned));
        for name in ["code", "type", "status"] {
            match error.get(name) {
                Some(Value::String(code)) => said.codes.push(code.clone()),
                Some(Value::Number(code)) => said.status = code.as_u64().and_then(|code| u16::try_from(code).ok()),
                _ => {}
            }
        }
        // So says OpenRouter which text its moderation did not like.
        if error.pointer("/metadata/flagged_input").is_some() {
            said.codes.push(WITHHELD.to_owned());
        }
        said
    }

    fn is(&self, code: &str) -> bool {
        self.codes.iter().any(|own| own == code)
    }
}

/// Shortens what an endpoint said to one line.
pub(super) fn shown(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() <= SHOWN {
        return line;
    }
    format!("{}…", &line[..line.floor_char_boundary(SHOWN)])
}

/// Judges an answer that is an error: by its status, and by what it says.
pub(super) fn judge(status: u16, wait: Option<Duration>, said: Said, billed: Billed) -> Outcome {
    let name = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("an error");
    let why = match said.message.as_str() {
        "" => format!("{status} {name}"),
        message => format!("{status} {name}: {message}"),
    };
    let broke =
        said.is("insufficient_quota") || said.is("billing_error") || said.message.contains("credit balance is too low");
    match status {
        // Spent quotas are answered with 429 or 400, and do not come back in minutes.
        _ if broke => Outcome::Useless { status: Some(402), why },
        400 | 403 if said.is(WITHHELD) => Outcome::Answered(vec![Response {
            finish: Finish::ContentFilter,
            usage: Some(crate::ask::Usage::default()),
            ..empty()
        }]),
        401..=405 => Outcome::Useless { status: Some(status), why },
        429 => Outcome::Throttled { why, wait },
        408 | 409 | 425 | 500.. => Outcome::Again { why, wait, billed },
        400.. => Outcome::Rejected { why },
        _ => Outcome::Again { why, wait, billed },
    }
}

/// Judges an error in a body whose status says success.
pub(super) fn judge_success(said: Said) -> Outcome {
    let status = said.status.filter(|status| (400..600).contains(status));
    let status = status.or(match () {
        () if said.is("rate_limit_error") || said.is("rate_limit_exceeded") => Some(429),
        () if said.is("authentication_error") || said.is("invalid_api_key") => Some(401),
        () if said.is("permission_error") => Some(403),
        () if said.is("not_found_error") || said.is("model_not_found") => Some(404),
        () if said.is("invalid_request_error") => Some(400),
        () => None,
    });
    match status {
        Some(status) => judge(status, None, said, Billed::Perhaps),
        None => Outcome::Again {
            why: format!("an error in place of an answer: {}", said.message),
            wait: None,
            billed: Billed::Perhaps,
        },
    }
}

/// Returns how a reply ended, by the endpoint's word for it; without one it is taken for whole.
///
/// # Errors
/// The word is none that a whole reply ends with, so what is there may be half of one.
pub(super) fn ending(word: Option<&str>) -> Result<Finish, Fault> {
    let word = word.unwrap_or_default();
    // Some write them in capitals.
    let lower = word.to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    match lower.as_str() {
        "" | "stop" | "eos" | "eos_token" | "stop_sequence" | "end_turn" => Ok(Finish::Stop),
        "tool_calls" | "function_call" | "tool_use" => Ok(Finish::Stop),
        "refusal" => Ok(Finish::Refusal),
        _ if has(&["length", "max_tokens", "max_output_tokens", "context_window"]) => Ok(Finish::Length),
        _ if has(&["content_filter", "safety", "moderation", "prohibited_content", "blocklist", "guardrail"]) => {
            Ok(Finish::ContentFilter)
        }
        _ => Err(Fault::Bad(format!("the reply did not come to its end, which the endpoint calls `{}`", shown(word)))),
    }
}

/// Returns a response with nothing in it.
pub(super) fn empty() -> Response {
    Response {
        text: String::new(),
        finish: Finish::Stop,
        reasoning: None,
        vector: Vec::new(),
        logprobs: None,
        usage: None,
        max_tokens: None,
        model: None,
        time: 0,
        attempts: 0,
    }
}
