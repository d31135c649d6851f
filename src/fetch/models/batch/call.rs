//! Exchanges with the part of an endpoint that keeps files and batches.

use super::super::Provider;
use super::super::http::{self, Body, Client, Large, VECTORS, WORDS};
use super::super::keys::Secret;
use super::super::place::Place;
use super::super::wire::{Billed, Outcome, shown};
use super::wire::{LABEL, List, State, Uploaded, read_line, target};
use crate::ask::Task;
use crate::hash::Hash;
use http_body_util::BodyExt;
use hyper::body::Bytes;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Uri};
use serde::de::DeserializeOwned;
use std::future::Future;
use std::time::Duration;

/// What separates the parts of an upload; it is in no line of JSON, for these have no line breaks.
const BOUNDARY: &str = "datamake-batch-0f4c1d";
/// Bytes of a list of batches.
const LIST: usize = WORDS;
/// Parts of the list that are looked through at most, of a hundred batches each.
const PARTS: usize = 50;
/// Bytes that any line goes through in a second: the time for an upload is that much longer.
const SLOWEST: u64 = 100_000;
/// Results that are handed over together, and their bytes.
const RESULTS: usize = 256;
const RESULT_BYTES: usize = 1 << 20;

/// The way to an endpoint.
pub(super) struct Way {
    pub client: Client,
    pub secret: Option<Secret>,
    pub place: Place,
    pub timeout: Duration,
    pub large: Large,
}

fn lost(why: String) -> Outcome {
    Outcome::Again { why, wait: None, billed: Billed::Perhaps }
}

/// Puts the body of an upload together.
pub(super) fn form_data(lines: &[u8]) -> Bytes {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; \
         name=\"file\"; filename=\"datamake.jsonl\"\r\nContent-Type: application/jsonl\r\n\r\n"
    );
    let tail = format!("\r\n--{BOUNDARY}--\r\n");
    Bytes::from([head.as_bytes(), lines, tail.as_bytes()].concat())
}

impl Way {
    /// Uploads a file; returns what the endpoint calls it.
    pub async fn upload(&self, body: Bytes) -> Result<String, Outcome> {
        let time = self.timeout + Duration::from_secs(body.len() as u64 / SLOWEST);
        let mut request = self.request(Method::POST, "/files", "", body)?;
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_str(&kind).expect("it is plain ASCII"));
        let uploaded: Uploaded = self.ask(request, time).await?;
        Ok(uploaded.id)
    }

    /// Makes a batch of a file.
    pub async fn create(&self, file: &str, task: Task, label: &str) -> Result<State, Outcome> {
        let body = serde_json::json!({
            "input_file_id": file, "endpoint": target(task), "completion_window": "24h", "metadata": { LABEL: label },
        });
        self.ask(self.request(Method::POST, "/batches", "", Bytes::from(body.to_string()))?, self.timeout).await
    }

    /// Looks for a batch by its label and its file.
    pub async fn find(&self, label: &str, file: Option<&str>) -> Result<Option<State>, Outcome> {
        let mut query = "limit=100".to_owned();
        for _ in 0..PARTS {
            let list: List =
                self.ask(self.request(Method::GET, "/batches", &query, Bytes::new())?, self.timeout).await?;
            let last = list.data.last().map(|state| state.id.clone());
            if let Some(found) = list.data.into_iter().find(|state| state.is(label, file)) {
                return Ok(Some(found));
            }
            match last.filter(|_| list.has_more) {
                Some(last) => query = format!("limit=100&after={last}"),
                None => break,
            }
        }
        Ok(None)
    }

    /// Asks how a batch is.
    pub async fn poll(&self, id: &str) -> Result<State, Outcome> {
        self.ask(self.request(Method::GET, &format!("/batches/{id}"), "", Bytes::new())?, self.timeout).await
    }

    /// Cancels a batch: what is not answered by now is not answered any more.
    pub async fn cancel(&self, id: &str) -> Result<State, Outcome> {
        self.ask(self.request(Method::POST, &format!("/batches/{id}/cancel"), "", Bytes::new())?, self.timeout).await
    }

    /// Reads a file of results, and hands over what is in it, some lines at a time.
    pub async fn results(
        &self,
        id: &str,
        task: Task,
        mut hand_over: impl FnMut(Vec<(Hash, Outcome)>),
    ) -> Result<(), Outcome> {
        let mut request = self.request(Method::GET, &format!("/files/{id}/content"), "", Bytes::new())?;
        // It is read line by line, as it comes.
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let secret = self.secret.as_ref();
        let answer = self.in_time(http::send(&self.client, request, secret)).await?;
        if !answer.status().is_success() {
            let judged = self.in_time(http::whole(answer, 0, secret, &self.large)).await;
            return judged.map(drop);
        }
        let encoding =
            answer.headers().get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("identity");
        if encoding != "identity" {
            return Err(lost(format!("the results are compressed as `{}`, which was not asked for", shown(encoding))));
        }
        let longest = if task == Task::Embedding { VECTORS } else { WORDS };
        let (mut body, mut text, mut results) = (answer.into_body(), Vec::new(), Vec::new());
        let (mut bytes, mut searched) = (0, 0);
        loop {
            let frame = self.in_time(async { Ok(body.frame().await) }).await?;
            let ended = frame.is_none();
            if let Some(frame) = frame {
                let frame = frame.map_err(|error| lost(format!("the results broke off: {}", http::cause(&error))))?;
                let Some(data) = frame.data_ref() else { continue };
                text.extend_from_slice(data);
            } else {
                text.push(b'\n');
            }
            let mut from = 0;
            while let Some(end) = memchr::memchr(b'\n', &text[searched.max(from)..]) {
                let end = searched.max(from) + end;
                results.extend(self.read(task, &text[from..end]));
                bytes += end - from;
                from = end + 1;
                searched = from;
            }
            text.drain(..from);
            searched = text.len();
            if text.len() > longest {
                return Err(lost(format!("a line of the results has more than {} MB", longest >> 20)));
            }
            if ended || results.len() >= RESULTS || bytes >= RESULT_BYTES {
                hand_over(std::mem::take(&mut results));
                bytes = 0;
            }
            if ended {
                return Ok(());
            }
        }
    }

    /// Reads one line of results, without the key.
    fn read(&self, task: Task, line: &[u8]) -> Option<(Hash, Outcome)> {
        match &self.secret {
            None => read_line(task, line),
            Some(secret) => {
                let mut line = line.to_vec();
                secret.hide_bytes(&mut line);
                read_line(task, &line).map(|(key, outcome)| (key, http::clean(outcome, secret)))
            }
        }
    }

    fn request(&self, method: Method, path: &str, query: &str, body: Bytes) -> Result<Request<Body>, Outcome> {
        let text = self.place.beside(path, query);
        let uri: Uri = text
            .parse()
            .map_err(|_| Outcome::Useless { status: None, why: format!("`{}` is not a URL", shown(&text)) })?;
        Ok(http::outgoing(Provider::OpenAi, method, uri, self.secret.as_ref(), body))
    }

    async fn ask<T: DeserializeOwned>(&self, request: Request<Body>, time: Duration) -> Result<T, Outcome> {
        let secret = self.secret.as_ref();
        let exchange = async {
            let answer = http::send(&self.client, request, secret).await?;
            let (_, bytes, _permit) = http::whole(answer, LIST, secret, &self.large).await?;
            serde_json::from_slice(&bytes).map_err(|error| {
                let start = String::from_utf8_lossy(&bytes[..bytes.len().min(120)]);
                lost(format!("the answer is not what the interface says ({error}): {}", shown(&start)))
            })
        };
        let answer = self.within(time, exchange).await;
        answer.map_err(|outcome| self.clean(outcome))
    }

    fn clean(&self, outcome: Outcome) -> Outcome {
        match &self.secret {
            Some(secret) => http::clean(outcome, secret),
            None => outcome,
        }
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, Outcome>>) -> Result<T, Outcome> {
        self.within(self.timeout, work).await.map_err(|outcome| self.clean(outcome))
    }

    async fn within<T>(&self, time: Duration, work: impl Future<Output = Result<T, Outcome>>) -> Result<T, Outcome> {
        match tokio::time::timeout(time, work).await {
            Ok(result) => result,
            Err(_) => Err(lost(format!("no whole answer came within {} s", time.as_secs_f64()))),
        }
    }
}
