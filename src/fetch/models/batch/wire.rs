//! What goes out and comes back in batches: lines of requests, the state of a batch, lines of results.

use super::super::openai;
use super::super::place::path;
use super::super::wire::{Billed, Fault, Outcome, Said, judge, judge_success, shown};
use crate::ask::Task;
use crate::hash::Hash;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The name under which a batch's label stands in its metadata.
pub(super) const LABEL: &str = "datamake";

/// Bytes of a line around the body of its request, at most.
pub(super) const FRAME: u64 = 256;

/// Returns the path of a task, as batches name it: always behind `/v1`, whatever the base is.
pub(super) fn target(task: Task) -> String {
    format!("/v1{}", path(task))
}

/// Writes the line of one request.
pub(super) fn put_line(out: &mut Vec<u8>, key: &Hash, task: Task, body: &[u8]) {
    let head = format!(r#"{{"custom_id":"{key}","method":"POST","url":"{}","body":"#, target(task));
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(body);
    out.extend_from_slice(b"}\n");
}

/// What an endpoint says of a batch.
#[derive(Clone, Debug, Deserialize)]
pub(in super::super) struct State {
    pub id: String,
    pub status: String,
    #[serde(default)]
    pub output_file_id: Option<String>,
    #[serde(default)]
    pub error_file_id: Option<String>,
    #[serde(default)]
    input_file_id: Option<String>,
    #[serde(default)]
    metadata: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    errors: Option<Problems>,
    #[serde(default)]
    request_counts: Option<Counts>,
}

/// How far a batch is.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Counts {
    #[serde(default)]
    completed: u64,
    #[serde(default)]
    failed: u64,
}

#[derive(Clone, Debug, Deserialize)]
struct Problems {
    #[serde(default)]
    data: Option<Vec<Problem>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Problem {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    line: Option<u64>,
}

impl State {
    /// Returns whether nothing more will happen to it.
    pub fn has_ended(&self) -> bool {
        matches!(self.status.as_str(), "failed" | "completed" | "expired" | "cancelled")
    }

    /// Returns how many of its requests are over, well or not.
    pub fn done(&self) -> u64 {
        self.request_counts.map_or(0, |counts| counts.completed.saturating_add(counts.failed))
    }

    /// Returns whether it was refused as a whole: none of its requests was looked at.
    pub fn was_refused(&self) -> bool {
        self.status == "failed" && self.output_file_id.is_none() && self.error_file_id.is_none()
    }

    /// Returns whether it was refused because too much waits at the endpoint already.
    pub fn is_too_much(&self) -> bool {
        self.problems().any(|problem| problem.code.as_deref() == Some("token_limit_exceeded"))
    }

    /// Says what is wrong with it, in the endpoint's words.
    pub fn complaint(&self) -> String {
        let say = |problem: &Problem| {
            let message = problem.message.as_deref().or(problem.code.as_deref()).unwrap_or("an error");
            match problem.line {
                Some(line) => format!("line {line}: {message}"),
                None => message.to_owned(),
            }
        };
        let said: Vec<String> = self.problems().take(3).map(say).collect();
        if said.is_empty() { format!("the batch is {}", shown(&self.status)) } else { shown(&said.join("; ")) }
    }

    fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.errors.iter().flat_map(|errors| errors.data.iter().flatten())
    }

    /// Returns whether it is the batch with this label, or made of this file.
    pub fn is(&self, label: &str, file: Option<&str>) -> bool {
        let own = self.metadata.as_ref().and_then(|metadata| metadata.get(LABEL));
        own.and_then(Value::as_str) == Some(label) || file.is_some() && self.input_file_id.as_deref() == file
    }
}

/// A part of the list of batches.
#[derive(Debug, Deserialize)]
pub(super) struct List {
    pub data: Vec<State>,
    #[serde(default)]
    pub has_more: bool,
}

/// A file as an endpoint describes it.
#[derive(Debug, Deserialize)]
pub(super) struct Uploaded {
    pub id: String,
}

#[derive(Deserialize)]
struct Line<'a> {
    custom_id: Hash,
    #[serde(borrow, default)]
    response: Option<Answer<'a>>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Answer<'a> {
    status_code: u16,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
}

/// Reads a line of results, with the same eyes as an answer over plain HTTP; none if it is not of a request of ours.
pub(super) fn read_line(task: Task, line: &[u8]) -> Option<(Hash, Outcome)> {
    let line: Line = serde_json::from_slice(line).ok()?;
    let body = |answer: &Answer| answer.body.map_or("null", RawValue::get).as_bytes().to_vec();
    let outcome = match (&line.response, line.error) {
        (Some(answer), _) if answer.status_code == 200 => match openai::read(task, &body(answer), 1) {
            Ok(answers) => Outcome::Answered(answers),
            Err(Fault::Error(said)) => judge_success(said),
            Err(Fault::Bad(why)) => Outcome::Again { why, wait: None, billed: Billed::Perhaps },
        },
        (Some(answer), _) => judge(answer.status_code, None, Said::read(&body(answer)), Billed::No),
        (None, Some(error)) if !error.is_null() => not_begun(Said::of(&error)),
        (None, _) => Outcome::Again {
            why: "the line of its result has neither an answer nor an error".to_owned(),
            wait: None,
            billed: Billed::Perhaps,
        },
    };
    Some((line.custom_id, outcome))
}

/// Judges an error that stands in place of an answer of the model's: mostly, nobody came to the request.
fn not_begun(said: Said) -> Outcome {
    if said.codes.iter().any(|code| code == "batch_expired" || code == "batch_cancelled") {
        return Outcome::Again { why: said.message, wait: None, billed: Billed::No };
    }
    judge_success(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Outcome {
        let key = Hash::of(b"k");
        let line = line.replace("KEY", &key.to_string());
        let (own, outcome) = read_line(Task::Chat, line.as_bytes()).expect("the line is read");
        assert_eq!(own, key);
        outcome
    }

    #[test]
    fn a_line_is_read_as_an_answer_over_plain_http_would_be() {
        let answer = r#"{"id":"r","custom_id":"KEY","response":{"status_code":200,"request_id":"q","body":{"choices":[{"message":{"content":"yes"}}],"usage":{"prompt_tokens":3,"completion_tokens":1}}},"error":null}"#;
        assert!(matches!(read(answer), Outcome::Answered(answers) if answers[0].text == "yes"));
        let status = |status: u16| {
            read(&format!(
                r#"{{"custom_id":"KEY","response":{{"status_code":{status},"body":{{"error":{{"message":"no"}}}}}},"error":null}}"#
            ))
        };
        assert!(matches!(status(400), Outcome::Rejected { why } if why == "400 Bad Request: no"));
        assert!(matches!(status(429), Outcome::Throttled { .. }));
        assert!(matches!(status(500), Outcome::Again { billed: Billed::No, .. }));
        assert!(matches!(status(401), Outcome::Useless { status: Some(401), .. }));
        let expired = r#"{"custom_id":"KEY","response":null,"error":{"code":"batch_expired","message":"too late"}}"#;
        assert!(matches!(read(expired), Outcome::Again { billed: Billed::No, .. }));
        assert!(matches!(read(r#"{"custom_id":"KEY"}"#), Outcome::Again { billed: Billed::Perhaps, .. }));
        assert!(read_line(Task::Chat, br#"{"custom_id":"mine"}"#).is_none());
        assert!(read_line(Task::Chat, b"<html>").is_none());
    }
}
