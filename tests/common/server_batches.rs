//! The part of the scripted endpoint that keeps files and batches, as OpenAI's interface has them.

use super::{Act, Asked, Play, State, answer_to, message, vectors};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What becomes of the batches that are created from now on.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How often a batch is asked about before it ends.
    pub polls: u32,
    /// So many of its requests are answered; the others get none.
    pub answers: usize,
    /// So many of them are done before it ends; cancelling leaves it at these.
    pub done: usize,
    /// How it ends.
    pub status: &'static str,
    /// Code and message, if it is refused as a whole, and from how many requests on.
    pub refusal: Option<(&'static str, &'static str, usize)>,
    /// How long creating it takes, after it was created.
    pub slow: Duration,
    /// So many creations are turned away before one is not.
    pub throttles: u32,
    /// So many creations end with an error, though the batch is there.
    pub lies: u32,
    /// So many times files of results break off in the middle.
    pub breaks: u32,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            polls: 2,
            answers: usize::MAX,
            done: 0,
            status: "completed",
            refusal: None,
            slow: Duration::ZERO,
            throttles: 0,
            lies: 0,
            breaks: 0,
        }
    }
}

/// A batch as the endpoint sees it.
#[derive(Clone, Debug)]
pub struct Made {
    pub requests: usize,
    pub status: &'static str,
    pub endpoint: String,
    pub bytes: usize,
    plan: Plan,
    file: String,
    metadata: Value,
    asked: u32,
    output: Option<String>,
    errors: Option<String>,
    /// Requests that were answered, and those that were not and never will be.
    counts: (usize, usize),
}

#[derive(Default)]
pub(super) struct Desk {
    pub plan: Plan,
    files: BTreeMap<String, String>,
    pub batches: Vec<Made>,
    /// How often each request was answered for money.
    pub billed: BTreeMap<String, u64>,
    /// Exchanges with this part.
    pub calls: Vec<String>,
    pub keys: Vec<String>,
}

impl Desk {
    pub fn relent(&mut self) {
        self.batches.iter_mut().for_each(|made| made.plan = Plan::default());
    }
}

/// In place of a status: the connection ends after this body, of which more was promised.
pub(super) const BREAKS: u16 = 0;

/// What to answer, and after which time.
pub(super) struct Reply(pub u16, pub String, pub Duration);

fn fine(value: Value) -> Reply {
    Reply(200, value.to_string(), Duration::ZERO)
}

fn error(status: u16, message: &str) -> Reply {
    Reply(status, json!({ "error": { "message": message } }).to_string(), Duration::ZERO)
}

/// Answers a request for files or batches; none if it is for something else.
pub(super) fn answer(
    state: &State,
    method: &str,
    path: &str,
    headers: &[(String, String)],
    body: &str,
) -> Option<Reply> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let path = path.strip_prefix("/v1")?;
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    if !matches!(parts.first(), Some(&"files" | &"batches")) {
        return None;
    }
    let mut desk = state.desk.lock().expect("the server does not panic");
    desk.calls.push(format!("{method} {path}"));
    desk.keys.extend(headers.iter().find(|(name, _)| name == "authorization").map(|(_, value)| value.clone()));
    Some(match (method, &parts[..]) {
        ("POST", ["files"]) => {
            let lines = body.split("name=\"file\"").nth(1).and_then(|rest| rest.split_once("\r\n\r\n"));
            let Some((lines, _)) = lines.and_then(|(_, rest)| rest.split_once("\r\n--")) else {
                return Some(error(400, "there is no file"));
            };
            if !body.contains("name=\"purpose\"\r\n\r\nbatch\r\n") {
                return Some(error(400, "the purpose is not `batch`"));
            }
            let id = format!("file-{}", desk.files.len());
            desk.files.insert(id.clone(), lines.to_owned());
            fine(json!({"id": id, "object": "file", "purpose": "batch"}))
        }
        ("GET", ["files", id, "content"]) => match desk.files.get(*id) {
            Some(text) if desk.plan.breaks > 0 => {
                let half = text[..text.len() / 2].to_owned();
                desk.plan.breaks -= 1;
                Reply(BREAKS, half, Duration::ZERO)
            }
            Some(text) => Reply(200, text.clone(), Duration::ZERO),
            None => error(404, "no such file"),
        },
        ("POST", ["batches"]) => create(&mut desk, body),
        ("GET", ["batches"]) => {
            let limit = query.split('&').find_map(|pair| pair.strip_prefix("limit=")?.parse().ok()).unwrap_or(20);
            let after = query.split('&').find_map(|pair| pair.strip_prefix("after=batch-")?.parse::<usize>().ok());
            let upto = after.unwrap_or(desk.batches.len());
            let from = upto.saturating_sub(limit);
            let data: Vec<Value> = (from..upto).rev().map(|at| describe(at, &desk.batches[at])).collect();
            fine(json!({"object": "list", "data": data, "has_more": from > 0}))
        }
        ("GET", ["batches", id]) => match number(&desk, id) {
            Some(at) => {
                desk.batches[at].asked += 1;
                go_on(state, &mut desk, at, headers);
                fine(describe(at, &desk.batches[at]))
            }
            None => error(404, "no such batch"),
        },
        ("POST", ["batches", id, "cancel"]) => match number(&desk, id) {
            Some(at) => {
                let made = &mut desk.batches[at];
                if !matches!(made.status, "validating" | "in_progress") {
                    return Some(error(409, &format!("Cannot cancel a batch with status '{}'.", made.status)));
                }
                made.status = "cancelling";
                made.plan = Plan { polls: 0, answers: made.plan.done, status: "cancelled", ..Plan::default() };
                fine(describe(at, made))
            }
            None => error(404, "no such batch"),
        },
        _ => error(405, "no such thing"),
    })
}

fn number(desk: &Desk, id: &str) -> Option<usize> {
    id.strip_prefix("batch-")?.parse().ok().filter(|at| *at < desk.batches.len())
}

fn create(desk: &mut Desk, body: &str) -> Reply {
    let wanted: Value = serde_json::from_str(body).unwrap_or_default();
    let file = wanted["input_file_id"].as_str().unwrap_or_default().to_owned();
    let Some(lines) = desk.files.get(&file) else { return error(400, "no such file") };
    if desk.plan.throttles > 0 {
        desk.plan.throttles -= 1;
        return error(429, "too many batches");
    }
    let endpoint = wanted["endpoint"].as_str().unwrap_or_default().to_owned();
    let requests: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap_or_default()).collect();
    let mut ids: Vec<&str> = requests.iter().filter_map(|request| request["custom_id"].as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    let is_right = |request: &Value| request["url"] == endpoint.as_str() && request["method"] == "POST";
    if wanted["completion_window"] != "24h" || ids.len() != requests.len() || !requests.iter().all(is_right) {
        return error(400, "this is no batch");
    }
    let (requests, bytes) = (requests.len(), lines.len());
    desk.batches.push(Made {
        requests,
        status: "validating",
        endpoint,
        bytes,
        plan: desk.plan.clone(),
        file,
        metadata: wanted["metadata"].clone(),
        asked: 0,
        output: None,
        errors: None,
        counts: (0, 0),
    });
    let at = desk.batches.len() - 1;
    if desk.plan.lies > 0 {
        desk.plan.lies -= 1;
        return error(500, "something went wrong");
    }
    Reply(200, describe(at, &desk.batches[at]).to_string(), desk.plan.slow)
}

fn describe(at: usize, made: &Made) -> Value {
    let refusal = made.plan.refusal.filter(|_| made.status == "failed");
    let errors = refusal.map(|(code, message, _)| json!({"data": [{"code": code, "message": message, "line": null}]}));
    json!({
        "id": format!("batch-{at}"), "object": "batch", "status": made.status, "endpoint": made.endpoint, "errors": errors,
        "input_file_id": made.file, "output_file_id": made.output, "error_file_id": made.errors, "metadata": made.metadata,
        "request_counts": {"total": made.requests, "completed": made.counts.0, "failed": made.counts.1},
    })
}

/// Lets a batch end if it was asked about often enough.
fn go_on(state: &State, desk: &mut Desk, at: usize, headers: &[(String, String)]) {
    let made = desk.batches[at].clone();
    if made.asked < made.plan.polls {
        desk.batches[at].status = "in_progress";
        desk.batches[at].counts = (made.plan.done, 0);
        return;
    }
    if !matches!(made.status, "validating" | "in_progress" | "cancelling") {
        return;
    }
    if made.plan.refusal.is_some_and(|(_, _, from)| made.requests >= from) {
        desk.batches[at].status = "failed";
        return;
    }
    let lines = desk.files[&made.file].clone();
    let (mut output, mut errors) = (String::new(), String::new());
    for (place, line) in lines.lines().enumerate() {
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        let id = line["custom_id"].as_str().unwrap_or_default().to_owned();
        if place >= made.plan.answers {
            let code = if made.plan.status == "cancelled" { "batch_cancelled" } else { "batch_expired" };
            let error = json!({"code": code, "message": "This request could not be executed in time."});
            errors += &format!("{}\n", json!({"id": "r", "custom_id": id, "response": null, "error": error}));
            continue;
        }
        let (status, body, usage) = one(state, &made.endpoint, &line["body"], headers);
        let response = json!({"status_code": status, "request_id": "q", "body": body});
        let result = json!({"id": "r", "custom_id": id, "response": response, "error": null});
        if status == 200 {
            *desk.billed.entry(id).or_default() += 1;
            output += &format!("{result}\n");
            let mut books = state.books.lock().expect("the server does not panic");
            books.account.input += usage.0;
            books.account.output += usage.1;
        } else {
            errors += &format!("{result}\n");
        }
    }
    for (text, output_of) in [(output, true), (errors, false)] {
        if text.is_empty() {
            continue;
        }
        let id = format!("file-{}", desk.files.len());
        desk.files.insert(id.clone(), text);
        let made = &mut desk.batches[at];
        *(if output_of { &mut made.output } else { &mut made.errors }) = Some(id);
    }
    desk.batches[at].status = made.plan.status;
    let answered = made.plan.answers.min(made.requests);
    desk.batches[at].counts = (answered, made.requests - answered);
}

/// Answers one request of a batch as the script says.
fn one(state: &State, path: &str, body: &Value, headers: &[(String, String)]) -> (u16, Value, (u64, u64)) {
    let text = body["messages"].as_array().and_then(|messages| messages.last()).map(|message| &message["content"]);
    let text = text.or(body.get("prompt")).or(body.get("input")).and_then(Value::as_str).unwrap_or_default();
    let model = body["model"].as_str().unwrap_or_default();
    let max_tokens = body["max_tokens"].as_u64().or(body["max_completion_tokens"].as_u64());
    let plain = body.to_string();
    let index = state.requests.fetch_add(1, Ordering::SeqCst);
    let before = {
        let mut books = state.books.lock().expect("the server does not panic");
        let seen = books.seen.entry(super::hash(&plain)).or_insert(0);
        *seen += 1;
        *seen - 1
    };
    let Play { act, usage, .. } =
        (state.script)(&Asked { index, before, path, headers, body: &plain, text, max_tokens });
    let said = match &act {
        Act::Say(text, _) => text.clone(),
        _ => answer_to(text),
    };
    let output = (said.len() as u64 / 4 + 1).min(max_tokens.unwrap_or(u64::MAX));
    let usage = usage.unwrap_or((text.len() as u64 / 4 + 3, output));
    let value = |bytes: Vec<u8>| serde_json::from_slice(&bytes).expect("it is JSON");
    match act {
        Act::Status(status, body, _) => (status, serde_json::from_str(&body).unwrap_or(Value::Null), (0, 0)),
        _ if path.ends_with("/embeddings") => (200, value(vectors(model, &[text], Some(usage))), (usage.0, 0)),
        Act::Say(_, finish) => (200, value(message(path, model, &said, finish, Some(usage))), usage),
        Act::Refuse => (200, value(message(path, model, "I will not", "refusal", Some(usage))), usage),
        Act::NoUsage => (200, value(message(path, model, &said, "stop", None)), usage),
        _ => (200, value(message(path, model, &said, "stop", Some(usage))), usage),
    }
}
